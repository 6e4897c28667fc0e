//! Restoring a backup into an empty folder.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::object::read_object;
use crate::place::{make_folder, sync_folder};
use crate::seal::Identities;
use crate::snapshot::Snapshot;
use crate::{Advance, BackupError, Place};

/// Writes every file of a snapshot below `folder`, which is created or must be empty. On return all
/// of it is durable. `finish` is called on the folder before it gets its name, with what the caller
/// has to add: nobody can start a node on half a restore.
///
/// # Errors
/// [`BackupError::NotEmpty`], a damaged or missing object, or what failed. What was written until
/// then lies in `<folder>.restoring` and is removed by the next try.
pub fn restore<E: From<BackupError>>(
    place: &Place,
    snapshot: &Snapshot,
    identities: &Identities,
    folder: &Path,
    advance: Advance<'_>,
    finish: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    if folder.exists() {
        let mut entries = fs::read_dir(folder).map_err(BackupError::local(folder))?;
        if entries.next().is_some() {
            return Err(E::from(BackupError::NotEmpty {
                path: folder.to_owned(),
            }));
        }
    }
    let beside = beside(folder);
    if beside.exists() {
        fs::remove_dir_all(&beside).map_err(BackupError::local(&beside))?;
    }
    write_all(place, snapshot, identities, &beside, advance)?;
    finish(&beside)?;
    if folder.exists() {
        fs::remove_dir(folder).map_err(BackupError::local(folder))?;
    }
    fs::rename(&beside, folder).map_err(BackupError::local(folder))?;
    let parent = parent(folder);
    sync_folder(&parent).map_err(BackupError::local(&parent))?;
    Ok(())
}

fn write_all(
    place: &Place,
    snapshot: &Snapshot,
    identities: &Identities,
    folder: &Path,
    advance: Advance<'_>,
) -> Result<(), BackupError> {
    make_private(folder)?;
    let is_sealed = !snapshot.sealed_to.is_empty();
    let mut folders = vec![folder.to_owned()];
    for file in &snapshot.files {
        let path = folder.join(&file.path);
        let into = parent(&path);
        if !folders.contains(&into) {
            make_private(&into)?;
            folders.push(into);
        }
        let failed = || BackupError::local(&path);
        let created = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        let mut output = BufWriter::new(created.map_err(failed())?);
        let expected = (file.sha256.as_str(), file.bytes);
        let name = snapshot.object(file);
        read_object(
            place,
            &name,
            is_sealed,
            identities,
            expected,
            &mut output,
            advance,
        )?;
        output.flush().map_err(failed())?;
        output.get_ref().sync_all().map_err(failed())?;
    }
    for folder in folders.iter().rev() {
        sync_folder(folder).map_err(BackupError::local(folder))?;
    }
    Ok(())
}

/// A folder that only its owner can use, made durably.
fn make_private(folder: &Path) -> Result<(), BackupError> {
    let parent = parent(folder);
    make_folder(&parent).map_err(BackupError::local(&parent))?;
    if folder.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new()
        .mode(0o700)
        .create(folder)
        .map_err(BackupError::local(folder))
}

fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn beside(folder: &Path) -> PathBuf {
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    name.push(".restoring");
    parent(folder).join(name)
}
