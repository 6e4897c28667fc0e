//! One open database: synced writes, and its state after a failure. Reads stand in [`crate::read`].

use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

use rocksdb::{ColumnFamilyDescriptor, DB, WriteBatch, WriteOptions};

use crate::{EngineError, Family, META, OpenError, Stats, log_scan, options};

/// Key in [`META`] under which the format number stands, 4 bytes big-endian.
const FORMAT_KEY: &[u8] = b"format";

/// What a reopening writes beside the replayed logs, in bytes: a manifest, for which RocksDB takes
/// 4 MiB at once, and files of options; four times that.
const REOPENING_BYTES: u64 = 16 << 20;

/// What people are told of a volume below its floor.
const FULL: &str = "the disk is full";

/// How to open a store.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Bytes that must stay free on the volume; a write that would go below is refused.
    pub free_bytes_min: u64,
    /// For serving, or for looking only.
    pub mode: Mode,
}

/// What an open database is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Reads and writes; creates what is absent; takes the database's lock.
    Serve,
    /// Changes nothing on disk. The caller makes sure that no other process is writing.
    Check,
}

/// The state of a store, as `/readyz` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// Reads and writes work.
    Ready,
    /// The database met a full disk; it is reopened when there is space.
    Full,
    /// Readable, takes no writes until it is restarted.
    Poisoned {
        /// The failure behind it.
        reason: String,
    },
}

/// One RocksDB database and its state.
pub struct Engine {
    path: PathBuf,
    /// Format number of what lies in it.
    format: u32,
    families: &'static [Family],
    options: EngineOptions,
    cache: rocksdb::Cache,
    /// `None` only while the database is being reopened, or after that failed.
    database: RwLock<Option<DB>>,
    health: Mutex<Health>,
    openings: AtomicU64,
    stats: Arc<Stats>,
}

impl Engine {
    /// Opens (in [`Mode::Serve`]: or creates) the database in `path`, whose format number is
    /// `format`. [`META`] is one of its column families without being named in `families`.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(
        path: &Path,
        families: &'static [Family],
        format: u32,
        options: EngineOptions,
    ) -> Result<Self, OpenError> {
        match options.mode {
            Mode::Serve => create_folder(path)?,
            Mode::Check if !path.join("CURRENT").exists() => {
                return Err(OpenError::Absent {
                    path: path.to_owned(),
                });
            }
            Mode::Check => {}
        }
        let cache = options::cache();
        let database = open_database(path, families, &cache, options.mode)?;
        let mut engine = Self {
            path: path.to_owned(),
            format,
            families,
            options,
            cache,
            database: RwLock::new(Some(database)),
            health: Mutex::new(Health::Ready),
            openings: AtomicU64::new(1),
            stats: Arc::new(Stats::new()),
        };
        engine.check_format(format)?;
        Ok(engine)
    }

    /// Refuses a newer format, and writes the number into a new store.
    fn check_format(&mut self, supported: u32) -> Result<(), OpenError> {
        let damaged = |detail: String| OpenError::Damaged {
            path: self.path.clone(),
            detail,
        };
        let stored = self
            .get(META, FORMAT_KEY)
            .map_err(|error| damaged(error.to_string()))?;
        let Some(stored) = stored else {
            if self.options.mode == Mode::Check {
                return Err(damaged("the format number is missing".to_owned()));
            }
            let mut batch = WriteBatch::default();
            return self
                .put(&mut batch, META, FORMAT_KEY, &supported.to_be_bytes())
                .and_then(|()| self.write(batch))
                .map_err(|error| match error {
                    EngineError::OutOfSpace { .. } => OpenError::OutOfSpace {
                        path: self.path.clone(),
                    },
                    other => damaged(format!("the format number cannot be written: {other}")),
                });
        };
        let Ok(found) = <[u8; 4]>::try_from(stored.as_slice()).map(u32::from_be_bytes) else {
            return Err(damaged(format!(
                "the format number has {} bytes",
                stored.len()
            )));
        };
        if found > supported {
            return Err(OpenError::NewerFormat {
                path: self.path.clone(),
                found,
                supported,
            });
        }
        self.format = found;
        Ok(())
    }

    /// Format number of the store as it was opened: that of the caller, or an older one, from which
    /// the caller brings it forward.
    #[must_use]
    pub fn format(&self) -> u32 {
        self.format
    }

    /// Adds to a batch that what lies in the store has this format from now on.
    ///
    /// # Errors
    /// As [`Engine::put`].
    pub fn put_format(&self, batch: &mut WriteBatch, format: u32) -> Result<(), EngineError> {
        self.put(batch, META, FORMAT_KEY, &format.to_be_bytes())
    }

    /// Adds the removal of a key to a batch.
    ///
    /// # Errors
    /// As [`Engine::put`].
    pub fn delete(
        &self,
        batch: &mut WriteBatch,
        family: &str,
        key: &[u8],
    ) -> Result<(), EngineError> {
        self.with(|database| {
            batch.delete_cf(handle(database, family)?, key);
            Ok(())
        })
    }

    /// Adds a key and its value to a batch.
    ///
    /// # Errors
    /// [`EngineError::Reopening`] while the database is closed.
    pub fn put(
        &self,
        batch: &mut WriteBatch,
        family: &str,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), EngineError> {
        self.with(|database| {
            batch.put_cf(handle(database, family)?, key, value);
            Ok(())
        })
    }

    /// Writes a batch as one and syncs it. After `Ok` it survives a power cut. After an error it
    /// may or may not be there once the store is opened again; callers that keep derived state in
    /// memory read it again when [`Engine::openings`] has changed.
    ///
    /// # Errors
    /// [`EngineError::OutOfSpace`] (nothing is wrong with the store) or [`EngineError::Poisoned`].
    pub fn write(&self, batch: WriteBatch) -> Result<(), EngineError> {
        let needed = batch.size_in_bytes() as u64;
        if let Health::Poisoned { reason } = self.health() {
            return Err(EngineError::Poisoned { reason });
        }
        self.require_space(needed)?;
        if self.health() == Health::Full {
            return Err(EngineError::OutOfSpace { needed });
        }
        let mut synced = WriteOptions::default();
        synced.set_sync(true);
        let began = Instant::now();
        let written = self.with(|database| Ok(database.write_opt(batch, &synced)))?;
        match written {
            Ok(()) => {
                self.stats.synced(began.elapsed());
                Ok(())
            }
            Err(error) => {
                self.stats.failed();
                Err(self.after_failed_write(error, needed))
            }
        }
    }

    fn after_failed_write(&self, error: rocksdb::Error, needed: u64) -> EngineError {
        let text = error.into_string();
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        if is_full_disk(&text) {
            tracing::warn!(store = %self.path.display(), error = text, "the disk is full");
            *health = Health::Full;
            return EngineError::OutOfSpace { needed };
        }
        tracing::error!(
            store = %self.path.display(),
            error = text,
            "a write failed; the store takes no more writes until it is restarted"
        );
        *health = Health::Poisoned {
            reason: text.clone(),
        };
        EngineError::Poisoned { reason: text }
    }

    /// Refuses before RocksDB has to: its own handling of a full disk ends in a reopening.
    pub(crate) fn require_space(&self, needed: u64) -> Result<(), EngineError> {
        match rustix::fs::statvfs(&self.path) {
            // The log takes the bytes now, a table or blob file takes them again at the flush.
            Ok(volume)
                if volume.f_bavail.saturating_mul(volume.f_frsize)
                    < self
                        .options
                        .free_bytes_min
                        .saturating_add(needed.saturating_mul(2)) =>
            {
                Err(EngineError::OutOfSpace { needed })
            }
            // Not knowing is no reason to refuse; a write that fails is handled where it fails.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Reopens the database if it met a full disk and there is space again. Committers call this
    /// before they build a batch, and read their counters again when [`Engine::openings`] changed.
    /// Reads go on meanwhile, but for the moment of the reopening itself.
    ///
    /// # Errors
    /// [`EngineError::OutOfSpace`] while there is too little space, [`EngineError::Reopening`] when
    /// the database could not be opened for another reason.
    pub fn recover(&self) -> Result<(), EngineError> {
        if self.health() == Health::Full {
            let needed = self.reopening_bytes();
            self.require_space(needed)?;
            self.reopen(needed)?;
        }
        Ok(())
    }

    /// What the logs hold is replayed and flushed, which takes their bytes again.
    pub(crate) fn reopening_bytes(&self) -> u64 {
        logged_bytes(&self.path).saturating_add(REOPENING_BYTES)
    }

    fn reopen(&self, needed: u64) -> Result<(), EngineError> {
        let mut database = self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let open = |mode| open_database(&self.path, self.families, &self.cache, mode);
        // RocksDB holds a lock on the folder until the old handle is gone.
        *database = None;
        match open(self.options.mode) {
            Ok(opened) => *database = Some(opened),
            Err(error) => {
                // Somebody else took the space. A handle that writes nothing serves the reads.
                *database = open(Mode::Check).ok();
                let error = failed_reopening(&error, needed);
                tracing::error!(store = %self.path.display(), %error, "reopening failed");
                return Err(error);
            }
        }
        self.openings.fetch_add(1, Ordering::SeqCst);
        *self.health.lock().unwrap_or_else(PoisonError::into_inner) = Health::Ready;
        tracing::info!(store = %self.path.display(), "there is space again; the store was reopened");
        Ok(())
    }

    /// How often the database has been opened: changes when it was reopened after a full disk.
    #[must_use]
    pub fn openings(&self) -> u64 {
        self.openings.load(Ordering::SeqCst)
    }

    /// Whether reads and writes work now; `Err` says in words what does not.
    ///
    /// # Errors
    /// The reason, for people.
    pub fn readiness(&self) -> Result<(), &'static str> {
        match self.health() {
            // The reason names files, and stands in the log.
            Health::Poisoned { .. } => Err("takes no writes until it is restarted"),
            // With room again, the next write reopens the database.
            Health::Full => self.require_space(self.reopening_bytes()).or(Err(FULL)),
            Health::Ready => self.require_space(0).or(Err(FULL)),
        }
    }

    /// The store's state.
    #[must_use]
    pub fn health(&self) -> Health {
        self.health
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// What is counted of the store's work.
    #[must_use]
    pub fn stats(&self) -> &Arc<Stats> {
        &self.stats
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The column families but [`META`].
    pub(crate) fn families(&self) -> &'static [Family] {
        self.families
    }

    pub(crate) fn with<T>(
        &self,
        act: impl FnOnce(&DB) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        act(database.as_ref().ok_or(EngineError::Reopening)?)
    }
}

pub(crate) fn handle<'a>(
    database: &'a DB,
    family: &str,
) -> Result<&'a rocksdb::ColumnFamily, EngineError> {
    database
        .cf_handle(family)
        .ok_or_else(|| EngineError::Corrupt {
            detail: format!("column family {family} is absent"),
        })
}

/// Whether RocksDB's error is that the volume is full.
fn is_full_disk(text: &str) -> bool {
    text.contains("No space left on device") || text.contains("Disk quota exceeded")
}

fn failed_reopening(error: &OpenError, needed: u64) -> EngineError {
    match error {
        OpenError::Database { source, .. } if is_full_disk(source.as_ref()) => {
            EngineError::OutOfSpace { needed }
        }
        _ => EngineError::Reopening,
    }
}

/// Bytes in the write-ahead logs; what cannot be read counts as none.
pub(crate) fn logged_bytes(path: &Path) -> u64 {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.path().extension().is_some_and(|it| it == "log"))
        .filter_map(|entry| entry.metadata().ok())
        .map(|file| file.len())
        .sum()
}

fn open_database(
    path: &Path,
    families: &'static [Family],
    cache: &rocksdb::Cache,
    mode: Mode,
) -> Result<DB, OpenError> {
    let damaged = match log_scan::damage_in(path) {
        Ok(found) => found,
        Err(error) => Some(format!("a log cannot be read: {error}")),
    };
    if let Some(detail) = damaged {
        return Err(OpenError::Damaged {
            path: path.to_owned(),
            detail,
        });
    }
    let meta = Family {
        name: META,
        tune: |_| {},
    };
    let descriptors = families.iter().chain([&meta]).map(|family| {
        ColumnFamilyDescriptor::new(family.name, options::family(cache, family.tune))
    });
    let database = options::database();
    match mode {
        Mode::Serve => DB::open_cf_descriptors(&database, path, descriptors),
        Mode::Check => DB::open_cf_descriptors_read_only(&database, path, descriptors, false),
    }
    .map_err(|source| {
        if source.as_ref().contains("lock hold by current process")
            || source.as_ref().contains("Resource temporarily unavailable")
        {
            return OpenError::InUse {
                path: path.to_owned(),
            };
        }
        OpenError::Database {
            path: path.to_owned(),
            source,
        }
    })
}

/// Creates the folder, and syncs the parent of each folder that it creates and of itself: a
/// database whose folder is lost in a power cut has lost every acknowledged write with it.
fn create_folder(path: &Path) -> Result<(), OpenError> {
    let fail = |source| OpenError::Folder {
        path: path.to_owned(),
        source,
    };
    // Whoever can read its files reads what is stored.
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(fail)?;
    let full = path.canonicalize().map_err(fail)?;
    for ancestor in full.ancestors() {
        let synced = File::open(ancestor).and_then(|folder| folder.sync_all());
        match synced {
            Ok(()) => {}
            // A folder that we may not read is not one that we created.
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => break,
            Err(error) if is_ours(ancestor, &full) => return Err(fail(error)),
            // Above, not every file system syncs folders.
            Err(_) => break,
        }
    }
    Ok(())
}

/// The store's folder and the data folder around it.
fn is_ours(ancestor: &Path, full: &Path) -> bool {
    full.ancestors().take(2).any(|ours| ours == ancestor)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAMILIES: &[Family] = &[Family {
        name: "things",
        tune: |_| {},
    }];

    fn options(mode: Mode) -> EngineOptions {
        EngineOptions {
            free_bytes_min: 0,
            mode,
        }
    }

    fn open(path: &Path, format: u32) -> Result<Engine, OpenError> {
        Engine::open(path, FAMILIES, format, options(Mode::Serve))
    }

    #[test]
    fn a_newer_format_is_refused_by_number() {
        let folder = tempfile::tempdir().unwrap();
        drop(open(folder.path(), 7).unwrap());
        let refused = open(folder.path(), 6).err().unwrap();
        assert!(matches!(
            refused,
            OpenError::NewerFormat {
                found: 7,
                supported: 6,
                ..
            }
        ));
    }

    #[test]
    fn one_process_owns_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let _first = open(folder.path(), 1).unwrap();
        assert!(matches!(
            open(folder.path(), 1).err().unwrap(),
            OpenError::InUse { .. }
        ));
    }

    #[test]
    fn checking_a_folder_without_a_store_says_so_and_creates_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bricks");
        let refused = Engine::open(&path, FAMILIES, 1, options(Mode::Check))
            .err()
            .unwrap();
        assert!(matches!(refused, OpenError::Absent { .. }));
        assert!(!path.exists());
    }

    #[test]
    fn a_write_below_the_free_space_floor_is_refused_and_harms_nothing() {
        let folder = tempfile::tempdir().unwrap();
        drop(open(folder.path(), 1).unwrap());
        let floor = EngineOptions {
            free_bytes_min: u64::MAX,
            mode: Mode::Serve,
        };
        let engine = Engine::open(folder.path(), FAMILIES, 1, floor).unwrap();
        let mut batch = WriteBatch::default();
        engine.put(&mut batch, "things", b"k", b"v").unwrap();
        assert!(matches!(
            engine.write(batch),
            Err(EngineError::OutOfSpace { .. })
        ));
        assert_eq!(engine.health(), Health::Ready);
        assert!(engine.readiness().is_err());
        assert_eq!(engine.get("things", b"k").unwrap(), None);
    }
}
