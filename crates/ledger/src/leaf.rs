//! Adding a leaf to a log: the entry, what opens it, and the hashes that it completes.
//!
//! **Source:** `translog.md` §2, §6.

use engine::rocksdb::WriteBatch;
use engine::{DomainId, EngineError};
use translog::{Op, Opening, Salt, Tree};

use crate::keys::{self, LogRecord};
use crate::log_records::{Behind, LogState};
use crate::shared::Shared;

/// A leaf to be added.
pub(crate) struct Leaf<'a> {
    /// The wrapped anchor id.
    pub(crate) anchor: &'a str,
    pub(crate) version: u64,
    pub(crate) op: Op,
    pub(crate) opening: Opening,
}

impl Leaf<'_> {
    /// Puts the leaf into a batch and into the tree; gives its place. [`put_state`] must follow in
    /// the same batch.
    pub(crate) fn put(
        self,
        shared: &Shared,
        batch: &mut WriteBatch,
        domain: DomainId,
        tree: &mut Tree,
    ) -> Result<u64, EngineError> {
        #[cfg(feature = "bench-without-log")]
        if is_without_log(shared) {
            return Ok(0);
        }
        let engine = &shared.engine;
        let entry = self.opening.commit(self.op, (shared.clock_ms)());
        let place = tree.size();
        for completed in tree.push(entry.leaf_hash()) {
            let record = LogRecord::Hash {
                level: completed.level,
                number: completed.index,
            };
            engine.put(
                batch,
                keys::LOG,
                &keys::log(domain, record),
                &completed.hash,
            )?;
        }
        let key = keys::log(domain, LogRecord::Entry(place));
        engine.put(batch, keys::LOG, &key, &entry.encode())?;
        let behind = Behind {
            salt: self.opening.salt,
            version: self.version,
            anchor: self.anchor.to_owned(),
        };
        let key = keys::opening(domain, place);
        engine.put(batch, keys::OPENINGS, &key, &behind.encode())?;
        Ok(place)
    }
}

/// Puts the size and root of a log into the batch that adds to it.
pub(crate) fn put_state(
    shared: &Shared,
    batch: &mut WriteBatch,
    domain: DomainId,
    tree: &Tree,
) -> Result<(), EngineError> {
    #[cfg(feature = "bench-without-log")]
    if is_without_log(shared) {
        return Ok(());
    }
    let key = keys::log(domain, LogRecord::State);
    let state = LogState::of(tree).encode();
    shared.engine.put(batch, keys::LOG, &key, &state)
}

/// A salt that nobody has seen.
pub(crate) fn fresh_salt() -> Result<Salt, getrandom::Error> {
    let mut salt = Salt([0; 32]);
    getrandom::fill(&mut salt.0)?;
    Ok(salt)
}

#[cfg(feature = "bench-without-log")]
fn is_without_log(shared: &Shared) -> bool {
    let without_log = &shared.without_log;
    without_log.load(std::sync::atomic::Ordering::Relaxed)
}
