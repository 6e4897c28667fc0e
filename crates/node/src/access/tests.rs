use std::net::Ipv4Addr;

use super::*;
use crate::domain_config::DomainConfig;
use crate::domains::DomainTable;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// An open domain, and a private one that the operator has disabled.
struct Opened {
    _folder: tempfile::TempDir,
    access: Access,
    domains: Domains,
    private: Domain,
}

impl Opened {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let control = Control::open(folder.path()).unwrap();
        let open = DomainConfig::named("open".parse().unwrap());
        let mut private = DomainConfig::named("private".parse().unwrap());
        private.anonymous = Some(AnonymousPolicy::None);
        let domains = Domains::new(DomainTable::from_config(&[open, private.clone()]));
        domains.set_disabled(&private.name, true);
        let config = AccessConfig::default();
        Self {
            access: Access::new(control, domains.clone(), &config).unwrap(),
            domains,
            private: private.name,
            _folder: folder,
        }
    }

    fn known(&self, grant: &str) -> Caller {
        let name = "a test".to_owned();
        let grants = vec![grant.parse().unwrap()];
        let who = Principal::Certificate { name };
        self.access.caller(who, HERE, without_quotas(grants))
    }
}

#[test]
fn a_disabled_domain_gives_nobody_a_right_in_what_belongs_to_none() {
    let opened = Opened::new();
    let Opened {
        access, domains, ..
    } = &opened;
    for right in [Right::Read, Right::Documents] {
        let status = |caller: &Caller| {
            let refused = caller.require_everywhere(domains, right).err();
            refused.map(|refusal| refusal.status().as_u16())
        };
        assert_eq!(status(&access.anonymous(HERE)), Some(401), "{right:?}");
        assert_eq!(status(&opened.known("open:anchor")), Some(403), "{right:?}");
        assert_eq!(status(&opened.known("private:anchor")), None, "{right:?}");
    }
}

#[test]
fn a_disabled_domain_is_refused_to_all_and_that_is_recorded() {
    let opened = Opened::new();
    let caller = opened.known("*:anchor");
    assert!(!caller.may(&opened.private, Right::Read));
    let refused = caller.require(&opened.private, Right::Read).unwrap_err();
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let records = opened.access.inner.control.audit(None, 10).unwrap();
    let acts: Vec<_> = records.iter().map(|it| it.act.as_str()).collect();
    assert_eq!(acts, ["refused.disabled-domain"]);
    assert_eq!(records[0].domain, "private");
}
