//! The embedded ledger in front of a slow one: it answers, and an outbox carries its entries on.
//!
//! * **Durable.** An entry and its place in the outbox are one batch.
//! * **In order.** The entries of an anchor are carried one after the other.
//! * **Once.** What the other ledger holds decides what is sent to it, so nothing is sent twice,
//!   whatever happened between sending and hearing of it.
//! * **For good.** What the other ledger may take back, as a chain its newest blocks, is waited for
//!   and decides nothing.
//! * **Answered here.** While the other ledger does not answer, this node does, from what it knows:
//!   anchors are created, read and continued. An anchor that only the other ledger has is not known
//!   then; [`OptimisticLedger::is_cut_off`] tells.
//! * **Kept.** Where the other ledger went another way, both histories are kept and shown, and the
//!   anchor takes no more entries here.
//!
//! **Source:** `ledger.md` §4.1 (what OBA does, and what ours should do).

mod carrier;
mod outbox;
mod refresh;

use std::sync::Arc;

use async_trait::async_trait;
use keyssi::{AnchorId, AppendError, Domain};

pub use outbox::{Conflict, Standing};

use crate::contract::{Entry, Ledger};
use crate::embedded::{EmbeddedLedger, Purpose};
use crate::error::{BatchError, LedgerError};
use crate::log::Log;
use crate::placed::Placed;
use carrier::Trouble;
use refresh::{Compared, Found};

/// A ledger that an outbox carries entries to.
#[async_trait]
pub trait Target: Ledger {
    /// Writes entries as [`Ledger::write_all`] does; gives for each where it stands, if this ledger
    /// can say that.
    ///
    /// # Errors
    /// As [`Ledger::write_all`].
    async fn carry(&self, entries: Vec<Entry>) -> Result<Vec<Option<Placed>>, BatchError>;

    /// Why this ledger can never hold an entry that the rules allow, and what to do instead; `None`
    /// when it can. Such an entry is refused before it is acknowledged.
    fn never_holds(&self, _: &Entry) -> Option<String> {
        None
    }

    /// How many of the versions of an anchor, which were just read here, this ledger does not take
    /// back any more, counted from the first. All, unless the ledger is a chain.
    ///
    /// # Errors
    /// As [`Ledger::all_versions`].
    async fn settled(&self, _: &AnchorId, newest: &[String]) -> Result<usize, LedgerError> {
        Ok(newest.len())
    }
}

/// The embedded ledger in front of another. Cheap to clone; all clones share one outbox.
#[derive(Clone)]
pub struct OptimisticLedger(Arc<Inner>);

struct Inner {
    embedded: EmbeddedLedger,
    log: Log,
    domain: Domain,
    target: Arc<dyn Target>,
    compared: Compared,
    trouble: Trouble,
}

impl OptimisticLedger {
    /// The domain's part of `embedded`, in front of `target`. Nothing is carried until
    /// [`OptimisticLedger::carry_on`] runs.
    #[must_use]
    pub fn new(embedded: &EmbeddedLedger, domain: &Domain, target: Arc<dyn Target>) -> Self {
        Self(Arc::new(Inner {
            embedded: embedded.clone(),
            log: embedded.log(domain),
            domain: domain.clone(),
            target,
            compared: Compared::default(),
            trouble: Trouble::default(),
        }))
    }

    /// Where a version of an anchor stands on its way.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn standing(&self, id: &AnchorId, version: u64) -> Result<Standing, LedgerError> {
        let mut standing = self.0.outbox_standing(id, version).await?;
        if standing.waiting > 0 {
            let (attempts, last_error) = self.0.trouble.of(id);
            standing.attempts = attempts;
            standing.last_error = last_error;
        } else if standing.placed.is_none()
            && standing.conflict.is_none()
            && let Some((first, reason)) = self.0.never_carried(id, version).await?
        {
            // It is in no outbox any more, and not there.
            standing.waiting = version - first + 1;
            standing.last_error = Some(reason);
        }
        Ok(standing)
    }

    /// Whether the other ledger did not answer when a reader last asked it: an anchor that is not
    /// known here may be there all the same.
    #[must_use]
    pub fn is_cut_off(&self) -> bool {
        self.0.compared.silent_for().is_some()
    }

    /// Carries entries on, for ever.
    pub async fn carry_on(self) {
        carrier::run(&self.0).await;
    }
}

#[async_trait]
impl Ledger for OptimisticLedger {
    async fn write_all(&self, entries: Vec<Entry>) -> Result<(), BatchError> {
        let inner = &self.0;
        for (index, entry) in entries.iter().enumerate() {
            let at = |source| BatchError { index, source };
            if let Some(reason) = inner.target.never_holds(entry) {
                // What the rules refuse is refused by them.
                inner.embedded.judge(entries.clone()).await?;
                return Err(at(LedgerError::Unsupported { reason }));
            }
            let conflict = inner.conflict(&entry.id).await.map_err(at)?;
            if conflict.is_some() {
                return Err(at(LedgerError::Conflict));
            }
        }
        inner.look_before_creation(&entries).await?;
        let here = &inner.embedded;
        let refused = match here.write_for(Purpose::Carried, entries.clone()).await {
            Err(error) if may_be_stale(&error.source) => error,
            written => return written,
        };
        // Another node may have written to the other ledger; then the entry is judged once more,
        // against what it wrote.
        let Some(entry) = entries.get(refused.index) else {
            return Err(refused);
        };
        match inner.refresh(&entry.id).await {
            Ok(Found::TakenOver) => here.write_for(Purpose::Carried, entries).await,
            Ok(Found::Nothing) => Err(refused),
            // The refusal may be wrong: it was judged without what the other ledger has.
            Ok(Found::NotTaken(_)) => Err(BatchError {
                index: refused.index,
                source: inner.not_taken(),
            }),
            // That the anchor is absent would be untrue.
            Err(source @ LedgerError::Broken(_))
                if matches!(refused.source, LedgerError::Absent) =>
            {
                Err(BatchError {
                    index: refused.index,
                    source,
                })
            }
            Err(error) => {
                tracing::debug!(%error, "a refusal could not be compared with the other ledger");
                Err(refused)
            }
        }
    }

    async fn last_version(&self, id: &AnchorId) -> Result<Option<(String, u64)>, LedgerError> {
        if let Found::NotTaken(there) = self.0.refresh_to_read(id).await? {
            let count = there.len() as u64;
            return Ok(there.last().map(|last| (last.clone(), count)));
        }
        self.0.embedded.last_version(id).await
    }

    async fn all_versions(&self, id: &AnchorId) -> Result<Vec<String>, LedgerError> {
        if let Found::NotTaken(there) = self.0.refresh_to_read(id).await? {
            return Ok(there);
        }
        self.0.embedded.all_versions(id).await
    }

    /// Number of the domain's anchors that this node knows.
    async fn total(&self, domain: &Domain) -> Result<u64, LedgerError> {
        self.0.embedded.total(domain).await
    }

    /// The other ledger may be down for days; this node answers all the same.
    fn readiness(&self) -> Result<(), &'static str> {
        self.0.embedded.readiness()
    }
}

impl Inner {
    /// Why nothing is written, while the log is on hold.
    fn held(&self) -> Option<LedgerError> {
        self.embedded.shared.check_hold(&self.domain).err()
    }
}

/// Whether a refusal can come from not knowing what another node wrote.
fn may_be_stale(error: &LedgerError) -> bool {
    matches!(
        error,
        LedgerError::Absent
            | LedgerError::Append(AppendError::OutOfSync | AppendError::OlderTimestamp { .. })
    )
}
