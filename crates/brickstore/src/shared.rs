//! What readers and the committer share.

use std::collections::HashSet;
use std::sync::Mutex;

use engine::{DomainId, DomainIds, Engine, EngineError, META};

use crate::error::BrickStoreError;
use crate::keys;

/// What a put did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// The brick was written and synced.
    Stored,
    /// The brick was there already; nothing was written.
    Existing,
}

/// Bricks of a domain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Number of bricks.
    pub bricks: u64,
    /// Their bytes together, as they were sent.
    pub bytes: u64,
}

/// State that readers and the committer share.
pub(crate) struct Shared {
    pub(crate) engine: Engine,
    pub(crate) domains: DomainIds,
    /// Keys of bricks whose stored bytes were found damaged: a put of them writes again.
    pub(crate) damaged: Mutex<HashSet<[u8; keys::KEY_BYTES]>>,
}

impl Shared {
    /// Bricks and bytes of a domain, as they stand on disk.
    pub(crate) fn totals(&self, domain: DomainId) -> Result<Totals, BrickStoreError> {
        match self
            .engine
            .get_with(META, &keys::totals(domain), keys::decode_totals)?
        {
            None => Ok(Totals::default()),
            Some(Some(totals)) => Ok(totals),
            Some(None) => Err(BrickStoreError::Corrupt(EngineError::Corrupt {
                detail: "the counters of a domain".to_owned(),
            })),
        }
    }
}
