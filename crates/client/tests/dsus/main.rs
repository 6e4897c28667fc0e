//! DSUs on a real node: written, read, changed, mounted, recovered, verified, compared.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod hazards;
mod reading;
mod versionless;
mod world;
mod writing;
