//! `control.db` in the data folder: what is changed while the node runs, and must outlive it. API
//! keys, settings, the audit log.
//!
//! `SQLite` with a rollback journal and `synchronous = EXTRA`: a change is on disk, the end of its
//! journal included, before the call returns, so what was acknowledged survives a power cut. A
//! crash in the middle leaves the journal, from which the next opening restores the state before.
//! Several processes may have the file open; each sees the changes of the others within
//! [`LOOK_EVERY`] (keys and quotas of domains, which are kept in memory) or at once (all else).

mod audit;
mod check;
mod copy;
mod domains;
mod keys;
mod quotas;
mod refusals;
mod schema;

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use thiserror::Error;

use crate::data_folder::OWNER_ONLY;
use crate::folder::create_folder;

pub(crate) use audit::hex;
pub use audit::{AuditCheck, AuditRecord, Broken, Event};
pub use check::check_control;
pub use copy::copy_control;
pub use keys::{ApiKey, KeyRefusal, NewKey};
pub(crate) use refusals::Refusal;

use keys::KeyCache;
use quotas::SetQuotas;
use refusals::Refusals;

/// Name of the file in the data folder.
pub(crate) const FILE: &str = "control.db";
/// How often the file is looked at for changes by other processes, and refusals are written.
const LOOK_EVERY: Duration = Duration::from_millis(400);
/// How long a call waits for another process that writes.
const BUSY_TIME_MAX: Duration = Duration::from_secs(5);
/// Age of the keys in memory beyond which they are not believed: they may have been revoked.
const KEYS_AGE_MAX: Duration = Duration::from_secs(10);

/// The file, opened once per process. Cheap to clone. Its calls wait for the disk: on the blocking
/// pool, not on a reactor thread; only [`Control::check_key`] and what notes a refusal do not wait.
#[derive(Clone)]
pub struct Control(Arc<Inner>);

struct Inner {
    connection: Mutex<Connection>,
    keys: RwLock<Arc<KeyCache>>,
    quotas: RwLock<SetQuotas>,
    refusals: Mutex<Refusals>,
}

/// Why the file cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ControlError {
    /// A folder or file cannot be made.
    #[error("{} cannot be opened", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The database refuses.
    #[error("the control database cannot be used")]
    Database(#[from] rusqlite::Error),
    /// The disk is full; nothing was changed.
    #[error("the disk is full and nothing was changed")]
    OutOfSpace,
    /// A later version of this program wrote the file.
    #[error(
        "control.db has format {found}, this version of kiln knows up to {known}; use the version that wrote it, \
         or restore it from a backup"
    )]
    Newer {
        /// The format of the file.
        found: i64,
        /// The newest that is known here.
        known: i64,
    },
    /// The file is a database of something else.
    #[error(
        "control.db is not a control database of kiln; put back the right file, or restore it from a \
         backup"
    )]
    Foreign,
    /// A stored value cannot be read.
    #[error("control.db holds a value that cannot be read: {0}")]
    Corrupt(String),
    /// There is no such thing to change.
    #[error("there is no {0}")]
    Absent(String),
    /// A value that is not allowed; the text says which are.
    #[error("{0}")]
    Invalid(String),
    /// The operating system gives no randomness.
    #[error("the operating system gives no random numbers")]
    NoRandomness,
}

impl Control {
    /// Opens the file in the data folder, making both if they are not there, and keeps looking at
    /// it for as long as a clone of the result lives.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn open(data: &Path) -> Result<Self, ControlError> {
        let path = data.join(FILE);
        let mut connection = connect(&path)?;
        schema::migrate(&mut connection)?;
        let keys = KeyCache::read(&connection)?;
        let quotas = quotas::read(&connection)?;
        let control = Self(Arc::new(Inner {
            connection: Mutex::new(connection),
            keys: RwLock::new(Arc::new(keys)),
            quotas: RwLock::new(quotas),
            refusals: Mutex::default(),
        }));
        let watched = Arc::downgrade(&control.0);
        let opened = |source| ControlError::Open { path, source };
        thread::Builder::new()
            .name("control".to_owned())
            .spawn(move || watch(&watched))
            .map_err(opened)?;
        Ok(control)
    }

    /// Carries out a change and records the event, both or none, and returns when it is on disk.
    ///
    /// # Errors
    /// [`ControlError`]; nothing is changed then.
    pub(crate) fn change<T>(
        &self,
        event: &Event,
        change: impl FnOnce(&Transaction<'_>) -> Result<T, ControlError>,
    ) -> Result<T, ControlError> {
        self.write(|transaction| {
            let result = change(transaction)?;
            audit::append(transaction, event)?;
            Ok(result)
        })
    }

    /// Reads, seeing one state of all tables.
    ///
    /// # Errors
    /// [`ControlError`].
    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&Transaction<'_>) -> Result<T, ControlError>,
    ) -> Result<T, ControlError> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        read(&transaction)
    }

    /// A setting that was stored by [`Control::set_setting`].
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn setting(&self, name: &str) -> Result<Option<String>, ControlError> {
        self.read(|transaction| {
            let mut found = transaction.prepare("SELECT value FROM settings WHERE name = ?1")?;
            let mut rows = found.query([name])?;
            Ok(rows.next()?.map(|row| row.get(0)).transpose()?)
        })
    }

    /// Stores a setting, or removes it.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn set_setting(
        &self,
        name: &str,
        value: Option<&str>,
        event: &Event,
    ) -> Result<(), ControlError> {
        self.change(event, |transaction| {
            match value {
                Some(value) => transaction.execute(
                    "INSERT OR REPLACE INTO settings (name, value) VALUES (?1, ?2)",
                    [name, value],
                )?,
                None => transaction.execute("DELETE FROM settings WHERE name = ?1", [name])?,
            };
            Ok(())
        })
    }

    /// Carries out a change that is nobody's act: it is not recorded.
    pub(crate) fn write<T>(
        &self,
        write: impl FnOnce(&Transaction<'_>) -> Result<T, ControlError>,
    ) -> Result<T, ControlError> {
        let mut connection = self.connection();
        // Immediate: two that read before they write could not both go on.
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let result = write(&transaction).map_err(full)?;
        transaction.commit().map_err(|error| full(error.into()))?;
        Ok(result)
    }

    fn connection(&self) -> std::sync::MutexGuard<'_, Connection> {
        // A panic in between left no transaction open: they end when they are dropped.
        let connection = self.0.connection.lock();
        connection.unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Control")
    }
}

/// The format of the data folder's `control.db` and the newest that there is; `None` when the folder
/// has none. Changes nothing.
///
/// # Errors
/// [`ControlError`]; a newer format is one.
pub fn control_format(data: &Path) -> Result<Option<(i64, i64)>, ControlError> {
    let path = data.join(FILE);
    if !path.exists() {
        return Ok(None);
    }
    let format = schema::format_of(&connect(&path)?)?;
    Ok(Some((format, schema::newest())))
}

/// Brings the data folder's `control.db` to the newest format, as [`Control::open`] does.
///
/// # Errors
/// [`ControlError`].
pub fn migrate_control(data: &Path) -> Result<(), ControlError> {
    schema::migrate(&mut connect(&data.join(FILE))?)
}

/// Tells a full disk from all else.
fn full(error: ControlError) -> ControlError {
    match error {
        ControlError::Database(rusqlite::Error::SqliteFailure(failure, _))
            if failure.code == rusqlite::ErrorCode::DiskFull =>
        {
            ControlError::OutOfSpace
        }
        error => error,
    }
}

fn connect(path: &Path) -> Result<Connection, ControlError> {
    create(path).map_err(|source| ControlError::Open {
        path: path.to_owned(),
        source,
    })?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    // NOFOLLOW refuses links in the folders too, which are the operator's business.
    let real = path.canonicalize().map_err(|source| ControlError::Open {
        path: path.to_owned(),
        source,
    })?;
    let connection = Connection::open_with_flags(real, flags)?;
    connection.busy_timeout(BUSY_TIME_MAX)?;
    connection.pragma_update(None, "journal_mode", "DELETE")?;
    connection.pragma_update(None, "synchronous", "EXTRA")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // What the file holds is not to run code of its own.
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(connection)
}

/// Makes the folder and an empty file that only its owner may read; both are durable when this
/// returns.
fn create(path: &Path) -> std::io::Result<()> {
    let Some(folder) = path.parent() else {
        return Ok(());
    };
    if path.exists() {
        return Ok(());
    }
    let is_new = !folder.exists();
    create_folder(folder, OWNER_ONLY)?;
    if is_new {
        tracing::info!(folder = %folder.display(), "created the data folder");
    }
    let mut options = OpenOptions::new();
    let made = options.write(true).create_new(true).mode(0o600).open(path);
    match made {
        // Another process was first.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Ok(()),
        made => made?.sync_all()?,
    }
    File::open(folder)?.sync_all()
}

/// Runs on a thread of its own, not on the blocking pool, which may be busy with slow reads.
fn watch(watched: &Weak<Inner>) {
    let mut seen = None;
    let mut complained = false;
    loop {
        thread::sleep(LOOK_EVERY);
        let Some(inner) = watched.upgrade() else {
            return;
        };
        let control = Control(inner);
        let looked = control
            .look(&mut seen)
            .and_then(|()| control.write_refusals());
        match looked {
            Ok(()) => complained = false,
            Err(error) if !complained => {
                complained = true;
                let error = anyhow::Error::from(error);
                tracing::error!("the control database cannot be read or written: {error:#}");
            }
            Err(_) => {}
        }
    }
}

impl Control {
    /// Reads keys and quotas again if another process has changed the file.
    fn look(&self, seen: &mut Option<i64>) -> Result<(), ControlError> {
        let started = Instant::now();
        let connection = self.connection();
        let version = connection.pragma_query_value(None, "data_version", |row| row.get(0))?;
        if *seen == Some(version) {
            drop(connection);
            let mut keys = self.0.keys.write().unwrap_or_else(PoisonError::into_inner);
            *keys = Arc::new(keys.as_of(started));
            return Ok(());
        }
        let read = KeyCache::read(&connection)?;
        // Under the lock of the connection, so that an older state never replaces a newer one.
        *self.0.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(read);
        self.take_up_quotas(quotas::read(&connection)?);
        *seen = Some(version);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
