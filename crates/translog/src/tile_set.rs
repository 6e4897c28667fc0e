//! Roots and proofs out of tiles, without I/O: ask which tiles are needed, fetch them, compute.
//!
//! **Source:** `translog.md` §5 and §7.

use std::collections::BTreeMap;
use std::iter;
use std::ops::Range;

use thiserror::Error;

use crate::hash::{HASH_BYTES, Hash, empty_root, node_hash};
use crate::tile::TileId;

/// The tiles that [`Tree::restore`](crate::Tree::restore) and [`TileSet::root`] need: the partial ones.
#[must_use]
pub fn edge_tiles(size: u64) -> Vec<TileId> {
    tiles_for(iter::once(0..size), size)
}

/// The tiles that [`TileSet::inclusion_proof`] needs. None when `index` is not below `size`.
#[must_use]
pub fn inclusion_tiles(index: u64, size: u64) -> Vec<TileId> {
    tiles_for(inclusion_path(index, size), size)
}

/// The tiles that [`TileSet::consistency_proof`] needs. None when `old` is above `new`.
#[must_use]
pub fn consistency_tiles(old: u64, new: u64) -> Vec<TileId> {
    tiles_for(consistency_path(old, new), new)
}

/// Tiles that were fetched. They are not checked against a root here: verify what is computed from them.
#[derive(Clone, Debug, Default)]
pub struct TileSet {
    /// By level and number.
    tiles: BTreeMap<(u8, u64), Vec<Hash>>,
}

impl TileSet {
    /// A set without tiles.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a tile. Of two widths of one tile the wider is kept, and serves for the narrower.
    ///
    /// # Errors
    /// [`TileError::WrongLength`], or [`TileError::Differs`] when the set holds other hashes under the
    /// same name. The set is then as it was.
    pub fn insert(&mut self, id: TileId, bytes: &[u8]) -> Result<(), TileError> {
        let (hashes, rest) = bytes.as_chunks::<HASH_BYTES>();
        if !rest.is_empty() || hashes.len() != usize::from(id.width()) {
            return Err(TileError::WrongLength {
                id,
                found: bytes.len(),
            });
        }
        let known = self.tiles.entry((id.level(), id.index())).or_default();
        if known.iter().zip(hashes).any(|(known, new)| known != new) {
            return Err(TileError::Differs { id });
        }
        if let Some(further) = hashes.get(known.len()..) {
            known.extend_from_slice(further);
        }
        Ok(())
    }

    /// Whether the tile, or a wider one at its place, is in the set.
    #[must_use]
    pub fn contains(&self, id: TileId) -> bool {
        self.tiles
            .get(&(id.level(), id.index()))
            .is_some_and(|hashes| hashes.len() >= usize::from(id.width()))
    }

    /// The root of the tree of `size` leaves.
    ///
    /// # Errors
    /// [`MissingTile`], one of [`edge_tiles`].
    pub fn root(&self, size: u64) -> Result<Hash, MissingTile> {
        if size == 0 {
            return Ok(empty_root());
        }
        self.range_root(&(0..size), size)
    }

    /// The proof that the leaf `index` is in the tree of `size` leaves.
    ///
    /// # Errors
    /// [`MissingTile`], one of [`inclusion_tiles`]; or, when `index` is not below `size`, the tile that
    /// would hold the leaf, which such a tree does not have.
    pub fn inclusion_proof(&self, index: u64, size: u64) -> Result<Vec<Hash>, MissingTile> {
        if index >= size {
            return Err(MissingTile::of_leaf(index));
        }
        self.range_roots(&inclusion_path(index, size), size)
    }

    /// The proof that the tree of `new` leaves begins with the tree of `old` leaves.
    ///
    /// # Errors
    /// [`MissingTile`], one of [`consistency_tiles`]; or, when `old` is above `new`, the tile that would
    /// hold the last old leaf, which the new tree does not have.
    pub fn consistency_proof(&self, old: u64, new: u64) -> Result<Vec<Hash>, MissingTile> {
        if old > new {
            return Err(MissingTile::of_leaf(old.saturating_sub(1)));
        }
        self.range_roots(&consistency_path(old, new), new)
    }

    /// The root of a complete subtree, in a tree of `size` leaves that has it.
    pub(crate) fn subtree_root(&self, subtree: Subtree, size: u64) -> Result<Hash, MissingTile> {
        let id = subtree.tile(size);
        let start = usize::try_from(subtree.place() % 256).unwrap_or(usize::MAX);
        let end = start.saturating_add(1 << subtree.height_in_tile());
        self.tiles
            .get(&(id.level(), id.index()))
            .and_then(|hashes| hashes.get(start..end))
            .and_then(complete_root)
            .ok_or(MissingTile { id })
    }

    fn range_roots(&self, ranges: &[Range<u64>], size: u64) -> Result<Vec<Hash>, MissingTile> {
        ranges
            .iter()
            .map(|range| self.range_root(range, size))
            .collect()
    }

    /// The root over the leaves of one range, which is not empty.
    fn range_root(&self, range: &Range<u64>, size: u64) -> Result<Hash, MissingTile> {
        let mut root = None;
        for subtree in subtrees(range.clone()).rev() {
            let left = self.subtree_root(subtree, size)?;
            root = Some(match root {
                Some(right) => node_hash(&left, &right),
                None => left,
            });
        }
        root.ok_or_else(|| MissingTile::of_leaf(range.start))
    }
}

/// A tile that is needed and not in the set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{} is missing", id.path())]
pub struct MissingTile {
    /// Which one.
    pub id: TileId,
}

impl MissingTile {
    /// The narrowest tile that holds the leaf hash number `index`.
    fn of_leaf(index: u64) -> Self {
        Self {
            id: TileId::ending_at(0, index),
        }
    }
}

/// Why a tile is not taken into a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TileError {
    /// A tile has 32 bytes for each hash that its name says.
    #[error("{} has {found} bytes", id.path())]
    WrongLength {
        /// Which tile.
        id: TileId,
        /// How many bytes there were.
        found: usize,
    },
    /// Tiles never change, and this one is not the one that is known.
    #[error("{} differs from what is known of this tile", id.path())]
    Differs {
        /// Which tile.
        id: TileId,
    },
}

/// A complete subtree of 2^height leaves, the first of which has the number `index * 2^height`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subtree {
    height: u8,
    index: u64,
}

impl Subtree {
    /// The level of the tile with the hashes from which the root is computed.
    fn level(self) -> u8 {
        self.height / 8
    }

    /// How far above the hashes of its tile the root lies, 0 to 7.
    fn height_in_tile(self) -> u8 {
        self.height % 8
    }

    /// The number, at its level, of the first hash from which the root is computed.
    fn place(self) -> u64 {
        self.index << self.height_in_tile()
    }

    /// The tile, as wide as it is in a tree of `size` leaves.
    fn tile(self, size: u64) -> TileId {
        let hashes = size >> (8 * u32::from(self.level()));
        TileId::holding(self.level(), self.place(), hashes)
    }
}

/// The complete subtrees that make up the leaves of a range, from the left, the largest first. The range
/// begins where a subtree of at least its length may begin; so does each that the paths below give.
pub(crate) fn subtrees(range: Range<u64>) -> impl DoubleEndedIterator<Item = Subtree> {
    let length = range.end.saturating_sub(range.start);
    (0..64u8)
        .rev()
        .filter(move |&height| (length >> height) & 1 == 1)
        .map(move |height| {
            // What the larger subtrees cover: the bits of the length above this one.
            let before = length & !(u64::MAX >> (63 - height));
            Subtree {
                height,
                index: (range.start + before) >> height,
            }
        })
}

/// The ranges whose roots prove the inclusion of a leaf, the smallest first: the siblings on the way up.
fn inclusion_path(index: u64, size: u64) -> Vec<Range<u64>> {
    let mut path = Vec::new();
    if index >= size {
        return path;
    }
    let mut within = 0..size;
    while let Some(middle) = middle(&within) {
        if index < middle {
            path.push(middle..within.end);
            within.end = middle;
        } else {
            path.push(within.start..middle);
            within.start = middle;
        }
    }
    path.reverse();
    path
}

/// The ranges whose roots prove that the tree of `new` leaves begins with that of `old` leaves.
fn consistency_path(old: u64, new: u64) -> Vec<Range<u64>> {
    let mut path = Vec::new();
    if old == 0 || old >= new {
        return path;
    }
    let mut within = 0..new;
    while within.end != old
        && let Some(middle) = middle(&within)
    {
        if old <= middle {
            path.push(middle..within.end);
            within.end = middle;
        } else {
            path.push(within.start..middle);
            within.start = middle;
        }
    }
    // A range that begins at 0 is the old tree itself, whose root the verifier has.
    if within.start > 0 {
        path.push(within);
    }
    path.reverse();
    path
}

/// Where the tree over a range divides: after the largest power of two below its length. Nothing for a
/// single leaf.
fn middle(range: &Range<u64>) -> Option<u64> {
    let length = range.end.saturating_sub(range.start);
    let below = length.checked_sub(1)?;
    Some(range.start + (1 << below.checked_ilog2()?))
}

/// The tiles from which the roots of ranges are computed, each once.
fn tiles_for(ranges: impl IntoIterator<Item = Range<u64>>, size: u64) -> Vec<TileId> {
    let mut tiles = Vec::new();
    for subtree in ranges.into_iter().flat_map(subtrees) {
        let tile = subtree.tile(size);
        if !tiles.contains(&tile) {
            tiles.push(tile);
        }
    }
    tiles
}

/// The root over 1, 2, 4, … 128 hashes.
fn complete_root(hashes: &[Hash]) -> Option<Hash> {
    match hashes {
        [] => None,
        [hash] => Some(*hash),
        _ => {
            let (left, right) = hashes.split_at(hashes.len() / 2);
            Some(node_hash(&complete_root(left)?, &complete_root(right)?))
        }
    }
}
