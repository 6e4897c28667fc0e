//! What can go wrong with a backup.

use std::io;
use std::path::PathBuf;

use crate::seal::NoRecipient;
use crate::snapshot::SnapshotId;

/// Why a backup could not be made, read or restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The name of the place is none.
    #[error("{place} is no place for backups: name a folder, or s3://BUCKET/PREFIX")]
    Location {
        /// As it was given.
        place: String,
    },
    /// The folder or the store behind a place does not work.
    #[error("the backup place {place} cannot be used")]
    Place {
        /// The place.
        place: String,
        /// What it said.
        #[source]
        source: Box<object_store::Error>,
    },
    /// Something lies there, but no backups.
    #[error("{place} holds no Kiln backups: {detail}")]
    NotAPlace {
        /// The place.
        place: String,
        /// What was found.
        detail: String,
    },
    /// Made by a newer Kiln.
    #[error("the backups in {place} have format {found}; this Kiln reads formats up to {known}")]
    Newer {
        /// The place.
        place: String,
        /// Its format number.
        found: u32,
        /// The newest that is known here.
        known: u32,
    },
    /// A local file.
    #[error("{path} cannot be used")]
    Local {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The place belongs to another node.
    #[error("{place} holds the backups of node {found}, and this is node {own}")]
    OtherNode {
        /// The place.
        place: String,
        /// Whose backups lie there.
        found: String,
        /// Who wants to put one there.
        own: String,
    },
    /// A file that is written once and never again is another one than before.
    #[error(
        "{path} is not what it was at an earlier backup, though such files are written once: \
         the disk is damaged"
    )]
    Rotten {
        /// The file, relative to the folder that is backed up.
        path: PathBuf,
    },
    /// Whoever was told of the progress wanted it to end.
    #[error("stopped before the end")]
    Stopped,
    /// A file that must not change did.
    #[error("{path} changed while it was backed up")]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// What is stored is not what was stored.
    #[error("{object} is damaged: {detail}")]
    Damaged {
        /// Its name in the place.
        object: String,
        /// What is wrong.
        detail: String,
    },
    /// An object that a snapshot names is not there.
    #[error("{object} is missing")]
    Missing {
        /// Its name in the place.
        object: String,
    },
    /// A snapshot that is to stay lacks objects, so nothing is taken away.
    #[error("the backup {backup} is to stay and is not whole, so nothing goes: {detail}")]
    Incomplete {
        /// The snapshot.
        backup: SnapshotId,
        /// What it lacks.
        detail: String,
    },
    /// The backup is encrypted and no private key was given.
    #[error("the backup is encrypted, and no age identity was given")]
    NoIdentity,
    /// None of the private keys opens it.
    #[error("none of the age identities opens the backup")]
    WrongIdentity,
    /// No such snapshot.
    #[error("{place} has no backup {id}")]
    Unknown {
        /// The place.
        place: String,
        /// What was asked for.
        id: String,
    },
    /// Somebody else works in the place.
    #[error("{place} is in use: {work}")]
    Busy {
        /// The place.
        place: String,
        /// What the other one does, and where that is written if it is written.
        work: String,
    },
    /// A restore goes into an empty folder only.
    #[error("{path} is not empty")]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// A recipient is not an age public key.
    #[error("recipient {number} {problem}")]
    Recipient {
        /// Which one, counted from 1.
        number: usize,
        /// What is wrong with it.
        problem: NoRecipient,
    },
}

impl BackupError {
    pub(crate) fn local(path: &std::path::Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Local { path, source }
    }

    pub(crate) fn damaged(object: &str, detail: impl Into<String>) -> Self {
        Self::Damaged {
            object: object.to_owned(),
            detail: detail.into(),
        }
    }
}
