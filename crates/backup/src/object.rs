//! Storing and reading the objects that hold files.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::seal::{self, Identities, Recipients, hex};
use crate::snapshot::{Snapshot, SnapshotFile};
use crate::{Advance, BackupError, Place};

/// Size of the pieces in which files are read, in bytes.
const PIECE_BYTES: usize = 256 << 10;

/// The SHA-256 of a file, 64 hex digits, and its length in bytes. Nothing counts as done by it.
pub(crate) fn hash_file(path: &Path, advance: Advance<'_>) -> Result<(String, u64), BackupError> {
    let mut file = File::open(path).map_err(BackupError::local(path))?;
    let hashed = copy(&mut file, &mut io::sink(), &|_| advance(0));
    hashed.map_err(|broken| broken.told(BackupError::local(path), BackupError::local(path)))
}

/// Stores a file under `name`, encrypted if there are recipients. It must still have this hash.
pub(crate) fn store_file(
    place: &Place,
    name: &str,
    path: &Path,
    sha256: &str,
    recipients: Option<&Recipients>,
    advance: Advance<'_>,
) -> Result<(), BackupError> {
    let mut file = File::open(path).map_err(BackupError::local(path))?;
    let failed = |error| place.broken(error);
    let told = |broken: Broken| broken.told(BackupError::local(path), failed);
    let mut upload = place.upload(name);
    let (upload, (found, _)) = match recipients {
        None => {
            let found = copy(&mut file, &mut upload, advance).map_err(told)?;
            (upload, found)
        }
        Some(recipients) => {
            let mut writer = recipients.wrap(upload).map_err(failed)?;
            let found = copy(&mut file, &mut writer, advance).map_err(told)?;
            (writer.finish().map_err(failed)?, found)
        }
    };
    // An upload that is not finished leaves nothing.
    if found != sha256 {
        return Err(BackupError::Changed {
            path: path.to_owned(),
        });
    }
    upload.finish()
}

/// Writes what a file of a snapshot holds to `output`, which lies at this path, and makes sure that
/// it is what the snapshot says.
pub(crate) fn read_object(
    place: &Place,
    snapshot: &Snapshot,
    file: &SnapshotFile,
    identities: &Identities,
    (path, output): (&Path, &mut dyn Write),
    advance: Advance<'_>,
) -> Result<(), BackupError> {
    let name = snapshot.object(file);
    let download = place.download(&name)?;
    let mut download = download.ok_or_else(|| BackupError::Missing {
        object: name.clone(),
    })?;
    let bounded = file.bytes.saturating_add(1);
    let copied = if snapshot.sealed_to.is_empty() {
        copy(&mut download.by_ref().take(bounded), output, advance)
    } else {
        let opened = seal::open(place, &name, download, identities)?;
        copy(&mut opened.take(bounded), output, advance)
    };
    let (sha256, bytes) = copied.map_err(|broken| {
        broken.told(
            |error| place.unreadable(&name, error),
            BackupError::local(path),
        )
    })?;
    if (&sha256, bytes) != (&file.sha256, file.bytes) {
        let detail = format!("its {bytes} bytes are not those that were stored");
        return Err(BackupError::damaged(&name, detail));
    }
    Ok(())
}

/// Why not all was copied.
#[derive(Debug)]
enum Broken {
    /// It could not be read.
    From(io::Error),
    /// It could not be written.
    To(io::Error),
    /// Somebody wants it to stop.
    Stopped,
}

impl Broken {
    fn told(
        self,
        from: impl FnOnce(io::Error) -> BackupError,
        to: impl FnOnce(io::Error) -> BackupError,
    ) -> BackupError {
        match self {
            Self::From(error) => from(error),
            Self::To(error) => to(error),
            Self::Stopped => BackupError::Stopped,
        }
    }
}

/// Copies all; gives its SHA-256 and its length.
fn copy(
    from: &mut dyn Read,
    to: &mut dyn Write,
    advance: Advance<'_>,
) -> Result<(String, u64), Broken> {
    let mut piece = vec![0; PIECE_BYTES];
    let mut hasher = Sha256::new();
    let mut bytes = 0;
    loop {
        let length = match from.read(&mut piece) {
            Ok(0) => return Ok((hex(hasher.finalize().as_slice()), bytes)),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Broken::From(error)),
        };
        let read = piece.get(..length).unwrap_or_default();
        to.write_all(read).map_err(Broken::To)?;
        hasher.update(read);
        bytes += length as u64;
        if advance(length as u64).is_break() {
            return Err(Broken::Stopped);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;
    use crate::{S3Options, Source};

    #[test]
    fn a_full_disk_and_a_broken_connection_are_no_damage() {
        let folder = tempfile::tempdir().unwrap();
        let frozen = folder.path().join("frozen");
        std::fs::create_dir(&frozen).unwrap();
        let mut file = File::create_new(frozen.join("file")).unwrap();
        file.write_all(b"what is in it").unwrap();
        let place = folder.path().join("place");
        let place = Place::open_or_make(place.to_str().unwrap(), &S3Options::default()).unwrap();
        let identity = age::x25519::Identity::generate();
        let recipient = identity.to_public().to_string();
        let recipients = Recipients::parse([recipient.as_str()]).unwrap().unwrap();
        let identities: Identities = vec![Box::new(identity)];
        for recipients in [None, Some(&recipients)] {
            let source = Source {
                folder: frozen.clone(),
                frozen_ms: 1_790_000_000_000,
                version: "1".to_owned(),
                node: "0".repeat(32),
                logs: Vec::new(),
                left_out: Vec::new(),
                index: None,
            };
            let go_on = |_| ControlFlow::Continue(());
            let made = crate::create(&place, &source, recipients, &go_on).unwrap();
            let (snapshot, file) = (&made.snapshot, &made.snapshot.files[0]);
            let full = Path::new("/dev/full");
            let mut output = File::options().write(true).open(full).unwrap();
            let output: (_, &mut dyn Write) = (full, &mut output);
            let read = read_object(&place, snapshot, file, &identities, output, &go_on);
            assert!(
                matches!(read, Err(BackupError::Local { ref path, ref source })
                    if path == full && source.kind() == io::ErrorKind::StorageFull),
                "{read:?}"
            );
            let mut output = io::sink();
            let output: (_, &mut dyn Write) = (full, &mut output);
            let stop = |_| ControlFlow::Break(());
            let read = read_object(&place, snapshot, file, &identities, output, &stop);
            assert!(matches!(read, Err(BackupError::Stopped)), "{read:?}");
        }
        let lost = object_store::Error::Generic {
            store: "S3",
            source: "the connection is gone".into(),
        };
        let told = place.unreadable("object", io::Error::other(lost));
        assert!(matches!(told, BackupError::Place { .. }), "{told:?}");
        let cut = io::Error::from(io::ErrorKind::UnexpectedEof);
        let told = place.unreadable("object", cut);
        assert!(matches!(told, BackupError::Damaged { .. }), "{told:?}");
    }
}
