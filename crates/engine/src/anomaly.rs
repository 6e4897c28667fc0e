//! What a walk over a whole store can find wrong whatever the store holds.

use crate::EngineError;

/// Something wrong with the records of a column family.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Anomaly {
    /// The family cannot be walked to its end.
    #[error("{family} cannot be read to its end: {detail}")]
    BrokenWalk {
        /// Which family.
        family: &'static str,
        /// What the database said.
        detail: String,
    },
    /// A record is not of the store's format.
    #[error("{family} holds a record that is none of ours, key {key}")]
    UnknownRecord {
        /// Which family.
        family: &'static str,
        /// The key, escaped.
        key: String,
    },
}

impl Anomaly {
    /// The anomaly behind a walk that failed.
    #[must_use]
    pub fn broken_walk(family: &'static str, error: &EngineError) -> Self {
        let detail = error.to_string();
        Self::BrokenWalk { family, detail }
    }

    /// The anomaly of a key that the store did not write.
    #[must_use]
    pub fn unknown_record(family: &'static str, key: &[u8]) -> Self {
        let key = key.escape_ascii().to_string();
        Self::UnknownRecord { family, key }
    }
}
