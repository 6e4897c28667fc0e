//! Restoring a backup into an empty folder.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::object::read_object;
use crate::place::{make_folder, sync_folder};
use crate::seal::Identities;
use crate::snapshot::Snapshot;
use crate::{Advance, BackupError, Place};

/// What a folder holds while a backup is put into it, and no longer. With it the folder is no data
/// folder.
pub const UNFINISHED: &str = ".restoring";

/// What every file system of its own has from the beginning.
const LOST_AND_FOUND: &str = "lost+found";

/// Writes every file of a snapshot below `folder`, which is created or must be empty, and may be where
/// a file system is mounted. On return all of it is durable. `finish` is called on a folder with all of
/// it, before that gets its place, with what the caller has to add.
///
/// All of it is made in [`UNFINISHED`] in `folder`, which goes last: nobody starts a node on half a
/// restore who looks for that.
///
/// # Errors
/// [`BackupError::NotEmpty`], a damaged or missing object, or what failed. Then `folder` is as it was
/// before, or still has [`UNFINISHED`], as after a process that was killed; the next try removes it.
pub fn restore<E: From<BackupError>>(
    place: &Place,
    snapshot: &Snapshot,
    identities: &Identities,
    folder: &Path,
    advance: Advance<'_>,
    finish: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    let is_new = !folder.exists();
    make_folder(folder).map_err(BackupError::local(folder))?;
    require_empty(folder)?;
    let within = folder.join(UNFINISHED);
    if within.exists() {
        fs::remove_dir_all(&within).map_err(BackupError::local(&within))?;
    }
    let written = write_all(place, snapshot, identities, &within, advance)
        .map_err(E::from)
        .and_then(|()| finish(&within));
    if let Err(error) = written {
        // What cannot be removed is told by its name, and by whoever looks for it.
        let _ = fs::remove_dir_all(&within);
        if is_new {
            let _ = fs::remove_dir(folder);
        }
        return Err(error);
    }
    Ok(take_out(&within, folder)?)
}

/// Gives what was made in `within` its place.
fn take_out(within: &Path, folder: &Path) -> Result<(), BackupError> {
    let entries = fs::read_dir(within).and_then(Iterator::collect);
    let entries: Vec<fs::DirEntry> = entries.map_err(BackupError::local(within))?;
    for entry in entries {
        let to = folder.join(entry.file_name());
        fs::rename(entry.path(), &to).map_err(BackupError::local(&to))?;
    }
    let sync = || sync_folder(folder).map_err(BackupError::local(folder));
    sync()?;
    fs::remove_dir(within).map_err(BackupError::local(within))?;
    sync()
}

fn require_empty(folder: &Path) -> Result<(), BackupError> {
    for entry in fs::read_dir(folder).map_err(BackupError::local(folder))? {
        let name = entry.map_err(BackupError::local(folder))?.file_name();
        if name != UNFINISHED && name != LOST_AND_FOUND {
            return Err(BackupError::NotEmpty {
                path: folder.to_owned(),
            });
        }
    }
    Ok(())
}

fn write_all(
    place: &Place,
    snapshot: &Snapshot,
    identities: &Identities,
    folder: &Path,
    advance: Advance<'_>,
) -> Result<(), BackupError> {
    make_folder(folder).map_err(BackupError::local(folder))?;
    let mut folders = vec![folder.to_owned()];
    for file in &snapshot.files {
        let path = folder.join(&file.path);
        let into = parent(&path);
        if !folders.contains(&into) {
            make_folder(&into).map_err(BackupError::local(&into))?;
            folders.push(into);
        }
        let failed = || BackupError::local(&path);
        let created = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        let mut output = BufWriter::new(created.map_err(failed())?);
        let to: (&Path, &mut dyn Write) = (&path, &mut output);
        read_object(place, snapshot, file, identities, to, advance)?;
        output.flush().map_err(failed())?;
        output.get_ref().sync_all().map_err(failed())?;
    }
    for folder in folders.iter().rev() {
        sync_folder(folder).map_err(BackupError::local(folder))?;
    }
    Ok(())
}

fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}
