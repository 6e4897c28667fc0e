//! The last version that this machine has seen of each anchor, so that a node that shows an older
//! history later is caught.
//!
//! A folder with one small file per anchor, named by the hash of the anchor's id:
//! `{"anchor": "<id>", "versions": 3, "last": "<value>"}`. A file is replaced as a whole and never
//! by a shorter history. Writers hold a lock on the folder, so any number of processes may use it;
//! a crash leaves the old file or the new one, and perhaps a temporary one that the next writer
//! overwrites.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use dsu::SeenHead;
use keyssi::{AnchorId, BrickHash};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Longest file that is read: an id of 255 bytes and a value of some kilobytes.
const FILE_BYTES_MAX: u64 = 64 << 10;
/// The file that writers lock.
const LOCK_NAME: &str = "lock";

/// The heads seen, in one folder.
#[derive(Debug, Clone)]
pub struct HeadMemory {
    folder: PathBuf,
}

/// Why a head cannot be remembered or recalled.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HeadError {
    /// The file is not what was written. Nothing is known of the anchor's head any more; whoever
    /// removes the file accepts that.
    #[error("{} is damaged: {what}", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The file system refuses.
    #[error("{} cannot be read or written", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

/// The content of a file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    anchor: String,
    versions: usize,
    last: String,
}

impl HeadMemory {
    /// The memory in `folder`, which is made when something is first remembered.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What was remembered of an anchor. Reads a small file: blocks for as long as that takes.
    ///
    /// # Errors
    /// [`HeadError`] when there is something that cannot be read.
    pub fn recall(&self, id: &AnchorId) -> Result<Option<SeenHead>, HeadError> {
        read(&self.file_of(id), id)
    }

    /// Remembers the head of an anchor, if it is that of a longer history than the one remembered.
    /// On disk when it returns: blocks for two syncs when there is something new, and while another
    /// process writes.
    ///
    /// # Errors
    /// [`HeadError`] when the old head cannot be read or the new one cannot be written.
    pub fn remember(&self, id: &AnchorId, head: &SeenHead) -> Result<(), HeadError> {
        let file = self.file_of(id);
        // Most calls bring nothing new and need no lock: the number only grows.
        if !is_longer(&file, id, head)? {
            return Ok(());
        }
        fs::create_dir_all(&self.folder).map_err(at(&self.folder))?;
        let _lock = self.lock()?;
        if !is_longer(&file, id, head)? {
            return Ok(());
        }
        let record = Record {
            anchor: id.as_str().to_owned(),
            versions: head.versions,
            last: head.last_value.clone(),
        };
        let text = serde_json::to_vec(&record).map_err(|error| HeadError::Io {
            path: file.clone(),
            source: error.into(),
        })?;
        // The lock makes the name ours; what a crash left under it is overwritten.
        let temporary = file.with_extension("tmp");
        write_synced(&temporary, &text).map_err(at(&temporary))?;
        fs::rename(&temporary, &file).map_err(at(&file))?;
        // Only now does the new name survive a power cut.
        let folder = File::open(&self.folder).and_then(|folder| folder.sync_all());
        folder.map_err(at(&self.folder))
    }

    /// Waits for the lock of the folder. It goes with the value, or with the process.
    fn lock(&self) -> Result<File, HeadError> {
        let path = self.folder.join(LOCK_NAME);
        let open = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path);
        let file = open.map_err(at(&path))?;
        file.lock().map_err(at(&path))?;
        Ok(file)
    }

    fn file_of(&self, id: &AnchorId) -> PathBuf {
        let name = BrickHash::of(id.as_str().as_bytes());
        self.folder.join(format!("{name}.json"))
    }
}

fn is_longer(file: &Path, id: &AnchorId, head: &SeenHead) -> Result<bool, HeadError> {
    let known = read(file, id)?.map_or(0, |known| known.versions);
    Ok(head.versions > known)
}

fn read(file: &Path, id: &AnchorId) -> Result<Option<SeenHead>, HeadError> {
    let open = match File::open(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(at(file))?,
    };
    let mut bytes = Vec::new();
    open.take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(at(file))?;
    let damaged = |what: String| HeadError::Damaged {
        file: file.to_owned(),
        what,
    };
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(damaged(
            "it is too long for the record of a head".to_owned(),
        ));
    }
    let record: Record = serde_json::from_slice(&bytes)
        .map_err(|error| damaged(format!("it is not the record of a head ({error})")))?;
    if record.anchor != id.as_str() {
        return Err(damaged("it is the record of another anchor".to_owned()));
    }
    Ok(Some(SeenHead {
        versions: record.versions,
        last_value: record.last,
    }))
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> HeadError + use<> {
    let path = path.to_owned();
    move |source| HeadError::Io { path, source }
}
