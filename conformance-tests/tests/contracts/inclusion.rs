//! `AnchorRegistry.verifyInclusion` against recorded proofs, and against a plain tree of every
//! small size.

use alloy_primitives::{B256, keccak256};
use alloy_sol_types::sol;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::contract::Contract;
use crate::registry::{ID, publish_batch, registry};

sol! {
    function verifyInclusion(bytes32 id, bytes32 leafHash, uint64 index, bytes32[] proof) external view returns (bool);
}

/// Trees of every size up to this one are tried: it has three levels and no full ones.
const SIZE_MAX: usize = 13;
/// A proof of this log is one of 1,300 leaves.
const RECORDED: &str = include_str!("../../vectors/ledger/translog.json");

#[derive(Debug, Clone, PartialEq)]
struct Proof {
    leaf: B256,
    index: u64,
    hashes: Vec<B256>,
}

impl Proof {
    fn holds(&self, registry: &Contract) -> bool {
        registry.call(&verifyInclusionCall {
            id: ID,
            leafHash: self.leaf,
            index: self.index,
            proof: self.hashes.clone(),
        })
    }

    /// The same proof with one thing altered.
    fn altered(&self, size: u64) -> Vec<Self> {
        let mut others = Vec::new();
        let mut push = |alter: &dyn Fn(&mut Self)| {
            let mut other = self.clone();
            alter(&mut other);
            others.push(other);
        };
        push(&|it| it.leaf.0[31] ^= 1);
        push(&|it| it.index ^= 1);
        push(&|it| it.index = size);
        push(&|it| it.index = u64::MAX);
        push(&|it| it.hashes.push(B256::ZERO));
        push(&|it| it.hashes.insert(0, B256::ZERO));
        for at in 0..self.hashes.len() {
            push(&|it| it.hashes[at].0[0] ^= 0x80);
            push(&|it| {
                it.hashes.remove(at);
            });
            if at > 0 {
                push(&|it| it.hashes.swap(at - 1, at));
            }
        }
        others
    }
}

fn hash(value: &Value) -> B256 {
    value.as_str().unwrap().parse().unwrap()
}

#[test]
fn recorded_proofs_hold_and_altered_ones_do_not() {
    let recorded: Value = serde_json::from_str(RECORDED).unwrap();
    let last = recorded["checkpoints"].as_array().unwrap().last().unwrap();
    let size = last["size"].as_u64().unwrap();
    let registry = registry();
    let proofs: Vec<_> = recorded["inclusion"].as_array().unwrap().iter().collect();
    let proofs = proofs.into_iter().map(|it| Proof {
        leaf: hash(&it["leaf_hash"]),
        index: it["index"].as_u64().unwrap(),
        hashes: it["proof"].as_array().unwrap().iter().map(hash).collect(),
    });
    let proofs: Vec<_> = proofs.collect();
    assert_eq!(proofs.len(), 12);
    assert!(!proofs[0].holds(&registry), "nothing is published yet");
    publish_batch(&registry, 1, size, hash(&last["root"]));
    let mut altered = 0;
    for proof in &proofs {
        assert!(proof.holds(&registry), "{proof:?}");
        for other in proof.altered(size) {
            assert!(!other.holds(&registry), "{other:?} of {proof:?}");
            altered += 1;
        }
    }
    publish_batch(&registry, 2, size + 1, B256::repeat_byte(1));
    for proof in &proofs {
        assert!(!proof.holds(&registry), "of an older root: {proof:?}");
    }
    println!(
        "{} proofs hold, {altered} altered ones do not",
        proofs.len()
    );
}

#[test]
fn every_leaf_of_every_small_tree_is_found() {
    let registry = registry();
    let leaves: Vec<B256> = (0..SIZE_MAX)
        .map(|it| keccak256(it.to_be_bytes()))
        .collect();
    for size in 1..=SIZE_MAX {
        let leaves = &leaves[..size];
        let number = u64::try_from(size).unwrap();
        publish_batch(&registry, number, number, tree(leaves));
        for index in 0..size {
            let proof = Proof {
                leaf: leaves[index],
                index: u64::try_from(index).unwrap(),
                hashes: path(index, leaves),
            };
            assert!(proof.holds(&registry), "{index} of {size}");
            let elsewhere = (0..=number).filter(|it| *it != proof.index);
            for other in elsewhere {
                let mut proof = proof.clone();
                proof.index = other;
                assert!(!proof.holds(&registry), "{index} as {other} of {size}");
            }
        }
    }
}

#[test]
fn a_proof_does_not_reach_above_the_root_nor_below_the_leaves() {
    let registry = registry();
    let (leaf, sibling) = (B256::repeat_byte(1), B256::repeat_byte(2));
    let proof = |index, hashes| Proof {
        leaf,
        index,
        hashes,
    };
    // A root that says too small a size: with the right one both leaves would be there.
    publish_batch(&registry, 1, 1, tree(&[sibling, leaf]));
    for index in 0..3 {
        assert!(!proof(index, vec![sibling]).holds(&registry), "{index}");
    }
    publish_batch(&registry, 2, 2, leaf);
    for index in 0..3 {
        assert!(!proof(index, Vec::new()).holds(&registry), "{index}");
    }
}

/// The root over leaf hashes (RFC 6962 §2.1).
fn tree(leaves: &[B256]) -> B256 {
    if let [leaf] = leaves {
        return *leaf;
    }
    let (left, right) = leaves.split_at(half(leaves.len()));
    let node = Sha256::new_with_prefix([1]);
    let node = node.chain_update(tree(left)).chain_update(tree(right));
    B256::from_slice(&node.finalize())
}

/// The proof of a leaf, from the leaf upwards (RFC 6962 §2.1.1).
fn path(index: usize, leaves: &[B256]) -> Vec<B256> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let half = half(leaves.len());
    let (left, right) = leaves.split_at(half);
    if index < half {
        [path(index, left), vec![tree(right)]].concat()
    } else {
        [path(index - half, right), vec![tree(left)]].concat()
    }
}

/// The largest power of two below `count`.
fn half(count: usize) -> usize {
    count.next_power_of_two() / 2
}
