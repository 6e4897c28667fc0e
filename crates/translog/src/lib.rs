//! The transparency log of anchors: C2SP tlog-tiles, checkpoints, proofs and witness statements.
//! Pure: no I/O, no clock, no randomness of its own, nothing asynchronous.
//!
//! **Source:** `translog.md`.

mod bundle;
mod checkpoint;
mod entry;
mod hash;
mod key;
mod note;
mod opening;
mod policy;
mod policy_text;
mod predecessor;
mod proof;
mod proof_file;
mod secret_key;
mod text;
mod tile;
mod tile_set;
mod tree;
mod witness;

pub use bundle::{BundleError, BundleId, decode_bundle, encode_bundle};
pub use checkpoint::{Checkpoint, CheckpointError, ExtensionLine, Origin};
pub use entry::{Entry, EntryError, Op};
pub use hash::{Hash, empty_root, leaf_hash, node_hash};
pub use key::{KeyError, KeyKind, KeyName, KeySetError, NameError, VerifierKey};
pub use note::{
    Cosignature, NOTE_BYTES_MAX, NoteError, NoteSyntaxError, SIGNATURES_MAX, SignatureLine,
    SignedNote, Verified, verify_note,
};
pub use opening::{Opening, OpeningError, Salt, decode_openings, encode_openings};
pub use policy::{Accepted, Policy, PolicyLog, PolicyRefusal, PolicyWitness, QuorumStanding};
pub use policy_text::{POLICY_BYTES_MAX, POLICY_ITEMS_MAX, PolicyError, PolicyLineError};
pub use predecessor::{Predecessor, PredecessorError};
pub use proof::{PROOF_HASHES_MAX, ProofError, verify_consistency, verify_inclusion};
pub use proof_file::{
    Extra, OnChain, PROOF_FILE_BYTES_MAX, ProofFile, ProofFileError, ProofFileSyntaxError,
    VerifiedProof,
};
pub use secret_key::{LogKey, WitnessKey};
pub use tile::{IdError, TILE_WIDTH, TileId, all_tiles};
pub use tile_set::{
    MissingTile, TileError, TileSet, consistency_tiles, edge_tiles, inclusion_tiles,
};
pub use tree::{TileHash, Tree};
pub use witness::{
    ADD_CHECKPOINT_BYTES_MAX, AddCheckpoint, AddCheckpointError, Refusal, WitnessRecord, judge,
};
