//! Verifying proofs. Everything here comes from parties that may lie: a proof has at most 63 hashes, each
//! costs at most two hashings, and no number makes it panic.
//!
//! **Source:** `translog.md` §7 (RFC 9162 §2.1.3.2 and §2.1.4.2).

use thiserror::Error;

use crate::hash::{Hash, node_hash};

/// The longest proof that is accepted: enough for inclusion in 2^63 leaves, and for consistency of trees
/// of up to 2^62.
pub const PROOF_HASHES_MAX: usize = 63;

/// Verifies that the leaf with hash `leaf` has number `index` in the tree with this size and root.
///
/// The size is only as good as the root that it came with: take both from one checkpoint.
///
/// # Errors
/// [`ProofError`] when the proof does not show it.
pub fn verify_inclusion(
    index: u64,
    size: u64,
    leaf: &Hash,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::OutOfRange);
    }
    check_length(proof)?;
    let mut position = Position {
        node: index,
        last: size - 1,
    };
    let mut hash = *leaf;
    for sibling in proof {
        hash = match position.climb()? {
            Side::Left => node_hash(sibling, &hash),
            Side::Right => node_hash(&hash, sibling),
        };
    }
    position.check_top()?;
    if hash == *root {
        Ok(())
    } else {
        Err(ProofError::RootDiffers)
    }
}

/// Verifies that the tree with the new size and root begins with the tree with the old size and root.
///
/// Every tree begins with the tree without leaves: of `old` 0 only an empty proof is demanded, and
/// neither root is looked at.
///
/// # Errors
/// [`ProofError`] when the proof does not show it.
pub fn verify_consistency(
    old: u64,
    old_root: &Hash,
    new: u64,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if old > new {
        return Err(ProofError::OutOfRange);
    }
    if old == 0 || old == new {
        return match proof {
            [_, ..] => Err(ProofError::TooLong),
            [] if old == 0 || old_root == new_root => Ok(()),
            [] => Err(ProofError::RootDiffers),
        };
    }
    check_length(proof)?;
    let mut position = Position {
        node: old - 1,
        last: new - 1,
    };
    position.rise(position.node.trailing_ones());
    // An old tree that is complete is a node of the new one, and its root is not repeated.
    let (first, rest) = if old.is_power_of_two() {
        (old_root, proof)
    } else {
        proof.split_first().ok_or(ProofError::TooShort)?
    };
    let (mut old_hash, mut new_hash) = (*first, *first);
    for sibling in rest {
        match position.climb()? {
            Side::Left => {
                old_hash = node_hash(sibling, &old_hash);
                new_hash = node_hash(sibling, &new_hash);
            }
            Side::Right => new_hash = node_hash(&new_hash, sibling),
        }
    }
    position.check_top()?;
    if old_hash == *old_root && new_hash == *new_root {
        Ok(())
    } else {
        Err(ProofError::RootDiffers)
    }
}

/// Why a proof shows nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The leaf is not in a tree of this size, or the old tree is larger than the new one.
    #[error("the leaf or the old tree lies outside the tree")]
    OutOfRange,
    /// There are more hashes than lead to the root.
    #[error("the proof has too many hashes")]
    TooLong,
    /// The hashes do not reach the root.
    #[error("the proof has too few hashes")]
    TooShort,
    /// The hashes lead to another root.
    #[error("the proof leads to another root")]
    RootDiffers,
}

/// On which side of the node its sibling lies.
enum Side {
    Left,
    Right,
}

/// Where a walk to the root stands: the number of the node at its height, and that of the last node there.
struct Position {
    node: u64,
    last: u64,
}

impl Position {
    /// Steps over one sibling, to the parent of both.
    fn climb(&mut self) -> Result<Side, ProofError> {
        if self.last == 0 {
            return Err(ProofError::TooLong);
        }
        if self.node & 1 == 1 || self.node == self.last {
            // At the right edge the node may be without sibling for some heights; it is not 0, since the
            // last one is not, so that a bit is found.
            self.rise(self.node.trailing_zeros() + 1);
            Ok(Side::Left)
        } else {
            self.rise(1);
            Ok(Side::Right)
        }
    }

    fn rise(&mut self, heights: u32) {
        self.node = self.node.checked_shr(heights).unwrap_or(0);
        self.last = self.last.checked_shr(heights).unwrap_or(0);
    }

    fn check_top(&self) -> Result<(), ProofError> {
        if self.last == 0 {
            Ok(())
        } else {
            Err(ProofError::TooShort)
        }
    }
}

fn check_length(proof: &[Hash]) -> Result<(), ProofError> {
    if proof.len() > PROOF_HASHES_MAX {
        return Err(ProofError::TooLong);
    }
    Ok(())
}
