//! Who makes a request, and what he may do.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::StatusCode;
use http::request::Parts;
use keyssi::Domain;

use super::{Access, Grant, KeyId, Right, Scope};
use crate::control::Event;
use crate::domains::Domains;
use crate::error::ApiError;
use crate::limits::Quotas;

/// Who makes a request. In the request's extensions. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Caller(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    principal: Principal,
    address: IpAddr,
    grants: Vec<Grant>,
    quotas: Quotas,
    access: Access,
}

/// Whom a credential stands for. `Display` is its form in the audit log and in metrics.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Principal {
    /// There was no credential.
    Anonymous,
    /// Who has the admin token of the data folder.
    AdminToken,
    /// The holder of an API key.
    ApiKey {
        /// Which key.
        id: KeyId,
        /// What its maker calls it.
        name: String,
    },
    /// The bearer of a token of an OpenID Connect issuer.
    Token {
        /// Who issued it.
        issuer: String,
        /// Whom the issuer means.
        subject: String,
    },
    /// The owner of a certificate.
    Certificate {
        /// What the configuration calls it.
        name: String,
    },
}

impl Caller {
    /// A caller whose credential was checked.
    pub(super) fn new(
        principal: Principal,
        address: IpAddr,
        grants: Vec<Grant>,
        quotas: Quotas,
        access: Access,
    ) -> Self {
        Self(Arc::new(Inner {
            principal,
            address,
            grants,
            quotas,
            access,
        }))
    }

    /// The caller of a request that came through the front.
    ///
    /// # Errors
    /// 500 when it did not: then nobody knows who calls.
    pub fn of(head: &Parts) -> Result<&Self, ApiError> {
        head.extensions.get().ok_or_else(|| {
            let cause = anyhow::anyhow!("a request came past the front");
            ApiError::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the node does not know who calls",
            )
            .because(cause)
        })
    }

    /// Who calls.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.0.principal
    }

    /// From where.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.0.address
    }

    /// What the credential gives; the policies for the anonymous come on top.
    #[must_use]
    pub fn grants(&self) -> &[Grant] {
        &self.0.grants
    }

    /// What the credential may use; those of the anonymous are their address'.
    #[must_use]
    pub fn quotas(&self) -> Quotas {
        self.0.quotas
    }

    /// Whether the caller has the right in a domain, by his credential or because anyone has it.
    /// For choosing; what is refused is asked by [`Caller::require`].
    #[must_use]
    pub fn may(&self, domain: &Domain, right: Right) -> bool {
        !self.0.access.is_disabled(domain) && self.has(domain, right)
    }

    /// The same, also where the operator has disabled the domain.
    fn has(&self, domain: &Domain, right: Right) -> bool {
        let granted = self.0.grants.iter().any(|it| it.allows(domain, right));
        granted || self.0.access.anonymous_may(domain, right)
    }

    /// Demands a right in a domain.
    ///
    /// # Errors
    /// 401 for the anonymous, 403 for those who are known, 403 for all in a domain that the operator
    /// has disabled; it is in the audit log then.
    pub fn require(&self, domain: &Domain, right: Right) -> Result<(), ApiError> {
        if self.0.access.is_disabled(domain) {
            return Err(self.0.access.refuse_disabled(self, domain));
        }
        self.require_though_disabled(domain, right)
    }

    /// Demands a right in every domain of the node, for what belongs to none of them. That a domain
    /// is disabled gives nobody a right.
    ///
    /// # Errors
    /// 401 for the anonymous, 403 for those who are known; it is in the audit log then.
    pub fn require_everywhere(&self, domains: &Domains, right: Right) -> Result<(), ApiError> {
        let table = domains.table();
        let mut names = table.names();
        names.try_for_each(|domain| self.require_though_disabled(domain, right))
    }

    fn require_though_disabled(&self, domain: &Domain, right: Right) -> Result<(), ApiError> {
        if self.has(domain, right) {
            return Ok(());
        }
        Err(self.0.access.refuse(self, Some(domain), right))
    }

    /// Demands a right on the node itself: [`Right::Operate`] or [`Right::Administer`], granted for
    /// all domains.
    ///
    /// # Errors
    /// As [`Caller::require`].
    pub fn require_on_node(&self, right: Right) -> Result<(), ApiError> {
        let granted = |grant: &Grant| grant.domain == Scope::All && grant.role.allows(right);
        if self.0.grants.iter().any(granted) {
            return Ok(());
        }
        Err(self.0.access.refuse(self, None, right))
    }

    /// An act of this caller, for the audit log.
    #[must_use]
    pub fn event(&self, act: &'static str, now_ms: u64) -> Event {
        Event::new(act, self.principal().to_string(), now_ms).address(self.address())
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("anonymous"),
            Self::AdminToken => f.write_str("admin token"),
            Self::ApiKey { id, name } => write!(f, "key {id} ({name})"),
            Self::Token { issuer, subject } => write!(f, "subject {subject} of {issuer}"),
            Self::Certificate { name } => write!(f, "certificate {name}"),
        }
    }
}
