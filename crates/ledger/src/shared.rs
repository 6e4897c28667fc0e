//! What readers and the committer share.

use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, MutexGuard, PoisonError};

use engine::{DomainId, DomainIds, Engine, EngineError, META};
use tokio::sync::watch;

use crate::error::LedgerError;
use crate::holds::Holds;
use crate::keys::{self, StoredHead};
use crate::quota::Quotas;

/// State that readers and the committer share.
pub(crate) struct Shared {
    pub(crate) engine: Engine,
    pub(crate) domains: DomainIds,
    /// Milliseconds since the epoch: recorded in the log's entries, nothing is ordered by it.
    pub(crate) clock_ms: fn() -> u64,
    /// Counts the batches that added to a log; whoever signs or carries on waits for it.
    pub(crate) grown: watch::Sender<u64>,
    /// The logs on hold. In memory before on disk, so that one that cannot be recorded holds too.
    pub(crate) holds: Mutex<Holds>,
    /// Held while a hold begins or ends.
    pub(crate) holding: tokio::sync::Mutex<()>,
    /// How much each domain may hold.
    pub(crate) quotas: Quotas,
    /// Reads and writes that somebody waits for at the moment; the scrub gives way to them.
    pub(crate) busy: AtomicU64,
    /// Whether no leaves are put, see `EmbeddedLedger::open_without_log`.
    #[cfg(feature = "bench-without-log")]
    pub(crate) without_log: std::sync::atomic::AtomicBool,
}

impl Shared {
    pub(crate) fn holds(&self) -> MutexGuard<'_, Holds> {
        self.holds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn stored_head(
        &self,
        domain: DomainId,
        anchor: &str,
    ) -> Result<Option<StoredHead>, LedgerError> {
        let key = keys::head(domain, anchor);
        match self
            .engine
            .get_with(keys::HEADS, &key, StoredHead::decode)?
        {
            None => Ok(None),
            Some(Some(head)) => Ok(Some(head)),
            Some(None) => Err(corrupt(format!("head of {}", Tail(anchor))).into()),
        }
    }

    /// Number of anchors of a domain, as it stands on disk.
    pub(crate) fn total(&self, domain: DomainId) -> Result<u64, LedgerError> {
        match self
            .engine
            .get_with(META, &keys::totals(domain), keys::decode_count)?
        {
            None => Ok(0),
            Some(Some(total)) => Ok(total),
            Some(None) => Err(corrupt("the number of anchors of a domain".to_owned()).into()),
        }
    }
}

/// The end of an anchor id, for logs: who looks for it finds it by `kiln store check`, and nobody
/// else learns which anchor it is.
pub(crate) struct Tail<'a>(pub(crate) &'a str);

impl std::fmt::Display for Tail<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let start = self.0.len().saturating_sub(8);
        write!(f, "the anchor …{}", self.0.get(start..).unwrap_or_default())
    }
}

pub(crate) fn corrupt(detail: String) -> EngineError {
    EngineError::Corrupt { detail }
}
