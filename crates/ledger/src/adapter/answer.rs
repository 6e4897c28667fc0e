//! What an adapter tells of an anchor, parsed.

use keyssi::AnchorValue;

use super::peer::AdapterError;
use crate::history::History;

/// Reads the answer of `getAllVersions`.
pub(super) fn parse_history(body: &[u8]) -> Result<History, AdapterError> {
    serde_json::from_slice(body).map_err(|_| AdapterError::Nonsense {
        expected: "a JSON array of anchor values",
    })
}

/// Reads the answer of `getLastVersion`: an empty one means that there is none.
pub(super) fn parse_last(body: &[u8]) -> Result<Option<AnchorValue>, AdapterError> {
    let nonsense = || AdapterError::Nonsense {
        expected: "an anchor value or nothing",
    };
    if body.is_empty() {
        return Ok(None);
    }
    let text = std::str::from_utf8(body).map_err(|_| nonsense())?;
    let value = AnchorValue::parse_stored(text).map_err(|_| nonsense())?;
    Ok(Some(value))
}
