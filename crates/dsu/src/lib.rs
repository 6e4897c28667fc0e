//! The DSU format: brick maps, bricks, mounts, histories, merge; sans-IO.
//!
//! Nothing here fetches, stores, waits, reads the clock or makes randomness: it
//! says which bricks are needed, takes their bytes, and gives the bricks to
//! store. Time comes in as [`Moment`], randomness as a generator of the caller.

pub mod brick_map;
pub mod compact;
pub mod content;
pub mod diff_strategy;
pub mod entry;
pub mod history;
pub mod manifest;
pub mod merge;
pub mod moment;
pub mod path;
pub mod recovery;
pub mod seal;
pub mod versionless;

pub use brick_map::{
    BrickMap, BrickMapError, Depth, EditError, EmbeddedContent, FileNode, FolderNode, ListError,
    Listed, Metadata, Node, NodeKind, StoredIn, Timing, UnreadableEmbedded,
};
pub use compact::{CompactError, Container, SealedContainer};
pub use content::{
    BrickRef, Content, ContentError, EntryFault, OpenError, Piece, PieceRange, PieceSource, Slice,
    UnreadableFile,
};
pub use diff_strategy::{ReplayError, replay};
pub use entry::{Entry, EntryError};
pub use history::{History, HistoryFault, HistoryFaultKind, Rollback, SeenHead};
pub use manifest::{MANIFEST_PATH, Manifest, ManifestError, Mount, Resolution};
pub use merge::{Change, MergeConflicts, PathConflict, merge};
pub use moment::Moment;
pub use path::{DsuPath, PathError, SEGMENTS_MAX};
pub use recovery::{Damage, DamagedVersion, Recovery};
pub use seal::{
    BrickSealer, CHUNK_BYTES_DEFAULT, OpenMapError, SealError, SealedBrick, SealedMap, SealerError,
    open_map,
};
pub use versionless::{
    VersionlessDocument, VersionlessError, VersionlessListed, VersionlessParseError,
};
