//! DSU archives: whole DSUs, with the histories of their anchors, in one CAR file.
//!
//! [`export`] writes an archive, [`Archive::open`] checks all of it without any key or network,
//! [`Archive::verify`] also opens every file with a key, [`import`] stores it on another node. The
//! format stands in `docs/archive.md`.

mod check;
mod export;
mod gather;
mod import;
mod manifest;
mod unnamed;
mod verify;

pub use check::{Archive, ArchiveError};
pub use export::{ExportError, Exported, ExportedDsu, Mounts, export};
pub use import::{ImportError, Imported, ImportedDsu, import};
pub use manifest::{ArchiveManifest, ArchivedDsu, DomainBricks, ManifestFault};
pub use unnamed::unnamed_file;
pub use verify::{ArchiveFault, ArchiveVerified, FaultKind, VerifyError};

use car::CarLimits;

/// What an archive may make its reader hold: a header has one root; a block is a brick, of the
/// largest size that the client takes, or the manifest, which at 41 bytes a link names 1.6 million
/// bricks.
const LIMITS: CarLimits = CarLimits {
    header_bytes_max: 4096,
    block_bytes_max: 64 << 20,
};

#[cfg(test)]
mod tests;
