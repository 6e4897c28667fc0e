//! An existing EthAdapter or hf-adapter as a ledger, over HTTP.
//!
//! What an adapter answers to a write proves little: the same code stands for "exists already", "bad
//! signature" and "the chain is down", and a late answer for a write that was done all the same. So
//! the rules are applied here, before anything is sent, and what became of a write is decided by
//! reading the history.
//!
//! **Source:** `ledger.md` §1 (EthAdapter), §1.6 (rules for a client), §3 (hf-adapter).

mod answer;
mod pause;
mod peer;
mod trace;
mod write;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use keyssi::{AnchorId, Domain};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::contract::{Entry, Ledger};
use crate::elsewhere::{check_together, detached, odd_signature, unsupported};
use crate::error::{BatchError, LedgerError};
use crate::history::History;
use crate::optimistic::Target;
use crate::placed::Placed;
use crate::turns::Turns;
use peer::{Peer, batch_body};
use write::Attempts;

pub use peer::AdapterError;

/// Writes that are on their way at a time. An adapter gains nothing from more: it has one account.
const WRITES_MAX: usize = 64;
/// Anchors of one request: the contract has gas for no more.
const BATCH_ENTRIES_MAX: usize = 20;
/// Bytes of a request: an EthAdapter damages a body that arrives in more than one piece.
const BATCH_BYTES_MAX: usize = 60_000;

/// Which adapter it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdapterKind {
    /// EthAdapter.
    Eth,
    /// hf-adapter (Hyperledger Fabric).
    Hf,
}

/// How patient the client of an adapter is.
#[derive(Clone)]
pub struct AdapterOptions {
    /// Sent as `Authorization: Bearer …`. The adapters know none; a Kiln that serves their routes
    /// does.
    pub token: Option<Zeroizing<String>>,
    /// Least wait after 429: the adapter's buckets are filled once in this time.
    pub unit_of_time: Duration,
    /// Longest wait for one answer; an adapter answers a write when the chain has it.
    pub request_time_max: Duration,
    /// Longest time for a write, with all that is repeated.
    pub write_time_max: Duration,
    /// Longest time for a read, with all that is repeated.
    pub read_time_max: Duration,
    /// Wait before the first repetition, at most; it doubles with each.
    pub retry_wait: Duration,
    /// Wait before a repetition, at most.
    pub retry_wait_max: Duration,
}

impl Default for AdapterOptions {
    fn default() -> Self {
        Self {
            token: None,
            unit_of_time: Duration::from_secs(3),
            request_time_max: Duration::from_mins(1),
            write_time_max: Duration::from_mins(3),
            read_time_max: Duration::from_secs(10),
            retry_wait: Duration::from_millis(250),
            retry_wait_max: Duration::from_secs(10),
        }
    }
}

/// The ledger behind an adapter. Cheap to clone; all clones are one client.
///
/// Writes to one anchor go one after the other; a write that has begun goes on when its caller goes
/// away. Other writers are not kept out: a loser is judged against what the winner left.
#[derive(Clone)]
pub struct AdapterLedger(Arc<Client>);

/// What all clones share.
struct Client {
    peer: Peer,
    kind: AdapterKind,
    options: AdapterOptions,
    turns: Turns,
    /// Room for writes, so that callers who go away and come back do not pile them up.
    room: Arc<Semaphore>,
}

impl AdapterLedger {
    /// A client of the adapter at `url` (`http` or `https`). Nothing is sent yet.
    ///
    /// # Errors
    /// [`AdapterError::Setup`] when the address or the token cannot be used.
    pub fn new(
        url: &str,
        kind: AdapterKind,
        options: AdapterOptions,
    ) -> Result<Self, AdapterError> {
        Ok(Self(Arc::new(Client {
            peer: Peer::new(url, kind, &options)?,
            kind,
            options,
            turns: Turns::default(),
            room: Arc::new(Semaphore::new(WRITES_MAX)),
        })))
    }

    fn read_deadline(&self) -> Instant {
        Instant::now() + self.0.options.read_time_max
    }

    async fn write_with(&self, attempts: Attempts, entries: Vec<Entry>) -> Result<(), BatchError> {
        if entries.is_empty() {
            return Ok(());
        }
        check_batch(self.0.kind, &entries)?;
        let deadline = Instant::now() + self.0.options.write_time_max;
        let client = Arc::clone(&self.0);
        let write = move || async move { client.write(entries, attempts, deadline).await };
        detached(&self.0.room, deadline, AdapterError::Busy.into(), write).await
    }
}

#[async_trait]
impl Ledger for AdapterLedger {
    /// Several entries go in one request, which an EthAdapter carries out whole or not at all. What
    /// does not fit in it is [`LedgerError::Unsupported`]: more than 20 entries or 60 kB, two
    /// values of one anchor (judged against the same state, both would be stored), a constant anchor
    /// (its rule is not applied there), and any batch for an hf-adapter.
    async fn write_all(&self, entries: Vec<Entry>) -> Result<(), BatchError> {
        self.write_with(Attempts::UntilDeadline, entries).await
    }

    async fn last_version(&self, id: &AnchorId) -> Result<Option<(String, u64)>, LedgerError> {
        let history = self.0.history(id, self.read_deadline()).await?;
        let count = history.len() as u64;
        Ok(history.into_texts().pop().map(|last| (last, count)))
    }

    async fn all_versions(&self, id: &AnchorId) -> Result<Vec<String>, LedgerError> {
        let history = self.0.history(id, self.read_deadline()).await?;
        Ok(history.into_texts())
    }

    /// Number of anchors of the contract, which may hold those of other domains too. An hf-adapter
    /// counts none.
    async fn total(&self, _: &Domain) -> Result<u64, LedgerError> {
        if self.0.kind == AdapterKind::Hf {
            return Err(unsupported("an hf-adapter does not count its anchors"));
        }
        let total = |time| self.0.peer.total(time);
        self.0.retrying(self.read_deadline(), total).await
    }

    fn readiness(&self) -> Result<(), &'static str> {
        self.0.peer.readiness()
    }
}

#[async_trait]
impl Target for AdapterLedger {
    /// An adapter does not say where on its ledger an entry stands. What it refuses is not sent again
    /// at once: whoever carries has other entries to send meanwhile.
    async fn carry(&self, entries: Vec<Entry>) -> Result<Vec<Option<Placed>>, BatchError> {
        let unknown = vec![None; entries.len()];
        let written = self.write_with(Attempts::One, entries).await;
        written.map(|()| unknown)
    }

    fn never_holds(&self, entry: &Entry) -> Option<String> {
        odd_signature(&entry.value).map(str::to_owned)
    }
}

impl Client {
    /// The history of an anchor, asked for until there is one or the time is over.
    async fn history(&self, id: &AnchorId, deadline: Instant) -> Result<History, LedgerError> {
        let read = |time| self.peer.history(id, time);
        self.retrying(deadline, read).await
    }
}

fn check_batch(kind: AdapterKind, entries: &[Entry]) -> Result<(), BatchError> {
    let at = |index, reason| {
        let source = unsupported(reason);
        Err(BatchError { index, source })
    };
    if entries.len() == 1 {
        return Ok(());
    }
    if kind == AdapterKind::Hf {
        return at(1, "an hf-adapter takes one entry at a time");
    }
    if entries.len() > BATCH_ENTRIES_MAX {
        return at(
            BATCH_ENTRIES_MAX,
            "an EthAdapter takes at most 20 entries at once",
        );
    }
    check_together("an EthAdapter", entries)?;
    if batch_body(entries).len() >= BATCH_BYTES_MAX {
        return at(0, "an EthAdapter takes less than 60000 bytes at once");
    }
    Ok(())
}

impl From<AdapterError> for LedgerError {
    fn from(error: AdapterError) -> Self {
        match error {
            broken @ (AdapterError::Nonsense { .. } | AdapterError::TooLong { .. }) => {
                Self::Broken(broken.into())
            }
            other => Self::Unavailable(Some(other.into())),
        }
    }
}
