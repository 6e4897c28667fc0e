//! A small log of arbitrary leaves, with the requests that it makes of a witness.

use anyhow::Result;
use translog::{
    AddCheckpoint, Checkpoint, Hash, LogKey, Origin, SignedNote, TileId, TileSet, leaf_hash,
};

pub(crate) const ORIGIN: &str = "anchors.example/default";

pub(crate) fn key(origin: &str, seed: u8) -> LogKey {
    LogKey::from_seed(&Origin::parse(origin).unwrap(), &[seed; 32])
}

/// A log of at most 256 leaves, which are one tile.
#[derive(Clone)]
pub(crate) struct Grown {
    pub(crate) key: LogKey,
    leaves: Vec<Hash>,
}

impl Grown {
    pub(crate) fn new() -> Self {
        Self {
            key: key(ORIGIN, 1),
            leaves: Vec::new(),
        }
    }

    /// The log with leaves up to this size, which tell of the branch.
    #[must_use]
    pub(crate) fn to(&self, size: usize, branch: &str) -> Self {
        let mut grown = self.clone();
        for number in grown.leaves.len()..size {
            let leaf = format!("{branch} {number}");
            grown.leaves.push(leaf_hash(leaf.as_bytes()));
        }
        grown
    }

    pub(crate) fn size(&self) -> u64 {
        self.leaves.len() as u64
    }

    pub(crate) fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            origin: Origin::parse(ORIGIN).unwrap(),
            size: self.size(),
            root: self.tiles().root(self.size()).unwrap(),
            extensions: Vec::new(),
        }
    }

    pub(crate) fn note(&self) -> SignedNote {
        let checkpoint = self.checkpoint();
        SignedNote::new(&checkpoint, self.key.sign(&checkpoint))
    }

    /// The request to cosign the newest checkpoint, with the proof from `old` within this log.
    pub(crate) fn request(&self, old: u64) -> Result<AddCheckpoint> {
        let proof = if old == 0 {
            Vec::new()
        } else {
            self.tiles().consistency_proof(old, self.size())?
        };
        Ok(AddCheckpoint {
            old,
            proof,
            note: self.note(),
        })
    }

    fn tiles(&self) -> TileSet {
        let mut tiles = TileSet::new();
        if let Ok(width) = u16::try_from(self.leaves.len())
            && let Ok(id) = TileId::new(0, 0, width)
        {
            tiles.insert(id, self.leaves.as_flattened()).unwrap();
        }
        tiles
    }
}
