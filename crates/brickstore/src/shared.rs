//! What readers and the committer share.

use engine::{DomainId, DomainIds, Engine, EngineError, META};
use keyssi::BrickHash;

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

/// How a brick that is to be put lies in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    Absent,
    /// There, with exactly the bytes of the put.
    Sound,
    /// Recorded, but its bytes are others, missing, or unreadable.
    Damaged,
}

/// State that readers and the committer share.
pub(crate) struct Shared {
    pub(crate) engine: Engine,
    pub(crate) domains: DomainIds,
}

impl Shared {
    /// Compares what is stored with what is put. To acknowledge a brick whose stored bytes are
    /// damaged would be a promise already broken.
    pub(crate) fn presence(
        &self,
        domain: DomainId,
        hash: &BrickHash,
        bytes: &[u8],
    ) -> Result<Presence, EngineError> {
        let key = keys::brick(domain, hash);
        match self.engine.get_with(keys::BRICK_META, &key, |_| ()) {
            Ok(Some(())) => {}
            Ok(None) => return Ok(Presence::Absent),
            Err(EngineError::Corrupt { .. }) => return Ok(Presence::Damaged),
            Err(error) => return Err(error),
        }
        match self
            .engine
            .get_with(keys::BRICKS, &key, |stored| stored == bytes)
        {
            Ok(Some(true)) => Ok(Presence::Sound),
            Ok(Some(false) | None) | Err(EngineError::Corrupt { .. }) => Ok(Presence::Damaged),
            Err(error) => Err(error),
        }
    }

    /// The recorded size of a brick in bytes; `None` when it is absent.
    pub(crate) fn size(
        &self,
        domain: DomainId,
        hash: &BrickHash,
    ) -> Result<Option<u64>, BrickStoreError> {
        let key = keys::brick(domain, hash);
        let found = self
            .engine
            .get_with(keys::BRICK_META, &key, keys::decode_pair)?;
        match found {
            None => Ok(None),
            Some(Some((bytes, _))) => Ok(Some(bytes)),
            Some(None) => Err(BrickStoreError::Corrupt(EngineError::Corrupt {
                detail: format!("size record of brick {hash}"),
            })),
        }
    }

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
