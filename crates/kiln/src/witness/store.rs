//! What a witness has cosigned: for each log the last checkpoint, in memory and on disk.
//!
//! One file for each log, `<SHA-256 of the origin>.checkpoint`: the note as it was answered, with
//! the log's signature and ours. It is replaced and synced before the cosignature leaves the
//! process, so that a crash at any point leaves at least what was answered. A log's lock is held
//! from judging a request until the file is in place: of two requests that both continue the same
//! checkpoint one wins, and the other one is told the new size.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use causes::with_causes;
use sha2::{Digest, Sha256};
use translog::{
    AddCheckpoint, Checkpoint, NOTE_BYTES_MAX, Refusal, SignatureLine, SignedNote, VerifierKey,
    WitnessKey, WitnessRecord, judge, verify_note,
};

use crate::exit::{Exit, Failure};
use crate::hex::hex;
use crate::local_file::{create_folder_of, read_bounded, replace_private};
use crate::witness::known::KnownLogs;

/// The logs of a witness.
pub(super) struct Store {
    key: WitnessKey,
    logs: HashMap<String, Log>,
    known: KnownLogs,
}

/// One log.
struct Log {
    keys: Vec<VerifierKey>,
    file: PathBuf,
    state: Mutex<State>,
}

enum State {
    /// The last cosigned note, if any.
    Known(Option<SignedNote>),
    /// The disk failed in the middle of a change: nothing is cosigned until the next start.
    Unsure,
}

/// Why nothing was cosigned.
#[derive(Debug)]
pub(super) enum Refused {
    /// By the rules of witnesses.
    ByRule(Refusal),
    /// What was cosigned cannot be kept.
    Disk(io::Error),
    /// After such a failure.
    Unsure,
}

impl Store {
    /// Reads what was cosigned. Two keys with one name are those of one log.
    ///
    /// # Errors
    /// [`Exit::Local`] if a file is not what this witness wrote, or is gone.
    pub(super) fn open(
        folder: &Path,
        key: WitnessKey,
        keys: Vec<VerifierKey>,
        known: KnownLogs,
    ) -> Result<Self, Failure> {
        let mut logs: HashMap<String, Log> = HashMap::new();
        for log_key in keys {
            let origin = log_key.name().as_str().to_owned();
            let file = folder.join(format!("{}.checkpoint", name_of(&origin)));
            let new = || Log {
                keys: Vec::new(),
                file,
                state: Mutex::new(State::Known(None)),
            };
            let log = logs.entry(origin).or_insert_with(new);
            if !log.keys.contains(&log_key) {
                log.keys.push(log_key);
            }
        }
        for (origin, log) in &mut logs {
            create_folder_of(&log.file).map_err(|error| {
                Failure::io(format!("{} cannot be made", folder.display()), error)
            })?;
            let note = log.read(&key).map_err(|cause| {
                let file = log.file.display();
                let message = format!("what was cosigned cannot be read from {file}: {cause}");
                Failure::new(Exit::Local, message).next(
                    "put back the newest copy of this very file; if there is none, give up this \
                     witness and its key, for it may have cosigned more than it knows",
                )
            })?;
            match note {
                Some(_) => known.add(origin).map_err(|error| {
                    Failure::io(
                        "the list of the logs that were cosigned cannot be written",
                        error,
                    )
                })?,
                None => known.refuse_forgotten(origin, &log.file)?,
            }
            log.state = Mutex::new(State::Known(note));
        }
        Ok(Self { key, logs, known })
    }

    /// The witness's key.
    pub(super) fn key(&self) -> &VerifierKey {
        self.key.verifier()
    }

    /// The last cosigned checkpoint of the log with this SHA-256 of its origin, in hex.
    pub(super) fn newest(&self, name: &str) -> Option<SignedNote> {
        let log = self.logs.iter().find(|(origin, _)| name_of(origin) == name);
        let state = log?.1.state.lock();
        match &*state.unwrap_or_else(PoisonError::into_inner) {
            State::Known(note) => note.clone(),
            State::Unsure => None,
        }
    }

    /// Judges a request, and cosigns at the time `time_s`. What is given back is on disk.
    ///
    /// # Errors
    /// [`Refused`].
    pub(super) fn cosign(
        &self,
        request: &AddCheckpoint,
        time_s: u64,
    ) -> Result<SignatureLine, Refused> {
        let origin = request.note.text().lines().next().unwrap_or_default();
        let Some(log) = self.logs.get(origin) else {
            // Malformed, or a log that is not known: the rules say which.
            let refusal = judge(None, request, &[]).err();
            return Err(Refused::ByRule(refusal.unwrap_or(Refusal::UnknownLog)));
        };
        let line = log.cosign(&self.key, request, time_s)?;
        // After the state, so that a crash in between does not look like a loss; before the answer.
        self.known.add(origin).map_err(Refused::Disk)?;
        Ok(line)
    }
}

impl Log {
    fn cosign(
        &self,
        key: &WitnessKey,
        request: &AddCheckpoint,
        time_s: u64,
    ) -> Result<SignatureLine, Refused> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State::Known(last) = &*state else {
            return Err(Refused::Unsure);
        };
        let record = last.as_ref().and_then(record);
        let judged = judge(record.as_ref(), request, &self.keys);
        if let (Err(Refusal::Fork), Some(last)) = (&judged, last) {
            self.keep_evidence(last, &request.note);
        }
        let checkpoint = judged.map_err(Refused::ByRule)?;
        let line = key.cosign(&checkpoint, time_s);
        let note = self.note(&checkpoint, request, &line);
        // From here on it is not known what the disk holds, until it has said so.
        let before = std::mem::replace(&mut *state, State::Unsure);
        match replace_private(&self.file, note.to_string().as_bytes()) {
            Ok(()) => {
                *state = State::Known(Some(note));
                Ok(line)
            }
            Err(error) => {
                // Neither the old nor the new note does harm: the new one was not answered.
                *state = match (self.read(key), before) {
                    (Ok(Some(found)), _) => State::Known(Some(found)),
                    (Ok(None), State::Known(None)) => State::Known(None),
                    _ => State::Unsure,
                };
                Err(Refused::Disk(error))
            }
        }
    }

    /// The checkpoint with the signatures of its log and ours: not with what else a request brings.
    fn note(
        &self,
        checkpoint: &Checkpoint,
        request: &AddCheckpoint,
        ours: &SignatureLine,
    ) -> SignedNote {
        let by_log = |line: &&SignatureLine| {
            let mut keys = self.keys.iter();
            keys.any(|key| key.id() == line.id && *key.name() == line.name)
        };
        let mut note = SignedNote::new(checkpoint, ours.clone());
        for line in request.note.signatures().iter().filter(by_log) {
            // There are as many as keys; only a longer list than any log has would not fit.
            let _ = note.add(line.clone());
        }
        note
    }

    /// Reads the file; `None` if there is none.
    fn read(&self, key: &WitnessKey) -> Result<Option<SignedNote>, String> {
        match fs::symlink_metadata(&self.file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            _ => {}
        }
        let bytes = read_bounded(&self.file, NOTE_BYTES_MAX as u64).map_err(|it| it.words())?;
        let text = std::str::from_utf8(&bytes).map_err(|error| error.to_string())?;
        let note = SignedNote::parse(text).map_err(|error| with_causes(&error))?;
        let ours = std::slice::from_ref(key.verifier());
        let verified = verify_note(&note, ours).map_err(|error| with_causes(&error))?;
        let origin = verified.checkpoint.origin.key_name();
        if self.keys.iter().all(|key| key.name() != origin) {
            return Err(format!("it is of the log {origin}"));
        }
        Ok(Some(note))
    }

    /// Keeps the first pair of contradicting notes for the operator, beside the state.
    fn keep_evidence(&self, last: &SignedNote, other: &SignedNote) {
        let file = self.file.with_extension("fork");
        tracing::error!(
            evidence = %file.display(),
            "a log signed two roots for one size: it shows different histories"
        );
        if file.exists() {
            return;
        }
        if let Err(error) = replace_private(&file, format!("{last}\n{other}").as_bytes()) {
            tracing::error!(%error, "the evidence cannot be written");
        }
    }
}

/// The size and root of a note that is ours.
fn record(note: &SignedNote) -> Option<WitnessRecord> {
    let checkpoint = note.checkpoint().ok()?;
    Some(WitnessRecord {
        size: checkpoint.size,
        root: checkpoint.root,
    })
}

/// The name of a log in paths.
fn name_of(origin: &str) -> String {
    hex(&Sha256::digest(origin))
}
