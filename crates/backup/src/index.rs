//! The hashes of files that were backed up before and cannot have changed, so that the next backup
//! need not read them: tables and blob files are written once and never again.
//!
//! A file is known by its device, inode, length and time of change. If it has another hash all the same
//! when it is read again, the disk has changed it. A lost index costs time, and that this is noticed.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::place::sync_folder;

/// Endings of the files that RocksDB writes once.
const WRITTEN_ONCE: [&str; 2] = [".sst", ".blob"];

/// Known hashes.
#[derive(Debug, Default)]
pub(crate) struct Index {
    path: Option<PathBuf>,
    known: BTreeMap<String, String>,
    /// Those that were asked for or learned: the others are of files that are gone.
    seen: Mutex<BTreeMap<String, String>>,
}

impl Index {
    /// Reads an index; one that cannot be read is an empty one.
    pub(crate) fn load(path: Option<&Path>) -> Self {
        let text = path.and_then(|path| std::fs::read(path).ok());
        let known = text.and_then(|text| serde_json::from_slice(&text).ok());
        Self {
            path: path.map(Path::to_owned),
            known: known.unwrap_or_default(),
            seen: Mutex::default(),
        }
    }

    /// The hash of a file that cannot have changed since it was last read.
    pub(crate) fn find(&self, name: &str, metadata: &Metadata) -> Option<String> {
        let key = key(name, metadata)?;
        let hash = self.known.get(&key)?.clone();
        self.lock().insert(key, hash.clone());
        Some(hash)
    }

    /// Remembers the hash of a file.
    pub(crate) fn learn(&self, name: &str, metadata: &Metadata, sha256: &str) {
        if let Some(key) = key(name, metadata) {
            self.lock().insert(key, sha256.to_owned());
        }
    }

    /// Writes what was seen. A failure is told to nobody: the next backup reads more, that is all.
    pub(crate) fn save(&self) {
        let Some(path) = &self.path else { return };
        let Ok(text) = serde_json::to_vec(&*self.lock()) else {
            return;
        };
        let new = path.with_extension("new");
        let written = || -> std::io::Result<()> {
            let mut file = std::fs::File::options()
                .write(true)
                .create(true)
                .truncate(true)
                .open(&new)?;
            file.write_all(&text)?;
            file.sync_all()?;
            std::fs::rename(&new, path)?;
            path.parent().map_or(Ok(()), sync_folder)
        };
        if written().is_err() {
            let _ = std::fs::remove_file(&new);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, String>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `None` for files that may be written more than once.
fn key(name: &str, metadata: &Metadata) -> Option<String> {
    if !WRITTEN_ONCE.iter().any(|ending| name.ends_with(ending)) {
        return None;
    }
    let (device, inode) = (metadata.dev(), metadata.ino());
    let (length, changed) = (metadata.len(), metadata.mtime());
    let fraction = metadata.mtime_nsec();
    Some(format!("{device}:{inode}:{length}:{changed}.{fraction:09}"))
}
