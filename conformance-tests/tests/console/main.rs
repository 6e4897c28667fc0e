//! The operator's console in a real browser: who gets in, whether each view shows the figures of the
//! node, what can be done there, how it looks on which screen, and that it asks nobody but its node.
//!
//! `KILN_SCREENSHOTS` names a folder for pictures of each view; `make console-pictures` sets it to
//! `docs/console`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod acts;
mod browser;
mod built;
mod door;
mod figures;
mod halves;
mod looks;
mod world;

/// The views, by the names of their tabs.
const VIEWS: [&str; 6] = [
    "Overview", "Storage", "Ledger", "Access", "Refusals", "Scrub",
];
