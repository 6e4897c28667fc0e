//! Growing a tree: roots, the hashes that are to be stored, tiles, and going on after a restart.

use std::collections::BTreeSet;

use proptest::prelude::*;
use translog::{TileId, TileSet, Tree, all_tiles, edge_tiles, empty_root};

use crate::model::{Reference, SIZE_MAX, Store, leaf};

#[test]
fn every_size_has_the_root_of_the_reference_and_is_restored_from_its_edge() {
    let reference = Reference::new();
    let mut store = Store::new();
    assert_eq!(store.tree.root(), empty_root());
    for size in 0..=SIZE_MAX {
        assert_eq!(store.tree.size(), size);
        assert_eq!(store.tree.root(), reference.root(size), "size {size}");
        let tiles = store.tiles(edge_tiles(size));
        assert_eq!(tiles.root(size), Ok(reference.root(size)), "size {size}");
        let restored = Tree::restore(size, &tiles).unwrap();
        assert_eq!(restored, store.tree, "size {size}");
        store.push(leaf(size));
    }
}

#[test]
fn what_push_gives_are_the_roots_of_complete_subtrees() {
    let reference = Reference::new();
    let store = Store::of(SIZE_MAX);
    assert_eq!(store.levels[1].len() as u64, SIZE_MAX / 256);
    for (index, hash) in store.levels[1].iter().enumerate() {
        let start = index as u64 * 256;
        assert_eq!(*hash, reference.range(start, start + 256));
    }
    assert!(store.levels[2].is_empty());
}

#[test]
fn tiles_are_cut_as_specified() {
    for size in (0..=SIZE_MAX).chain([65_535, 65_536, 65_537, 70_000, 131_072, 1 << 24]) {
        let mut expected = Vec::new();
        for level in 0..8 {
            let hashes = size / 256u64.pow(u32::from(level));
            expected.extend((0..hashes / 256).map(|index| (level, index, 256)));
            if hashes % 256 != 0 {
                expected.push((level, hashes / 256, hashes % 256));
            }
        }
        let tiles: Vec<_> = all_tiles(size)
            .map(|id| (id.level(), id.index(), u64::from(id.width())))
            .collect();
        assert_eq!(tiles, expected, "size {size}");
    }
}

#[test]
fn the_edge_is_the_partial_tiles_and_each_is_needed() {
    for size in [0, 1, 255, 256, 257, 700, 65_535, 65_536, 65_793, 70_000] {
        let edge: BTreeSet<TileId> = edge_tiles(size).into_iter().collect();
        let partial = all_tiles(size).filter(|tile| !tile.is_full()).collect();
        assert_eq!(edge, partial, "size {size}");
        let store = Store::of(size);
        for missing in &edge {
            let others = edge.iter().copied().filter(|tile| tile != missing);
            let tiles = store.tiles(others);
            assert!(!tiles.contains(*missing));
            let refused = tiles.root(size).unwrap_err();
            assert_eq!(refused.id, *missing);
            assert_eq!(Tree::restore(size, &tiles).unwrap_err().id, *missing);
            assert_eq!(
                refused.to_string(),
                format!("{} is missing", missing.path())
            );
        }
    }
}

#[test]
fn a_million_leaves() {
    const LEAVES: u64 = 1_000_000;
    let mut store = Store::new();
    // No hashing of leaves: what is measured and compared is the tree.
    for index in 0..LEAVES {
        let mut leaf = [0; 32];
        leaf[..8].copy_from_slice(&index.to_be_bytes());
        store.push(leaf);
    }
    let stored: Vec<_> = store.levels.iter().map(Vec::len).collect();
    assert_eq!(stored, [1_000_000, 3_906, 15, 0, 0, 0, 0, 0]);
    let tiles = store.tiles(edge_tiles(LEAVES));
    assert_eq!(tiles.root(LEAVES), Ok(store.tree.root()));
    assert_eq!(Tree::restore(LEAVES, &tiles).unwrap(), store.tree);
}

#[test]
fn a_wider_tile_stands_in_for_a_narrower_one() {
    let reference = Reference::new();
    let large = Store::of(SIZE_MAX);
    let tiles = large.all_tiles();
    for size in 0..=SIZE_MAX {
        assert_eq!(tiles.root(size), Ok(reference.root(size)), "size {size}");
    }
    // The order in which they come does not matter.
    let narrow = TileId::new(0, 0, 3).unwrap();
    let wide = TileId::new(0, 0, 200).unwrap();
    for ids in [[narrow, wide], [wide, narrow]] {
        let tiles = large.tiles(ids);
        assert!(tiles.contains(wide));
        assert!(!tiles.contains(wide.full()));
        assert_eq!(tiles.root(200), Ok(reference.root(200)));
    }
}

#[test]
fn tiles_of_wrong_length_or_with_other_hashes_are_not_taken() {
    let mut tiles = TileSet::new();
    let id = TileId::new(0, 0, 3).unwrap();
    for length in [0, 1, 32, 64, 95, 97, 128, 8192] {
        tiles.insert(id, &vec![0; length]).unwrap_err();
        assert!(!tiles.contains(id));
        assert_eq!(tiles.root(1).unwrap_err().id.path(), "tile/0/000.p/1");
    }
    tiles.insert(id, &[7; 96]).unwrap();
    let root = tiles.root(3).unwrap();
    let wider = TileId::new(0, 0, 4).unwrap();
    let mut other = [7; 128];
    other[95] ^= 1;
    tiles.insert(wider, &other).unwrap_err();
    assert!(!tiles.contains(wider));
    assert_eq!(tiles.root(3), Ok(root));
    let narrower = TileId::new(0, 0, 1).unwrap();
    tiles.insert(narrower, &[8; 32]).unwrap_err();
    tiles.insert(narrower, &[7; 32]).unwrap();
    assert!(tiles.contains(id));
}

proptest! {
    #[test]
    fn a_restored_tree_goes_on_as_one_that_never_stopped(size in 0..=SIZE_MAX, further in 1..600u64) {
        let mut first = Store::of(size);
        let restored = Tree::restore(size, &first.tiles(edge_tiles(size))).unwrap();
        first.tree = restored;
        (size..size + further).for_each(|index| first.push(leaf(index)));
        let second = Store::of(size + further);
        prop_assert_eq!(&first.tree, &second.tree);
        prop_assert_eq!(first.levels, second.levels);
    }
}
