//! What every ledger promises, whatever lies under it.

use async_trait::async_trait;
use keyssi::{AnchorId, AnchorValue, Domain};

use crate::error::{BatchError, LedgerError};

/// What is meant to happen with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// The first value of a new anchor.
    Create,
    /// The next value of an existing anchor.
    Append,
    /// Whichever of the two the anchor needs.
    CreateOrAppend,
}

/// One value for one anchor.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The anchor.
    pub id: AnchorId,
    /// The value.
    pub value: AnchorValue,
    /// What is meant to happen.
    pub intent: Intent,
}

/// Append-only histories of anchors.
///
/// # Contract
/// * **Durable.** A write is answered after it stands where this ledger keeps its anchors: synced
///   to disk, or mined as deep as configured (promise P5).
/// * **Linearizable.** Of simultaneous writes on one head exactly one succeeds; the others are
///   judged against the head that it left (promise P4).
/// * **By the rules.** What `keyssi::create` and `keyssi::append` refuse is refused here, with the
///   same reason, and changes nothing.
/// * **Atomic.** A batch over several anchors is written whole or not at all; a ledger that cannot
///   do that for a batch refuses it with [`LedgerError::Unsupported`].
/// * **Append-only.** No entry is ever altered or removed (promise P3).
/// * **Decided by reading.** A write whose answer was lost is decided by what the ledger holds, so
///   an entry is never there twice. What cannot be decided is [`LedgerError::Unavailable`], or
///   [`LedgerError::Broken`] when what is read makes no sense.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Writes all entries, in order, or none. Several entries may concern one anchor.
    ///
    /// **Cancellation:** what has been handed on is written even if the future is dropped.
    ///
    /// # Errors
    /// [`BatchError`] names the first entry that is refused.
    async fn write_all(&self, entries: Vec<Entry>) -> Result<(), BatchError>;

    /// Writes one entry.
    ///
    /// **Cancellation:** as [`Ledger::write_all`].
    ///
    /// # Errors
    /// See [`LedgerError`]; nothing was acknowledged.
    async fn write(&self, entry: Entry) -> Result<(), LedgerError> {
        let written = self.write_all(vec![entry]).await;
        written.map_err(|error| error.source)
    }

    /// The last value of an anchor and the number of its versions; `None` when it is absent.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    async fn last_version(&self, id: &AnchorId) -> Result<Option<(String, u64)>, LedgerError>;

    /// All values of an anchor in their wrapped form, oldest first; empty when it is absent.
    ///
    /// # Errors
    /// When the ledger cannot be read; never a history with a hole.
    async fn all_versions(&self, id: &AnchorId) -> Result<Vec<String>, LedgerError>;

    /// Number of anchors of a domain.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    async fn total(&self, domain: &Domain) -> Result<u64, LedgerError>;

    /// Whether reads and writes work now; `Err` says in words what does not.
    ///
    /// # Errors
    /// The reason, for people.
    fn readiness(&self) -> Result<(), &'static str>;
}
