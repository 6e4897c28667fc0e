use std::net::Ipv4Addr;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;

use super::*;
use crate::access::Access;
use crate::access_config::AccessConfig;
use crate::domain_config::DomainConfig;
use crate::domains::DomainTable;

/// A domain with these quotas.
struct Opened {
    folder: tempfile::TempDir,
    control: Control,
    domains: Domains,
    domain: Domain,
    limits: Limits,
    caller: Caller,
}

impl Opened {
    fn new(quota: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let control = Control::open(folder.path()).unwrap();
        let domain: Domain = "default".parse().unwrap();
        let mut config = DomainConfig::named(domain.clone());
        config.quota = serde_json::from_str(quota).unwrap();
        let domains = Domains::new(DomainTable::from_config(&[config]));
        let access = AccessConfig::default();
        let access = Access::new(control.clone(), domains.clone(), &access).unwrap();
        let caller = access.anonymous(Ipv4Addr::LOCALHOST.into());
        let limits = Limits::new(control.clone(), domains.clone(), &LimitsConfig::default());
        Self {
            folder,
            control,
            domains,
            domain,
            limits,
            caller,
        }
    }

    /// Of a request whose path names the domain.
    fn allowance(&self) -> Allowance {
        self.limits.allowance(&self.caller, Some("default"))
    }

    fn used(&self) -> UsedToday {
        self.limits.used_today(&self.domain)
    }
}

fn stating(bytes: u64) -> HeaderMap {
    HeaderMap::from_iter([(header::CONTENT_LENGTH, bytes.into())])
}

#[tokio::test]
async fn who_states_much_and_sends_nothing_takes_nothing_from_others() {
    let opened = Opened::new(r#"{"bytesUpPerDay":100}"#);
    let silent = opened.allowance().admit(&stating(100), Body::from("x"));
    let silent = silent.ok().unwrap();
    let body = opened.allowance().admit(&stating(60), vec![0; 60].into());
    let body = body.ok().unwrap();
    assert_eq!(body.collect().await.unwrap().to_bytes().len(), 60);
    assert_eq!(opened.used().bytes_up, 60);
    drop(silent);
    assert_eq!(opened.used().bytes_up, 60);
    // What cannot fit is refused before it is read.
    let refused = opened.allowance().admit(&stating(41), Body::empty());
    let (refusal, _) = refused.err().unwrap();
    assert_eq!(refusal.status(), StatusCode::TOO_MANY_REQUESTS);
    // What fitted when it began, and no longer does, is cut off where it goes over.
    let late = opened.allowance().admit(&stating(40), vec![0; 40].into());
    let other = opened.allowance().admit(&stating(1), vec![0; 1].into());
    other.ok().unwrap().collect().await.unwrap();
    late.ok().unwrap().collect().await.unwrap_err();
}

#[tokio::test]
async fn what_a_write_has_come_to_is_told_and_what_is_read_is_refused() {
    let opened = Opened::new(r#"{"bytesDownPerDay":100}"#);
    let answer = |length| Response::new(Body::from(vec![0; length]));
    for used in [150, 300] {
        let told = opened.allowance().count_told(answer(150));
        let bytes = told.into_body().collect().await.unwrap().to_bytes();
        assert_eq!((bytes.len(), opened.used().bytes_down), (150, used));
    }
    let refused = opened.allowance().count_read(answer(1));
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    let reason = refused.extensions().get::<crate::metrics::Refusal>();
    assert_eq!(reason.map(|it| it.0), Some("quota"));
}

#[tokio::test]
async fn a_domain_that_the_path_does_not_name_is_entered_once() {
    let quota = r#"{"requestsPerSecond":1,"bytesUpPerDay":100,"bytesDownPerDay":10}"#;
    let opened = Opened::new(quota);
    let allowance = opened.limits.allowance(&opened.caller, None);
    let admitted = allowance.admit(&stating(60), Body::empty());
    assert!(admitted.is_ok() && opened.used() == UsedToday::default());
    for _ in 0..2 {
        allowance.enter(&opened.domain, 60).unwrap();
        assert_eq!(opened.used().bytes_up, 60);
    }
    let answer = Response::new(Body::from(vec![0; 11]));
    let refused = allowance.count_read(answer);
    assert_eq!(refused.status(), StatusCode::PAYLOAD_TOO_LARGE);
    // The next one finds the bucket empty, and costs nothing.
    let next = opened.limits.allowance(&opened.caller, None);
    let refusal = next.enter(&opened.domain, 1).unwrap_err();
    assert_eq!(refusal.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(opened.used().bytes_up, 60);
    // It was taken already from a domain that the path names.
    let opened = Opened::new(quota);
    let named = opened.allowance();
    assert!(named.admit(&stating(0), Body::empty()).is_ok());
    named.enter(&opened.domain, 1).unwrap();
    assert_eq!(opened.used().bytes_up, 0);
}

#[test]
fn what_could_not_be_written_down_is_written_the_next_time() {
    let opened = Opened::new(r#"{"bricksPerDay":9}"#);
    let limits = &opened.limits;
    limits.take_up(&["bricks"]).unwrap();
    let reserved = opened.allowance().bricks(&opened.domain, 4).unwrap();
    reserved.done(4);
    let file = opened.folder.path().join("control.db");
    let file = rusqlite::Connection::open(file).unwrap();
    let hide = "ALTER TABLE used_today RENAME TO hidden";
    file.execute_batch(hide).unwrap();
    limits.write_down().unwrap_err();
    let show = "ALTER TABLE hidden RENAME TO used_today";
    file.execute_batch(show).unwrap();
    limits.write_down().unwrap();
    let (control, domains) = (opened.control.clone(), opened.domains.clone());
    let again = Limits::new(control, domains, &LimitsConfig::default());
    again.take_up(&["bricks"]).unwrap();
    assert_eq!(again.used_today(&opened.domain).bricks, 4);
}
