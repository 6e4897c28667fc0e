//! Who may do what: the whole matrix of roles, routes, domains and policies, API keys and how they
//! end, guessing, and the audit log.
//!
//! What is expected stands in tables here; nothing of it is computed by the code under test.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod audit;
mod bdns;
mod command;
mod credentials;
mod keys;
mod matrix;
mod node;
mod routes;
mod sdk;
