//! The admin listener and `kiln admin`, by the real binary: who is let in, and what each command
//! does to a running node, at once and after a kill.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod admission;
mod apart;
mod commands;
#[path = "../common/damage.rs"]
mod damage;
mod domains;
mod node;
mod quotas;
mod read_only;
mod scrub;
