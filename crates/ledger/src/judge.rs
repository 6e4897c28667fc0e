//! Judging entries by the rules, against the heads that a ledger holds.

use keyssi::{AnchorKind, AppendError, Head};

use crate::contract::{Entry, Intent};
use crate::error::LedgerError;

/// The head that an entry would leave, or the rule that it breaks. Checks a signature.
pub(crate) fn next_head(entry: &Entry, head: Option<&Head>) -> Result<Head, LedgerError> {
    match (head, entry.intent) {
        // Said first, as the reference does: no creation would help.
        (None, Intent::Append) if entry.id.kind() == AnchorKind::Constant => {
            Err(LedgerError::Append(AppendError::ConstantAnchor))
        }
        (None, Intent::Append) => Err(LedgerError::Absent),
        (None, _) => keyssi::create(&entry.id, &entry.value).map_err(LedgerError::Create),
        (Some(_), Intent::Create) => Err(LedgerError::AlreadyExists),
        (Some(head), _) => {
            keyssi::append(&entry.id, head, &entry.value).map_err(LedgerError::Append)
        }
    }
}

/// How an entry joins the history of its anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// As the first value.
    Create,
    /// As a further one.
    Append,
}

/// How an entry joins a history that has this head on another ledger, or the rule that it breaks.
pub(crate) async fn route(entry: &Entry, head: Option<Head>) -> Result<Route, LedgerError> {
    let route = if head.is_some() {
        Route::Append
    } else {
        Route::Create
    };
    let entry = entry.clone();
    // It checks a signature.
    let judged = tokio::task::spawn_blocking(move || next_head(&entry, head.as_ref()));
    judged.await.map_err(|_| LedgerError::Unavailable(None))??;
    Ok(route)
}
