//! A small file system of its own for a test.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use tempfile::TempDir;

/// Bytes written at a time by [`Volume::fill`].
const PIECE_BYTES: usize = 64 << 10;

/// A mounted tmpfs; unmounted when the value goes.
#[derive(Debug)]
pub(crate) struct Volume {
    folder: TempDir,
}

impl Volume {
    /// Mounts a file system of `bytes`; `None`, and a line on standard error, where that is not
    /// permitted.
    pub(crate) fn mount(bytes: u64) -> Result<Option<Self>> {
        let folder = tempfile::tempdir()?;
        let mut command = Command::new("mount");
        command.args([
            "-t",
            "tmpfs",
            "-o",
            &format!("size={bytes},mode=700"),
            "kiln-test",
        ]);
        let output = command.arg(folder.path()).output()?;
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr);
            eprintln!(
                "disk: SKIPPED, a tmpfs cannot be mounted here: {}",
                why.trim()
            );
            return Ok(None);
        }
        Ok(Some(Self { folder }))
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Takes `bytes` of it with a file; all that is left when `bytes` is `None`.
    pub(crate) fn fill(&self, name: &str, bytes: Option<usize>) -> Result<PathBuf> {
        let path = self.path().join(name);
        let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
        let mut left = bytes.unwrap_or(usize::MAX);
        let zeros = vec![0; PIECE_BYTES];
        while left > 0 {
            match file.write(zeros.get(..left.min(PIECE_BYTES)).unwrap_or(&zeros)) {
                Ok(written) => left -= written,
                Err(error) if error.kind() == ErrorKind::StorageFull && bytes.is_none() => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(path)
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        for options in [&[][..], &["--lazy"][..]] {
            let mut command = Command::new("umount");
            let status = command.args(options).arg(self.folder.path()).status();
            if status.is_ok_and(|status| status.success()) {
                return;
            }
        }
        eprintln!("disk: {} stays mounted", self.folder.path().display());
    }
}
