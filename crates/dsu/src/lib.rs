//! The DSU format: brick maps, bricks, mounts, histories, merge; sans-IO.
//!
//! Nothing here fetches, stores, waits, reads the clock or makes randomness: it
//! says which bricks are needed, takes their bytes, and gives the bricks to
//! store. Time comes in as [`Moment`], randomness as a generator of the caller.

pub mod brick_map;
pub mod compact;
pub mod content;
pub mod entry;
pub mod history;
pub mod manifest;
pub mod moment;
pub mod path;
pub mod seal;
pub mod versionless;

pub use brick_map::{
    BrickMap, BrickMapError, Depth, EmbeddedContent, FileNode, FolderNode, ListError, Listed,
    Metadata, Node, NodeKind, StoredIn, Timing, UnreadableEmbedded,
};
pub use entry::{Entry, EntryError};
pub use moment::Moment;
pub use path::{DsuPath, PathError, SEGMENTS_MAX};
