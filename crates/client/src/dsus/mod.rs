//! DSUs: reading a version, changing the newest one, and checking them all.
//!
//! [`Snapshot`] is one version of one DSU with whatever is mounted in it, and never changes.
//! [`Draft`] gathers changes and anchors them as one new version. Nothing is believed because a
//! node says so: every history is checked from its first entry on, every brick hashed.
//!
//! **Source:** DSU specification §5, §8 to §10, §13; what not to copy, §14.

mod compare;
mod draft;
mod error;
mod history;
mod read;
mod snapshot;
mod verify;
mod versionless;
mod wallet;

pub use compare::{Difference, compare};
pub use draft::{Committed, Draft};
pub use error::DsuError;
pub use history::history;
pub use read::FileReader;
pub use snapshot::{At, Found, Listing, Snapshot};
pub use verify::{Fault, Verified, verify};
pub use versionless::Versionless;
pub use wallet::create_wallet;

pub(crate) use snapshot::{check_readable, fetch_map, manifest_path, read_manifest};
