//! What callers and domains may still write.

use std::collections::BTreeMap;

use http::request::Parts;
use keyssi::Domain;
use ledger::{AnchorQuota, EmbeddedLedger, Entry};
use node::{Allowance, ApiError, Limits, Reserved};

use crate::Anchors;

/// Versions of anchors that are counted before they are written.
#[must_use]
pub(crate) struct Versions(Vec<(Reserved, u64)>);

impl Anchors {
    /// Counts entries as those of today, each in its domain, and tells the ledger what the domains
    /// may hold.
    ///
    /// # Errors
    /// 429 or 413 when a day has too few left; nothing is counted then.
    pub(crate) fn reserve(&self, head: &Parts, entries: &[Entry]) -> Result<Versions, ApiError> {
        let allowance = Allowance::of(head)?;
        let mut counts: BTreeMap<&Domain, u64> = BTreeMap::new();
        for entry in entries {
            *counts.entry(entry.id.domain()).or_default() += 1;
        }
        let mut versions = Versions(Vec::with_capacity(counts.len()));
        for (domain, count) in counts {
            set_quota(&self.quotas, self.backends.embedded(), domain);
            match allowance.anchors(domain, count) {
                Ok(reserved) => versions.0.push((reserved, count)),
                Err(refusal) => {
                    versions.end(false);
                    return Err(refusal);
                }
            }
        }
        Ok(versions)
    }
}

/// Tells the ledger what a domain may hold now. Before each write: it may have been set anew, here or
/// by another process.
pub(crate) fn set_quota(limits: &Limits, ledger: &EmbeddedLedger, domain: &Domain) {
    ledger.set_quota(domain, || {
        let quotas = limits.of_domain(domain);
        AnchorQuota {
            anchors: quotas.anchors,
            versions: quotas.versions,
        }
    });
}

impl Versions {
    /// Says whether they were written.
    pub(crate) fn end(self, written: bool) {
        for (reserved, count) in self.0 {
            reserved.done(if written { count } else { 0 });
        }
    }
}
