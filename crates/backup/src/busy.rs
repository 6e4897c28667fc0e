//! Nothing is taken away from a place while a backup is made there: it builds on what it found.
//!
//! A folder has the file `lock`, whose lock ends with the process that holds it, however that ends.
//! Object stores know no locks. There an object says for each kind of work whether it is under way:
//! each writes its own first and then reads the other's, so of two at the same time at least one sees
//! the other and gives way. Work that was cut off leaves its object behind, and the next of its kind
//! puts that right. The object is overwritten and never removed, because whoever makes backups need
//! not have the right to remove anything.

use std::fs::{File, TryLockError};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{BackupError, Place};

const LOCK: &str = "lock";

/// What is done in a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// A backup is made; others may be made too.
    Create,
    /// Backups are taken away, by nobody else and while nothing is made.
    Prune,
}

/// Work that is under way until this goes.
pub(crate) struct Busy<'a> {
    place: &'a Place,
    work: Work,
    /// The lock of a folder.
    lock: Option<File>,
}

/// What an object of [`Work::mark`] holds.
#[derive(Serialize, Deserialize)]
struct Mark {
    running: bool,
}

/// Begins a work.
///
/// # Errors
/// [`BackupError::Busy`] when it would disturb another, or what failed.
pub(crate) fn begin(place: &Place, work: Work) -> Result<Busy<'_>, BackupError> {
    if let Some(folder) = place.folder() {
        let lock = Some(lock(place, folder, work)?);
        return Ok(Busy { place, work, lock });
    }
    write(place, work, true)?;
    // From here on it is taken back when this fails.
    let busy = Busy {
        place,
        work,
        lock: None,
    };
    let other = work.other();
    let text = place.read_small(other.mark())?;
    // What cannot be understood may be a newer program's.
    let is_running = text
        .is_some_and(|text| serde_json::from_slice(&text).map_or(true, |mark: Mark| mark.running));
    if is_running {
        return Err(BackupError::Busy {
            place: place.name().to_owned(),
            work: format!("{} says that {}", other.mark(), other.words()),
        });
    }
    Ok(busy)
}

impl Work {
    /// The object that says whether it is under way.
    fn mark(self) -> &'static str {
        match self {
            Self::Create => "running/create",
            Self::Prune => "running/prune",
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Create => Self::Prune,
            Self::Prune => Self::Create,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Create => "a backup is being made",
            Self::Prune => "backups are being taken away",
        }
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        if self.lock.is_none() {
            // If this fails, the next of its kind does it.
            let _ = write(self.place, self.work, false);
        }
    }
}

fn lock(place: &Place, folder: &Path, work: Work) -> Result<File, BackupError> {
    let path = folder.join(LOCK);
    let failed = || BackupError::local(&path);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(failed())?;
    let (locked, others) = match work {
        Work::Create => (file.try_lock_shared(), "backups are being taken away"),
        Work::Prune => (
            file.try_lock(),
            "a backup is being made, or others are being taken away",
        ),
    };
    match locked {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(BackupError::Busy {
            place: place.name().to_owned(),
            work: others.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(failed()(error)),
    }
}

fn write(place: &Place, work: Work, running: bool) -> Result<(), BackupError> {
    let text = serde_json::to_vec(&Mark { running }).unwrap_or_default();
    place.put(work.mark(), text)
}
