//! A look at one brick: what the check of a whole store and the scrub have in common.

use engine::{Engine, EngineError};
use keyssi::BrickHash;

use crate::keys;

/// What is wrong with a brick that is recorded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Damage {
    #[error("its bytes hash to {actual}")]
    HashMismatch { actual: BrickHash },
    #[error("it cannot be read: {detail}")]
    Unreadable { detail: String },
    #[error("its bytes are missing")]
    Missing,
    #[error("it has {actual} bytes, its record says {recorded}")]
    WrongSize { actual: u64, recorded: u64 },
}

/// Reads and hashes the brick under `key`, whose name is `hash` and whose record says `recorded`
/// bytes. Gives what is wrong, or nothing.
///
/// # Errors
/// When nothing can be said of the brick: the database is being reopened, or failed otherwise.
pub(crate) fn look_at(
    engine: &Engine,
    key: &[u8],
    hash: BrickHash,
    recorded: u64,
) -> Result<Option<Damage>, EngineError> {
    let read = engine.peek(keys::BRICKS, key, |bytes| {
        (BrickHash::of(bytes), bytes.len() as u64)
    });
    Ok(match read {
        Err(EngineError::Corrupt { detail }) => Some(Damage::Unreadable { detail }),
        Err(error) => return Err(error),
        Ok(None) => Some(Damage::Missing),
        Ok(Some((actual, _))) if actual != hash => Some(Damage::HashMismatch { actual }),
        Ok(Some((_, actual))) if actual != recorded => Some(Damage::WrongSize { actual, recorded }),
        Ok(Some(_)) => None,
    })
}
