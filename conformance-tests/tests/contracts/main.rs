//! The contracts on a real chain, by the rules of their specification; and their artefacts, made
//! again from the sources.
//!
//! **Source:** translog specification §10, ledger specification §2.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod anchoring;
mod artefacts;
mod contract;
mod inclusion;
mod registry;
mod writer;
