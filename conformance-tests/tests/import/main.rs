//! Moving in: `kiln import apihub` and `kiln import node`, from folders and nodes that are not as
//! they should be.
//!
//! *Bugs that this looks for:* something that is not sound and is taken; something sound that is not,
//! without a line in the report; a report that says more or less than what happened; a source that
//! is changed; a second run that stores twice or forgets; a kill or a full disk after which the
//! stores or the report are wrong; a DSU that the report does not name and that does not open.
//!
//! *Mechanism:* a generator lays out the folder of an ApiHub from a seed, damages parts of it, and
//! knows what must be said. The unmodified SDK opens every DSU that is not named, when `OPENDSU_SDK`
//! names its checkout.
//!
//! `KILN_IMPORT_BRICKS` sets the size of the folder, `KILN_SEED` repeats a run's choices.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod full;
mod killed;
mod live;
mod made;
mod opened;
mod over_http;
#[path = "../interop_dsu/peer.rs"]
mod peer;
mod place;
mod sample;
mod tree;
#[path = "../disk/volume.rs"]
mod volume;
