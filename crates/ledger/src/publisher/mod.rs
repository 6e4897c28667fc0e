//! Publishes the roots of a domain's log to an `AnchorRegistry` on an EVM chain, by number of
//! entries or by time, whichever comes first.
//!
//! The chain is read back at the start, before each publication, and every few minutes between them.
//! What stands there and is not recorded here, because the node ended in between, is recorded then; it
//! is the same code after each publication. What was recorded and has left the chain is published again.
//! What contradicts our log ends all publishing until a person has looked.
//!
//! A crash before the transaction leaves a note of a root to be published, which the next
//! publication passes over. A crash after it leaves a batch on the chain that is found there, and
//! that note.
//!
//! **Source:** `translog.md` §10.

mod chain;
mod error;
mod pending;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use causes::with_causes;
use evm::{Address, B256, Registry};
use keyssi::Domain;
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep, sleep_until};
use translog::SignedNote;

use crate::chain_account::ChainAccount;
use crate::keeper::LogKeeper;
use crate::log::Log;
use chain::Recorded;

pub use error::PublisherError;

/// Longest pauses (`Timing::poll_max`) after which the chain is read again although nothing is published:
/// two minutes by default. Until then a root that has left it passes for one that is there.
const QUIET_PAUSES: u32 = 8;

/// When a root is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batching {
    /// As soon as so many entries are in no published root.
    pub entries_max: u64,
    /// So long after the first entry that is in no published root.
    pub time_max: Duration,
}

impl Default for Batching {
    fn default() -> Self {
        Self {
            entries_max: 1000,
            time_max: Duration::from_mins(1),
        }
    }
}

/// Publishes the roots of one log. Cheap to clone; one clone runs.
#[derive(Clone)]
pub struct Publisher(Arc<Inner>);

struct Inner {
    keeper: LogKeeper,
    account: ChainAccount,
    address: Address,
    batching: Batching,
    /// SHA-256 of the origin: what the registry calls the log.
    origin_id: B256,
    registry: OnceCell<Registry>,
    trouble: Mutex<Option<String>>,
}

/// What is known from one look to the next.
#[derive(Default)]
struct State {
    /// When the chain was read; `None` since the last publication was tried.
    read_back: Option<Instant>,
    /// When the time of the first entry that is not published, at this place, is over.
    due: Option<(u64, Instant)>,
}

/// When to look again.
enum Look {
    Now,
    /// Or when something is signed, or the chain has to be read again.
    At(Instant),
    /// When something is signed, or the chain has to be read again.
    Signed,
    /// After the pause between two looks at the chain.
    Pause,
}

impl Publisher {
    /// Publishes what `keeper` signs to the registry at `contract`, from `account`.
    /// [`Publisher::run`] does the work; nothing is asked or sent yet.
    #[must_use]
    pub fn new(
        keeper: LogKeeper,
        account: ChainAccount,
        contract: Address,
        batching: Batching,
    ) -> Self {
        let origin = keeper.signer().origin().as_str();
        let origin_id = origin_id(origin);
        Self(Arc::new(Inner {
            keeper,
            account,
            address: contract,
            batching,
            origin_id,
            registry: OnceCell::new(),
            trouble: Mutex::default(),
        }))
    }

    /// Asks the chain whether it is the one that was configured, has our registry there, takes the
    /// log's roots from our account, and holds none that is not of our log. Records what is missing.
    ///
    /// # Errors
    /// [`PublisherError`]; [`PublisherError::may_pass`] tells a chain that is down from what does
    /// not mend itself.
    pub async fn check(&self) -> Result<(), PublisherError> {
        self.0.read_back().await.map(drop)
    }

    /// Why nothing is published at present, for people; `None` when all is well.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        let trouble = self.0.trouble.lock();
        trouble.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Publishes, for ever. What failed is tried again.
    ///
    /// **Cancellation:** what was sent may land; the next run finds it.
    pub async fn run(self) {
        let inner = &*self.0;
        let mut signed = inner.keeper.notes();
        let mut cosigned = inner.keeper.cosigned();
        let mut state = State::default();
        let mut failures = 0_u32;
        loop {
            signed.mark_unchanged();
            cosigned.mark_unchanged();
            let look = match inner.step(&mut state).await {
                Ok(look) => {
                    failures = 0;
                    inner.report(None);
                    look
                }
                Err(error) => {
                    inner.report(Some(&error));
                    failures = failures.saturating_add(1);
                    sleep(inner.pause(failures)).await;
                    continue;
                }
            };
            let recheck = Instant::now() + inner.quiet();
            let until = async {
                match look {
                    Look::Now => {}
                    Look::At(due) => sleep_until(due.min(recheck)).await,
                    Look::Pause => sleep(inner.pause(0)).await,
                    Look::Signed => sleep_until(recheck).await,
                }
            };
            // The keeper, which sends them, lives in `self`.
            tokio::select! {
                () = until => {}
                _ = signed.changed() => {}
                _ = cosigned.changed() => {}
            }
        }
    }
}

/// What a registry calls the log of an origin: the SHA-256 of its text.
#[must_use]
pub fn origin_id(origin: &str) -> B256 {
    let digest: [u8; 32] = Sha256::digest(origin.as_bytes()).into();
    B256::from(digest)
}

impl Inner {
    fn log(&self) -> &Log {
        self.keeper.signer().log()
    }

    fn domain(&self) -> &Domain {
        &self.log().domain
    }

    /// One look at the log, and what follows from it.
    async fn step(&self, state: &mut State) -> Result<Look, PublisherError> {
        let is_fresh = |at: Instant| at.elapsed() < self.quiet();
        if !state.read_back.is_some_and(is_fresh) {
            if let Recorded::NotDeep = self.read_back().await? {
                return Ok(Look::Pause);
            }
            state.read_back = Some(Instant::now());
        }
        let published = self.log().last_publication().await?;
        let published = published.map_or(0, |publication| publication.size);
        let Some(note) = self.newest().await? else {
            return Ok(Look::Signed);
        };
        let size = PublisherError::checkpoint_in(&note)?.size;
        let waiting = size.saturating_sub(published);
        if waiting == 0 {
            return Ok(Look::Signed);
        }
        let due = match state.due {
            Some((place, due)) if place == published => due,
            _ => self.due(published).await?,
        };
        state.due = Some((published, due));
        if waiting < self.batching.entries_max && Instant::now() < due {
            return Ok(Look::At(due));
        }
        // Whatever comes of it, the chain is read before the next.
        state.read_back = None;
        match self.read_back().await? {
            // More was recorded: less may be waiting than it seemed.
            Recorded::Some => Ok(Look::Now),
            Recorded::NotDeep => Ok(Look::Pause),
            Recorded::All { sequence } => {
                self.publish(&note, sequence + 1).await?;
                Ok(Look::Now)
            }
        }
    }

    /// The newest checkpoint that is fit to be published: with cosignatures where there is a policy.
    async fn newest(&self) -> Result<Option<SignedNote>, PublisherError> {
        let note = if self.keeper.signer().policy().is_some() {
            self.log().cosigned().await?
        } else {
            self.log().checkpoint().await?
        };
        Ok(note)
    }

    /// When the time of the entry at a place is over. Its own time is used, so that a restart does
    /// not begin it anew; a clock that was set back makes it the full time from now at most.
    async fn due(&self, place: u64) -> Result<Instant, PublisherError> {
        let age = self.log().age_of(place).await?.unwrap_or_default();
        Ok(Instant::now() + self.batching.time_max.saturating_sub(age))
    }

    fn pause(&self, failures: u32) -> Duration {
        let timing = &self.account.config().timing;
        let pause = timing.poll.saturating_mul(1 << failures.min(16));
        pause.min(timing.poll_max.max(timing.poll))
    }

    /// How long the chain is not read while nothing is published.
    fn quiet(&self) -> Duration {
        let timing = &self.account.config().timing;
        let longest = timing.poll_max.max(timing.poll);
        longest.saturating_mul(QUIET_PAUSES)
    }

    fn report(&self, error: Option<&PublisherError>) {
        let text = error.map(|error| with_causes(error));
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if *trouble == text {
            return;
        }
        let domain = self.domain();
        match (error, &text) {
            (Some(error), Some(text)) if error.may_pass() => {
                tracing::warn!(%domain, error = text, "roots are not published now");
            }
            (_, Some(text)) => {
                tracing::error!(%domain, error = text, "roots are not published until this is mended");
            }
            _ => tracing::info!(%domain, "roots are published again"),
        }
        *trouble = text;
    }
}
