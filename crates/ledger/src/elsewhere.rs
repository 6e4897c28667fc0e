//! What is the same for every ledger that is elsewhere: how a write outlives its caller, and what no
//! contract takes together.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;

use keyssi::{AnchorKind, AnchorValue, Signature};
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

/// Why no contract takes a value, although the rules allow it: they read a signature as the reference
/// does, with an s of any length, and the contract takes 64 bytes.
pub(crate) fn odd_signature(value: &AnchorValue) -> Option<&'static str> {
    let text = value.signature_text()?;
    let is_usual = Signature::from_text(text).is_ok_and(|signature| signature.to_text() == text);
    (!is_usual).then_some(
        "the contract takes a signature of 64 bytes in standard base64 only; write it in that form",
    )
}

pub(crate) fn unsupported(reason: impl Into<String>) -> LedgerError {
    LedgerError::Unsupported {
        reason: reason.into(),
    }
}

#[cfg(test)]
mod tests {
    use keyssi::{BrickHash, base64};
    use testkit::owner::{FIRST_MS, Owner, constant_value};

    use super::*;

    #[test]
    fn only_signatures_of_64_bytes_are_for_contracts() {
        let domain = "default".parse().unwrap();
        let hash = BrickHash::of(b"x").to_string();
        let owner = Owner::new(&domain, &[7; 32]).unwrap();
        let value = owner.sign(&hash, FIRST_MS).unwrap();
        let value = AnchorValue::parse_wrapped(&value).unwrap();
        assert_eq!(odd_signature(&value), None);
        let text = value.signature_text().unwrap();
        let mut bytes = base64::decode_lenient(text);
        bytes.insert(32, 0);
        for odd in [
            base64::encode(&bytes),
            text.trim_end_matches('=').to_owned(),
        ] {
            let odd = AnchorValue::parse(&value.plain().replace(text, &odd)).unwrap();
            assert!(odd_signature(&odd).is_some());
        }
        let constant = constant_value(&domain, &hash).unwrap();
        let constant = AnchorValue::parse_wrapped(&constant).unwrap();
        assert_eq!(odd_signature(&constant), None);
    }
}
