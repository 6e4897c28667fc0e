//! The keyring on disk: read, locked, appended to, replaced.
//!
//! A crash during an append leaves a line that is cut off, which is named when it is read and
//! dropped by the next append; a crash during a replacement leaves the old file.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::file::{Contents, FormatError, Line, Tag, entry_line};
use crate::exit::{Exit, Failure};
use crate::local_file;

/// Largest file that is read; some 300,000 keys.
const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// A keyring's file and what was read from it.
pub(super) struct KeyringFile {
    pub(super) path: PathBuf,
    pub(super) contents: Contents,
    /// What the file was when `contents` was read.
    stamp: Stamp,
}

/// What differs between two states of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
}

impl KeyringFile {
    /// Reads a file.
    pub(super) fn read(path: PathBuf) -> Result<Self, Failure> {
        let (contents, stamp) = read(&path)?;
        Ok(Self {
            path,
            contents,
            stamp,
        })
    }

    /// Keeps other writers out until the lock is dropped, and takes up what they have written.
    pub(super) fn lock_and_read_again(&mut self) -> Result<File, Failure> {
        let mut name = self.path.clone().into_os_string();
        name.push(".lock");
        // A file of its own: the keyring itself is replaced.
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&name)
            .and_then(|lock| lock.lock().map(|()| lock))
            .map_err(|error| {
                Failure::io(format!("{} cannot be locked", self.path.display()), error)
            })?;
        if Stamp::of(&self.path)? == self.stamp {
            return Ok(lock);
        }
        let (now, stamp) = read(&self.path)?;
        if (&now.salt, &now.protection) != (&self.contents.salt, &self.contents.protection) {
            let message = format!(
                "{} was replaced by another keyring meanwhile",
                self.path.display()
            );
            return Err(Failure::new(Exit::Conflict, message).next("run the command again"));
        }
        (self.contents, self.stamp) = (now, stamp);
        Ok(lock)
    }

    /// Adds a line at the end. A crash leaves at most a line that is cut off.
    pub(super) fn append(&mut self, tag: Tag, message: Vec<u8>) -> Result<(), Failure> {
        let failed =
            |error| Failure::io(format!("{} cannot be written", self.path.display()), error);
        let mut file = OpenOptions::new()
            .append(true)
            .open(&self.path)
            .map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let torn = u64::try_from(self.contents.torn_bytes).unwrap_or(u64::MAX);
        let sound = length.saturating_sub(torn);
        let line = entry_line(&tag, &message);
        let start = if self.contents.lacks_line_feed {
            "\n"
        } else {
            ""
        };
        let written = file
            .set_len(sound)
            .and_then(|()| file.write_all(format!("{start}{line}").as_bytes()))
            .and_then(|()| file.sync_all());
        if let Err(error) = written {
            // What was not reported as saved should not be there by half.
            let _ = file.set_len(sound);
            return Err(failed(error));
        }
        self.contents.lines.push(Line::Entry { tag, message });
        self.contents.torn_bytes = 0;
        self.contents.lacks_line_feed = false;
        self.stamp = Stamp::of(&self.path)?;
        Ok(())
    }

    /// Puts the contents in the place of the whole file.
    pub(super) fn replace(&mut self) -> Result<(), Failure> {
        local_file::replace_private(&self.path, &self.contents.print()).map_err(|error| {
            Failure::io(format!("{} cannot be written", self.path.display()), error)
        })?;
        self.stamp = Stamp::of(&self.path)?;
        Ok(())
    }
}

impl Stamp {
    fn of(path: &Path) -> Result<Self, Failure> {
        let state = path.metadata().map_err(|error| cannot_read(path, error))?;
        Ok(Self {
            inode: state.ino(),
            bytes: state.size(),
            changed: (state.mtime(), state.mtime_nsec()),
        })
    }
}

fn read(path: &Path) -> Result<(Contents, Stamp), Failure> {
    // Before the bytes: a change in between makes the stamp differ the next time.
    let stamp = Stamp::of(path)?;
    let bytes = local_file::read_bounded(path, FILE_BYTES_MAX)?;
    let contents = Contents::parse(&bytes).map_err(|error| cannot_parse(path, error))?;
    Ok((contents, stamp))
}

/// A file that is no keyring, or whose first line is damaged.
pub(super) fn cannot_parse(path: &Path, error: FormatError) -> Failure {
    let next = match error {
        FormatError::NotAKeyring => "name the right file with --keyring",
        FormatError::Newer(_) => "use a newer kiln",
        FormatError::DamagedHeader => "restore the keyring from a backup",
    };
    let message = format!("{} cannot be used as a keyring", path.display());
    Failure::new(Exit::Local, message).because(error).next(next)
}

/// A file that cannot be read.
pub(super) fn cannot_read(path: &Path, error: io::Error) -> Failure {
    Failure::io(format!("{} cannot be read", path.display()), error)
}
