//! Tree hashing: SHA-256 with one prefix byte for leaves and another for nodes, so that neither can
//! be taken for the other.
//!
//! **Source:** `translog.md` §3 (RFC 9162 §2.1.1).

use sha2::{Digest as _, Sha256};

/// A SHA-256 digest: a leaf hash, a node hash, a root or a commitment.
pub type Hash = [u8; 32];

/// Length of a [`Hash`] in bytes.
pub(crate) const HASH_BYTES: usize = 32;

const LEAF_PREFIX: [u8; 1] = [0x00];
const NODE_PREFIX: [u8; 1] = [0x01];

/// The hash of a leaf: `SHA-256(0x00 || entry)`.
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Sha256::new()
        .chain_update(LEAF_PREFIX)
        .chain_update(entry)
        .finalize()
        .into()
}

/// The hash of an inner node: `SHA-256(0x01 || left || right)`.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new()
        .chain_update(NODE_PREFIX)
        .chain_update(left)
        .chain_update(right)
        .finalize()
        .into()
}

/// The root of a tree without leaves: `SHA-256("")`.
#[must_use]
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}
