//! Which logs a witness has ever cosigned: a list beside its key, one origin a line.
//!
//! What was cosigned lies in a folder of its own. If that is lost and the key is not, the witness
//! would begin anew and cosign a second history of each log; the list tells that it must not. It is
//! there before the key is, and an origin is in it before the first cosignature of that log is
//! answered. A crash before that leaves a state that the list lacks, which the next start adds.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::exit::{Exit, Failure};
use crate::local_file::{create_folder_of, read_bounded, replace_private};

/// The longest list, in bytes.
const LIST_BYTES_MAX: u64 = 16 << 20;

/// The list.
pub(super) struct KnownLogs {
    file: PathBuf,
    origins: Mutex<BTreeSet<String>>,
}

impl KnownLogs {
    /// Reads the list in `data`. It is made with the first start, which is before there is `key`; a
    /// key without a list is one whose witness has lost it, or is of a version that kept none.
    ///
    /// # Errors
    /// [`Exit::Local`] if it cannot be read or made, or is lost.
    pub(super) fn open(data: &Path, key: &Path) -> Result<Self, Failure> {
        let file = data.join("known-logs");
        let known = |origins| Self {
            file: file.clone(),
            origins: Mutex::new(origins),
        };
        if is_there(&file)? {
            let bytes = read_bounded(&file, LIST_BYTES_MAX)?;
            let text = std::str::from_utf8(&bytes).map_err(|error| {
                let message = format!("{} is not a list of logs", file.display());
                Failure::new(Exit::Local, message)
                    .because(error)
                    .next("put the file back as it was when the witness ran last")
            })?;
            return Ok(known(text.lines().map(str::to_owned).collect()));
        }
        let cosigned = cosigned_before(&data.join("cosigned"))?;
        if is_there(key)? && cosigned.is_empty() {
            let message = format!(
                "the key {} is here, but neither what it cosigned nor {}, the list of the logs",
                key.display(),
                file.display()
            );
            return Err(Failure::new(Exit::Local, message).next(
                "put the whole data folder back, as it was when the witness ran last; if the \
                 key never cosigned anything, make an empty file of that name",
            ));
        }
        let known = known(cosigned);
        known.write().map_err(|error| {
            Failure::io(format!("{} cannot be written", known.file.display()), error)
        })?;
        Ok(known)
    }

    /// Adds a log that was cosigned; it is on disk then.
    ///
    /// # Errors
    /// What the operating system says; the next call tries again.
    pub(super) fn add(&self, origin: &str) -> io::Result<()> {
        let mut origins = self.origins();
        if !origins.insert(origin.to_owned()) {
            return Ok(());
        }
        let written = replace_private(&self.file, text(&origins).as_bytes());
        if written.is_err() {
            origins.remove(origin);
        }
        written
    }

    /// Refuses to begin anew with a log whose state is gone.
    ///
    /// # Errors
    /// [`Exit::Local`].
    pub(super) fn refuse_forgotten(&self, origin: &str, state: &Path) -> Result<(), Failure> {
        if !self.origins().contains(origin) {
            return Ok(());
        }
        let message = format!(
            "this witness has cosigned the log {origin}, and {}, which says what, is gone",
            state.display()
        );
        Err(Failure::new(Exit::Local, message).next(
            "put back the newest copy of this very file; if there is none, give up this witness \
             and its key, for it would cosign a second history (or leave this log out of --log)",
        ))
    }

    fn origins(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.origins.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> io::Result<()> {
        create_folder_of(&self.file)?;
        replace_private(&self.file, text(&self.origins()).as_bytes())
    }
}

fn text(origins: &BTreeSet<String>) -> String {
    origins.iter().flat_map(|origin| [origin, "\n"]).collect()
}

/// The origins in the notes that a version without a list has left.
fn cosigned_before(folder: &Path) -> Result<BTreeSet<String>, Failure> {
    let unreadable = |error| Failure::io(format!("{} cannot be read", folder.display()), error);
    let files = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        files => files.map_err(unreadable)?,
    };
    let mut origins = BTreeSet::new();
    for file in files {
        let path = file.map_err(unreadable)?.path();
        if path.extension().is_some_and(|it| it == "checkpoint") {
            let bytes = read_bounded(&path, translog::NOTE_BYTES_MAX as u64)?;
            let text = String::from_utf8_lossy(&bytes);
            // What is no note is refused when its log is opened.
            origins.extend(text.lines().next().map(str::to_owned));
        }
    }
    Ok(origins)
}

fn is_there(path: &Path) -> Result<bool, Failure> {
    path.try_exists()
        .map_err(|error| Failure::io(format!("{} cannot be read", path.display()), error))
}
