//! The log of a live node, read over HTTP and judged by other people's code.
//!
//! **Bug that this looks for:** a log that only our own code can check: hashes, tiles, checkpoints or
//! proofs that differ from what C2SP and RFC 6962 say in a way that writer and reader here share.
//! **Mechanism:** a node gets 300 anchors over HTTP; then the crates `signed_note` and `tlog_tiles`
//! verify its checkpoints and derive the proofs from its tiles again, and the Python package `pymerkle`
//! builds the tree from its entry bundles. Beside it: what may be cached, what is not there, what is kept
//! secret, and what a node does not start with.
//!
//! **Source:** translog specification §4 to §7, §12.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod http;
mod live;
mod pymerkle;
mod restart;
mod third_party;
