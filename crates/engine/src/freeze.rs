//! A copy of a database as it is now, for backups.

use std::path::Path;

use rocksdb::checkpoint::Checkpoint;

use crate::{Engine, EngineError, Health};

impl Engine {
    /// Makes a database at `path`, which must not exist, that holds everything that was acknowledged
    /// before the call. What is acknowledged meanwhile may be in it or not, but never half of a
    /// batch. Files that are written once are hard links, so `path` must be on the same volume; the
    /// copy takes room only as the database goes on to delete what it shares.
    ///
    /// What lies in memory is flushed to files first, so that the next copy shares them too.
    ///
    /// # Errors
    /// [`EngineError::OutOfSpace`] and [`EngineError::Poisoned`] before anything is done,
    /// [`EngineError::Database`]; what was begun may be left at `path`.
    pub fn freeze(&self, path: &Path) -> Result<(), EngineError> {
        // A flush that fails would poison the store.
        let needed = self.reopening_bytes();
        match self.health() {
            Health::Poisoned { reason } => return Err(EngineError::Poisoned { reason }),
            Health::Full => return Err(EngineError::OutOfSpace { needed }),
            Health::Ready => self.require_space(needed)?,
        }
        self.with(|database| Ok(Checkpoint::new(database)?.create_checkpoint(path)?))
    }
}
