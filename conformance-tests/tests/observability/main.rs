//! What can be seen of a node: its metrics by the real tools, its traces by a collector, and that
//! neither these nor its log tell a secret.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod listed;
mod scraped;
mod secrecy;
mod traced;
mod traffic;
mod world;
