#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]
//! The tree, its tiles and its proofs against a plain reading of RFC 9162 §2.1, for all sizes up to 2,100
//! and for some near 2^63.

mod growth;
mod huge;
mod model;
mod proofs;
mod tampered;
