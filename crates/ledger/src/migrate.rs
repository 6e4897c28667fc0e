//! Bringing an older format forward, in steps that can be cut off and go on.

use std::collections::{HashMap, hash_map};
use std::ops::ControlFlow;
use std::path::Path;

use engine::rocksdb::WriteBatch;
use engine::{DomainId, Engine, EngineError, EngineOptions, Migration, Mode, OpenError};
use keyssi::base58;
use translog::{Op, Opening, Tree};

use crate::keys;
use crate::leaf::{self, Leaf};
use crate::shared::{Shared, corrupt};

/// Versions that are brought forward in one batch.
const STEP: usize = 512;

/// What opening the ledger in `path` would do to bring it to the newest format; no process may have
/// it open. Changes nothing.
///
/// # Errors
/// When the ledger cannot be opened or read, or has a newer format.
pub fn migration(path: &Path) -> Result<Migration, OpenError> {
    let options = EngineOptions {
        free_bytes_min: 0,
        mode: Mode::Check,
    };
    let engine = Engine::open(path, keys::FAMILIES, keys::FORMAT, options)?;
    let mut old = 0;
    if engine.format() < keys::FORMAT {
        walk_old(&engine, &[], |_, _| {
            old += 1;
            true
        })
        .map_err(|error| OpenError::Damaged {
            path: path.to_owned(),
            detail: error.to_string(),
        })?;
    }
    Ok(Migration::new(engine.format(), keys::FORMAT, old))
}

/// Brings the store to [`keys::FORMAT`]. From format 1, which had no log: every version becomes a
/// leaf (operation *migrate*) in the order of anchors and versions. A step that was written is not
/// done again: a version of format 2 begins with its place, whose first byte is zero, one of
/// format 1 with a base58 digit.
pub(crate) fn bring_forward(shared: &Shared) -> Result<(), EngineError> {
    if shared.engine.format() >= keys::FORMAT {
        return Ok(());
    }
    let mut trees = HashMap::new();
    let mut from = Vec::new();
    let mut done = 0;
    loop {
        let old = old_versions(shared, &from)?;
        let Some((last, _)) = old.last() else { break };
        from.clone_from(last);
        let mut batch = WriteBatch::default();
        for (key, value) in &old {
            add_to_log(shared, &mut batch, &mut trees, key, value)?;
        }
        for (domain, tree) in &trees {
            leaf::put_state(shared, &mut batch, *domain, tree)?;
        }
        shared.engine.write(batch)?;
        done += old.len();
    }
    let mut batch = WriteBatch::default();
    shared.engine.put_format(&mut batch, keys::FORMAT)?;
    shared.engine.write(batch)?;
    tracing::info!(versions = done, "the anchors were brought into their logs");
    Ok(())
}

/// Key and value of a version of format 1.
type OldVersion = (Vec<u8>, Vec<u8>);

/// The next versions in the old form, from a key on.
fn old_versions(shared: &Shared, from: &[u8]) -> Result<Vec<OldVersion>, EngineError> {
    let mut found = Vec::new();
    walk_old(&shared.engine, from, |key, value| {
        found.push((key.to_vec(), value.to_vec()));
        found.len() < STEP
    })?;
    Ok(found)
}

/// Shows the versions in the old form, from a key on, for as long as `visit` wants more.
fn walk_old(
    engine: &Engine,
    from: &[u8],
    mut visit: impl FnMut(&[u8], &[u8]) -> bool,
) -> Result<(), EngineError> {
    engine.range(keys::ANCHORS, from, &[0xff; 8], |key, value| {
        let is_old = value.first().is_some_and(|byte| *byte != 0);
        Ok(if is_old && !visit(key, value) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    })
}

fn add_to_log(
    shared: &Shared,
    batch: &mut WriteBatch,
    trees: &mut HashMap<DomainId, Tree>,
    key: &[u8],
    value: &[u8],
) -> Result<(), EngineError> {
    let broken = || corrupt("a version of format 1".to_owned());
    let (domain, anchor, version) = keys::parse_version(key).ok_or_else(broken)?;
    let wrapped = std::str::from_utf8(value).map_err(|_| broken())?;
    let plain = |text: &str| {
        let bytes = base58::decode(text).ok();
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        text.ok_or_else(broken)
    };
    let leaf = Leaf {
        anchor,
        version,
        op: Op::Migrate,
        opening: Opening {
            salt: leaf::fresh_salt()
                .map_err(|_| corrupt("the system gives no random bytes".to_owned()))?,
            anchor_id: plain(anchor)?,
            anchor_value: plain(wrapped)?,
        },
    };
    let tree = match trees.entry(domain) {
        hash_map::Entry::Occupied(known) => known.into_mut(),
        hash_map::Entry::Vacant(place) => place.insert(shared.tree(domain)?),
    };
    let place = leaf.put(shared, batch, domain, tree)?;
    let stored = keys::encode_numbered(place, wrapped);
    shared.engine.put(batch, keys::ANCHORS, key, &stored)
}
