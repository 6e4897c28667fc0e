//! Why an import ends early. What was taken until then stays and is not taken again.

use std::io;

use brickstore::BrickStoreError;
use client::ClientError;
use ledger::LedgerError;

use crate::journal::JournalError;
use crate::source::SourceError;

/// Why an import ended before its end. Everything stored until then is durable; the next run goes on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The disk of the stores is full. Make room and run it again.
    #[error("the disk is full")]
    OutOfSpace,
    /// The source cannot be read as a whole.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The brick store fails.
    #[error("the brick store fails")]
    Bricks(#[source] BrickStoreError),
    /// The ledger fails.
    #[error("the ledger fails")]
    Anchors(#[source] LedgerError),
    /// The node cannot be talked to, or takes nothing.
    #[error(transparent)]
    Node(#[from] ClientError),
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A file of ours cannot be written.
    #[error("{what} cannot be written")]
    Write {
        /// Which file.
        what: &'static str,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// A task of this process ended early.
    #[error("a task of this process ended early")]
    Task(#[source] tokio::task::JoinError),
}

impl ImportError {
    /// A failed write of a file of ours.
    pub(crate) fn write(what: &'static str, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::OutOfSpace,
            _ => Self::Write { what, source },
        }
    }
}

impl From<BrickStoreError> for ImportError {
    fn from(error: BrickStoreError) -> Self {
        match error {
            BrickStoreError::OutOfSpace => Self::OutOfSpace,
            error => Self::Bricks(error),
        }
    }
}

impl From<LedgerError> for ImportError {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::OutOfSpace => Self::OutOfSpace,
            error => Self::Anchors(error),
        }
    }
}
