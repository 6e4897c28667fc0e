//! Why the store refuses, named by what the caller can do about it.

use std::fmt;

use engine::EngineError;
use keyssi::BrickHash;

/// Why a brick could not be stored or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BrickStoreError {
    /// The disk is full; nothing was stored. Retry when there is room.
    #[error("the disk is full")]
    OutOfSpace,
    /// The bricks that are not there yet do not fit into a quota; nothing was stored.
    #[error("{which} is {limit} {}, {used} are in use, and this needs {asked} more", which.unit())]
    QuotaExceeded {
        /// Which quota.
        which: Quota,
        /// Its size: bricks or bytes.
        limit: u64,
        /// How much of it is in use.
        used: u64,
        /// How much more this would have needed.
        asked: u64,
    },
    /// The brick was found damaged before, and is not read again until its bytes have been put.
    #[error("brick {hash} is in quarantine since {found_ms} ms after the epoch: it is damaged")]
    Quarantined {
        /// The brick's name.
        hash: BrickHash,
        /// When it was found, in milliseconds since the epoch.
        found_ms: u64,
    },
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

/// A quota on what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quota {
    /// On the number of bricks of a domain.
    DomainBricks,
    /// On the bytes of a domain.
    DomainBytes,
    /// On the number of bricks of an account.
    AccountBricks,
    /// On the bytes of an account.
    AccountBytes,
}

impl Quota {
    /// What it counts, for people.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::DomainBricks | Self::AccountBricks => "bricks",
            Self::DomainBytes | Self::AccountBytes => "bytes",
        }
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::DomainBricks | Self::DomainBytes => "the storage quota of the domain",
            Self::AccountBricks | Self::AccountBytes => "the storage quota of the caller",
        })
    }
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
