//! Proofs that were changed, or belong to something else, are refused.

use proptest::prelude::*;
use translog::{Hash, ProofError, verify_consistency, verify_inclusion};

use crate::model::{INTERESTING_SIZES, Reference, SIZE_MAX, leaf};

/// The proof, cut and lengthened in all ways that keep its order.
fn other_lengths(proof: &[Hash]) -> Vec<Vec<Hash>> {
    let mut others = Vec::new();
    for place in 0..proof.len() {
        let mut fewer = proof.to_vec();
        fewer.remove(place);
        others.push(fewer);
    }
    for place in 0..=proof.len() {
        let mut more = proof.to_vec();
        more.insert(place, [0x5a; 32]);
        others.push(more);
    }
    others
}

fn flipped(hash: &Hash, bit: usize) -> Hash {
    let mut other = *hash;
    other[bit / 8] ^= 1 << (bit % 8);
    other
}

#[test]
fn inclusion_with_any_flipped_bit_is_refused() {
    let reference = Reference::new();
    for (index, size) in [
        (0, 1),
        (0, 2),
        (2, 3),
        (4, 7),
        (6, 7),
        (255, 257),
        (256, 257),
    ] {
        let (leaf, root) = (leaf(index), reference.root(size));
        let proof = reference.inclusion(index, size);
        let refused = Err(ProofError::RootDiffers);
        for bit in 0..256 {
            let other = flipped(&leaf, bit);
            assert_eq!(
                verify_inclusion(index, size, &other, &proof, &root),
                refused
            );
            let other = flipped(&root, bit);
            assert_eq!(
                verify_inclusion(index, size, &leaf, &proof, &other),
                refused
            );
            for place in 0..proof.len() {
                let mut other = proof.clone();
                other[place] = flipped(&proof[place], bit);
                assert_eq!(verify_inclusion(index, size, &leaf, &other, &root), refused);
            }
        }
    }
}

#[test]
fn consistency_with_any_flipped_bit_is_refused() {
    let reference = Reference::new();
    for (old, new) in [
        (1, 2),
        (2, 3),
        (3, 4),
        (3, 7),
        (4, 7),
        (6, 7),
        (7, 8),
        (255, 257),
    ] {
        let (old_root, new_root) = (reference.root(old), reference.root(new));
        let proof = reference.consistency(old, new);
        let refused = Err(ProofError::RootDiffers);
        for bit in 0..256 {
            let other = flipped(&old_root, bit);
            assert_eq!(
                verify_consistency(old, &other, new, &new_root, &proof),
                refused
            );
            let other = flipped(&new_root, bit);
            assert_eq!(
                verify_consistency(old, &old_root, new, &other, &proof),
                refused
            );
            for place in 0..proof.len() {
                let mut other = proof.clone();
                other[place] = flipped(&proof[place], bit);
                assert_eq!(
                    verify_consistency(old, &old_root, new, &new_root, &other),
                    refused
                );
            }
        }
    }
}

#[test]
fn a_leaf_has_no_other_number() {
    let reference = Reference::new();
    for size in (1..=40).chain([255, 256, 257, 300]) {
        let root = reference.root(size);
        for index in 0..size {
            let proof = reference.inclusion(index, size);
            for other in (0..size + 3).filter(|&other| other != index) {
                verify_inclusion(other, size, &leaf(index), &proof, &root).unwrap_err();
            }
        }
    }
}

/// A proof binds the leaf to the root, and the size only through the root: so each size here comes with
/// its own root, as sizes of checkpoints do.
#[test]
fn proofs_of_one_size_are_none_of_another() {
    let reference = Reference::new();
    for size in 1..=66 {
        for other in (0..=66).filter(|&other| other != size) {
            let other_root = reference.root(other);
            for index in 0..size {
                let proof = reference.inclusion(index, size);
                verify_inclusion(index, other, &leaf(index), &proof, &other_root).unwrap_err();
            }
        }
    }
}

#[test]
fn consistency_proofs_of_one_pair_are_none_of_another() {
    let reference = Reference::new();
    for new in 2..=34 {
        for old in 1..new {
            let proof = reference.consistency(old, new);
            let (old_root, new_root) = (reference.root(old), reference.root(new));
            for other in (1..=66).filter(|&other| other != old) {
                let root = reference.root(other);
                verify_consistency(other, &root, new, &new_root, &proof).unwrap_err();
            }
            for other in (0..=66).filter(|&other| other != new) {
                let root = reference.root(other);
                verify_consistency(old, &old_root, other, &root, &proof).unwrap_err();
            }
            // The roots exchanged, and one for both.
            verify_consistency(old, &new_root, new, &old_root, &proof).unwrap_err();
            verify_consistency(old, &new_root, new, &new_root, &proof).unwrap_err();
            verify_consistency(old, &old_root, new, &old_root, &proof).unwrap_err();
        }
    }
}

#[test]
fn a_proof_has_one_length() {
    let reference = Reference::new();
    for size in (1..=40).chain(INTERESTING_SIZES) {
        let root = reference.root(size);
        let step = usize::try_from(size / 40 + 1).unwrap();
        for index in (0..size).step_by(step) {
            for proof in other_lengths(&reference.inclusion(index, size)) {
                verify_inclusion(index, size, &leaf(index), &proof, &root).unwrap_err();
            }
        }
        for old in (0..=size).step_by(step) {
            let old_root = reference.root(old);
            for proof in other_lengths(&reference.consistency(old, size)) {
                verify_consistency(old, &old_root, size, &root, &proof).unwrap_err();
            }
        }
    }
}

#[test]
fn errors_say_what_is_wrong() {
    let reference = Reference::new();
    let (leaf, root) = (leaf(2), reference.root(7));
    let proof = reference.inclusion(2, 7);
    let check = |index, proof: &[Hash], expected| {
        assert_eq!(
            verify_inclusion(index, 7, &leaf, proof, &root),
            Err(expected)
        );
    };
    check(7, &proof, ProofError::OutOfRange);
    check(2, &proof[..2], ProofError::TooShort);
    check(2, &[], ProofError::TooShort);
    check(
        2,
        &[proof.clone(), vec![root]].concat(),
        ProofError::TooLong,
    );
    check(3, &proof, ProofError::RootDiffers);

    let (old_root, proof) = (reference.root(3), reference.consistency(3, 7));
    let check = |old, proof: &[Hash], expected| {
        let verified = verify_consistency(old, &old_root, 7, &root, proof);
        assert_eq!(verified, expected);
    };
    check(8, &proof, Err(ProofError::OutOfRange));
    check(3, &[], Err(ProofError::TooShort));
    check(3, &proof[..1], Err(ProofError::TooShort));
    let too_long = [proof.clone(), vec![root]].concat();
    check(3, &too_long, Err(ProofError::TooLong));
    check(7, &[], Err(ProofError::RootDiffers));
    check(0, &[], Ok(()));
    check(0, &proof, Err(ProofError::TooLong));
    assert_eq!(verify_consistency(7, &root, 7, &root, &[]), Ok(()));
    let too_long = verify_consistency(7, &root, 7, &root, &[root]);
    assert_eq!(too_long, Err(ProofError::TooLong));
}

proptest! {
    #[test]
    fn any_change_of_a_proof_is_refused(
        size in 2..=SIZE_MAX,
        choice in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
        bit in 0..256usize,
    ) {
        let reference = Reference::new();
        let root = reference.root(size);
        let index = choice.index(usize::try_from(size).unwrap()) as u64;
        let mut proof = reference.inclusion(index, size);
        let place = place.index(proof.len());
        proof[place] = flipped(&proof[place], bit);
        let verified = verify_inclusion(index, size, &leaf(index), &proof, &root);
        prop_assert_eq!(verified, Err(ProofError::RootDiffers));

        let old = index.clamp(1, size - 1);
        let mut proof = reference.consistency(old, size);
        let place = place % proof.len();
        proof[place] = flipped(&proof[place], bit);
        let verified = verify_consistency(old, &reference.root(old), size, &root, &proof);
        prop_assert_eq!(verified, Err(ProofError::RootDiffers));
    }

    #[test]
    fn no_numbers_make_verifying_panic(
        first in any::<u64>(),
        second in any::<u64>(),
        shift in 0..64u32,
        length in 0..70usize,
    ) {
        let proof = vec![[1; 32]; length];
        for (first, second) in [(first, second), (first >> shift, second), (first, second >> shift), (first >> shift, second >> shift)] {
            let refused = verify_inclusion(first, second, &[2; 32], &proof, &[3; 32]);
            prop_assert!(refused.is_err());
            let refused = verify_consistency(first.max(1), &[2; 32], second, &[3; 32], &proof);
            prop_assert!(refused.is_err());
        }
    }
}
