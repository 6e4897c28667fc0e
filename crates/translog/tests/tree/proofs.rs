//! Proofs are those of the reference, come from the tiles that are asked for and no others, and verify.

use proptest::prelude::*;
use translog::{TileId, consistency_tiles, inclusion_tiles, verify_consistency, verify_inclusion};

use crate::model::{INTERESTING_SIZES, Reference, SIZE_MAX, Store, leaf};

fn check_inclusion(reference: &Reference, store: &Store, index: u64, size: u64) {
    let needed = inclusion_tiles(index, size);
    let proof = store.tiles(needed).inclusion_proof(index, size).unwrap();
    assert_eq!(proof, reference.inclusion(index, size), "{index} in {size}");
    let root = reference.root(size);
    assert_eq!(
        verify_inclusion(index, size, &leaf(index), &proof, &root),
        Ok(()),
        "{index} in {size}"
    );
}

fn check_consistency(reference: &Reference, store: &Store, old: u64, new: u64) {
    let needed = consistency_tiles(old, new);
    let proof = store.tiles(needed).consistency_proof(old, new).unwrap();
    assert_eq!(proof, reference.consistency(old, new), "{old} to {new}");
    let (old_root, new_root) = (reference.root(old), reference.root(new));
    assert_eq!(
        verify_consistency(old, &old_root, new, &new_root, &proof),
        Ok(()),
        "{old} to {new}"
    );
}

#[test]
fn inclusion_of_every_leaf_of_many_sizes() {
    let reference = Reference::new();
    let store = Store::of(SIZE_MAX);
    for size in (1..=70).chain(INTERESTING_SIZES) {
        for index in 0..size {
            check_inclusion(&reference, &store, index, size);
        }
    }
}

#[test]
fn consistency_of_many_pairs() {
    let reference = Reference::new();
    let store = Store::of(SIZE_MAX);
    for new in 0..=130 {
        for old in 0..=new {
            check_consistency(&reference, &store, old, new);
        }
    }
    for new in INTERESTING_SIZES {
        for old in INTERESTING_SIZES.into_iter().filter(|&old| old <= new) {
            check_consistency(&reference, &store, old, new);
        }
    }
    for old in 0..=SIZE_MAX {
        check_consistency(&reference, &store, old, SIZE_MAX);
    }
}

#[test]
fn each_tile_that_is_asked_for_is_needed_once() {
    let store = Store::of(70_000);
    let check = |needed: &[TileId], complete: &dyn Fn(&[TileId]) -> Option<TileId>| {
        assert_eq!(complete(needed), None);
        for missing in needed {
            let others: Vec<_> = needed.iter().copied().filter(|t| t != missing).collect();
            assert_eq!(others.len(), needed.len() - 1);
            assert_eq!(complete(&others), Some(*missing));
        }
    };
    for index in [0, 255, 256, 65_535, 65_536, 69_999] {
        check(&inclusion_tiles(index, 70_000), &|ids| {
            let proof = store
                .tiles(ids.iter().copied())
                .inclusion_proof(index, 70_000);
            proof.err().map(|missing| missing.id)
        });
    }
    for old in [1, 255, 256, 300, 65_536, 65_537, 69_999] {
        check(&consistency_tiles(old, 70_000), &|ids| {
            let proof = store
                .tiles(ids.iter().copied())
                .consistency_proof(old, 70_000);
            proof.err().map(|missing| missing.id)
        });
    }
}

#[test]
fn there_is_no_proof_of_what_is_not_there() {
    let tiles = Store::of(300).all_tiles();
    for (index, size) in [
        (0, 0),
        (5, 5),
        (6, 5),
        (299, 1),
        (u64::MAX, 300),
        (300, 300),
    ] {
        assert!(inclusion_tiles(index, size).is_empty());
        let missing = tiles.inclusion_proof(index, size).unwrap_err();
        assert_eq!((missing.id.level(), missing.id.index()), (0, index / 256));
        assert_eq!(u64::from(missing.id.width()), index % 256 + 1);
    }
    for (old, new) in [(1, 0), (300, 299), (301, 300), (u64::MAX, 300)] {
        assert!(consistency_tiles(old, new).is_empty());
        let missing = tiles.consistency_proof(old, new).unwrap_err();
        assert_eq!(missing.id.index(), (old - 1) / 256);
    }
}

proptest! {
    #[test]
    fn any_leaf_and_any_pair(size in 1..=SIZE_MAX, choice in any::<prop::sample::Index>()) {
        let reference = Reference::new();
        let store = Store::of(size);
        let index = choice.index(usize::try_from(size).unwrap()) as u64;
        check_inclusion(&reference, &store, index, size);
        check_consistency(&reference, &store, index + 1, size);
        check_consistency(&reference, &store, index, size);
    }
}
