//! The data folder: that it is one, who has which of its stores, and that none of them has gone.
//!
//! A store's lock file, `<store>.lock`, is empty until a service has opened the store and says `made`
//! from then on. So a start tells a folder that is new from one whose store was lost, or whose volume
//! is not mounted: an empty store in its place would look well, and its log would sign another tree
//! with the same key.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::control::{ControlError, FILE as CONTROL};
use crate::folder::create_folder;

/// Mode of the folders that are made here: who can read them reads documents and names of keys.
pub(crate) const OWNER_ONLY: u32 = 0o700;
/// The stores of a node. Those that lock other things in the folder note nothing in their locks.
const STORES: [&str; 2] = ["bricks", "anchors"];
/// What a lock file says of a store that was made.
const MADE: &[u8] = b"made\n";

/// In a data folder while a backup is put into it, and no longer: `backup::UNFINISHED`. This
/// crate does not know that one; a test of the command, which knows both, compares them.
const UNFINISHED: &str = ".restoring";

/// Makes the data folder if there is none.
///
/// # Errors
/// When it cannot be created, is something else, or holds half of a backup.
pub(crate) fn prepare(data: &Path) -> anyhow::Result<()> {
    if !data.exists() {
        create_folder(data, OWNER_ONLY).with_context(|| unusable(data))?;
        tracing::info!(folder = %data.display(), "created the data folder");
    }
    anyhow::ensure!(
        data.is_dir(),
        "{} is not a folder; name the data folder with --data",
        data.display()
    );
    anyhow::ensure!(
        !data.join(UNFINISHED).exists(),
        "{0} holds half of a backup ({UNFINISHED}): a restore into it did not end; empty it but for \
         {UNFINISHED}, and run kiln backup restore again",
        data.display()
    );
    Ok(())
}

/// Says so when others can look into a data folder that the operator made. What is in it is closed to
/// them by itself. Where it belongs to somebody else, as a volume of a cluster does, its mode is theirs.
pub(crate) fn warn_if_open(data: &Path) {
    let Ok(facts) = data.metadata() else {
        return;
    };
    let mode = facts.permissions().mode() & 0o7777;
    if is_own(&facts) && mode & 0o007 != 0 {
        let data = data.display();
        tracing::warn!("{data} can be read by others (mode {mode:04o}); chmod 0700 it");
    }
}

/// Refuses a data folder whose `control.db` is gone.
///
/// # Errors
/// When it was there: a store was made beside it.
pub(crate) fn require_control(data: &Path) -> anyhow::Result<()> {
    let is_made = |store: &str| {
        let lock = lock_path(data, store).metadata();
        lock.is_ok_and(|facts| facts.len() > 0)
    };
    if is_gone(&data.join(CONTROL)) && STORES.into_iter().any(is_made) {
        let data = data.display();
        anyhow::bail!(
            "{CONTROL} was in {data} and is gone: with it API keys, disabled domains, quotas and the \
             audit log; restore it from a backup; to begin without them all the same, make an empty \
             file {data}/{CONTROL} (mode 0600)"
        );
    }
    Ok(())
}

/// Why `control.db` cannot be used, in words for the operator. Another data folder is of use only where
/// this one takes no files.
pub(crate) fn control_unusable(data: &Path, error: ControlError) -> anyhow::Error {
    let path = data.join(CONTROL);
    let said = match &error {
        ControlError::Open { .. } => unusable(data),
        // They say themselves what to do.
        ControlError::Newer { .. } | ControlError::Foreign => {
            format!("{} cannot be used", path.display())
        }
        _ => format!(
            "{} cannot be used; if it is damaged, restore it from a backup",
            path.display()
        ),
    };
    anyhow::Error::from(error).context(said)
}

/// What is said before the reason why a data folder is of no use.
fn unusable(data: &Path) -> String {
    let data = data.display();
    format!("the data folder {data} cannot be used; name another one with --data")
}

/// Takes one store of the data folder (`bricks` or `anchors`) for this process, creating the
/// folder; the lock goes with the returned file.
///
/// # Errors
/// When the folder cannot be created, another process holds the store, or the store was here and is
/// gone.
pub fn lock_store(data: &Path, store: &str) -> anyhow::Result<File> {
    prepare(data)?;
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        // Whoever can open it can take it.
        .mode(0o600)
        .open(lock_path(data, store))
        .with_context(|| unusable(data))?;
    let taken = rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive);
    anyhow::ensure!(
        taken.is_ok(),
        "the {store} store in {} is in use by another process; stop that one first",
        data.display()
    );
    require_store(data, store, &file)?;
    Ok(file)
}

/// Refuses to go on without a store that was made.
fn require_store(data: &Path, store: &str, lock: &File) -> anyhow::Result<()> {
    let noted = lock.metadata().with_context(|| unusable(data))?;
    if noted.len() == 0 || !is_gone(&data.join(store).join("CURRENT")) {
        return Ok(());
    }
    let advice = if store == "anchors" {
        ", and give each log another log.origin and key: under the present ones it would contradict \
         what others know to be signed"
    } else {
        ""
    };
    let (data, lock) = (data.display(), lock_path(data, store));
    anyhow::bail!(
        "the {store} store was in {data} and is gone: is its volume mounted? put the folder \
         {data}/{store} back or restore a backup; to begin with an empty store all the same, remove \
         {}{advice}",
        lock.display()
    );
}

/// Notes in the lock of a store that it was made, now that it is open, and closes its folder to others.
/// A store whose disk is full has to be readable, so what fails is only logged: the next start tries
/// again.
pub fn note_made(lock: &File, folder: &Path) {
    if let Err(error) = write_made(lock) {
        let folder = folder.display();
        tracing::warn!(
            "that {folder} was made cannot be noted, so a loss of it may go unseen: {error}"
        );
    }
    if let Err(error) = close_to_others(folder) {
        let folder = folder.display();
        tracing::warn!("{folder} can be read by others and cannot be closed to them: {error}");
    }
}

fn write_made(lock: &File) -> io::Result<()> {
    if lock.metadata()?.len() > 0 {
        return Ok(());
    }
    lock.write_all_at(MADE, 0)?;
    lock.sync_all()
}

/// Folders of earlier versions have the mode that the process did not mask.
fn close_to_others(folder: &Path) -> io::Result<()> {
    let facts = folder.metadata()?;
    let mode = facts.permissions().mode() & 0o7777;
    if is_own(&facts) && mode & 0o077 != 0 {
        return std::fs::set_permissions(folder, Permissions::from_mode(mode & !0o077));
    }
    // The group of a folder of somebody else may be what lets this process in.
    if mode & 0o007 != 0 && !is_own(&facts) {
        return Err(io::Error::other("it belongs to somebody else"));
    }
    Ok(())
}

fn is_own(facts: &std::fs::Metadata) -> bool {
    facts.uid() == rustix::process::geteuid().as_raw()
}

fn lock_path(data: &Path, store: &str) -> PathBuf {
    data.join(format!("{store}.lock"))
}

/// Whether nothing is there. What cannot be looked at is not gone: who opens it says what is wrong.
fn is_gone(path: &Path) -> bool {
    matches!(path.try_exists(), Ok(false))
}
