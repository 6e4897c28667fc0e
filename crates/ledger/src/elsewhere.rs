//! What is the same for every ledger that is elsewhere: how a write outlives its caller, and what no
//! contract takes together.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;

use keyssi::AnchorKind;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use crate::contract::Entry;
use crate::error::{BatchError, LedgerError};

/// Begins `write` as soon as there is room for it, and waits for what becomes of it; `busy` is the
/// answer when there is no room until the deadline. A write that has begun goes on when its caller
/// goes away.
pub(crate) async fn detached<T, W, F>(
    room: &Arc<Semaphore>,
    deadline: Instant,
    busy: LedgerError,
    write: W,
) -> Result<T, BatchError>
where
    T: Send + 'static,
    W: FnOnce() -> F + Send + 'static,
    F: Future<Output = Result<T, BatchError>> + Send + 'static,
{
    let whole = |source| BatchError { index: 0, source };
    let room = Arc::clone(room).acquire_owned();
    let Ok(Ok(place)) = timeout_at(deadline, room).await else {
        return Err(whole(busy));
    };
    // A task of its own: what has been sent must be followed up, or the next write to the anchor
    // would be judged against a state that is about to change.
    let writing = tokio::spawn(async move {
        let _place = place;
        write().await
    });
    let ended = |_| whole(LedgerError::Unavailable(None));
    writing.await.map_err(ended)?
}

/// Refuses what the contract stores against the rules where it stands among several entries: a
/// constant anchor, and two values of one anchor. `who` takes the entries.
pub(crate) fn check_together(who: &str, entries: &[Entry]) -> Result<(), BatchError> {
    let at = |index, reason| {
        let source = unsupported(format!("{who} takes {reason}"));
        Err(BatchError { index, source })
    };
    let mut ids = BTreeSet::new();
    for (index, entry) in entries.iter().enumerate() {
        if entry.id.kind() == AnchorKind::Constant {
            return at(index, "a constant anchor alone only");
        }
        if !ids.insert(&entry.id) {
            return at(
                index,
                "one value of an anchor at a time; send them one by one",
            );
        }
    }
    Ok(())
}

pub(crate) fn unsupported(reason: impl Into<String>) -> LedgerError {
    LedgerError::Unsupported {
        reason: reason.into(),
    }
}
