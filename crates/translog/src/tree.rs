//! The growing tree: a size and the right edge, which is all that appending needs.
//!
//! The edge works like a binary counter: one hash for each bit that is set in the size, the root of a
//! complete subtree of that many leaves. A new leaf carries as adding one does, and each carry makes a
//! larger subtree complete. Every eighth carry makes a hash that a tile holds.
//!
//! **Source:** `translog.md` §3 and §5.

use crate::hash::{Hash, empty_root, node_hash};
use crate::tile_set::{MissingTile, TileSet, subtrees};

/// The size and the right edge of a tree. A clone copies at most 64 hashes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    size: u64,
    /// Roots of the complete subtrees from the left, the largest first.
    edge: Vec<Hash>,
}

impl Tree {
    /// The tree without leaves.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many leaves it has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root over all leaves.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.edge
            .iter()
            .rev()
            .copied()
            .reduce(|right, left| node_hash(&left, &right))
            .unwrap_or_else(empty_root)
    }

    /// Appends a leaf by its hash. Gives the hashes of the subtrees of 256, 65,536, … leaves that it
    /// made complete, the smallest first: these are stored beside the leaf hash, and nothing else is.
    /// A tree of 2^64 - 1 leaves, which nobody can fill, stays as it is.
    pub fn push(&mut self, leaf: Hash) -> Vec<TileHash> {
        let Some(size) = self.size.checked_add(1) else {
            return Vec::new();
        };
        let mut completed = Vec::new();
        let mut hash = leaf;
        for height in 1..=self.size.trailing_ones() {
            let Some(left) = self.edge.pop() else { break };
            hash = node_hash(&left, &hash);
            if height % 8 == 0
                && let Ok(level) = u8::try_from(height / 8)
            {
                completed.push(TileHash {
                    level,
                    index: self.size >> height,
                    hash,
                });
            }
        }
        self.edge.push(hash);
        self.size = size;
        completed
    }

    /// The tree of `size` leaves, from the tiles that [`edge_tiles`](crate::edge_tiles) names.
    ///
    /// # Errors
    /// [`MissingTile`] when one of them is not in the set.
    pub fn restore(size: u64, tiles: &TileSet) -> Result<Self, MissingTile> {
        let edge = subtrees(0..size)
            .map(|subtree| tiles.subtree_root(subtree, size))
            .collect::<Result<_, _>>()?;
        Ok(Self { size, edge })
    }
}

/// The hash of a complete subtree of 256^level leaves, to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TileHash {
    /// 1 or more; leaf hashes are level 0.
    pub level: u8,
    /// The number of the hash at its level. It stands in tile `index / 256`, place `index % 256`.
    pub index: u64,
    /// The root of the subtree.
    pub hash: Hash,
}
