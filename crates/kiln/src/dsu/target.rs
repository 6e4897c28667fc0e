//! Files of a DSU on the disk.
//!
//! Names in a DSU come from somebody else: none of them is taken as a local path unless it is a
//! plain name. A file is written under a temporary name in its folder, synced, and then named; a
//! crash or Ctrl-C leaves no file that is half there, at most a temporary one, `.kiln-….tmp`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use dsu::DsuPath;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::exit::{Exit, Failure};
use crate::local_file::sync_folder;

/// What happens to a file that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Existing {
    /// It stays, and the command fails.
    Keep,
    /// The new one takes its place.
    Replace,
}

/// Numbers the temporary files of this process.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A file that is being written. Dropped before [`NewFile::finish`], it leaves nothing.
pub(crate) struct NewFile {
    file: File,
    temporary: PathBuf,
    path: PathBuf,
}

/// The local path of something in a DSU, below `folder`.
///
/// # Errors
/// [`Exit::Usage`] if one of its names is no plain name: it is not known where it would lead.
pub(crate) fn local_path(folder: &Path, path: &DsuPath) -> Result<PathBuf, Failure> {
    let mut local = folder.to_owned();
    for name in path.segments() {
        check_name(name).map_err(|reason| {
            let message = format!("{path} is not written: the name {name:?} {reason}");
            Failure::new(Exit::Usage, message)
                .next("read it with `kiln dsu cat`, or have its owner rename it")
        })?;
        local.push(name);
    }
    Ok(local)
}

/// Whether a name can stand for a file on a disk and in a DSU.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check_name(name: &str) -> Result<(), &'static str> {
    if matches!(name, "" | "." | "..") {
        return Err("means another place");
    }
    if name.contains(['/', '\\']) {
        return Err("holds a separator of paths");
    }
    if name.chars().any(char::is_control) {
        return Err("holds control characters");
    }
    Ok(())
}

/// Makes the folders from `root`, which is made too, down to `folder`. Below `root` no symbolic
/// link is followed: it could lead anywhere.
///
/// # Errors
/// [`Exit::Conflict`] if something else is in the way.
pub(crate) fn make_folders(root: &Path, folder: &Path) -> Result<(), Failure> {
    let cannot = |path: &Path, error| {
        Failure::io(
            format!("the folder {} cannot be made", path.display()),
            error,
        )
    };
    fs::create_dir_all(root).map_err(|error| cannot(root, error))?;
    let below = folder.strip_prefix(root).unwrap_or(Path::new(""));
    let mut path = root.to_owned();
    for name in below {
        path.push(name);
        match fs::create_dir(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if !fs::symlink_metadata(&path).is_ok_and(|it| it.is_dir()) {
                    return Err(in_the_way(&path));
                }
            }
            Err(error) => return Err(cannot(&path, error)),
        }
    }
    Ok(())
}

/// Refuses a place where a file cannot be written, before anything is fetched for it.
///
/// # Errors
/// [`Exit::Conflict`] if something is there that is to be kept, or is no file.
pub(crate) fn check_free(path: &Path, existing: Existing) -> Result<(), Failure> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        // A file stands where a folder is needed; told when the folder is made.
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(()),
        Err(error) => Err(Failure::io(
            format!("{} cannot be looked at", path.display()),
            error,
        )),
        Ok(found) if found.is_dir() => Err(in_the_way(path)),
        Ok(_) if existing == Existing::Keep => Err(exists(path)),
        Ok(_) => Ok(()),
    }
}

impl NewFile {
    /// Begins a file. Its folder must be there.
    ///
    /// # Errors
    /// That of the failed operation.
    pub(crate) fn create(path: &Path) -> Result<Self, Failure> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!(".kiln-{}-{number}.tmp", std::process::id());
        let temporary = path.with_file_name(name);
        // Left by a process of the same number that was killed.
        let _ = fs::remove_file(&temporary);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&temporary)
            .map_err(|error| cannot_write(path, error))?;
        Ok(Self {
            file,
            temporary,
            path: path.to_owned(),
        })
    }

    /// Writes more.
    ///
    /// # Errors
    /// [`Exit::DiskFull`], or that of the failed operation.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let written = self.file.write_all(bytes);
        written.map_err(|error| cannot_write(&self.path, error))
    }

    /// Syncs the file and gives it its name.
    ///
    /// # Errors
    /// [`Exit::Conflict`] if the name is taken and to be kept; that of the failed operation.
    pub(crate) fn finish(self, existing: Existing) -> Result<(), Failure> {
        let named = self
            .file
            .sync_all()
            .and_then(|()| self.take_name(existing))
            .and_then(|()| sync_folder(&self.path));
        named.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => exists(&self.path),
            _ => cannot_write(&self.path, error),
        })
    }

    fn take_name(&self, existing: Existing) -> io::Result<()> {
        if existing == Existing::Replace {
            return fs::rename(&self.temporary, &self.path);
        }
        let flags = RenameFlags::NOREPLACE;
        match renameat_with(CWD, &self.temporary, CWD, &self.path, flags) {
            // The file system cannot do it in one step.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                if fs::symlink_metadata(&self.path).is_ok() {
                    return Err(io::ErrorKind::AlreadyExists.into());
                }
                fs::rename(&self.temporary, &self.path)
            }
            renamed => Ok(renamed?),
        }
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        // After it was named there is none, and that is well.
        let _ = fs::remove_file(&self.temporary);
    }
}

fn exists(path: &Path) -> Failure {
    let message = format!("{} exists already", path.display());
    Failure::new(Exit::Conflict, message).next("name another target, or replace it with --force")
}

fn in_the_way(path: &Path) -> Failure {
    let message = format!("{} is in the way", path.display());
    Failure::new(Exit::Conflict, message).next("name another target, or move it away")
}

fn cannot_write(path: &Path, error: io::Error) -> Failure {
    Failure::io(format!("{} cannot be written", path.display()), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_become_local_paths() {
        let local = |text: &str| local_path(Path::new("here"), &DsuPath::parse(text).unwrap());
        assert_eq!(local("/a b/ü.txt").unwrap(), Path::new("here/a b/ü.txt"));
        assert_eq!(
            local("/.hidden/...").unwrap(),
            Path::new("here/.hidden/...")
        );
        for text in ["/.", "/a/./b", "/a\0b", "/a\nb", "/\u{1b}[2J"] {
            let failure = local(text).unwrap_err().to_string();
            assert!(failure.contains("is not written"), "{failure}");
        }
        for name in ["..", "", "a/b", "a\\b"] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_file_is_whole_or_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let mut dropped = NewFile::create(&path).unwrap();
        dropped.write(b"half").unwrap();
        drop(dropped);
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
        let write = |text: &[u8], existing| {
            let mut file = NewFile::create(&path).unwrap();
            file.write(text).unwrap();
            file.finish(existing)
        };
        write(b"one", Existing::Keep).unwrap();
        assert!(write(b"two", Existing::Keep).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"one");
        write(b"three", Existing::Replace).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"three");
        assert_eq!(folder.path().read_dir().unwrap().count(), 1);
    }

    #[test]
    fn no_link_below_the_target_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (root, outside) = (folder.path().join("root"), folder.path().join("outside"));
        fs::create_dir_all(&outside).unwrap();
        make_folders(&root, &root.join("a/b")).unwrap();
        make_folders(&root, &root.join("a/b")).unwrap();
        std::os::unix::fs::symlink(&outside, root.join("link")).unwrap();
        assert!(make_folders(&root, &root.join("link/x")).is_err());
        assert!(!outside.join("x").exists());
        assert!(check_free(&root.join("link"), Existing::Keep).is_err());
        assert!(check_free(&root.join("a"), Existing::Replace).is_err());
        assert!(check_free(&root.join("new"), Existing::Keep).is_ok());
    }
}
