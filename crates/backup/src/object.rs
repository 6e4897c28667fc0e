//! Storing and reading the objects that hold files.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::seal::{self, Identities, Recipients, hex};
use crate::{Advance, BackupError, Place};

/// Size of the pieces in which files are read, in bytes.
const PIECE_BYTES: usize = 256 << 10;

/// The SHA-256 of a file, 64 hex digits, and its length in bytes.
pub(crate) fn hash_file(path: &Path) -> Result<(String, u64), BackupError> {
    let mut file = File::open(path).map_err(BackupError::local(path))?;
    let mut hashed = Hashed::new(io::sink(), &|_| ());
    copy(&mut file, &mut hashed).map_err(BackupError::local(path))?;
    Ok(hashed.digest())
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
    let failed = |error| place.unreadable(error);
    let upload = place.upload(name);
    let (upload, found) = match recipients {
        None => {
            let mut hashed = Hashed::new(upload, advance);
            copy(&mut file, &mut hashed).map_err(failed)?;
            let (found, _) = hashed.digest();
            (hashed.inner, found)
        }
        Some(recipients) => {
            let writer = recipients.wrap(upload).map_err(failed)?;
            let mut hashed = Hashed::new(writer, advance);
            copy(&mut file, &mut hashed).map_err(failed)?;
            let (found, _) = hashed.digest();
            (hashed.inner.finish().map_err(failed)?, found)
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

/// Writes what an object holds to `output`, and makes sure that it is what its name says.
pub(crate) fn read_object(
    place: &Place,
    name: &str,
    is_sealed: bool,
    identities: &Identities,
    expected: (&str, u64),
    output: &mut dyn Write,
    advance: Advance<'_>,
) -> Result<(), BackupError> {
    let download = place.download(name)?;
    let mut download = download.ok_or_else(|| BackupError::Missing {
        object: name.to_owned(),
    })?;
    let mut hashed = Hashed::new(output, advance);
    let bounded = expected.1.saturating_add(1);
    if is_sealed {
        let opened = seal::open(name, download, identities)?;
        copy(&mut opened.take(bounded), &mut hashed)
            .map_err(|error| unreadable(name, "it cannot be read to its end", &error))?;
    } else {
        copy(&mut download.by_ref().take(bounded), &mut hashed)
            .map_err(|error| unreadable(name, "it cannot be read to its end", &error))?;
    }
    let (sha256, bytes) = hashed.digest();
    if (sha256.as_str(), bytes) != expected {
        let detail = format!("its {bytes} bytes are not those that were stored");
        return Err(BackupError::damaged(name, detail));
    }
    Ok(())
}

fn unreadable(name: &str, what: &str, error: &io::Error) -> BackupError {
    BackupError::damaged(name, format!("{what}: {error}"))
}

fn copy(from: &mut dyn Read, to: &mut dyn Write) -> io::Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let length = match from.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        to.write_all(piece.get(..length).unwrap_or_default())?;
    }
}

/// A writer that hashes what passes through it.
struct Hashed<'a, W> {
    inner: W,
    hasher: Sha256,
    bytes: u64,
    advance: Advance<'a>,
}

impl<'a, W> Hashed<'a, W> {
    fn new(inner: W, advance: Advance<'a>) -> Self {
        Self {
            inner,
            hasher: Sha256::new(),
            bytes: 0,
            advance,
        }
    }

    fn digest(&self) -> (String, u64) {
        (hex(self.hasher.clone().finalize().as_slice()), self.bytes)
    }
}

impl<W: Write> Write for Hashed<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.inner.write(bytes)?;
        self.hasher.update(bytes.get(..length).unwrap_or_default());
        self.bytes += length as u64;
        (self.advance)(length as u64);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
