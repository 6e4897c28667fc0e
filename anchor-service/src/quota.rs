//! What callers and domains may still write.

use std::collections::BTreeMap;

use http::request::Parts;
use keyssi::Domain;
use ledger::{AnchorQuota, Entry};
use node::{Allowance, ApiError, Reserved};

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
            self.set_quota(domain);
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

    /// Tells the ledger what a domain may hold now.
    pub(crate) fn set_quota(&self, domain: &Domain) {
        let quotas = self.quotas.of_domain(domain);
        let quota = AnchorQuota {
            anchors: quotas.anchors,
            versions: quotas.versions,
        };
        self.backends.embedded().set_quota(domain, quota);
    }
}

impl Versions {
    /// Says whether they were written.
    pub(crate) fn end(self, written: bool) {
        for (reserved, count) in self.0 {
            reserved.done(if written { count } else { 0 });
        }
    }
}
