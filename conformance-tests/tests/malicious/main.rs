//! A node that lies: every lie is detected and named, never a wrong byte is delivered, nothing hangs
//! (issue 3, "done when" 4; `docs/threat-model.md`, "What a reader notices").
//!
//! - [`table`]: lie × what a client of the library makes of it, one row each. A kind of lie that no
//!   row tells fails the test.
//! - [`storages`]: several brick storages of which some lie.
//! - [`command`]: the same through the `kiln` binary: exit code, message, no local file.
//! - [`corruption`]: random single bytes of answers are others.
//!
//! What nobody can detect at the time stands in the table, too: an old but valid history before a
//! first-time reader succeeds, and what was only said to be stored is missed by the next reader.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod command;
mod corruption;
mod shape;
mod stage;
mod storages;
mod table;
