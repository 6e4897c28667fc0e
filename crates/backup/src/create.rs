//! Making a backup.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::busy::{self, Work};
use crate::index::Index;
use crate::object::{hash_file, store_file};
use crate::seal::{self, Recipients};
use crate::snapshot::{self, FORMAT, LogHead, Snapshot, SnapshotFile, SnapshotId, object_name};
use crate::{Advance, BackupError, Place};

/// Files that are stored at a time.
const AT_A_TIME: usize = 4;
/// Where private keys lie; without encryption they are left out.
const KEYS: &str = "keys/";

/// What is backed up.
#[derive(Clone, Debug)]
pub struct Source {
    /// The frozen folder. Nothing in it changes until the backup is made.
    pub folder: PathBuf,
    /// When it was frozen, in milliseconds since the epoch.
    pub frozen_ms: u64,
    /// Version of the program.
    pub version: String,
    /// The node that it is of, 32 hex digits.
    pub node: String,
    /// The logs in it.
    pub logs: Vec<LogHead>,
    /// What it does not hold and why, for people.
    pub left_out: Vec<String>,
    /// Where hashes of unchanging files are kept between backups; `None` reads every file.
    pub index: Option<PathBuf>,
}

/// What a backup did.
#[derive(Clone, Debug)]
pub struct CreateReport {
    /// Its name.
    pub id: SnapshotId,
    /// What is in it.
    pub snapshot: Snapshot,
    /// Files that were stored by this backup.
    pub stored_files: u64,
    /// Their bytes before encryption.
    pub stored_bytes: u64,
}

/// Backs a frozen folder up. What the place has already is not stored again, unless its length is wrong.
///
/// # Errors
/// [`BackupError::Busy`] while backups are taken away there; [`BackupError::OtherNode`] where another
/// node's are; else see [`BackupError`]. What was stored until then stays and is found by the next try.
pub fn create(
    place: &Place,
    source: &Source,
    recipients: Option<&Recipients>,
    advance: Advance<'_>,
) -> Result<CreateReport, BackupError> {
    // From before it looks at what is there, until the snapshot names it.
    let _busy = busy::begin(place, Work::Create)?;
    place.claim(&source.node)?;
    let mut paths = Vec::new();
    walk(&source.folder, "", &mut paths)?;
    paths.sort();
    let mut left_out = source.left_out.clone();
    if recipients.is_none() && paths.iter().any(|path| path.starts_with(KEYS)) {
        paths.retain(|path| !path.starts_with(KEYS));
        left_out.push("the private keys of the logs: the backup is not encrypted".to_owned());
    }
    let folder = seal::folder(recipients.map_or(&[], Recipients::texts));
    let run = Run {
        place,
        source,
        recipients,
        advance,
        index: Index::load(source.index.as_deref()),
        present: place.list(&folder)?.into_iter().collect(),
        folder,
        claimed: Mutex::default(),
        stored_files: AtomicU64::new(0),
        stored_bytes: AtomicU64::new(0),
    };
    let files = run.all(&paths)?;
    let snapshot = Snapshot {
        format: FORMAT,
        created_ms: source.frozen_ms,
        version: source.version.clone(),
        node: Some(source.node.clone()),
        sealed_to: recipients.map_or_else(Vec::new, |it| it.texts().to_vec()),
        logs: source.logs.clone(),
        left_out,
        files,
    };
    let id = snapshot::store(place, &snapshot, recipients)?;
    run.index.save();
    Ok(CreateReport {
        id,
        snapshot,
        stored_files: run.stored_files.into_inner(),
        stored_bytes: run.stored_bytes.into_inner(),
    })
}

/// A backup while it is made.
struct Run<'a> {
    place: &'a Place,
    source: &'a Source,
    recipients: Option<&'a Recipients>,
    advance: Advance<'a>,
    index: Index,
    /// Names below the folder of objects that the place had before, and their bytes.
    present: BTreeMap<String, u64>,
    folder: String,
    /// Hashes that this backup has taken on, so that two equal files are stored once.
    claimed: Mutex<BTreeSet<String>>,
    stored_files: AtomicU64,
    stored_bytes: AtomicU64,
}

impl Run<'_> {
    /// Stores all files, some at a time; the first failure ends it.
    fn all(&self, paths: &[String]) -> Result<Vec<SnapshotFile>, BackupError> {
        let queue = Mutex::new(paths.iter());
        let next = || {
            let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
            queue.next()
        };
        let failed = Mutex::new(None);
        let stored = Mutex::new(Vec::with_capacity(paths.len()));
        std::thread::scope(|scope| {
            for _ in 0..AT_A_TIME {
                scope.spawn(|| {
                    while let Some(path) = next() {
                        if lock(&failed).is_some() {
                            return;
                        }
                        match self.one(path) {
                            Ok(file) => lock(&stored).push(file),
                            Err(error) => drop(lock(&failed).get_or_insert(error)),
                        }
                    }
                });
            }
        });
        if let Some(error) = lock(&failed).take() {
            return Err(error);
        }
        let mut files = std::mem::take(&mut *lock(&stored));
        files.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(files)
    }

    fn one(&self, path: &str) -> Result<SnapshotFile, BackupError> {
        let local = self.source.folder.join(path);
        let metadata = fs::metadata(&local).map_err(BackupError::local(&local))?;
        let known = self.index.find(path, &metadata);
        let is_known = known.is_some();
        let (sha256, bytes) = match known {
            Some(sha256) => (sha256, metadata.len()),
            None => hash_file(&local, self.advance)?,
        };
        let name = object_name(&self.folder, &sha256);
        let below = name.strip_prefix(self.folder.as_str()).unwrap_or_default();
        let stored = self.present.get(below.trim_start_matches('/'));
        // One of another length is damaged, and is stored again.
        let is_there =
            stored.is_some_and(|&stored| seal::can_hold(stored, bytes, self.recipients.is_some()));
        if is_there || !lock(&self.claimed).insert(sha256.clone()) {
            if (self.advance)(bytes).is_break() {
                return Err(BackupError::Stopped);
            }
        } else {
            let stored = store_file(
                self.place,
                &name,
                &local,
                &sha256,
                self.recipients,
                self.advance,
            );
            stored.map_err(|error| match error {
                BackupError::Changed { .. } if is_known => BackupError::Rotten {
                    path: PathBuf::from(path),
                },
                error => error,
            })?;
            self.stored_files.fetch_add(1, Ordering::Relaxed);
            self.stored_bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        self.index.learn(path, &metadata, &sha256);
        Ok(SnapshotFile {
            path: path.to_owned(),
            bytes,
            sha256,
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The relative paths of all files; nothing but files and folders may lie there.
fn walk(folder: &Path, below: &str, paths: &mut Vec<String>) -> Result<(), BackupError> {
    let here = folder.join(below);
    for entry in fs::read_dir(&here).map_err(BackupError::local(&here))? {
        let entry = entry.map_err(BackupError::local(&here))?;
        let path = entry.path();
        let odd = |what: &str| {
            let source = std::io::Error::other(what.to_owned());
            BackupError::Local {
                path: path.clone(),
                source,
            }
        };
        let name = entry.file_name();
        let name = name.to_str().ok_or_else(|| odd("its name is not UTF-8"))?;
        let relative = if below.is_empty() {
            name.to_owned()
        } else {
            format!("{below}/{name}")
        };
        let kind = entry.file_type().map_err(BackupError::local(&path))?;
        if kind.is_dir() {
            walk(folder, &relative, paths)?;
        } else if kind.is_file() {
            paths.push(relative);
        } else {
            return Err(odd("it is neither a file nor a folder"));
        }
    }
    Ok(())
}
