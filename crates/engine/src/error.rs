//! What can go wrong in the engine, named by what the caller can do about it.

use std::path::PathBuf;

/// Why a read or write failed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The disk has less free space than the floor; nothing was written. Retry when there is room.
    #[error("the disk is full: writing needs {needed} bytes above the free-space floor")]
    OutOfSpace {
        /// Bytes that this write would have needed.
        needed: u64,
    },
    /// Stored data does not pass its checks; only what was read is affected.
    #[error("stored data is damaged: {detail}")]
    Corrupt {
        /// Which key or file, and what was found.
        detail: String,
    },
    /// An earlier write failed in a way that leaves the disk's state unknown. Reads still work;
    /// writes need a restart.
    #[error("the store takes no writes until it is restarted: {reason}")]
    Poisoned {
        /// The failure that poisoned the store.
        reason: String,
    },
    /// The database is closed for the moment (it is being reopened after a full disk).
    #[error("the store is being reopened")]
    Reopening,
    /// The database reported an error on a read.
    #[error("the database reported an error")]
    Database(#[source] rocksdb::Error),
}

impl From<rocksdb::Error> for EngineError {
    /// Classifies the error of a *read*; writes are classified by [`crate::Engine::write`].
    fn from(error: rocksdb::Error) -> Self {
        let is_bad_sector =
            error.kind() == rocksdb::ErrorKind::IOError && error.as_ref().contains(BAD_SECTOR);
        if is_bad_sector || error.kind() == rocksdb::ErrorKind::Corruption {
            return Self::Corrupt {
                detail: error.into_string(),
            };
        }
        Self::Database(error)
    }
}

/// What the system says (EIO) of a place on the disk that it cannot read.
const BAD_SECTOR: &str = "Input/output error";

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The folder cannot be created or synced.
    #[error("cannot create the store folder {path}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// Another process has the store open.
    #[error("the store {path} is in use by another process; stop that one first")]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The store was written by a newer version of this program.
    #[error(
        "the store {path} has format {found}, and this version reads up to {supported}; \
         use the version that wrote it, or a newer one"
    )]
    NewerFormat {
        /// The folder.
        path: PathBuf,
        /// Format number found.
        found: u32,
        /// Newest format number that this version reads.
        supported: u32,
    },
    /// The folder holds a store, but its own records cannot be understood.
    #[error("the store {path} is damaged: {detail}")]
    Damaged {
        /// The folder.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// There is no room for a new store.
    #[error(
        "the disk is too full for a new store in {path}; make room or lower limits.free_bytes_min"
    )]
    OutOfSpace {
        /// The folder.
        path: PathBuf,
    },
    /// There is no store in the folder (opened for reading only).
    #[error("there is no store in {path}")]
    Absent {
        /// The folder.
        path: PathBuf,
    },
    /// The database refused to open; damage in the write-ahead log is refused, not skipped.
    #[error("the store {path} cannot be opened")]
    Database {
        /// The folder.
        path: PathBuf,
        /// What the database said.
        #[source]
        source: rocksdb::Error,
    },
}
