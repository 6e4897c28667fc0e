//! What the last pull left in a folder: `.kiln-pull.json`.
//!
//! It tells apart what changed in the DSU and what somebody changed in the folder. Without it
//! (a pull that was killed, a file that was lost) nothing is overwritten either: what is there and
//! differs counts as changed here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::exit::{Exit, Failure};
use crate::local_file;

/// The name of the file; no file of a DSU is brought to its place.
pub(crate) const STATE_NAME: &str = ".kiln-pull.json";
const FORMAT: u32 = 1;
/// Largest state that is read; some million files.
const STATE_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// What the last pull left.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct State {
    format: u32,
    /// The anchor of the DSU, wrapped.
    pub(super) anchor: String,
    /// The version that was brought, counted from 0.
    pub(super) version: usize,
    /// The files, by their paths in the DSU.
    pub(super) files: BTreeMap<String, FileState>,
    /// The folders.
    pub(super) folders: BTreeSet<String>,
}

/// One file as it was brought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileState {
    /// A SHA-256 over the names of its bricks: equal means unchanged in the DSU.
    pub(super) content: String,
    /// The SHA-256 of its bytes: equal means unchanged here.
    pub(super) sha256: String,
}

impl State {
    /// Reads the state of a folder; a new one if there is none.
    ///
    /// # Errors
    /// [`Exit::Conflict`] if the folder is that of another DSU, [`Exit::Local`] if the state is
    /// damaged.
    pub(super) fn read(folder: &Path, anchor: &str) -> Result<Self, Failure> {
        let path = place(folder);
        let new = Self {
            format: FORMAT,
            anchor: anchor.to_owned(),
            ..Self::default()
        };
        match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(new),
            _ => {}
        }
        let bytes = local_file::read_bounded(&path, STATE_BYTES_MAX)?;
        let state: Self = serde_json::from_slice(&bytes).map_err(|error| {
            Failure::new(Exit::Local, format!("{} is damaged", path.display()))
                .because(error)
                .next("remove it: what differs from the DSU will count as changed here")
        })?;
        if state.format > FORMAT {
            let message = format!("{} was written by a newer kiln", path.display());
            return Err(Failure::new(Exit::Local, message).next("use that one"));
        }
        if state.anchor != anchor {
            let message = format!(
                "{} holds what was pulled from another DSU",
                folder.display()
            );
            return Err(Failure::new(Exit::Conflict, message).next("name another folder"));
        }
        Ok(state)
    }

    /// Writes the state, all at once.
    ///
    /// # Errors
    /// That of writing.
    pub(super) fn write(&self, folder: &Path) -> Result<(), Failure> {
        let path = place(folder);
        let failed = |error| Failure::io(format!("{} cannot be written", path.display()), error);
        let text = serde_json::to_vec(self).map_err(|error| failed(error.into()))?;
        local_file::replace_private(&path, &text).map_err(failed)
    }
}

fn place(folder: &Path) -> PathBuf {
    folder.join(STATE_NAME)
}
