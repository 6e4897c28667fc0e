//! TLS: who can speak with a node, what a new certificate changes, and what a client's is worth.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod authority;
mod client;
mod clients;
mod protocols;
mod refused;
mod reload;
mod world;
