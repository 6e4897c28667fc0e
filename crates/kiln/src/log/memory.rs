//! The last checkpoint of each log that was found to be in order, so that the log cannot show
//! another history later; and the evidence when it does.
//!
//! One file for each log, `logs/<SHA-256 of the origin>.checkpoint` in the state folder: the signed
//! note. A file that cannot be read is an error, never "not seen yet".

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use translog::{NOTE_BYTES_MAX, Origin};

use super::trust::{Believed, Trust};
use crate::exit::{Exit, Failure};
use crate::hex::hex;
use crate::local_file::{create_folder_of, read_bounded, replace_private};

/// The memory of one log.
pub(super) struct Memory {
    file: PathBuf,
}

impl Memory {
    /// In this state folder.
    pub(super) fn of(state: &Path, origin: &Origin) -> Self {
        let name = hex(&Sha256::digest(origin.as_str()));
        Self {
            file: state.join("logs").join(format!("{name}.checkpoint")),
        }
    }

    /// What was remembered.
    ///
    /// # Errors
    /// [`Exit::Local`] if it cannot be read, or the log's key did not sign it.
    pub(super) fn read(&self, trust: &Trust) -> Result<Option<Believed>, Failure> {
        match fs::symlink_metadata(&self.file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            _ => {}
        }
        let bytes = read_bounded(&self.file, NOTE_BYTES_MAX as u64)?;
        let path = self.file.display().to_string();
        trust
            .signed_by_log(&bytes, &path)
            .map(Some)
            .map_err(|finding| {
                let message = format!(
                    "the remembered checkpoint is not valid: {}",
                    finding.words()
                );
                Failure::new(Exit::Local, message).next(
                    "if the log has changed its key, give the former one too with --vkey; if it is \
                 meant to begin anew, remove the file",
                )
            })
    }

    /// Remembers a checkpoint that was found to be in order.
    ///
    /// # Errors
    /// [`Exit::Local`] or [`Exit::DiskFull`].
    pub(super) fn write(&self, believed: &Believed) -> Result<(), Failure> {
        write(&self.file, &believed.note.to_string())
    }

    /// Keeps signed checkpoints that contradict each other; gives the name of the file.
    ///
    /// # Errors
    /// [`Exit::Local`] or [`Exit::DiskFull`].
    pub(super) fn keep_evidence(
        &self,
        words: &str,
        notes: &[Believed],
    ) -> Result<PathBuf, Failure> {
        let mut text = format!("{words}\n");
        let mut mark = Sha256::new();
        for believed in notes {
            let note = believed.note.to_string();
            mark.update(believed.note.text());
            text.push('\n');
            text.push_str(&note);
        }
        // One file for each pair, however often it is seen.
        let mark = hex(mark.finalize().get(..4).unwrap_or_default());
        let file = self.file.with_extension(format!("evidence-{mark}"));
        write(&file, &text)?;
        Ok(file)
    }
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    create_folder_of(file)
        .and_then(|()| replace_private(file, text.as_bytes()))
        .map_err(|error| Failure::io(format!("{} cannot be written", file.display()), error))
}
