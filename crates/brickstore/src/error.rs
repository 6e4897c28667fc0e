//! Why the store refuses, named by what the caller can do about it.

use engine::EngineError;
use keyssi::BrickHash;

/// Why a brick could not be stored or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BrickStoreError {
    /// The disk is full; nothing was stored. Retry when there is room.
    #[error("the disk is full")]
    OutOfSpace,
    /// The stored bytes do not hash to the brick's name. They are not returned.
    #[error("brick {expected} is damaged: its stored bytes hash to {actual}")]
    HashMismatch {
        /// The brick's name.
        expected: BrickHash,
        /// What the stored bytes hash to.
        actual: BrickHash,
    },
    /// The database's own checks failed on what was read.
    #[error("stored data is damaged")]
    Corrupt(#[source] EngineError),
    /// The store cannot serve this now: it takes no writes after an I/O error, or is ending.
    #[error("the store is not available")]
    Unavailable(#[source] Option<EngineError>),
}

impl From<EngineError> for BrickStoreError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::OutOfSpace { .. } => Self::OutOfSpace,
            EngineError::Corrupt { .. } => Self::Corrupt(error),
            other => Self::Unavailable(Some(other)),
        }
    }
}
