//! Backups of a frozen data folder: whole files, each stored once under the hash of its bytes, and
//! a snapshot that lists them. Knows nothing of what the files hold; who freezes the folder makes
//! sure that it is consistent.
//!
//! ```text
//! backup.json                              says what this place is, the format number, and whose it is
//! snapshots/<created ms>-<16 hex>.json     a snapshot; the hex digits begin the SHA-256 of its text
//! objects/<2 hex>/<62 hex>                 the bytes of a file, by their SHA-256
//! snapshots/….json.age                     the same, encrypted
//! sealed-<16 hex>/<2 hex>/<62 hex>         encrypted objects; the digits stand for the recipients
//! lock                                     in a folder: locked while something is stored or taken away
//! running/create, running/prune            elsewhere: whether something is
//! ```
//!
//! * A snapshot is stored after all of its objects, and taken away before them, so one that can be read
//!   is complete.
//! * Names of encrypted objects are hashes of their contents before encryption: who sees the place
//!   can tell equal files from different ones, and whether a file that he has himself is among them.
//!   Contents that must not be guessed whole (keys) hold random bytes.
//! * Encryption keeps secrets; it proves nothing about who wrote the backup. What proves the anchors
//!   is their signatures and the log's checkpoint kept elsewhere.

use std::ops::ControlFlow;

mod busy;
mod check;
mod create;
mod error;
mod index;
mod object;
mod place;
mod prune;
mod restore;
mod seal;
mod snapshot;

pub use check::{CheckReport, check};
pub use create::{CreateReport, Source, create};
pub use error::BackupError;
pub use place::{Place, S3Options};
pub use prune::{Keep, PruneMode, PruneReport, prune};
pub use restore::{UNFINISHED, restore};
pub use seal::{Identities, NoRecipient, Recipients};
pub use snapshot::{LogHead, Snapshot, SnapshotFile, SnapshotId, Unread, find, list, read};

/// Told of progress: so many bytes more were done. Says whether to go on; if not, the work ends soon
/// with [`BackupError::Stopped`].
pub type Advance<'a> = &'a (dyn Fn(u64) -> ControlFlow<()> + Sync);
