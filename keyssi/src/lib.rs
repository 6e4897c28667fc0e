//! `OpenDSU` v0 identifiers, keys, signatures and anchoring rules; pure, no I/O.

pub mod base58;
mod brick_hash;
mod domain;

pub use base58::Base58Error;
pub use brick_hash::{BrickHash, BrickHashError};
pub use domain::{Domain, DomainError};
