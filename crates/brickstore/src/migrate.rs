//! Bringing an older format forward.

use std::path::Path;

use engine::rocksdb::WriteBatch;
use engine::{Engine, EngineOptions, Migration, Mode, OpenError};

use crate::keys;

/// What it takes to bring the store in `path` to the newest format, which no process may have open.
/// Changes nothing. No brick is written anew: format 2 only adds who a brick is charged to.
///
/// # Errors
/// When the store cannot be opened, or has a newer format.
pub fn migration(path: &Path) -> Result<Migration, OpenError> {
    let options = EngineOptions {
        free_bytes_min: 0,
        mode: Mode::Check,
    };
    let engine = Engine::open(path, keys::FAMILIES, keys::FORMAT, options)?;
    Ok(Migration::new(engine.format(), keys::FORMAT, 0))
}

/// Brings the store in `path` to the newest format now; without this the first write does.
///
/// # Errors
/// When the store cannot be opened or written, or has a newer format.
pub fn migrate(path: &Path, options: EngineOptions) -> Result<(), OpenError> {
    let engine = Engine::open(path, keys::FAMILIES, keys::FORMAT, options)?;
    if engine.format() >= keys::FORMAT {
        return Ok(());
    }
    let mut batch = WriteBatch::default();
    let put = engine.put_format(&mut batch, keys::FORMAT);
    put.and_then(|()| engine.write(batch))
        .map_err(|error| OpenError::Damaged {
            path: path.to_owned(),
            detail: format!("the older format cannot be brought forward: {error}"),
        })
}
