//! Local files that are whole or not there: written beside their place, synced, then named.
//!
//! A crash at any point leaves the old file or the new one under the name, and at most a
//! temporary file `.NAME.PID.tmp` beside it, which nothing reads.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::exit::{Exit, Failure};

/// Who else may read a file that holds keys: nobody.
const PRIVATE_MODE: u32 = 0o600;

/// Makes a file that only its owner may read. What stands under the name already is kept.
///
/// # Errors
/// [`Exit::Conflict`] if the name is taken, else that of the failed operation.
pub(crate) fn create_private(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let temporary = write_beside(path, bytes).map_err(|error| cannot_write(path, error))?;
    // A hard link takes the name only if it is free, which a rename would not.
    let linked = fs::hard_link(&temporary, path);
    let _ = fs::remove_file(&temporary);
    match linked {
        Ok(()) => sync_folder(path).map_err(|error| cannot_write(path, error)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let message = format!("{} exists already", path.display());
            Err(Failure::new(Exit::Conflict, message)
                .next("name another file, or move this one away"))
        }
        Err(error) => Err(cannot_write(path, error)),
    }
}

/// The name of a new file that only its owner may read, which is filled later: what is to be kept in it is
/// made in between. An empty file has the name until then; it goes if it is not filled.
pub(crate) struct Reserved {
    path: PathBuf,
    is_filled: bool,
}

/// Takes the name of a new file. What stands under the name already is kept.
///
/// # Errors
/// Those of [`create_private`].
pub(crate) fn reserve_private(path: &Path) -> Result<Reserved, Failure> {
    create_private(path, b"")?;
    Ok(Reserved {
        path: path.to_owned(),
        is_filled: false,
    })
}

impl Reserved {
    /// Puts this into the file, all at once; it is durable on return.
    ///
    /// # Errors
    /// What failed; then there is no file.
    pub(crate) fn fill(mut self, bytes: &[u8]) -> io::Result<()> {
        replace_private(&self.path, bytes)?;
        self.is_filled = true;
        Ok(())
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if !self.is_filled {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Puts new contents in the place of a private file, all at once.
///
/// # Errors
/// That of the failed operation; the old file is there then.
pub(crate) fn replace_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = write_beside(path, bytes)?;
    if let Err(error) = fs::rename(&temporary, path) {
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    sync_folder(path)
}

/// Makes the folder of a file, with its parents, if there is none; a new one is durable.
pub(crate) fn create_folder_of(path: &Path) -> io::Result<()> {
    let folder = folder_of(path);
    if folder.is_dir() {
        return Ok(());
    }
    node::create_folder(folder, 0o700)
}

/// Makes the name of a new file durable.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

/// Reads a file, or stdin for `-`, of at most `bytes_max` bytes.
///
/// # Errors
/// [`Exit::Usage`] if there is more, else that of the failed operation.
pub(crate) fn read_bounded(path: &Path, bytes_max: u64) -> Result<Zeroizing<Vec<u8>>, Failure> {
    if path == Path::new("-") {
        return read_from(io::stdin().lock(), "stdin", bytes_max);
    }
    let name = path.display().to_string();
    let file = File::open(path).and_then(|file| {
        if file.metadata()?.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        Ok(file)
    });
    let file = file.map_err(|error| Failure::io(format!("{name} cannot be read"), error))?;
    read_from(file, &name, bytes_max)
}

/// Reads all of a source of at most `bytes_max` bytes. Errors are those of [`read_bounded`].
pub(crate) fn read_from(
    source: impl Read,
    name: &str,
    bytes_max: u64,
) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let mut bytes = Zeroizing::new(Vec::new());
    source
        .take(bytes_max.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::io(format!("{name} cannot be read"), error))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > bytes_max) {
        let message =
            format!("{name} holds more than {bytes_max} bytes, which is more than is read here");
        return Err(Failure::new(Exit::Usage, message).next("check that this is the right file"));
    }
    Ok(bytes)
}

/// Writes and syncs a temporary file in the folder of `path`.
fn write_beside(path: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}.tmp", std::process::id()));
    let temporary = folder_of(path).join(temporary);
    // Left by a process of the same number that was killed.
    let _ = fs::remove_file(&temporary);
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(PRIVATE_MODE)
        .open(&temporary)?;
    let written = (&file).write_all(bytes).and_then(|()| file.sync_all());
    if let Err(error) = written {
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    Ok(temporary)
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

fn cannot_write(path: &Path, error: io::Error) -> Failure {
    Failure::io(format!("{} cannot be written", path.display()), error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_new_file_is_private_and_never_replaces_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        create_private(&path, b"one").unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(
            create_private(&path, b"two")
                .unwrap_err()
                .to_string()
                .contains("exists already")
        );
        assert_eq!(fs::read(&path).unwrap(), b"one");
        replace_private(&path, b"three").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"three");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(
            folder.path().read_dir().unwrap().count(),
            1,
            "something was left behind"
        );
    }

    #[test]
    fn a_name_is_taken_before_there_is_anything_to_keep() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        drop(reserve_private(&path).unwrap());
        assert!(!path.exists(), "it was not filled");
        let reserved = reserve_private(&path).unwrap();
        let taken = reserve_private(&path).err().unwrap();
        assert_eq!(taken.exit(), Exit::Conflict);
        assert_eq!(fs::read(&path).unwrap(), b"");
        reserved.fill(b"one").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(reserve_private(&path).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert!(reserve_private(&folder.path().join("none/key")).is_err());
    }

    #[test]
    fn a_file_that_is_too_long_or_a_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        create_private(&path, b"12345").unwrap();
        assert_eq!(read_bounded(&path, 5).unwrap().as_slice(), b"12345");
        assert!(read_bounded(&path, 4).is_err());
        assert!(read_bounded(folder.path(), 5).is_err());
    }
}
