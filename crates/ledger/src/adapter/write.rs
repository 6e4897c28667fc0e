//! Writing: judge, send, and when the answer leaves it open, read and decide.

use tokio::time::{Instant, timeout_at};

use super::pause::Pauses;
use super::peer::AdapterError;
use super::{Client, odd_signature, unsupported};
use crate::contract::{Entry, Intent};
use crate::error::{BatchError, LedgerError};
use crate::history::History;
use crate::judge::{self, Route};

/// How often entries are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempts {
    /// Once, and again only while the adapter has no room for requests: that says nothing of them.
    One,
    /// Until the time is over.
    UntilDeadline,
}

/// An entry that is not known to stand on the ledger.
pub(super) struct Open {
    /// Its place in the batch.
    index: usize,
    pub(super) entry: Entry,
    /// Versions of the anchor when the entry was judged.
    versions: usize,
    /// What is asked for, as it was judged.
    pub(super) route: Route,
}

impl Open {
    fn at(&self, source: impl Into<LedgerError>) -> BatchError {
        BatchError {
            index: self.index,
            source: source.into(),
        }
    }
}

impl Client {
    /// Writes entries of distinct anchors, in one request if there are several.
    pub(super) async fn write(
        &self,
        entries: Vec<Entry>,
        attempts: Attempts,
        deadline: Instant,
    ) -> Result<(), BatchError> {
        let mut anchors: Vec<_> = entries.iter().map(|it| it.id.clone()).collect();
        anchors.sort();
        let mut turns = Vec::new();
        for anchor in &anchors {
            let turn = timeout_at(deadline, self.turns.take(anchor.as_str())).await;
            turns.push(turn.map_err(|_| BatchError {
                index: 0,
                source: AdapterError::Busy.into(),
            })?);
        }
        let mut open = Vec::new();
        for (index, entry) in entries.into_iter().enumerate() {
            let judged = self.judge_first(&entry, deadline).await;
            let (versions, route) = judged.map_err(|source| BatchError { index, source })?;
            open.push(Open {
                index,
                entry,
                versions,
                route,
            });
        }
        self.send_until_settled(open, attempts, deadline).await
    }

    async fn send_until_settled(
        &self,
        mut open: Vec<Open>,
        attempts: Attempts,
        deadline: Instant,
    ) -> Result<(), BatchError> {
        let mut pauses = Pauses::until(deadline, &self.options);
        loop {
            let sent = self.peer.send(&open, self.request_time(deadline)).await;
            let Err(failure) = sent else {
                return Ok(());
            };
            // What was sent last is read after too, however little time is left.
            let settled = deadline.max(Instant::now() + self.options.read_time_max);
            open = self.settle(open, settled).await?;
            let Some(first) = open.first() else {
                return Ok(());
            };
            if open.len() > 1 && matches!(failure, AdapterError::Status { status: 404, .. }) {
                return Err(first.at(unsupported("this adapter takes one entry at a time")));
            }
            let no_room = matches!(failure, AdapterError::Status { status: 429, .. });
            let is_last = attempts == Attempts::One && !no_room;
            if is_last || !pauses.pause(&failure).await {
                return Err(first.at(failure));
            }
        }
    }

    /// Reads what stands on the ledger: an entry that is there is done, one that another writer
    /// came before is refused, the rest stays open.
    async fn settle(&self, open: Vec<Open>, deadline: Instant) -> Result<Vec<Open>, BatchError> {
        let mut left = Vec::new();
        for mut it in open {
            let history = self.history(&it.entry.id, deadline).await;
            let history = history.map_err(|error| it.at(error))?;
            if history.holds(&it.entry.value) {
                continue;
            }
            if history.len() > it.versions {
                let judged = judge(&it.entry, &history).await;
                (it.versions, it.route) = judged.map_err(|error| it.at(error))?;
            }
            left.push(it);
        }
        Ok(left)
    }

    /// Judges an entry against the ledger as it is.
    async fn judge_first(
        &self,
        entry: &Entry,
        deadline: Instant,
    ) -> Result<(usize, Route), LedgerError> {
        let history = match entry.intent {
            // The whole history is not needed to see that there is one.
            Intent::Create => {
                let last = |time| self.peer.last(&entry.id, time);
                if self.retrying(deadline, last).await?.is_some() {
                    return Err(LedgerError::AlreadyExists);
                }
                History::default()
            }
            _ => self.history(&entry.id, deadline).await?,
        };
        judge(entry, &history).await
    }
}

/// The versions that there are and how an entry joins them, or the rule that it breaks.
async fn judge(entry: &Entry, history: &History) -> Result<(usize, Route), LedgerError> {
    let head = history.head().map_err(|_| AdapterError::Nonsense {
        expected: "a history that can go on",
    })?;
    let route = judge::route(entry, head).await?;
    // It would be refused each time that it is sent.
    if let Some(reason) = odd_signature(&entry.value) {
        return Err(unsupported(reason));
    }
    Ok((history.len(), route))
}
