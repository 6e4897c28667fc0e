//! The transparency log as it lies in the store: entries, subtree roots, openings, notes.
//!
//! **Source:** `translog.md` §2, §5, §6.

use std::ops::ControlFlow;

use engine::{DomainId, EngineError};
use translog::{BundleId, Hash, Opening, Salt, TILE_WIDTH, TileId, TileSet, Tree};

use crate::keys::{self, LogRecord};
use crate::shared::{Shared, Tail, corrupt};

/// Size and root of a log, as the last batch left them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogState {
    pub(crate) size: u64,
    pub(crate) root: Hash,
}

impl LogState {
    pub(crate) fn of(tree: &Tree) -> Self {
        Self {
            size: tree.size(),
            root: tree.root(),
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        [&self.size.to_be_bytes()[..], &self.root].concat()
    }

    pub(crate) fn decode(stored: &[u8]) -> Option<Self> {
        let (size, root) = stored.split_first_chunk::<8>()?;
        Some(Self {
            size: u64::from_be_bytes(*size),
            root: root.try_into().ok()?,
        })
    }
}

/// Who is behind a commitment: the salt, and which version of which anchor.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Behind {
    pub(crate) salt: Salt,
    pub(crate) version: u64,
    /// The wrapped anchor id.
    pub(crate) anchor: String,
}

impl Behind {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let rest = keys::encode_numbered(self.version, &self.anchor);
        [&self.salt.0[..], &rest].concat()
    }

    pub(crate) fn decode(stored: &[u8]) -> Option<Self> {
        let (salt, rest) = stored.split_first_chunk::<32>()?;
        let (version, anchor) = keys::decode_numbered(rest)?;
        Some(Self {
            salt: Salt(*salt),
            version,
            anchor: anchor.to_owned(),
        })
    }
}

impl Shared {
    /// Size and root of a log; `None` when it has no entry.
    pub(crate) fn log_state(&self, domain: DomainId) -> Result<Option<LogState>, EngineError> {
        let key = keys::log(domain, LogRecord::State);
        let stored = self.engine.get_with(keys::LOG, &key, LogState::decode)?;
        match stored {
            None => Ok(None),
            Some(Some(state)) => Ok(Some(state)),
            Some(None) => Err(corrupt("the size of a log".to_owned())),
        }
    }

    /// The tree of a log, rebuilt from what is stored and compared with the stored root. The same
    /// code at the start, after a failure, and whenever a checkpoint is signed.
    pub(crate) fn tree(&self, domain: DomainId) -> Result<Tree, EngineError> {
        let Some(state) = self.log_state(domain)? else {
            return Ok(Tree::new());
        };
        let tiles = self.tile_set(domain, &translog::edge_tiles(state.size))?;
        let tree = Tree::restore(state.size, &tiles)
            .map_err(|missing| corrupt(format!("a log: {missing}")))?;
        if tree.root() != state.root {
            return Err(corrupt(format!(
                "a log of {} entries does not have the root that was stored with it",
                state.size
            )));
        }
        Ok(tree)
    }

    /// Several tiles, for a computation.
    pub(crate) fn tile_set(
        &self,
        domain: DomainId,
        ids: &[TileId],
    ) -> Result<TileSet, EngineError> {
        let mut tiles = TileSet::new();
        for id in ids {
            let bytes = self.tile(domain, *id)?;
            let bytes = bytes.ok_or_else(|| corrupt(format!("{} is incomplete", id.path())))?;
            tiles
                .insert(*id, &bytes)
                .map_err(|error| corrupt(error.to_string()))?;
        }
        Ok(tiles)
    }

    /// The bytes of a tile; `None` when the log is not that large.
    pub(crate) fn tile(
        &self,
        domain: DomainId,
        id: TileId,
    ) -> Result<Option<Vec<u8>>, EngineError> {
        let mut hashes = Vec::with_capacity(usize::from(id.width()) * 32);
        let record = |number| match id.level() {
            0 => LogRecord::Entry(number),
            level => LogRecord::Hash { level, number },
        };
        let complete = self.row(domain, record, id.index(), id.width(), |stored| {
            if id.level() == 0 {
                hashes.extend_from_slice(&translog::leaf_hash(stored));
            } else {
                hashes.extend_from_slice(stored);
            }
        })?;
        Ok(complete.then_some(hashes))
    }

    /// The bytes of an entry bundle; `None` when the log is not that large.
    pub(crate) fn bundle(
        &self,
        domain: DomainId,
        id: BundleId,
    ) -> Result<Option<Vec<u8>>, EngineError> {
        let mut entries = Vec::with_capacity(usize::from(id.width()));
        let complete = self.row(domain, LogRecord::Entry, id.index(), id.width(), |entry| {
            entries.push(entry.to_vec());
        })?;
        if !complete {
            return Ok(None);
        }
        let bytes = translog::encode_bundle(entries.iter().map(Vec::as_slice));
        bytes.map(Some).map_err(|error| corrupt(error.to_string()))
    }

    /// Visits `width` records of one row of 256; `false` when one is not there.
    fn row(
        &self,
        domain: DomainId,
        record: impl Fn(u64) -> LogRecord,
        index: u64,
        width: u16,
        mut visit: impl FnMut(&[u8]),
    ) -> Result<bool, EngineError> {
        let Some(first) = index.checked_mul(u64::from(TILE_WIDTH)) else {
            return Ok(false);
        };
        let Some(end) = first.checked_add(u64::from(width)) else {
            return Ok(false);
        };
        let from = keys::log(domain, record(first));
        let to = keys::log(domain, record(end));
        let mut next = first;
        self.engine.range(keys::LOG, &from, &to, |key, value| {
            // A hole ends the row: what follows is not counted.
            if key != keys::log(domain, record(next)) {
                return Ok(ControlFlow::Break(()));
            }
            visit(value);
            next += 1;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(next == end)
    }

    /// The entry at a place.
    pub(crate) fn log_entry(
        &self,
        domain: DomainId,
        place: u64,
    ) -> Result<Option<Vec<u8>>, EngineError> {
        self.engine
            .get(keys::LOG, &keys::log(domain, LogRecord::Entry(place)))
    }

    /// Who is behind the entry at a place; `None` when it was erased or never there.
    pub(crate) fn behind(
        &self,
        domain: DomainId,
        place: u64,
    ) -> Result<Option<Behind>, EngineError> {
        let key = keys::opening(domain, place);
        match self.engine.get_with(keys::OPENINGS, &key, Behind::decode)? {
            None => Ok(None),
            Some(Some(behind)) => Ok(Some(behind)),
            Some(None) => Err(corrupt(format!("the opening of entry {place}"))),
        }
    }

    /// What opens the entry at a place; `None` when it was erased or never there.
    pub(crate) fn opening(
        &self,
        domain: DomainId,
        place: u64,
    ) -> Result<Option<Opening>, EngineError> {
        let Some(behind) = self.behind(domain, place)? else {
            return Ok(None);
        };
        let Some((_, value)) = self.version(domain, &behind.anchor, behind.version)? else {
            return Ok(None);
        };
        let plain = |text: &str| {
            let bytes = keyssi::base58::decode(text).ok();
            bytes.and_then(|bytes| String::from_utf8(bytes).ok())
        };
        let (Some(anchor_id), Some(anchor_value)) = (plain(&behind.anchor), plain(&value)) else {
            return Err(corrupt(format!("the opening of entry {place}")));
        };
        Ok(Some(Opening {
            salt: behind.salt,
            anchor_id,
            anchor_value,
        }))
    }

    /// The place in the log and the value of one version.
    pub(crate) fn version(
        &self,
        domain: DomainId,
        anchor: &str,
        version: u64,
    ) -> Result<Option<(u64, String)>, EngineError> {
        let key = keys::version(domain, anchor, version);
        let read = |stored: &[u8]| {
            keys::decode_numbered(stored).map(|(place, value)| (place, value.to_owned()))
        };
        match self.engine.get_with(keys::ANCHORS, &key, read)? {
            None => Ok(None),
            Some(Some(version)) => Ok(Some(version)),
            Some(None) => Err(corrupt(format!("version {version} of {}", Tail(anchor)))),
        }
    }

    /// A text of the log, `None` when there is none yet.
    pub(crate) fn log_text(
        &self,
        domain: DomainId,
        record: LogRecord,
    ) -> Result<Option<String>, EngineError> {
        let stored = self.engine.get(keys::LOG, &keys::log(domain, record))?;
        let text = stored.map(String::from_utf8).transpose();
        text.map_err(|_| corrupt("a text of a log".to_owned()))
    }
}
