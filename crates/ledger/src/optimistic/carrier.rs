//! Carrying entries from the outbox to the other ledger.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use causes::with_causes;
use futures_util::future::join_all;
use keyssi::{AnchorId, AnchorKind, AnchorValue};
use tokio::time::{Instant, sleep, sleep_until};

use super::Inner;
use super::outbox::{Conflict, Waiting};
use super::refresh::{Relation, check_foreign, relation};
use crate::adapter::AdapterError;
use crate::contract::{Entry, Intent, Ledger};
use crate::embedded::is_irregular;
use crate::error::LedgerError;

/// Anchors that are carried at a time.
const ROUND: usize = 64;
/// Entries of different anchors that go in one transaction.
const BATCH: usize = 10;
/// First and longest pause after a failure.
const PAUSE_MIN: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_mins(1);
/// Longest pause after an adapter has refused an entry, which it also does while its chain is down.
const PAUSE_REFUSED_MAX: Duration = Duration::from_hours(1);
/// First and longest pause after an entry was refused for good: on a chain each attempt is paid for.
const PAUSE_FINAL_MIN: Duration = Duration::from_mins(1);
const PAUSE_FINAL_MAX: Duration = Duration::from_hours(24);

/// What went wrong lately, by anchor. In memory only: it is for people, and for the pauses.
#[derive(Default)]
pub(super) struct Trouble(Mutex<HashMap<String, Attempts>>);

struct Attempts {
    count: u32,
    /// How many of them were answered with a refusal.
    refused: u32,
    /// Its entry was sent in vain. It goes alone then: others are not to fail with it.
    is_suspect: bool,
    error: String,
    next: Instant,
}

/// What a failure says of trying again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    /// It passes.
    Passing,
    /// The entry was refused, perhaps for another reason than its own.
    Refused,
    /// The entry is refused each time.
    Final,
}

impl Failure {
    fn of(error: &LedgerError) -> Self {
        match error {
            LedgerError::Unsupported { .. } => Self::Final,
            LedgerError::Unavailable(Some(cause))
                if cause
                    .downcast_ref::<AdapterError>()
                    .is_some_and(AdapterError::is_refusal) =>
            {
                Self::Refused
            }
            _ => Self::Passing,
        }
    }
}

impl Trouble {
    /// How often an anchor's first waiting entry was tried, and what was wrong the last time.
    pub(super) fn of(&self, id: &AnchorId) -> (u64, Option<String>) {
        let troubles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let attempts = troubles.get(id.as_str());
        attempts.map_or((0, None), |attempts| {
            (u64::from(attempts.count), Some(attempts.error.clone()))
        })
    }

    fn note(&self, id: &AnchorId, error: &LedgerError) {
        self.note_as(id, error, false);
    }

    /// The same of an entry that was sent.
    fn note_sent(&self, id: &AnchorId, error: &LedgerError) {
        self.note_as(id, error, true);
    }

    fn note_as(&self, id: &AnchorId, error: &LedgerError, was_sent: bool) {
        let mut troubles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let attempts = troubles.entry(id.as_str().to_owned());
        let attempts = attempts.or_insert_with(|| Attempts {
            count: 0,
            refused: 0,
            is_suspect: false,
            error: String::new(),
            next: Instant::now(),
        });
        attempts.count = attempts.count.saturating_add(1);
        attempts.is_suspect |= was_sent;
        attempts.error = with_causes(error);
        let failure = Failure::of(error);
        if failure != Failure::Passing {
            attempts.refused = attempts.refused.saturating_add(1);
        }
        let pause = match failure {
            Failure::Passing => pause(attempts.count),
            Failure::Refused => growing(PAUSE_MIN, PAUSE_REFUSED_MAX, attempts.refused),
            Failure::Final => growing(PAUSE_FINAL_MIN, PAUSE_FINAL_MAX, attempts.refused),
        };
        attempts.next = Instant::now() + pause;
    }

    fn is_suspect(&self, id: &AnchorId) -> bool {
        let troubles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let attempts = troubles.get(id.as_str());
        attempts.is_some_and(|attempts| attempts.is_suspect)
    }

    fn clear(&self, id: &AnchorId) {
        let mut troubles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        troubles.remove(id.as_str());
    }

    /// The anchors that are to be left alone for now, and until when the first of them is.
    fn paused(&self) -> (BTreeSet<String>, Option<Instant>) {
        let troubles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let paused = troubles.iter().filter(|(_, attempts)| attempts.next > now);
        let names = paused.clone().map(|(anchor, _)| anchor.clone()).collect();
        (names, paused.map(|(_, attempts)| attempts.next).min())
    }
}

/// The pause after so many failures that pass.
fn pause(count: u32) -> Duration {
    growing(PAUSE_MIN, PAUSE_MAX, count)
}

/// Doubles from `first` to `most`, with up to half of it more or less, so that nodes that lost the
/// same ledger do not come back to it all at once.
fn growing(first: Duration, most: Duration, count: u32) -> Duration {
    let middle = first.saturating_mul(1 << count.saturating_sub(1).min(16));
    let middle = middle.min(most);
    let mut byte = [128];
    // Without random bytes the pause is its middle.
    let _ = getrandom::fill(&mut byte);
    middle / 2 + middle.mul_f64(f64::from(byte[0]) / 255.0)
}

/// The next entry of an anchor that the other ledger lacks, and its place in the outbox; `None`
/// where it is in none, and only stands before one that is.
type Next = (Entry, Option<(u64, u64)>);

/// What is to be done about an anchor.
enum Step {
    /// Nothing is left to be carried.
    Done,
    /// The next entry is sent.
    Send(Box<Next>),
    /// The other ledger holds something that it may take back: the next look tells.
    Wait,
}

/// Carries for ever.
pub(super) async fn run(inner: &Inner) {
    let mut grown = inner.log.watch();
    let mut failures = 0;
    loop {
        grown.mark_unchanged();
        let (skip, first_due) = inner.trouble.paused();
        let waiting = match inner.waiting(ROUND, skip).await {
            Ok(waiting) => waiting,
            Err(error) => {
                tracing::error!(domain = %inner.domain, %error, "the outbox cannot be read");
                failures += 1;
                sleep(pause(failures)).await;
                continue;
            }
        };
        if waiting.is_empty() {
            let due = async {
                match first_due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = inner.log.grown(&mut grown) => {}
                () = due => {}
            }
            continue;
        }
        if round(inner, waiting).await {
            failures = 0;
        } else {
            // The other ledger is down as a whole: one pause for all.
            failures += 1;
            sleep(pause(failures)).await;
        }
    }
}

/// Carries the next entry of each anchor; `false` when none could be.
async fn round(inner: &Inner, waiting: Vec<(AnchorId, Waiting)>) -> bool {
    let looked = waiting.into_iter().map(|(id, waiting)| async move {
        let step = look(inner, &id, waiting).await;
        (id, step)
    });
    let (mut single, mut together, mut any) = (Vec::new(), Vec::new(), false);
    for (id, step) in join_all(looked).await {
        match step {
            Ok(Step::Done) => {
                inner.trouble.clear(&id);
                any = true;
            }
            Ok(Step::Send(next))
                if id.kind() == AnchorKind::Signed && !inner.trouble.is_suspect(&id) =>
            {
                together.push(*next);
            }
            Ok(Step::Send(next)) => single.push(*next),
            Ok(Step::Wait) => {
                let why = "the newest entry on the ledger is not deep enough to stay";
                inner
                    .trouble
                    .note(&id, &LedgerError::Unavailable(Some(why.into())));
                any = true;
            }
            Err(error) => inner.trouble.note(&id, &error),
        }
    }
    let mut batches: Vec<Vec<Next>> = Vec::new();
    let mut rest = together.into_iter().peekable();
    while rest.peek().is_some() {
        batches.push(rest.by_ref().take(BATCH).collect());
    }
    batches.extend(single.into_iter().map(|one| vec![one]));
    let sent = join_all(batches.into_iter().map(|batch| send(inner, batch))).await;
    any || sent.into_iter().any(|carried| carried)
}

/// Compares an anchor with the other ledger: what that holds for good is taken out of the outbox.
async fn look(inner: &Inner, id: &AnchorId, waiting: Waiting) -> Result<Step, LedgerError> {
    let mut there = inner.target.all_versions(id).await?;
    let newest = there.len();
    there.truncate(inner.target.settled(id, &there).await?);
    let may_change = there.len() < newest;
    let here = inner.embedded.all_versions(id).await?;
    let held = match relation(&here, &there) {
        Relation::Equal => u64::MAX,
        Relation::Behind(versions) => versions,
        Relation::Ahead => {
            match inner.embedded.import(id, there).await {
                // It stands there, whatever else does.
                Err(error) if is_irregular(&error) => {}
                imported => imported?,
            }
            u64::MAX
        }
        Relation::Apart => {
            check_foreign(id, &there)?;
            let conflict = Conflict { here, there };
            inner.keep_conflict(id, conflict, waiting).await?;
            return Ok(Step::Done);
        }
    };
    let (carried, rest): (Waiting, Waiting) = waiting
        .into_iter()
        .partition(|(_, version)| *version < held);
    if !carried.is_empty() {
        // It goes on: the pauses begin anew.
        inner.record_carried(id, carried, None).await?;
        inner.trouble.clear(id);
    }
    let next = usize::try_from(held).ok().and_then(|held| here.get(held));
    let (Some(value), false) = (next, rest.is_empty()) else {
        return Ok(Step::Done);
    };
    if may_change {
        // It may be this very entry, in a transaction that nobody follows since a restart.
        return Ok(Step::Wait);
    }
    let value = AnchorValue::parse_stored(value)
        .map_err(|error| LedgerError::Unavailable(Some(error.into())))?;
    let intent = if held == 0 {
        Intent::Create
    } else {
        Intent::Append
    };
    let entry = Entry {
        id: id.clone(),
        value,
        intent,
    };
    if let Some(reason) = inner.target.never_holds(&entry) {
        // It was acknowledged before entries went to this ledger, or before it was known of it; what
        // follows it cannot go either. The status still says that they are not there, and why.
        let (domain, versions) = (&inner.domain, rest.len());
        tracing::warn!(%domain, versions, reason, "versions of an anchor stay here alone");
        inner.record_carried(id, rest, None).await?;
        return Ok(Step::Done);
    }
    let queued = rest.into_iter().find(|(_, version)| *version == held);
    Ok(Step::Send(Box::new((entry, queued))))
}

/// Sends entries of different anchors at once, or one by one where that is not possible; says
/// whether any of them arrived.
async fn send(inner: &Inner, batch: Vec<Next>) -> bool {
    let entries: Vec<_> = batch.iter().map(|(entry, _)| entry.clone()).collect();
    let is_one = entries.len() == 1;
    let outcome = inner.target.carry(entries).await;
    match outcome {
        Ok(placed) => {
            let mut placed = placed.into_iter();
            for (entry, queued) in batch {
                // Without a place it is the next look that finds it there: an answer alone takes
                // nothing out of the outbox.
                let (Some(queued), Some(placed)) = (queued, placed.next().flatten()) else {
                    let why = "the ledger took the entry; whether it holds it is looked at next";
                    let unseen = LedgerError::Unavailable(Some(why.into()));
                    inner.trouble.note(&entry.id, &unseen);
                    continue;
                };
                let recorded = inner
                    .record_carried(&entry.id, vec![queued], Some(placed))
                    .await;
                match recorded {
                    Ok(()) => inner.trouble.clear(&entry.id),
                    // It stands there; the next look finds it.
                    Err(error) => inner.trouble.note(&entry.id, &error),
                }
            }
            true
        }
        // A ledger that is down is not asked ten times more: if it was one of the entries, the next
        // round tells, in which each goes alone. One that refuses an entry is not down.
        Err(error) if is_one || matches!(error.source, LedgerError::Unavailable(_)) => {
            for (entry, _) in &batch {
                inner.trouble.note_sent(&entry.id, &error.source);
            }
            Failure::of(&error.source) != Failure::Passing
                || !matches!(error.source, LedgerError::Unavailable(_))
        }
        Err(_) => {
            let mut any = false;
            for one in batch {
                any |= Box::pin(send(inner, vec![one])).await;
            }
            any
        }
    }
}
