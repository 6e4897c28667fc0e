//! The reference: MTH, PATH and SUBPROOF as RFC 9162 writes them, over all leaf hashes; and a store that
//! keeps what `Tree::push` gives, from which tiles are cut.

use std::cell::RefCell;
use std::collections::HashMap;

use translog::{Hash, TileId, TileSet, Tree, all_tiles, empty_root, leaf_hash, node_hash};

/// The largest tree that is compared leaf by leaf: beyond 8 full tiles and 2^11.
pub(crate) const SIZE_MAX: u64 = 2_100;

/// Sizes at which something changes.
pub(crate) const INTERESTING_SIZES: [u64; 27] = [
    1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 127, 128, 129, // powers of two within one tile
    255, 256, 257, // the first full tile, the first hash at level 1
    511, 512, 513, 700, 1_300, // the second one, and the sizes of the vectors
    2_047, 2_048, 2_049, SIZE_MAX, // the last power of two
];

pub(crate) fn leaf(index: u64) -> Hash {
    leaf_hash(&index.to_be_bytes())
}

/// All leaves, and the roots over them that were asked for.
pub(crate) struct Reference {
    roots: RefCell<HashMap<(u64, u64), Hash>>,
}

impl Reference {
    pub(crate) fn new() -> Self {
        Self {
            roots: RefCell::default(),
        }
    }

    /// MTH(D[start..end]).
    pub(crate) fn range(&self, start: u64, end: u64) -> Hash {
        if start == end {
            return empty_root();
        }
        if end - start == 1 {
            return leaf(start);
        }
        if let Some(root) = self.roots.borrow().get(&(start, end)) {
            return *root;
        }
        let k = split(end - start);
        let root = node_hash(&self.range(start, start + k), &self.range(start + k, end));
        self.roots.borrow_mut().insert((start, end), root);
        root
    }

    pub(crate) fn root(&self, size: u64) -> Hash {
        self.range(0, size)
    }

    /// P(m, D[start..end]).
    pub(crate) fn path(&self, index: u64, start: u64, end: u64) -> Vec<Hash> {
        let n = end - start;
        if n == 1 {
            return Vec::new();
        }
        let k = split(n);
        let (mut path, sibling) = if index < k {
            let path = self.path(index, start, start + k);
            (path, self.range(start + k, end))
        } else {
            let path = self.path(index - k, start + k, end);
            (path, self.range(start, start + k))
        };
        path.push(sibling);
        path
    }

    /// S(m, D[start..end], whole).
    pub(crate) fn subproof(&self, old: u64, start: u64, end: u64, whole: bool) -> Vec<Hash> {
        let n = end - start;
        if old == n {
            return if whole {
                Vec::new()
            } else {
                vec![self.range(start, end)]
            };
        }
        let k = split(n);
        let (mut proof, sibling) = if old <= k {
            let proof = self.subproof(old, start, start + k, whole);
            (proof, self.range(start + k, end))
        } else {
            let proof = self.subproof(old - k, start + k, end, false);
            (proof, self.range(start, start + k))
        };
        proof.push(sibling);
        proof
    }

    pub(crate) fn inclusion(&self, index: u64, size: u64) -> Vec<Hash> {
        self.path(index, 0, size)
    }

    pub(crate) fn consistency(&self, old: u64, new: u64) -> Vec<Hash> {
        if old == 0 {
            return Vec::new();
        }
        self.subproof(old, 0, new, true)
    }
}

/// The largest power of two below `n`.
fn split(n: u64) -> u64 {
    let mut k = 1;
    while k * 2 < n {
        k *= 2;
    }
    k
}

/// What a log stores: leaf hashes at level 0, above them what `Tree::push` gave.
pub(crate) struct Store {
    pub(crate) tree: Tree,
    pub(crate) levels: Vec<Vec<Hash>>,
}

impl Store {
    pub(crate) fn new() -> Self {
        Self {
            tree: Tree::new(),
            levels: vec![Vec::new(); 8],
        }
    }

    pub(crate) fn of(size: u64) -> Self {
        let mut store = Self::new();
        (0..size).for_each(|index| store.push(leaf(index)));
        store
    }

    pub(crate) fn push(&mut self, leaf: Hash) {
        self.levels[0].push(leaf);
        for completed in self.tree.push(leaf) {
            let level = &mut self.levels[usize::from(completed.level)];
            // In order and without gaps: a store may append.
            assert_eq!(level.len() as u64, completed.index);
            level.push(completed.hash);
        }
    }

    pub(crate) fn tile(&self, id: TileId) -> Vec<u8> {
        let start = usize::try_from(id.index() * 256).unwrap();
        let end = start + usize::from(id.width());
        self.levels[usize::from(id.level())][start..end].concat()
    }

    pub(crate) fn tiles(&self, ids: impl IntoIterator<Item = TileId>) -> TileSet {
        let mut tiles = TileSet::new();
        for id in ids {
            tiles.insert(id, &self.tile(id)).unwrap();
            assert!(tiles.contains(id));
        }
        tiles
    }

    /// All tiles of the tree as it is, so none of the partial ones that smaller trees had.
    pub(crate) fn all_tiles(&self) -> TileSet {
        self.tiles(all_tiles(self.tree.size()))
    }
}
