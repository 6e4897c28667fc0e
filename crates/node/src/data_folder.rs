//! The data folder: that it is one, and who has which of its stores.

use std::fs::File;
use std::path::Path;

use anyhow::Context as _;

use crate::folder::create_folder;

/// In a data folder while a backup is put into it, and no longer: `backup::UNFINISHED`.
const UNFINISHED: &str = ".restoring";

/// Makes the data folder if there is none.
///
/// # Errors
/// When it cannot be created, is something else, or holds half of a backup.
pub(crate) fn prepare(data: &Path) -> anyhow::Result<()> {
    if !data.exists() {
        create_folder(data, 0o777).with_context(|| unusable(data))?;
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

/// What is said before the reason why a data folder is of no use.
pub(crate) fn unusable(data: &Path) -> String {
    let data = data.display();
    format!("the data folder {data} cannot be used; name another one with --data")
}

/// Takes one store of the data folder (`bricks` or `anchors`) for this process, creating the
/// folder; the lock goes with the returned file.
///
/// # Errors
/// When the folder cannot be created, or another process holds the store.
pub fn lock_store(data: &Path, store: &str) -> anyhow::Result<File> {
    prepare(data)?;
    let path = data.join(format!("{store}.lock"));
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .with_context(|| unusable(data))?;
    let taken = rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive);
    anyhow::ensure!(
        taken.is_ok(),
        "the {store} store in {} is in use by another process; stop that one first",
        data.display()
    );
    Ok(file)
}
