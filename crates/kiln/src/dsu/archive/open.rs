//! Opening an archive, and what is wrong with one.

use std::fs::File;
use std::io::{self, Seek as _};

use causes::with_causes;
use client::archive::{Archive, ArchiveError, ManifestFault, unnamed_file};

use crate::exit::{Exit, Failure};

/// Opens and checks an archive. What cannot be read twice is copied to a file without a name.
///
/// # Errors
/// Those of reading, and [`archive_failure`].
pub(super) fn open(file: &str) -> Result<Archive, Failure> {
    let cannot_read = |error| Failure::io(format!("{file} cannot be read"), error);
    let opened = if file == "-" {
        spool(&mut io::stdin().lock())?
    } else {
        let mut opened = File::open(file).map_err(cannot_read)?;
        let metadata = opened.metadata().map_err(cannot_read)?;
        if metadata.is_dir() {
            return Err(cannot_read(io::ErrorKind::IsADirectory.into()));
        }
        if metadata.is_file() {
            opened
        } else {
            spool(&mut opened)?
        }
    };
    Archive::open(opened).map_err(|error| archive_failure(error, file))
}

/// What is wrong with an archive: code, message, next action.
pub(super) fn archive_failure(error: ArchiveError, file: &str) -> Failure {
    if let ArchiveError::Read(error) = error {
        return Failure::io(format!("{file} cannot be read"), error);
    }
    let (exit, next) = match &error {
        ArchiveError::Forged { .. } => (
            Exit::Forged,
            "do not use this archive; ask for one from the DSU's owner",
        ),
        ArchiveError::Manifest(ManifestFault::AnotherVersion { .. }) => {
            (Exit::Local, "read it with a newer kiln")
        }
        ArchiveError::Manifest(ManifestFault::AnotherFormat) => (
            Exit::Usage,
            "check that this is the right file; `kiln explain` says what it is",
        ),
        _ => (
            Exit::CarDamaged,
            "copy or export it again: nothing of a damaged archive is used",
        ),
    };
    Failure::new(exit, format!("{file}: {}", with_causes(&error))).next(next)
}

/// Copies to a file without a name, which is gone when it is closed.
fn spool(source: &mut impl io::Read) -> Result<File, Failure> {
    let folder = std::env::temp_dir();
    let copied = unnamed_file(&folder).and_then(|mut file| {
        io::copy(source, &mut file)?;
        file.rewind()?;
        Ok(file)
    });
    copied.map_err(|error| {
        let folder = folder.display();
        Failure::io(format!("the archive cannot be copied to {folder}"), error)
    })
}
