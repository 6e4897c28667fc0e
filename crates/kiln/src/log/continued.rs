//! The log that a log continues: what its checkpoints say of it, and what that log itself has signed.
//!
//! ```text
//! always             every checkpoint that is known of the log says the same; it is not smaller than
//!                    what it says it kept
//! with --old-vkey    the old log has signed the checkpoint that is named; every other checkpoint of it
//!                    that is known here is no newer, and what was kept fits it
//! ```
//!
//! **Source:** docs/ledger.md, "A new log that names the old one".

use std::path::Path;

use clap::Args;
use serde_json::{Value, json};
use translog::{Checkpoint, NOTE_BYTES_MAX, Predecessor};

use super::files::Files;
use super::finding::{Finding, Kind, Stop};
use super::memory::Memory;
use super::trust::{Believed, Trust};
use crate::exit::Failure;

/// Where the signed checkpoint of the old log is served.
const PATH: &str = "predecessor";

/// Options on the log that a log continues.
#[derive(Args)]
pub(super) struct OldArgs {
    /// The verifier key of the log that this one continues; can be repeated
    #[arg(long, value_name = "VKEY")]
    old_vkey: Vec<String>,
}

/// What is known here of the log that a log may continue.
#[derive(Default)]
pub(super) struct Old {
    /// Who speaks for it.
    trust: Option<Trust>,
    /// Checkpoints of it from elsewhere, which have to fit.
    further: Vec<Believed>,
}

/// The log that a log continues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Continued {
    predecessor: Predecessor,
    /// Whether its own key has signed what is said of it.
    is_signed: bool,
}

impl Old {
    /// Reads the options.
    ///
    /// # Errors
    /// [`Exit::Usage`](crate::exit::Exit::Usage) for a key that is none.
    pub(super) fn of(args: &OldArgs) -> Result<Self, Failure> {
        let trust = if args.old_vkey.is_empty() {
            None
        } else {
            Some(Trust::of_keys(&args.old_vkey, "--old-vkey")?)
        };
        Ok(Self {
            trust,
            further: Vec::new(),
        })
    }

    /// Takes a checkpoint if it is one of the old log; says whether it did.
    pub(super) fn take(&mut self, bytes: &[u8], path: &str) -> bool {
        let trust = self.trust.as_ref();
        let signed = trust.and_then(|trust| trust.signed_by_log(bytes, path).ok());
        self.further.extend(signed.clone());
        signed.is_some()
    }

    /// Judges what the newest checkpoint of a log says of the one that it continues, `all` being the
    /// checkpoints of the log that are known. Gives the checkpoints of the old log that are in what was
    /// kept, too.
    ///
    /// # Errors
    /// What is wrong with it, or why it cannot be read.
    pub(super) async fn judge(
        &self,
        files: &Files,
        newest: &Checkpoint,
        all: &[Believed],
        state: &Path,
    ) -> Result<(Option<Continued>, Vec<Checkpoint>), Stop> {
        let said = said(newest)?;
        for other in all.iter().map(|it| &it.checkpoint) {
            if other.origin == newest.origin && said != self::said(other)? {
                let text = "it names another log that it continues than the newest one does: the log \
                            shows different histories";
                return Err(Finding::new(Kind::Fork, text).at(other.size).into());
            }
        }
        let Some(predecessor) = said else {
            if self.trust.is_none() {
                return Ok((None, Vec::new()));
            }
            let text = "it does not say that it continues another log";
            return Err(of_checkpoint(Kind::Fork, text, newest).into());
        };
        if newest.size < predecessor.kept {
            let text = "it is smaller than what it says it kept of the log that it continues";
            return Err(of_checkpoint(Kind::Checkpoint, text, newest).into());
        }
        let mut known = vec![Checkpoint::new(
            predecessor.origin.clone(),
            predecessor.size,
            predecessor.root,
        )];
        if let Some(trust) = &self.trust {
            check_signed(trust, files, &predecessor).await?;
            let remembered = Memory::of(state, &predecessor.origin).read(trust)?;
            let olds = self.further.iter().cloned().chain(remembered);
            for old in olds.map(|it| it.checkpoint) {
                check_end(&old, &predecessor)?;
                known.push(old);
            }
        }
        known.retain(|old| old.size <= predecessor.kept);
        let continued = Continued {
            predecessor,
            is_signed: self.trust.is_some(),
        };
        Ok((Some(continued), known))
    }
}

impl Continued {
    /// For programs.
    pub(super) fn json(&self) -> Value {
        let Predecessor {
            origin, size, kept, ..
        } = &self.predecessor;
        json!({
            "origin": origin.as_str(),
            "size": size,
            "kept": kept,
            "signed": self.is_signed,
        })
    }

    /// For people.
    pub(super) fn words(&self) -> String {
        let Predecessor {
            origin, size, kept, ..
        } = &self.predecessor;
        let signed = if self.is_signed {
            "which its key has signed"
        } else {
            "which was not checked: give its key with --old-vkey"
        };
        format!("{origin}, which ended with {size} entries, {signed}; the first {kept} are here")
    }
}

fn said(checkpoint: &Checkpoint) -> Result<Option<Predecessor>, Finding> {
    let refused = |error| of_checkpoint(Kind::Checkpoint, error, checkpoint);
    checkpoint
        .predecessor()
        .map_err(|error| refused(error.to_string()))
}

fn of_checkpoint(kind: Kind, text: impl Into<String>, checkpoint: &Checkpoint) -> Finding {
    Finding::new(kind, text)
        .at(checkpoint.size)
        .file("checkpoint")
}

/// The old log has signed the checkpoint that is named.
async fn check_signed(trust: &Trust, files: &Files, predecessor: &Predecessor) -> Result<(), Stop> {
    let Some(bytes) = files.log.fetch(PATH, NOTE_BYTES_MAX).await? else {
        let text = "the last checkpoint of the log that it continues is not there";
        return Err(Finding::new(Kind::Missing, text).file(PATH).into());
    };
    let signed = trust.signed_by_log(&bytes, PATH)?.checkpoint;
    let Predecessor {
        origin, size, root, ..
    } = predecessor;
    if (&signed.origin, &signed.size, &signed.root) != (origin, size, root) {
        let text = "it is not the checkpoint that the log says it continues";
        return Err(Finding::new(Kind::Fork, text)
            .at(signed.size)
            .file(PATH)
            .into());
    }
    Ok(())
}

/// A checkpoint of the old log that is known here is no newer than the one that is named as its last.
fn check_end(old: &Checkpoint, predecessor: &Predecessor) -> Result<(), Finding> {
    let Predecessor {
        origin, size, root, ..
    } = predecessor;
    if old.origin != *origin {
        let text = format!(
            "it continues {origin}, and a checkpoint of {} was given",
            old.origin
        );
        return Err(Finding::new(Kind::Fork, text).at(old.size));
    }
    if old.size > *size {
        let text = format!(
            "it says that {origin} ended with {size} entries, which has signed one of {}",
            old.size
        );
        return Err(Finding::new(Kind::Rollback, text).at(*size));
    }
    if old.size == *size && old.root != *root {
        let text = format!("{origin} has signed another root for its last size");
        return Err(Finding::new(Kind::Fork, text).at(old.size));
    }
    Ok(())
}
