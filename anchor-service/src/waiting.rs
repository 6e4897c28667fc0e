//! What an entry waits for that no checkpoint proves yet, why a log is on hold, and what it continues.
//!
//! **Source:** `translog.md` §8, §9 (publish in the status when an entry is where).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ledger::{LedgerError, LogKeeper};
use serde_json::{Value, json};

/// What an entry waits for.
pub(crate) struct Waiting {
    /// In one line, for people.
    pub(crate) words: String,
    /// Whether it may take until a person has looked.
    pub(crate) is_long: bool,
}

/// What the entry at a place waits for which no good enough checkpoint covers.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn waits_for(keeper: &LogKeeper, place: u64) -> Result<Waiting, LedgerError> {
    let log = keeper.signer().log();
    if let Some(trouble) = keeper.trouble() {
        return Ok(Waiting {
            words: format!("the log is not signed: {trouble}"),
            is_long: log.hold().is_some(),
        });
    }
    let note = log.checkpoint().await?;
    let is_signed = note
        .and_then(|note| note.checkpoint().ok())
        .is_some_and(|checkpoint| checkpoint.size > place);
    let uncosigned = if is_signed {
        keeper.uncosigned().await?
    } else {
        None
    };
    let words = match uncosigned {
        Some(uncosigned) => uncosigned.words(),
        None => "the checkpoint that proves it is on its way".to_owned(),
    };
    Ok(Waiting {
        words,
        is_long: false,
    })
}

/// The cosignatures that the newest checkpoint of a log lacks, as JSON.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn cosignatures(keeper: &LogKeeper) -> Result<Value, LedgerError> {
    let Some(lacks) = keeper.uncosigned().await? else {
        return Ok(Value::Null);
    };
    let refusals = lacks.refusals.iter();
    let refusals: Vec<_> = refusals
        .map(|(witness, reason)| json!({"witness": witness, "reason": reason}))
        .collect();
    Ok(json!({
        "checkpointSize": lacks.size,
        "asked": lacks.quorum.asked,
        "have": lacks.quorum.have,
        "missing": lacks.quorum.missing,
        "refusals": refusals,
    }))
}

/// Why a log is on hold, as JSON; `null` when it is not.
pub(crate) fn hold(keeper: &LogKeeper) -> Value {
    let Some(hold) = keeper.signer().log().hold() else {
        return Value::Null;
    };
    let outside = hold.outside.iter();
    let outside: Vec<_> = outside
        .map(|one| json!({"size": one.size(), "source": one.source(), "note": one.note()}))
        .collect();
    json!({
        "cause": hold.cause,
        "detail": hold.detail,
        "sinceMs": hold.since_ms,
        "outside": outside,
    })
}

/// The log that a log continues, as JSON; `null` for most.
pub(crate) fn continues(keeper: &LogKeeper) -> Value {
    keeper.signer().predecessor().map_or(Value::Null, |it| {
        json!({
            "origin": it.origin.as_str(),
            "size": it.size,
            "root": STANDARD.encode(it.root),
            "kept": it.kept,
        })
    })
}
