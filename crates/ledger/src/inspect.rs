//! A look at one anchor: what the check of a whole ledger and the scrub have in common.

use engine::{DomainId, Engine, EngineError};
use keyssi::{AnchorId, AnchorValue, Domain};

use crate::check::AnchorFinding;
use crate::keys::{self, StoredHead};
use crate::shared::corrupt;

/// Replays a history by the rules and compares it with its head record.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn judge(
    domain: Option<&Domain>,
    anchor: &str,
    versions: &[(u64, String)],
    stored: Result<Option<StoredHead>, EngineError>,
) -> Result<(), AnchorFinding> {
    let chain = |detail: String| AnchorFinding::BrokenChain {
        anchor: anchor.to_owned(),
        detail,
    };
    let mut values = Vec::with_capacity(versions.len());
    for (expected, (version, value)) in (0..).zip(versions) {
        if *version != expected {
            return Err(AnchorFinding::Hole {
                anchor: anchor.to_owned(),
                missing: expected,
            });
        }
        let parsed = AnchorValue::parse_stored(value)
            .map_err(|error| chain(format!("version {version} is malformed: {error}")))?;
        values.push(parsed);
    }
    let id = AnchorId::parse_wrapped(anchor)
        .map_err(|error| chain(format!("the id is malformed: {error}")))?;
    if domain != Some(id.domain()) {
        return Err(chain(
            "it is stored under another domain than its id's".to_owned(),
        ));
    }
    let head = keyssi::check_history(&id, values)
        .map_err(|error| chain(format!("version {}: {}", error.index, error.source)))?;
    let head = head.map(|head| StoredHead::new(versions.len() as u64, &head));
    let wrong = |detail: &str| AnchorFinding::WrongHead {
        anchor: anchor.to_owned(),
        detail: detail.to_owned(),
    };
    match stored {
        Ok(Some(stored)) if Some(&stored) == head.as_ref() => Ok(()),
        Ok(Some(_)) => Err(wrong("they differ")),
        Ok(None) => Err(wrong("it is missing")),
        Err(error) => Err(wrong(&error.to_string())),
    }
}

/// The head record of an anchor; `None` when it is absent.
pub(crate) fn stored_head(
    engine: &Engine,
    domain: DomainId,
    anchor: &str,
) -> Result<Option<StoredHead>, EngineError> {
    let key = keys::head(domain, anchor);
    match engine.peek(keys::HEADS, &key, StoredHead::decode)? {
        Some(None) => Err(corrupt(format!("head of {anchor}"))),
        Some(head) => Ok(head),
        None => Ok(None),
    }
}
