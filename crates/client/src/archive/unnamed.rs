//! Where an archive stands while it is read twice.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// A file for an archive, which is gone when it is closed.
///
/// # Errors
/// What the operating system says.
pub fn unnamed_file(folder: &Path) -> io::Result<File> {
    let path = folder.join(format!(".kiln-{}.car.tmp", std::process::id()));
    // Left by a process of the same number that was killed.
    let _ = fs::remove_file(&path);
    let file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}
