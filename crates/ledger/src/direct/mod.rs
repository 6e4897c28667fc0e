//! OpenDSU's anchoring contract (generation 4) on an EVM chain as a ledger.
//!
//! The contract says what became of a write in an event, and a transaction can be lost, replaced,
//! or be there although its answer is not. So the rules are applied here, before anything is sent,
//! and what became of a write is decided by reading the history. The contract itself takes no value
//! twice: a signature covers the value before it, and a constant anchor is created once.
//!
//! The contract also stores what the rules forbid (`ledger.md` §2.4): constant anchors with several
//! values, a first value twice. A history with such an entry is refused as a whole, as
//! [`LedgerError::Broken`] with [`DirectError::BrokenHistory`]: what would be left of it after
//! a silent correction is not what others read there.
//!
//! Reads are of the newest block; a write is acknowledged when it is as deep as configured.
//!
//! **Source:** `ledger.md` §2.

mod count;
mod error;
mod read;
mod write;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use evm::{Address, Anchoring, Sender};
use keyssi::{AnchorId, AnchorKind, AnchorValueKind, Domain};
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::Instant;

use crate::chain_account::ChainAccount;
use crate::contract::{Entry, Ledger};
use crate::elsewhere::{check_together, detached, odd_signature, unsupported};
use crate::error::{BatchError, LedgerError};
use crate::optimistic::Target;
use crate::placed::Placed;
use crate::turns::Turns;
use count::Counted;

pub use error::DirectError;

/// Writes that are on their way at a time: as many as a sender queues.
const WRITES_MAX: usize = 64;
/// Anchors of one transaction: more do not fit under the gas limit (`ledger.md` §2.4).
const BATCH_ENTRIES_MAX: usize = 10;
/// Characters of a component from which on the contract reverts: it counts in 8 bits.
const COMPONENT_CHARS_END: usize = 256;
/// Where the key stands in `ssi:sza:<domain>:<specific>:<key>:v0`.
const CONTROL_SEGMENT: usize = 4;
/// Base64 of 33 bytes.
const COMPRESSED_KEY_CHARS: usize = 44;
/// How long a failure says that the ledger is not ready.
const FAILURE_FRESH: Duration = Duration::from_secs(10);

/// How patient a ledger on a chain is.
#[derive(Clone, Debug)]
pub struct DirectOptions {
    /// Longest time for a write, with all that is repeated.
    pub write_time_max: Duration,
    /// Longest time for a read, with all that is repeated.
    pub read_time_max: Duration,
    /// Wait before the first repetition, at most; it doubles with each.
    pub retry_wait: Duration,
    /// Wait before a repetition, at most.
    pub retry_wait_max: Duration,
}

impl Default for DirectOptions {
    fn default() -> Self {
        Self {
            write_time_max: Duration::from_mins(10),
            read_time_max: Duration::from_secs(10),
            retry_wait: Duration::from_millis(250),
            retry_wait_max: Duration::from_secs(10),
        }
    }
}

/// The ledger in an anchoring contract. Cheap to clone; all clones are one client.
///
/// Writes to one anchor go one after the other; a write that has begun goes on when its caller goes
/// away. Other writers are not kept out: a loser is judged against what the winner left.
#[derive(Clone)]
pub struct DirectLedger(Arc<Direct>);

/// What all clones share.
struct Direct {
    account: ChainAccount,
    address: Address,
    options: DirectOptions,
    contract: OnceCell<Anchoring>,
    turns: Turns,
    /// Room for writes, so that callers who go away and come back do not pile them up.
    room: Arc<Semaphore>,
    counted: tokio::sync::Mutex<Option<Counted>>,
    /// When the chain last failed to answer, if it has not answered since.
    failed: Mutex<Option<Instant>>,
}

impl DirectLedger {
    /// The ledger in the contract at `contract`, written to from `account`. Nothing is asked or sent
    /// yet: the chain may be down.
    #[must_use]
    pub fn new(account: ChainAccount, contract: Address, options: DirectOptions) -> Self {
        Self(Arc::new(Direct {
            account,
            address: contract,
            options,
            contract: OnceCell::new(),
            turns: Turns::default(),
            room: Arc::new(Semaphore::new(WRITES_MAX)),
            counted: tokio::sync::Mutex::default(),
            failed: Mutex::default(),
        }))
    }

    /// Asks the chain whether it is the one that was configured and has an anchoring contract there.
    ///
    /// # Errors
    /// [`DirectError`]; [`DirectError::may_pass`] tells a chain that is down from a configuration
    /// that is wrong.
    pub async fn check(&self) -> Result<(), DirectError> {
        self.0.open().await.map(drop)
    }

    /// Writes as [`Ledger::write_all`] does; gives for each entry the transaction that brought it
    /// there. `None` for one whose answer was lost, and that was found there.
    ///
    /// **Cancellation:** as [`Ledger::write_all`].
    ///
    /// # Errors
    /// As [`Ledger::write_all`].
    pub async fn write_placed(
        &self,
        entries: Vec<Entry>,
    ) -> Result<Vec<Option<Placed>>, BatchError> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        check_batch(&entries)?;
        let deadline = Instant::now() + self.0.options.write_time_max;
        let direct = Arc::clone(&self.0);
        let write = move || async move { direct.write(entries, deadline).await };
        detached(&self.0.room, deadline, DirectError::Busy.into(), write).await
    }
}

#[async_trait]
impl Ledger for DirectLedger {
    /// Several entries go in one transaction, which the contract carries out whole or not at all.
    /// What it cannot do is [`LedgerError::Unsupported`]: a transfer (nothing could follow it
    /// there), more than 10 entries or more gas than one transaction may use, two values of one
    /// anchor (judged against the same state, both would be stored), and a constant anchor among
    /// several entries (its rule is not applied there).
    async fn write_all(&self, entries: Vec<Entry>) -> Result<(), BatchError> {
        self.write_placed(entries).await.map(drop)
    }

    async fn last_version(&self, id: &AnchorId) -> Result<Option<(String, u64)>, LedgerError> {
        let history = self.0.history(id, self.0.read_deadline()).await?;
        let count = history.len() as u64;
        Ok(history.into_texts().pop().map(|last| (last, count)))
    }

    async fn all_versions(&self, id: &AnchorId) -> Result<Vec<String>, LedgerError> {
        let history = self.0.history(id, self.0.read_deadline()).await?;
        Ok(history.into_texts())
    }

    /// The contract counts the anchors of all domains, so those of this one are counted here, from
    /// the contract's list. A long list takes several calls, which go on where the last one came to
    /// the end of its time.
    async fn total(&self, domain: &Domain) -> Result<u64, LedgerError> {
        self.0.count(domain, self.0.read_deadline()).await
    }

    fn readiness(&self) -> Result<(), &'static str> {
        let failed = *lock(&self.0.failed);
        match failed {
            Some(when) if when.elapsed() < FAILURE_FRESH => Err("the chain does not answer"),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Target for DirectLedger {
    async fn carry(&self, entries: Vec<Entry>) -> Result<Vec<Option<Placed>>, BatchError> {
        self.write_placed(entries).await
    }

    fn never_holds(&self, entry: &Entry) -> Option<String> {
        never_holds(entry)
    }

    /// Those that are as deep in the chain as configured.
    async fn settled(&self, id: &AnchorId, newest: &[String]) -> Result<usize, LedgerError> {
        self.0.settled(id, newest, self.0.read_deadline()).await
    }
}

impl Direct {
    /// The sender and the contract, once the chain has shown to be right.
    async fn open(&self) -> Result<(Sender, Anchoring), DirectError> {
        let opened = async {
            let sender = self.account.sender().await?;
            let open = || Anchoring::open(sender.chain(), self.address);
            let contract = self.contract.get_or_try_init(open).await?;
            Ok((sender.clone(), contract.clone()))
        };
        let opened = opened.await;
        self.note(opened.as_ref().err());
        opened
    }

    /// Remembers whether the chain answers.
    fn note(&self, failure: Option<&DirectError>) {
        let failure = failure.filter(|error| error.is_of_chain());
        *lock(&self.failed) = failure.map(|_| Instant::now());
    }

    fn read_deadline(&self) -> Instant {
        Instant::now() + self.options.read_time_max
    }
}

/// What the contract refuses or cannot read, although the rules allow it (`ledger.md` §2.3, §2.4).
fn never_holds(entry: &Entry) -> Option<String> {
    let is_long = |text: &str| {
        text.split(':')
            .any(|part| part.len() >= COMPONENT_CHARS_END)
    };
    let reason = if entry.value.kind() == AnchorValueKind::Transfer {
        "the contract cannot hand an anchor over: no value could follow; make a new anchor"
    } else if is_long(entry.id.plain()) || is_long(entry.value.plain()) {
        "the contract takes at most 255 characters between two colons; leave the hint out"
    } else if has_compressed_key(&entry.id) {
        "the contract knows uncompressed public keys only; name the anchor by that form"
    } else {
        odd_signature(&entry.value)?
    };
    Some(reason.to_owned())
}

/// Whether the key in a signed anchor's id has 33 bytes and not 65.
fn has_compressed_key(id: &AnchorId) -> bool {
    let control = id
        .plain()
        .split(':')
        .nth(CONTROL_SEGMENT)
        .unwrap_or_default();
    id.kind() == AnchorKind::Signed && control.len() <= COMPRESSED_KEY_CHARS
}

fn check_batch(entries: &[Entry]) -> Result<(), BatchError> {
    if entries.len() == 1 {
        return Ok(());
    }
    if entries.len() > BATCH_ENTRIES_MAX {
        return Err(BatchError {
            index: BATCH_ENTRIES_MAX,
            source: unsupported(
                "the contract takes at most 10 entries at once; send them in parts",
            ),
        });
    }
    check_together("the contract", entries)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
