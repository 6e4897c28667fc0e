//! `OpenDSU` v0 identifiers, keys, signatures and anchoring rules; pure, no I/O.
//!
//! Nothing here reads a file, the clock, the environment or a source of
//! randomness: time comes in as [`Timestamp`], randomness as bytes or as a
//! generator of the caller.
//!
//! Texts have two readings. `parse` is strict and is for all that comes from
//! outside; `parse_stored` reads as the reference does and is for what other
//! software has already stored.

pub mod anchor;
pub mod base58;
pub mod base64;
mod brick_hash;
mod domain;
pub mod ecies;
mod encryption_key;
pub mod envelope;
pub mod json;
mod key_encoding;
mod keys;
pub mod mnemonic;
mod object_hash;
mod signature;
mod ssi;
#[cfg(test)]
mod test_random;
mod timestamp;

pub use anchor::{
    AnchorId, AnchorIdError, AnchorKind, AnchorSigner, AnchorValue, AnchorValueError,
    AnchorValueKind, AppendError, CreateError, EntryError, Head, HistoryError, SignError, append,
    check_history, create,
};
pub use base58::Base58Error;
pub use base64::Base64Error;
pub use brick_hash::{BrickHash, BrickHashError};
pub use domain::{Domain, DomainError};
pub use encryption_key::{DEFAULT_ITERATIONS, EncryptionKey};
pub use keys::{KeyError, PrivateKey, PublicKey};
pub use object_hash::{ObjectHashError, object_hash};
pub use signature::{Signature, SignatureError};
pub use ssi::{
    ArrayElements, ArrayElementsError, Hint, HintError, KeySsi, OwnershipProof, PhraseError,
    SsiError, SsiFamily, SsiFields, SsiKind, UnknownKind, UseError, Version,
};
pub use timestamp::{Timestamp, TimestampError};
