//! Writers of one DSU at the same time, through a real node: nothing is lost, and what cannot be
//! merged is reported with both sides.
//!
//! **Bug that this looks for:** a version that is anchored over another writer's without its
//! changes (the lost update of the SDK, dsu §14-1); a commit that reports success and is not there;
//! a commit that gives up although nothing conflicts; a conflict that is merged or not named.
//! **Mechanism:** eight writers, each with a client of its own, change files of their own at the
//! same time again and again, so that nearly every commit has to be merged and anchored again. In
//! the end every file must hold its writer's last content, and each commit must be one version.
//!
//! `KILN_SEED` repeats a run's choices (not its timing).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod crowd;
mod pair;
mod world;
