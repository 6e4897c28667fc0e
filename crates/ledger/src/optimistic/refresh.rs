//! Taking over what other nodes wrote to the other ledger.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use causes::with_causes;
use futures_util::future::join_all;
use keyssi::{AnchorId, AnchorValue};
use tokio::time::{Instant, timeout};

use super::Inner;
use super::outbox::Conflict;
use crate::contract::{Entry, Intent, Ledger};
use crate::elsewhere::unsupported;
use crate::embedded::is_irregular;
use crate::error::{BatchError, LedgerError};

/// How long an anchor that is known here is read without asking the other ledger again.
const FRESH: Duration = Duration::from_secs(10);
/// How long a reader of an anchor that is known here waits for the other ledger.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long the other ledger is left alone after it did not answer a reader.
const LEFT_ALONE: Duration = Duration::from_secs(10);
/// The same for anchors that are not known here: "not known" is the weaker answer.
const LEFT_ALONE_UNKNOWN: Duration = Duration::from_secs(2);
/// Anchors of one write that are looked for at a time.
const LOOKS_AT_ONCE: usize = 16;
/// Anchors whose last comparison is remembered; beyond it all are forgotten, and compared again.
const REMEMBERED_MAX: usize = 100_000;

/// When anchors were last compared with the other ledger.
#[derive(Default)]
pub(super) struct Compared(Mutex<State>);

#[derive(Default)]
struct State {
    at: HashMap<String, Instant>,
    /// When the other ledger last did not answer, unless it has answered since.
    silent_at: Option<Instant>,
}

impl Compared {
    /// Whether a comparison is older than `fresh`, and the other ledger is worth asking.
    fn is_due(&self, id: &AnchorId, fresh: Duration) -> bool {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let is_silent = state
            .silent_at
            .is_some_and(|at| now.duration_since(at) < LEFT_ALONE);
        let last = state.at.get(id.as_str());
        !is_silent && last.is_none_or(|last| now.duration_since(*last) >= fresh)
    }

    fn note(&self, id: &AnchorId) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.at.len() >= REMEMBERED_MAX {
            state.at.clear();
        }
        state.at.insert(id.as_str().to_owned(), Instant::now());
        state.silent_at = None;
    }

    /// The next reader compares again.
    fn forget(&self, id: &AnchorId) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.at.remove(id.as_str());
    }

    fn note_silence(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.silent_at = Some(Instant::now());
    }

    fn note_answer(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.silent_at = None;
    }

    /// How long ago the other ledger did not answer, unless it has answered since.
    pub(super) fn silent_for(&self) -> Option<Duration> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.silent_at.map(|at| at.elapsed())
    }
}

/// How two histories of one anchor lie to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    Equal,
    /// The other ledger lacks what this node has beyond so many versions.
    Behind(u64),
    /// The other ledger has more than this node.
    Ahead,
    Apart,
}

pub(super) fn relation(here: &[String], there: &[String]) -> Relation {
    let common = here.iter().zip(there).take_while(|(a, b)| a == b).count();
    match (common == here.len(), common == there.len()) {
        (true, true) => Relation::Equal,
        (true, false) => Relation::Ahead,
        (false, true) => Relation::Behind(there.len() as u64),
        (false, false) => Relation::Apart,
    }
}

/// Whether a history that goes another way is one at all: a ledger that answers nonsense is in no
/// conflict with anybody.
pub(super) fn check_foreign(id: &AnchorId, there: &[String]) -> Result<(), LedgerError> {
    let parsed = there.iter().map(|value| AnchorValue::parse_stored(value));
    let values: Vec<_> = parsed
        .collect::<Result<_, _>>()
        .map_err(|error| LedgerError::Broken(error.into()))?;
    keyssi::check_history(id, values)
        .map(drop)
        .map_err(|error| LedgerError::Broken(error.into()))
}

/// What a comparison with the other ledger has led to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing that is not here.
    Nothing,
    /// More, which is here now.
    TakenOver,
    /// More, by the rules, which is not taken over while the log is on hold, or because it has an
    /// entry that the log cannot hold: this, oldest first.
    NotTaken(Vec<String>),
}

impl Inner {
    /// Compares an anchor with the other ledger and takes over what is new there. Where the two went
    /// apart, both are kept.
    pub(super) async fn refresh(&self, id: &AnchorId) -> Result<Found, LedgerError> {
        let there = self.target.all_versions(id).await?;
        self.compare(id, there).await
    }

    /// The same with what was just read there.
    async fn compare(&self, id: &AnchorId, mut there: Vec<String>) -> Result<Found, LedgerError> {
        there.truncate(self.target.settled(id, &there).await?);
        let here = self.embedded.all_versions(id).await?;
        self.compared.note(id);
        match relation(&here, &there) {
            Relation::Ahead => match self.embedded.import(id, there.clone()).await {
                Ok(()) => Ok(Found::TakenOver),
                // Nothing is written to a log on hold, and reading goes on.
                Err(LedgerError::Held { .. }) => Ok(Found::NotTaken(there)),
                // The same, for as long as it is there.
                Err(error) if is_irregular(&error) => {
                    let (domain, error) = (&self.domain, with_causes(&error));
                    tracing::debug!(%domain, error, "an anchor is read on its ledger only");
                    self.compared.forget(id);
                    Ok(Found::NotTaken(there))
                }
                Err(error) => Err(error),
            },
            Relation::Apart => {
                check_foreign(id, &there)?;
                let waiting = self.waiting_of(id, here.len() as u64).await?;
                let conflict = Conflict { here, there };
                self.keep_conflict(id, conflict, waiting).await?;
                Ok(Found::Nothing)
            }
            Relation::Equal | Relation::Behind(_) => Ok(Found::Nothing),
        }
    }

    pub(super) async fn keep_conflict(
        &self,
        id: &AnchorId,
        conflict: Conflict,
        waiting: super::outbox::Waiting,
    ) -> Result<(), LedgerError> {
        tracing::error!(
            domain = %self.domain,
            here = conflict.here.len(),
            there = conflict.there.len(),
            "an anchor went one way here and another on the ledger; both histories are kept, see \
             its status"
        );
        self.record_conflict(id, &conflict, waiting).await
    }

    /// What waits of one anchor.
    async fn waiting_of(
        &self,
        id: &AnchorId,
        versions: u64,
    ) -> Result<super::outbox::Waiting, LedgerError> {
        let mut waiting = Vec::new();
        for version in 0..versions {
            if let Some(found) = self.log.find(id, Some(version)).await? {
                waiting.push((found.place, version));
            }
        }
        Ok(waiting)
    }

    /// Before a read: an anchor that is not known here is looked for on the other ledger, and one
    /// that is known is compared now and then. When the other ledger does not answer, or what it says
    /// of a known anchor makes no sense, what is known here is the answer: that is what an optimistic
    /// domain is for.
    pub(super) async fn refresh_to_read(&self, id: &AnchorId) -> Result<Found, LedgerError> {
        let is_known = self.embedded.last_version(id).await?.is_some();
        if !is_known {
            return self.look_for(id).await;
        }
        // What a log on hold does not take over has to be read there each time.
        let is_held = self.log.hold().is_some();
        let fresh = if is_held { Duration::ZERO } else { FRESH };
        if !self.compared.is_due(id, fresh) || self.conflict(id).await?.is_some() {
            return Ok(Found::Nothing);
        }
        match timeout(PATIENCE, self.refresh(id)).await {
            Ok(Ok(found)) => return Ok(found),
            // It answers; others of its anchors may be sound.
            Ok(Err(error @ LedgerError::Broken(_))) => {
                let domain = &self.domain;
                tracing::warn!(%domain, error = with_causes(&error), "an anchor is read as it is known here");
                self.compared.note(id);
            }
            Ok(Err(error)) => {
                tracing::debug!(%error, "an anchor could not be compared with the other ledger");
                self.compared.note_silence();
            }
            Err(_) => self.compared.note_silence(),
        }
        Ok(Found::Nothing)
    }

    /// Why nothing is written to an anchor whose history on the other ledger was not taken over.
    pub(super) fn not_taken(&self) -> LedgerError {
        self.held().unwrap_or_else(|| {
            unsupported(
                "the history of this anchor on its ledger has an entry that the log of this node \
                 cannot hold; write to it there",
            )
        })
    }

    /// Before entries are taken: an anchor that is to be made may be on the other ledger already,
    /// whose first value cannot be another one then. If that does not answer, it is made all the same.
    pub(super) async fn look_before_creation(&self, entries: &[Entry]) -> Result<(), BatchError> {
        let made = |(index, entry): (usize, &Entry)| {
            (entry.intent != Intent::Append).then(|| (index, entry.clone()))
        };
        let made: Vec<_> = entries.iter().enumerate().filter_map(made).collect();
        for part in made.chunks(LOOKS_AT_ONCE) {
            let looks = part.iter().cloned().map(|(index, entry)| async move {
                let looked = self.look_for_new(&entry).await;
                looked.map_err(|source| BatchError { index, source })
            });
            for looked in join_all(looks).await {
                looked?;
            }
        }
        Ok(())
    }

    async fn look_for_new(&self, entry: &Entry) -> Result<(), LedgerError> {
        if self.embedded.last_version(&entry.id).await?.is_some() {
            return Ok(());
        }
        match self.look_for(&entry.id).await? {
            // What was taken over decides when the entry is judged.
            Found::Nothing | Found::TakenOver => Ok(()),
            Found::NotTaken(_) => Err(match (self.held(), entry.intent) {
                (None, Intent::Create) => LedgerError::AlreadyExists,
                _ => self.not_taken(),
            }),
        }
    }

    /// The first version up to this one that the other ledger can never hold, and why. What was taken
    /// over from there is there, whatever it is.
    pub(super) async fn never_carried(
        &self,
        id: &AnchorId,
        version: u64,
    ) -> Result<Option<(u64, String)>, LedgerError> {
        let here = self.embedded.all_versions(id).await?;
        let mut found = None;
        for (number, text) in (0..=version).zip(&here) {
            let value = AnchorValue::parse_stored(text)
                .map_err(|error| LedgerError::Unavailable(Some(error.into())))?;
            let entry = Entry {
                id: id.clone(),
                value,
                intent: Intent::CreateOrAppend,
            };
            if let Some(reason) = self.target.never_holds(&entry) {
                found = Some((number, text, reason));
                break;
            }
        }
        let Some((number, text, reason)) = found else {
            return Ok(None);
        };
        let asked = timeout(PATIENCE, self.target.all_versions(id)).await;
        let is_there = matches!(asked, Ok(Ok(there)) if there.contains(text));
        Ok((!is_there).then_some((number, reason)))
    }

    /// Looks on the other ledger for an anchor that is not known here. If it cannot be asked, the
    /// anchor stays unknown. If it says something of the anchor, whatever then goes wrong is an error:
    /// that the anchor is absent would be untrue.
    async fn look_for(&self, id: &AnchorId) -> Result<Found, LedgerError> {
        let silent = self.compared.silent_for();
        if silent.is_some_and(|silent| silent < LEFT_ALONE_UNKNOWN) {
            return Ok(Found::Nothing);
        }
        let asked = timeout(PATIENCE, self.target.all_versions(id)).await;
        let there = match asked {
            Ok(Ok(there)) => there,
            Ok(Err(error @ LedgerError::Broken(_))) => {
                self.compared.note_answer();
                return Err(error);
            }
            Ok(Err(_)) | Err(_) => {
                self.compared.note_silence();
                let domain = &self.domain;
                tracing::debug!(%domain, "an anchor is not known here and its ledger does not answer");
                return Ok(Found::Nothing);
            }
        };
        self.compared.note_answer();
        if there.is_empty() {
            return Ok(Found::Nothing);
        }
        self.compare(id, there).await
    }
}
