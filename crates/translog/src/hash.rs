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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn hex(hash: Hash) -> String {
        hash.iter()
            .flat_map(|byte| [byte >> 4, byte & 15])
            .filter_map(|digit| char::from_digit(digit.into(), 16))
            .collect()
    }

    /// The expected texts come from `sha256sum`.
    #[test]
    fn leaves_and_nodes_have_their_own_prefixes() {
        let leaf = leaf_hash(b"");
        assert_eq!(
            hex(leaf),
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
        );
        assert_eq!(
            hex(node_hash(&leaf, &leaf)),
            "fe43d66afa4a9a5c4f9c9da89f4ffb52635c8f342e7ffb731d68e36c5982072a"
        );
        assert_eq!(
            hex(empty_root()),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }
}
