//! Limits: what each address, credential and domain may use, in requests per second, bytes, bricks
//! and anchors per day, and in storage.
//!
//! Requests and days are counted here (`tally`); what is stored is counted by the stores, in the
//! batch that stores it. Quotas of keys are kept with the keys, those of domains are in the
//! configuration or, set while the node runs, in `control.db`. The counters of the day of
//! credentials and domains are written there every few seconds and at the end; a crash forgets what
//! was counted since. Those of addresses are in memory only.

mod allowance;
mod counted;
mod quotas;
mod store;
mod tally;

use std::net::{IpAddr, Ipv6Addr};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use keyssi::{BrickHash, Domain};
use serde::Serialize;
use tokio::task::AbortHandle;

pub use allowance::{Allowance, Reserved, StorageQuotas};
pub(crate) use quotas::{CallerInConfig, DomainInConfig};
pub use quotas::{Of, Quotas, Stored};
pub(crate) use tally::Refused;

use crate::access::{Caller, Principal};
use crate::clock_ms;
use crate::control::{Control, ControlError, Event};
use crate::domains::{Anchoring, Domains};
use crate::error::ApiError;
use crate::limits_config::LimitsConfig;

use tally::{Day, Limited, Subject, Tallies};

/// How often the counters of the day are written down.
const WRITE_EVERY: Duration = Duration::from_secs(5);

/// All limits of the node. Cheap to clone.
#[derive(Clone)]
pub struct Limits(Arc<Inner>);

struct Inner {
    tallies: Tallies,
    /// Of which parts the process consists: others on the same data folder count for themselves.
    parts: OnceLock<String>,
    /// Of each address.
    anonymous: Quotas,
    /// Of each credential that has none of its own.
    credential: Quotas,
    domains: Domains,
    control: Control,
}

/// Where the quotas of a domain come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The configuration, or nowhere.
    Configured,
    /// They were set while a node ran.
    Set,
}

/// Counts what a part has stored of a domain.
pub type StoredOf = Arc<dyn Fn(Domain) -> CountingStored + Send + Sync>;

/// What is being counted, or what the operator is told when it cannot be.
pub type CountingStored = Pin<Box<dyn Future<Output = Result<Stored, ApiError>> + Send>>;

/// What a domain or a credential has used today.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UsedToday {
    /// Bytes of request bodies.
    pub bytes_up: u64,
    /// Bytes of answers.
    pub bytes_down: u64,
    /// New bricks.
    pub bricks: u64,
    /// New versions of anchors.
    pub anchors: u64,
}

impl Limits {
    /// The limits of a node.
    pub(crate) fn new(control: Control, domains: Domains, config: &LimitsConfig) -> Self {
        Self(Arc::new(Inner {
            tallies: Tallies::default(),
            parts: OnceLock::new(),
            anonymous: config.anonymous,
            credential: config.credential,
            domains,
            control,
        }))
    }

    /// Says which parts the process consists of, and takes up what such a one had counted today
    /// before. From then on the counters can be written down.
    ///
    /// # Errors
    /// When `control.db` cannot be read.
    pub(crate) fn take_up(&self, parts: &[&str]) -> Result<(), ControlError> {
        let parts = self.0.parts.get_or_init(|| parts.join("+"));
        let now = Instant::now();
        for (subject, day) in store::used(&self.0.control, parts)? {
            self.0.tallies.restore(&subject, day, now);
        }
        Ok(())
    }

    /// What a request may use. `domain` is the one that its path names, if it is served.
    pub(crate) fn allowance(&self, caller: &Caller, domain: Option<&str>) -> Allowance {
        let account = account(caller.principal());
        let limited = match caller.principal() {
            Principal::Anonymous => Limited {
                subject: Subject::Address(network(caller.address())),
                quotas: self.0.anonymous,
            },
            _ => Limited {
                subject: Subject::Account(account.as_str().into()),
                quotas: match caller.quotas() {
                    none if none.is_unlimited() => self.0.credential,
                    own => own,
                },
            },
        };
        let served = domain.and_then(|name| self.0.domains.find(name));
        let domain = served.and_then(|(domain, _)| self.limited(&domain));
        Allowance::new(self.clone(), limited, account, domain)
    }

    /// The quotas of a domain that are in force.
    #[must_use]
    pub fn of_domain(&self, domain: &Domain) -> Quotas {
        let set = self.0.control.quotas_of(domain);
        set.unwrap_or_else(|| self.configured(domain))
    }

    /// Where the quotas of a domain come from.
    #[must_use]
    pub fn source(&self, domain: &Domain) -> Source {
        match self.0.control.quotas_of(domain) {
            Some(_) => Source::Set,
            None => Source::Configured,
        }
    }

    /// The quotas of a domain in the configuration.
    #[must_use]
    pub fn configured(&self, domain: &Domain) -> Quotas {
        match self.0.domains.find(domain.as_str()) {
            Some((_, Anchoring::Here(config))) => config.quota,
            _ => Quotas::default(),
        }
    }

    /// Puts what `change` makes of the quotas in force in the place of the configured ones; `None`
    /// puts those back. It is durable when this returns, and holds for requests that begin from now
    /// on; in other processes on the data folder within a second.
    ///
    /// # Errors
    /// [`ControlError::Invalid`] with what `change` says is wrong; nothing is changed then.
    pub(crate) fn change_domain(
        &self,
        domain: &Domain,
        event: Event,
        change: impl FnOnce(Quotas) -> Result<Option<Quotas>, String>,
    ) -> Result<(), ControlError> {
        let configured = self.configured(domain);
        self.0.control.change_quotas(domain, event, |set| {
            change(set.unwrap_or(configured)).map_err(ControlError::Invalid)
        })
    }

    /// What all callers together have used of a domain's quotas today. What is not limited is not
    /// counted.
    #[must_use]
    pub fn used_today(&self, domain: &Domain) -> UsedToday {
        let subject = Subject::Domain(domain.clone());
        let Day {
            bytes_up,
            bytes_down,
            bricks,
            anchors,
            ..
        } = self.0.tallies.today(&subject, clock_ms());
        UsedToday {
            bytes_up,
            bytes_down,
            bricks,
            anchors,
        }
    }

    /// Writes down the counters of the day that have changed.
    fn write_down(&self) -> Result<(), ControlError> {
        let Some(parts) = self.0.parts.get() else {
            return Ok(());
        };
        let now_ms = clock_ms();
        let changed = self.0.tallies.changed(now_ms);
        let written = store::write_used(&self.0.control, parts, Day::of(now_ms), &changed);
        if written.is_err() {
            self.0.tallies.put_back(&changed);
        }
        written
    }

    /// Begins to write the counters down every few seconds. Must be called within a runtime.
    pub(crate) fn keep_written(&self) -> Keeping {
        let limits = self.clone();
        let task = tokio::spawn(async move {
            loop {
                tokio::time::sleep(WRITE_EVERY).await;
                let limits = limits.clone();
                // It says itself what goes wrong; a panic of its own ends nothing else.
                let _ = tokio::task::spawn_blocking(move || limits.write_or_warn()).await;
            }
        });
        Keeping {
            limits: self.clone(),
            task: task.abort_handle(),
        }
    }

    fn write_or_warn(&self) {
        if let Err(error) = self.write_down() {
            let error = anyhow::Error::from(error);
            tracing::warn!("what was used today is not written down: {error:#}");
        }
    }

    fn limited(&self, domain: &Domain) -> Option<Limited> {
        let quotas = self.of_domain(domain);
        (!quotas.is_unlimited()).then(|| Limited {
            subject: Subject::Domain(domain.clone()),
            quotas,
        })
    }

    fn tallies(&self) -> &Tallies {
        &self.0.tallies
    }
}

/// The writing down of the counters, now and then.
pub(crate) struct Keeping {
    limits: Limits,
    task: AbortHandle,
}

impl Keeping {
    /// Ends it, and writes down the last ones: nothing more is coming.
    pub(crate) fn end(self) {
        self.task.abort();
        self.limits.write_or_warn();
    }
}

/// The name under which the bricks of a caller count. It stands in the record of each of them, and
/// never changes for the same credential.
fn account(principal: &Principal) -> String {
    match principal {
        Principal::Anonymous => "anonymous".to_owned(),
        Principal::AdminToken => "admin-token".to_owned(),
        Principal::ApiKey { id, .. } => format!("key/{id}"),
        // Names of others, of any length and characters.
        Principal::Token { issuer, subject } => {
            format!(
                "token/{}",
                BrickHash::of(format!("{issuer}\0{subject}").as_bytes())
            )
        }
        Principal::Certificate { name } => {
            format!("certificate/{}", BrickHash::of(name.as_bytes()))
        }
    }
}

/// What counts as one address: in IPv6 the network of 64 bits, of which one host has all.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests;
