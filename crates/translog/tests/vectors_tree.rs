#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]
//! The tree half of `vectors/ledger/translog.json`, a log of 1,300 entries made by the reference: leaf
//! hashes, roots, inclusion and consistency proofs, tile numbers in paths.
//!
//! The vectors were made with entries of format 0x01, of which three are given. What a leaf holds does not
//! matter to the tree, so these are hashed as they are.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use translog::{
    BundleId, Entry, EntryError, Hash, TileId, Tree, decode_bundle, encode_bundle, leaf_hash,
    verify_consistency, verify_inclusion,
};

#[derive(Deserialize)]
struct Vectors {
    entries_b64: Vec<String>,
    entry_sizes: Vec<usize>,
    checkpoints: Vec<Checkpoint>,
    inclusion: Vec<Inclusion>,
    consistency: Vec<Consistency>,
    npath: Vec<(u64, String)>,
}

#[derive(Deserialize)]
struct Checkpoint {
    size: u64,
    root: String,
}

#[derive(Deserialize)]
struct Inclusion {
    index: u64,
    leaf_hash: String,
    proof: Vec<String>,
}

#[derive(Deserialize)]
struct Consistency {
    old: u64,
    new: u64,
    proof: Vec<String>,
}

impl Vectors {
    fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../conformance-tests/vectors/ledger/translog.json");
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    /// The given entries by their number in the log.
    fn entries(&self) -> Vec<(u64, Vec<u8>)> {
        [0, 1, 1299]
            .into_iter()
            .zip(&self.entries_b64)
            .map(|(index, text)| (index, STANDARD.decode(text).unwrap()))
            .collect()
    }

    fn root(&self, size: u64) -> Option<Hash> {
        let checkpoint = self.checkpoints.iter().find(|c| c.size == size)?;
        Some(hash(&checkpoint.root))
    }

    fn last_root(&self) -> Hash {
        self.root(1300).unwrap()
    }
}

fn hash(hex: &str) -> Hash {
    assert_eq!(hex.len(), 64);
    let mut hash = [0; 32];
    for (place, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * place..2 * place + 2], 16).unwrap();
    }
    hash
}

fn hashes(hex: &[String]) -> Vec<Hash> {
    hex.iter().map(|hex| hash(hex)).collect()
}

#[test]
fn entries_have_the_leaf_hashes_of_their_proofs() {
    let vectors = Vectors::read();
    let entries = vectors.entries();
    assert_eq!(entries.len(), 3);
    let mut proved = 0;
    for (index, bytes) in &entries {
        assert!(vectors.entry_sizes.contains(&bytes.len()), "entry {index}");
        // Format 0x01 writes ids in clear: it is not read.
        assert!(Entry::decode(bytes).is_err());
        let Some(inclusion) = vectors.inclusion.iter().find(|i| i.index == *index) else {
            continue;
        };
        assert_eq!(
            leaf_hash(bytes),
            hash(&inclusion.leaf_hash),
            "entry {index}"
        );
        proved += 1;
    }
    assert_eq!(proved, 3);
    let mut as_long_as_ours = entries[0].1.clone();
    as_long_as_ours.truncate(Entry::BYTES);
    assert_eq!(
        Entry::decode(&as_long_as_ours),
        Err(EntryError::UnknownFormat(0x01))
    );
}

#[test]
fn the_first_two_roots_grow_from_the_entries() {
    let vectors = Vectors::read();
    let entries = vectors.entries();
    let mut tree = Tree::new();
    for size in 1..=2 {
        assert!(
            tree.push(leaf_hash(&entries[size - 1].1)).is_empty(),
            "no subtree of 256 leaves is complete"
        );
        assert_eq!(Some(tree.root()), vectors.root(size as u64));
    }
}

#[test]
fn all_12_inclusion_proofs_verify() {
    let vectors = Vectors::read();
    assert_eq!(vectors.inclusion.len(), 12);
    let root = vectors.last_root();
    for vector in &vectors.inclusion {
        let leaf = hash(&vector.leaf_hash);
        let proof = hashes(&vector.proof);
        verify_inclusion(vector.index, 1300, &leaf, &proof, &root).unwrap();
        verify_inclusion(vector.index ^ 1, 1300, &leaf, &proof, &root).unwrap_err();
        let mut tampered = leaf;
        tampered[7] ^= 0x10;
        verify_inclusion(vector.index, 1300, &tampered, &proof, &root).unwrap_err();
    }
}

#[test]
fn all_8_consistency_proofs_verify() {
    let vectors = Vectors::read();
    assert_eq!(vectors.consistency.len(), 8);
    assert_eq!(vectors.checkpoints.len(), 7);
    let mut with_own_root = 0;
    for vector in &vectors.consistency {
        let proof = hashes(&vector.proof);
        // One pair begins at 1024, for which there is no checkpoint: its root is the first 1024 leaves,
        // which stand as the left sibling of all later leaves in the inclusion proof of leaf 1299.
        let old_root = vectors.root(vector.old).unwrap_or_else(|| {
            assert_eq!(vector.old, 1024);
            let last = vectors.inclusion.iter().find(|i| i.index == 1299).unwrap();
            hash(last.proof.last().unwrap())
        });
        with_own_root += usize::from(vectors.root(vector.old).is_some());
        let new_root = vectors.root(vector.new).unwrap();
        verify_consistency(vector.old, &old_root, vector.new, &new_root, &proof).unwrap();
        let mut tampered = old_root;
        tampered[0] ^= 1;
        verify_consistency(vector.old, &tampered, vector.new, &new_root, &proof).unwrap_err();
    }
    assert_eq!(with_own_root, 7);
}

#[test]
fn numbers_in_paths() {
    let vectors = Vectors::read();
    assert_eq!(vectors.npath.len(), 5);
    for (index, path) in &vectors.npath {
        let tile = TileId::new(0, *index, 256).unwrap();
        assert_eq!(tile.path(), format!("tile/0/{path}"));
        assert_eq!(TileId::parse(&tile.path()), Ok(tile));
        let bundle = BundleId::new(*index, 9).unwrap();
        assert_eq!(bundle.path(), format!("tile/entries/{path}.p/9"));
        assert_eq!(BundleId::parse(&bundle.path()), Ok(bundle));
    }
}

#[test]
fn the_entries_travel_in_a_bundle() {
    let entries: Vec<Vec<u8>> = Vectors::read()
        .entries()
        .into_iter()
        .map(|(_, entry)| entry)
        .collect();
    let bundle = encode_bundle(entries.iter().map(Vec::as_slice)).unwrap();
    assert_eq!(decode_bundle(&bundle, 3).unwrap(), entries);
}
