//! How many anchors and versions a domain may hold. Judged by the committer, the one writer, so that
//! they hold exactly under any number of writers.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use keyssi::Domain;

use crate::embedded::EmbeddedLedger;
use crate::error::LedgerError;

/// How much a domain may hold; `None` is without limit. What is there already stays, also when a
/// limit is set below it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnchorQuota {
    /// Number of anchors.
    pub anchors: Option<u64>,
    /// Number of the versions of all anchors together.
    pub versions: Option<u64>,
}

/// The quotas of all domains.
#[derive(Debug, Default)]
pub(crate) struct Quotas(RwLock<HashMap<Domain, AnchorQuota>>);

impl EmbeddedLedger {
    /// Sets what a domain may hold, for entries that are judged from now on. Entries that come from
    /// another ledger, which has accepted them, are not refused. `now` says what it may hold; of
    /// several callers at once, none puts back what another one has found to be changed.
    pub fn set_quota(&self, domain: &Domain, now: impl Fn() -> AnchorQuota) {
        if self.shared.quotas.of(domain) != now() {
            let quotas = &self.shared.quotas.0;
            let mut quotas = quotas.write().unwrap_or_else(PoisonError::into_inner);
            // Asked again under the lock: it may have changed since.
            quotas.insert(domain.clone(), now());
        }
    }
}

impl Quotas {
    pub(crate) fn of(&self, domain: &Domain) -> AnchorQuota {
        let quotas = self.0.read().unwrap_or_else(PoisonError::into_inner);
        quotas.get(domain).copied().unwrap_or_default()
    }
}

/// Refuses what does not fit.
pub(crate) fn admit(
    what: &'static str,
    limit: Option<u64>,
    used: u64,
    asked: u64,
) -> Result<(), LedgerError> {
    match limit {
        // What adds nothing passes, however full it is.
        Some(limit) if asked > 0 && used.saturating_add(asked) > limit => {
            Err(LedgerError::QuotaExceeded {
                what,
                limit,
                used,
                asked,
            })
        }
        _ => Ok(()),
    }
}
