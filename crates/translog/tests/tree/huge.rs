//! Trees near 2^63 leaves. All their leaves are equal, so that every subtree of a height has one root, and
//! every tile of a level one hash: trees of any size exist without being grown.

use translog::{
    Hash, PROOF_HASHES_MAX, ProofError, TileId, TileSet, Tree, all_tiles, consistency_tiles,
    edge_tiles, inclusion_tiles, node_hash, verify_consistency, verify_inclusion,
};

const LEAF: Hash = [0x77; 32];

const SIZES: [u64; 16] = [
    1,
    (1 << 24) - 1,
    1 << 24,
    (1 << 32) + 1,
    (1 << 56) - 1,
    1 << 56,
    (1 << 56) + 255,
    (1 << 62) - 1,
    1 << 62,
    (1 << 62) + 1,
    (1 << 63) - 256,
    (1 << 63) - 255,
    (1 << 63) - 2,
    (1 << 63) - 1,
    1 << 63,
    0x5555_5555_5555_5555,
];

/// Beyond what a proof of 63 hashes reaches: nothing panics, nothing is believed.
const BEYOND: [u64; 4] = [(1 << 63) + 1, u64::MAX - 256, u64::MAX - 1, u64::MAX];

/// The root of a complete subtree.
fn complete(height: u32) -> Hash {
    (0..height).fold(LEAF, |hash, _| node_hash(&hash, &hash))
}

/// The root of a tree of any size, from its bits.
fn root(size: u64) -> Hash {
    (0..64)
        .filter(|height| size >> height & 1 == 1)
        .map(complete)
        .reduce(|right, left| node_hash(&left, &right))
        .unwrap()
}

fn tiles(ids: Vec<TileId>) -> TileSet {
    // A path from leaf to root touches one tile for each level, and the edge another one.
    assert!(ids.len() <= 16, "{ids:?}");
    let mut tiles = TileSet::new();
    for id in ids {
        assert_eq!(TileId::parse(&id.path()), Ok(id));
        let hash = complete(8 * u32::from(id.level()));
        tiles.insert(id, &hash.repeat(id.width().into())).unwrap();
    }
    tiles
}

/// Leaves, and sizes of older trees, at the ends, in the middle, and around.
fn places(size: u64) -> impl Iterator<Item = u64> {
    let middle = size / 2;
    let places = [
        0,
        1,
        255,
        256,
        middle,
        middle + 1,
        size / 3,
        size / 256 * 256,
    ]
    .into_iter()
    .chain([middle.saturating_sub(1), size.saturating_sub(2), size - 1]);
    places.filter(move |&place| place < size)
}

#[test]
fn roots_and_restored_trees() {
    for size in SIZES {
        let edge = tiles(edge_tiles(size));
        assert_eq!(edge.root(size), Ok(root(size)), "size {size}");
        let mut tree = Tree::restore(size, &edge).unwrap();
        assert_eq!((tree.size(), tree.root()), (size, root(size)));
        tree.push(LEAF);
        assert_eq!((tree.size(), tree.root()), (size + 1, root(size + 1)));
    }
}

#[test]
fn a_leaf_completes_subtrees_at_all_levels() {
    for levels in 1..=7u8 {
        let size = (1 << (8 * levels)) - 1;
        let mut tree = Tree::restore(size, &tiles(edge_tiles(size))).unwrap();
        let completed = tree.push(LEAF);
        assert_eq!(completed.len(), usize::from(levels));
        for (hash, level) in completed.into_iter().zip(1..) {
            assert_eq!(hash.level, level);
            assert_eq!(hash.index, (size >> (8 * level)));
            assert_eq!(hash.hash, complete(8 * u32::from(level)));
        }
        assert!(tree.push(LEAF).is_empty());
    }
}

#[test]
fn inclusion() {
    for size in SIZES {
        for index in places(size) {
            let proof = tiles(inclusion_tiles(index, size))
                .inclusion_proof(index, size)
                .unwrap();
            assert!(proof.len() <= PROOF_HASHES_MAX);
            let verified = verify_inclusion(index, size, &LEAF, &proof, &root(size));
            assert_eq!(verified, Ok(()), "{index} in {size}");
            verify_inclusion(index, size, &[0; 32], &proof, &root(size)).unwrap_err();
            verify_inclusion(size, size, &LEAF, &proof, &root(size)).unwrap_err();
        }
    }
}

#[test]
fn consistency() {
    // From 2^62 leaves on, the proof for an old tree that ends with a single leaf has 64 hashes.
    for new in SIZES.into_iter().filter(|&size| size <= 1 << 62) {
        for old in places(new).filter(|&old| old > 0) {
            let proof = tiles(consistency_tiles(old, new))
                .consistency_proof(old, new)
                .unwrap();
            assert!(proof.len() <= PROOF_HASHES_MAX);
            let verified = verify_consistency(old, &root(old), new, &root(new), &proof);
            assert_eq!(verified, Ok(()), "{old} to {new}");
            verify_consistency(old, &[0; 32], new, &root(new), &proof).unwrap_err();
        }
    }
}

#[test]
fn sizes_beyond_are_harmless() {
    for size in BEYOND {
        assert_eq!(tiles(edge_tiles(size)).root(size), Ok(root(size)));
        assert_eq!(all_tiles(size).take(3).count(), 3);
        for place in places(size).chain([size, u64::MAX]) {
            let proof = tiles(inclusion_tiles(place, size)).inclusion_proof(place, size);
            assert_eq!(proof.is_ok(), place < size);
            let proof = tiles(consistency_tiles(place, size)).consistency_proof(place, size);
            assert_eq!(proof.is_ok(), place <= size);
        }
        for length in 0..=80 {
            let proof = vec![LEAF; length];
            for place in places(size).chain([size, u64::MAX]) {
                verify_inclusion(place, size, &LEAF, &proof, &LEAF).unwrap_err();
                verify_consistency(place.max(1), &LEAF, size, &[0; 32], &proof).unwrap_err();
            }
        }
    }
    for size in BEYOND {
        let proof = tiles(inclusion_tiles(0, size))
            .inclusion_proof(0, size)
            .unwrap();
        let verified = verify_inclusion(0, size, &LEAF, &proof, &root(size));
        assert_eq!(verified, Err(ProofError::TooLong), "{size}");
    }
    let full = u64::MAX;
    let mut tree = Tree::restore(full, &tiles(edge_tiles(full))).unwrap();
    let before = tree.clone();
    assert!(tree.push(LEAF).is_empty());
    assert_eq!(tree, before);
}
