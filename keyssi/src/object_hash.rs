//! The hash of structured values that `OpenDSU` calls `crypto.sha256`.
//!
//! The value is flattened to text without delimiters, so different values can
//! have the same hash. Never use it for anything that must be unambiguous.
//!
//! **Source:** keyssi specification §2 (`object hash`).

use thiserror::Error;

use crate::brick_hash::BrickHash;
use crate::json::Json;

/// The text is not JSON, or holds text that is not Unicode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
#[error("the object hash is defined for JSON values of Unicode text")]
pub struct ObjectHashError;

/// The hash of the value that `json` holds.
///
/// # Errors
/// [`ObjectHashError`] if it is not JSON.
pub fn object_hash(json: &str) -> Result<BrickHash, ObjectHashError> {
    let value = Json::parse(json).ok_or(ObjectHashError)?;
    let mut text = String::new();
    dump(&value, &mut text).ok_or(ObjectHashError)?;
    Ok(BrickHash::of(text.as_bytes()))
}

/// Appends the flat text of a value: members of objects in the order of the
/// UTF-16 units of their keys.
fn dump(value: &Json, out: &mut String) -> Option<()> {
    match value {
        Json::Text(text) => out.push_str(&text.decoded()?),
        Json::List(items) => {
            for item in items {
                dump(item, out)?;
            }
        }
        Json::Object(members) => {
            let mut sorted = Vec::with_capacity(members.len());
            for (key, value) in members {
                sorted.push((key.decoded()?, value));
            }
            sorted.sort_by(|(left, _), (right, _)| left.encode_utf16().cmp(right.encode_utf16()));
            for (key, value) in sorted {
                out.push_str(&key);
                dump(value, out)?;
            }
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => out.push_str(&value.print()),
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, flat: &str) {
        assert_eq!(
            object_hash(json),
            Ok(BrickHash::of(flat.as_bytes())),
            "{json}"
        );
    }

    #[test]
    fn values_are_flattened_in_the_order_of_utf16() {
        check("\"text\"", "text");
        check("[1, true, null, [\"a\", -0.5]]", "1truenulla-0.5");
        check("{\"b\":1,\"a\":{\"d\":2,\"c\":3}}", "ac3d2b1");
        // U+10000 is a pair of units below U+FFFF.
        check("{\"\u{ffff}\":1,\"\u{10000}\":2}", "\u{10000}2\u{ffff}1");
        assert_eq!(object_hash("{"), Err(ObjectHashError));
    }
}
