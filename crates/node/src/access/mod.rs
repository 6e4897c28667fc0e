//! Who may do what: credentials, what they are worth, and what a request needs.
//!
//! The front asks once per request, before its body is read: [`Access::authenticate`] says who
//! calls, [`Access::admit`] whether he may. What is refused is noted for the audit log. Nothing here
//! waits for the disk.
//!
//! **Source:** `docs/access.md`.

mod attempts;
mod caller;
mod credential;
mod key_text;
mod oidc;
mod right;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use http::{HeaderMap, StatusCode};
use keyssi::Domain;

use crate::access_config::{AccessConfig, CertificateConfig};
use crate::control::{Control, KeyRefusal, Refusal};
use crate::domains::{Anchoring, Domains};
use crate::error::ApiError;
use crate::limits::Quotas;
use crate::peer::Peer;
use crate::system::clock_ms;

pub use caller::{Caller, Principal};
pub use key_text::{KeyId, KeyText, KeyTextError};
pub use oidc::{KeyFetchError, OidcError, OidcIssuers, OidcSubject, TokenFault};
pub use right::{AnonymousPolicy, Grant, GrantError, Need, Right, Role, Scope};

use attempts::Attempts;
use credential::Credential;

/// What every refused credential is told, whatever is wrong with it.
const BAD_CREDENTIAL: &str = "the credential is not valid";
/// Seconds after which it may help to try again when credentials cannot be checked.
const UNCHECKED_RETRY_S: u32 = 5;

/// Decides who may do what. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Access {
    inner: Arc<Inner>,
    attempts: Arc<Attempts>,
}

#[derive(Debug)]
struct Inner {
    control: Control,
    domains: Domains,
    /// What the anonymous may do in domains that do not say it.
    anonymous: AnonymousPolicy,
    issuers: OidcIssuers,
    certificates: Vec<CertificateConfig>,
}

impl Access {
    /// Decides by the keys of `control`, the domains' policies and what `config` says.
    ///
    /// # Errors
    /// When the issuers of tokens could not be asked for their keys.
    pub fn new(
        control: Control,
        domains: Domains,
        config: &AccessConfig,
    ) -> Result<Self, reqwest::Error> {
        let inner = Inner {
            control,
            domains,
            anonymous: config.anonymous,
            issuers: OidcIssuers::new(&config.oidc)?,
            certificates: config.certificates.clone(),
        };
        Ok(Self {
            inner: Arc::new(inner),
            attempts: Arc::default(),
        })
    }

    /// The same for another listener, with a count of bad credentials of its own: whoever guesses
    /// at one does not keep the others at the same address away from the other.
    pub(crate) fn beside(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            attempts: Arc::default(),
        }
    }

    /// Somebody who showed nothing, or whose credential nobody looked at.
    pub(crate) fn anonymous(&self, address: IpAddr) -> Caller {
        self.caller(Principal::Anonymous, address, without_quotas(Vec::new()))
    }

    /// Who calls. What the request itself brings counts before the certificate of its connection. A
    /// request without a credential is anonymous; one with a bad credential is refused, never
    /// anonymous. May wait for an issuer of tokens; may be cancelled at any time.
    ///
    /// # Errors
    /// 400 when there is more than one credential, 401 when it is not valid, 429 when there were too
    /// many bad ones from this address, 503 when credentials cannot be checked now.
    pub async fn authenticate(&self, peer: &Peer, headers: &HeaderMap) -> Result<Caller, ApiError> {
        let address = peer.address.ip();
        let found = credential::find(headers);
        let credential = match found {
            Ok(None) => return self.by_certificate(peer),
            Ok(Some(credential)) => credential,
            Err(error) => {
                self.note("refused.several-credentials", "", address, "");
                return Err(error);
            }
        };
        self.admit_attempt(address)?;
        match credential {
            Credential::Key(text) => self.authenticate_key(&text, address),
            Credential::Token(text) => self.authenticate_token(&text, address).await,
            Credential::Mistyped(error) => {
                // It can be no guess, so it does not count as one: whoever guesses gets the
                // checksum right.
                self.note("refused.malformed-credential", "", address, "");
                Err(unauthorized(format!("{BAD_CREDENTIAL}: {error}")))
            }
        }
    }

    /// Whether a credential from this address is to be looked at.
    ///
    /// # Errors
    /// 429 when there were too many bad ones.
    pub(crate) fn admit_attempt(&self, address: IpAddr) -> Result<(), ApiError> {
        self.attempts
            .admit(address, Instant::now())
            .map_err(|wait| {
                self.note("refused.slowed", "", address, "");
                ApiError::slow_down(
                    "there were too many bad credentials from this address; wait before the next",
                    wait,
                )
            })
    }

    /// Who has shown the admin token: an administrator of the node, without rights on data.
    pub(crate) fn token_holder(&self, address: IpAddr) -> Caller {
        let grant = Grant {
            domain: Scope::All,
            role: Role::Administer,
        };
        self.caller(Principal::AdminToken, address, without_quotas(vec![grant]))
    }

    /// Notes a wrong admin token, and gives what its sender is told.
    pub(crate) fn refuse_token(&self, address: IpAddr) -> ApiError {
        self.attempts.failed(address, Instant::now());
        self.note("refused.admin-token", "", address, "");
        unauthorized(BAD_CREDENTIAL)
    }

    fn authenticate_key(&self, text: &KeyText, address: IpAddr) -> Result<Caller, ApiError> {
        let key_id = || format!("key {}", text.id());
        let (act, who) = match self.inner.control.check_key(text, clock_ms()) {
            Ok(key) => {
                let principal = Principal::ApiKey {
                    id: key.id,
                    name: key.name.clone(),
                };
                let given = (key.grants.clone(), key.quotas);
                return Ok(self.caller(principal, address, given));
            }
            Err(KeyRefusal::Unknown) => {
                self.attempts.failed(address, Instant::now());
                ("refused.unknown-key", String::new())
            }
            // The right secret is no guess.
            Err(KeyRefusal::Revoked) => ("refused.revoked-key", key_id()),
            Err(KeyRefusal::Expired) => ("refused.expired-key", key_id()),
            Err(KeyRefusal::Stale) => {
                let text = "credentials cannot be checked now; requests without one still are served where the domain allows it";
                return Err(ApiError::unavailable(text, UNCHECKED_RETRY_S));
            }
        };
        self.note(act, &who, address, "");
        Err(unauthorized(BAD_CREDENTIAL))
    }

    async fn authenticate_token(&self, text: &str, address: IpAddr) -> Result<Caller, ApiError> {
        let (act, refusal) = match self
            .inner
            .issuers
            .authenticate(text, clock_ms() / 1000)
            .await
        {
            Ok(OidcSubject {
                issuer,
                subject,
                grants,
            }) => {
                let principal = Principal::Token { issuer, subject };
                return Ok(self.caller(principal, address, without_quotas(grants)));
            }
            Err(OidcError::Invalid(fault)) => {
                // The rest is known to be no guess, and costs nothing to find out; a key that is
                // not known is one that its issuer has just taken away, as often as not.
                if fault == TokenFault::Signature {
                    self.attempts.failed(address, Instant::now());
                }
                let text = format!("{BAD_CREDENTIAL}: the token cannot be used: {fault}");
                ("refused.bad-token", unauthorized(text))
            }
            Err(OidcError::Unavailable { .. }) => {
                let text = "the token cannot be checked now: its key is not known here, and the \
                            keys of its issuer cannot be fetched at this moment";
                let refusal = ApiError::unavailable(text, UNCHECKED_RETRY_S);
                ("refused.unchecked-token", refusal)
            }
        };
        self.note(act, "", address, "");
        Err(refusal)
    }

    /// Who calls, by the certificate of the connection.
    fn by_certificate(&self, peer: &Peer) -> Result<Caller, ApiError> {
        let address = peer.address.ip();
        let shown = peer.certificate.as_deref();
        let mut known = self.inner.certificates.iter();
        let found = shown.and_then(|shown| known.find(|it| it.means(shown)).map(|it| (shown, it)));
        let Some((shown, known)) = found else {
            return Ok(self.anonymous(address));
        };
        let name = known.name.clone();
        // It was valid when the connection began.
        if clock_ms() > shown.not_after_ms {
            let who = Principal::Certificate { name }.to_string();
            self.note("refused.expired-certificate", &who, address, "");
            return Err(unauthorized("the client's certificate has expired"));
        }
        let grants = known.grants.clone();
        Ok(self.caller(
            Principal::Certificate { name },
            address,
            without_quotas(grants),
        ))
    }

    /// Whether the caller has what the request needs, as far as its path tells.
    ///
    /// # Errors
    /// 401 for the anonymous, 403 for those who are known.
    pub fn admit(&self, caller: &Caller, need: Need<'_>) -> Result<(), ApiError> {
        match need {
            Need::Open => Ok(()),
            Need::Of { domain, right } => match self.inner.domains.find(domain) {
                Some((domain, _)) => caller.require(&domain, right),
                // There is nothing to protect; the handler says that it is not served.
                None => Ok(()),
            },
            Need::PerItem { right } if self.may_somewhere(caller, right) => Ok(()),
            Need::PerItem { right } => Err(self.refuse(caller, None, right)),
        }
    }

    /// Whether the caller has the right in any domain; in a node without domains, by default.
    fn may_somewhere(&self, caller: &Caller, right: Right) -> bool {
        let table = self.inner.domains.table();
        let mut names = table.names().peekable();
        let by_default = names.peek().is_none() && self.inner.anonymous.allows(right);
        by_default || names.any(|domain| caller.may(domain, right))
    }

    fn is_disabled(&self, domain: &Domain) -> bool {
        self.inner.domains.table().is_disabled(domain)
    }

    /// Whether somebody without a credential has the right in the domain.
    fn anonymous_may(&self, domain: &Domain, right: Right) -> bool {
        let found = self.inner.domains.find(domain.as_str());
        found.is_some_and(|(_, anchoring)| self.policy(&anchoring).allows(right))
    }

    fn policy(&self, anchoring: &Anchoring) -> AnonymousPolicy {
        match anchoring {
            Anchoring::Here(config) => config.anonymous.unwrap_or(self.inner.anonymous),
            Anchoring::Elsewhere => self.inner.anonymous,
        }
    }

    fn caller(
        &self,
        principal: Principal,
        address: IpAddr,
        (grants, quotas): (Vec<Grant>, Quotas),
    ) -> Caller {
        Caller::new(principal, address, grants, quotas, self.clone())
    }

    /// Notes that a caller may not do something, and gives what he is told.
    fn refuse(&self, caller: &Caller, domain: Option<&Domain>, right: Right) -> ApiError {
        let name = domain.map_or("", Domain::as_str);
        let place = domain.map_or_else(String::new, |domain| format!(" in domain {domain}"));
        let needed = right.as_str();
        let who = caller.principal().to_string();
        if *caller.principal() == Principal::Anonymous {
            self.note("refused.no-credential", &who, caller.address(), name);
            // What is done to the node itself is done on the admin listener.
            let token = if matches!(right, Right::Operate | Right::Administer) {
                "the node's admin token as Authorization: Bearer, or "
            } else {
                ""
            };
            return unauthorized(format!(
                "this needs a credential with the right to {needed}{place}: send {token}an API key \
                 as x-api-key or as Authorization: Bearer"
            ));
        }
        self.note("refused.not-allowed", &who, caller.address(), name);
        ApiError::new(
            StatusCode::FORBIDDEN,
            format!("the credential does not include the right to {needed}{place}"),
        )
    }

    /// Notes that a domain is disabled, and gives what the caller is told.
    fn refuse_disabled(&self, caller: &Caller, domain: &Domain) -> ApiError {
        let who = caller.principal().to_string();
        let name = domain.as_str();
        self.note("refused.disabled-domain", &who, caller.address(), name);
        ApiError::new(
            StatusCode::FORBIDDEN,
            format!("domain {domain} is disabled on this node; its operator can enable it again"),
        )
    }

    /// Notes a refusal for the audit log. `who` is empty where that is not known.
    pub(crate) fn note(&self, act: &'static str, who: &str, address: IpAddr, domain: &str) {
        let refusal = Refusal {
            act,
            who: if who.is_empty() { "unknown" } else { who }.to_owned(),
            address,
            domain: domain.to_owned(),
        };
        self.inner.control.note(refusal, clock_ms());
    }
}

/// What a credential gives that has no quotas of its own.
fn without_quotas(grants: Vec<Grant>) -> (Vec<Grant>, Quotas) {
    (grants, Quotas::default())
}

fn unauthorized(text: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, text)
}

#[cfg(test)]
mod tests;
