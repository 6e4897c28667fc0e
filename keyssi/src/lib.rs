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
mod json;
mod keys;
mod signature;
mod ssi;
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
pub use keys::{KeyError, PrivateKey, PublicKey};
pub use signature::{Signature, SignatureError};
pub use ssi::{
    Hint, HintError, KeySsi, SsiError, SsiFamily, SsiFields, SsiKind, UnknownKind, Version,
};
pub use timestamp::{Timestamp, TimestampError};
