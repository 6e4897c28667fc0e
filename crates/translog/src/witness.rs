//! What a witness is asked, and whether it may cosign.
//!
//! ```text
//! old <size>\n
//! <base64 of a hash>\n     (consistency proof, at most 63)
//! \n
//! <signed checkpoint>
//! ```
//!
//! **Source:** `translog.md` §8; C2SP tlog-witness.

use std::fmt;

use thiserror::Error;

use crate::{
    Checkpoint, CheckpointError, Hash, KeyKind, NOTE_BYTES_MAX, NoteError, NoteSyntaxError,
    PROOF_HASHES_MAX, SignedNote, VerifierKey, empty_root, text, verify_consistency, verify_note,
};

/// The longest request, in bytes: a note with size line and proof.
pub const ADD_CHECKPOINT_BYTES_MAX: usize = NOTE_BYTES_MAX + 4096;

/// The body of an `add-checkpoint` request. `Display` is its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// The size of the checkpoint that the witness cosigned last, as the log believes.
    pub old: u64,
    /// That the new checkpoint continues the old one. Empty when `old` is 0.
    pub proof: Vec<Hash>,
    /// The new checkpoint with the log's signature.
    pub note: SignedNote,
}

impl AddCheckpoint {
    /// Reads a request of at most [`ADD_CHECKPOINT_BYTES_MAX`] bytes.
    ///
    /// # Errors
    /// [`AddCheckpointError`], to be answered as the [`Refusal`] it turns into.
    pub fn parse(body: &str) -> Result<Self, AddCheckpointError> {
        if body.len() > ADD_CHECKPOINT_BYTES_MAX {
            return Err(AddCheckpointError::TooLong);
        }
        let (old, rest) = body.split_once('\n').ok_or(AddCheckpointError::OldLine)?;
        let old = old
            .strip_prefix("old ")
            .and_then(text::decimal)
            .ok_or(AddCheckpointError::OldLine)?;
        let (proof, note) = text::split_hashes(rest).ok_or(AddCheckpointError::Proof)?;
        let note = SignedNote::parse(note).map_err(AddCheckpointError::Note)?;
        Ok(Self { old, proof, note })
    }
}

impl fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old)?;
        write!(f, "{}\n{}", text::hash_lines(&self.proof), self.note)
    }
}

/// What a witness keeps of each log: the largest checkpoint that it cosigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WitnessRecord {
    /// Its size.
    pub size: u64,
    /// Its root.
    pub root: Hash,
}

/// Whether a witness that knows these logs and has this record of the one in question may cosign.
/// It then has to replace the record durably before it answers, and nobody may have changed the
/// record in between.
///
/// # Errors
/// [`Refusal`], with the status to answer.
pub fn judge(
    record: Option<&WitnessRecord>,
    request: &AddCheckpoint,
    logs: &[VerifierKey],
) -> Result<Checkpoint, Refusal> {
    let checkpoint = signed_by_log(&request.note, logs)?;
    if request.old > checkpoint.size {
        return Err(Refusal::OldTooLarge);
    }
    let none = WitnessRecord {
        size: 0,
        root: empty_root(),
    };
    let record = record.unwrap_or(&none);
    if request.old != record.size {
        return Err(Refusal::WrongOld { size: record.size });
    }
    if checkpoint.size == 0 && checkpoint.root != empty_root() {
        return Err(Refusal::EmptyTreeRoot);
    }
    if checkpoint.size == record.size && checkpoint.root != record.root {
        return Err(Refusal::Fork);
    }
    let trivial = record.size == 0 || checkpoint.size == record.size;
    let holds = if trivial {
        request.proof.is_empty()
    } else {
        let (old, new) = (record, &checkpoint);
        verify_consistency(old.size, &old.root, new.size, &new.root, &request.proof).is_ok()
    };
    if holds {
        Ok(checkpoint)
    } else {
        Err(Refusal::BadProof)
    }
}

/// Why a text is no `add-checkpoint` request.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AddCheckpointError {
    /// More than [`ADD_CHECKPOINT_BYTES_MAX`] bytes.
    #[error("the request is longer than {ADD_CHECKPOINT_BYTES_MAX} bytes")]
    TooLong,
    /// The first line.
    #[error("the first line is not the old size")]
    OldLine,
    /// A hash that is none, more than 63 of them, or no empty line after them.
    #[error("the proof is not at most {PROOF_HASHES_MAX} hashes and an empty line")]
    Proof,
    /// The signed note.
    #[error("the request has no signed note")]
    Note(#[source] NoteSyntaxError),
    /// The text of the note.
    #[error("the note is no checkpoint")]
    Checkpoint(#[source] CheckpointError),
}

/// Why a witness does not cosign.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The request is malformed.
    #[error("the request is malformed")]
    Malformed(#[from] AddCheckpointError),
    /// The witness has no key for the origin.
    #[error("the log is not known")]
    UnknownLog,
    /// No signature by a key of the log, or one that does not hold.
    #[error("the checkpoint has no valid signature of its log")]
    NoValidSignature(#[source] NoteError),
    /// The old size is larger than the checkpoint.
    #[error("the old size is larger than the checkpoint")]
    OldTooLarge,
    /// The old size is not that of the last cosigned checkpoint: the log has to ask again with a
    /// proof from the size given here.
    #[error("the last cosigned checkpoint has size {size}")]
    WrongOld {
        /// The size of the last cosigned checkpoint, 0 if there is none.
        size: u64,
    },
    /// The root of an empty tree is not that of an empty tree.
    #[error("an empty tree has another root")]
    EmptyTreeRoot,
    /// The proof does not lead from the last cosigned checkpoint to the new one.
    #[error("the consistency proof does not hold")]
    BadProof,
    /// The log signed two roots for one size: evidence against it, to be kept.
    #[error("the log signed another root for the same size")]
    Fork,
}

impl Refusal {
    /// The HTTP status of the answer. That of [`Refusal::WrongOld`] has the size and a line end as
    /// its body, of type `text/x.tlog.size`.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Malformed(_) | Self::OldTooLarge => 400,
            Self::NoValidSignature(_) => 403,
            Self::UnknownLog => 404,
            Self::WrongOld { .. } => 409,
            Self::EmptyTreeRoot | Self::BadProof | Self::Fork => 422,
        }
    }
}

/// The checkpoint, if a key of its own log signed it.
fn signed_by_log(note: &SignedNote, logs: &[VerifierKey]) -> Result<Checkpoint, Refusal> {
    let checkpoint = note.checkpoint().map_err(AddCheckpointError::Checkpoint)?;
    let is_its_own = |key: &&VerifierKey| {
        key.kind() == KeyKind::Log && key.name() == checkpoint.origin.key_name()
    };
    let keys: Vec<VerifierKey> = logs.iter().filter(is_its_own).cloned().collect();
    if keys.is_empty() {
        return Err(Refusal::UnknownLog);
    }
    // Each of these keys bears the name of the origin, so what one signed the log signed.
    verify_note(note, &keys).map_err(Refusal::NoValidSignature)?;
    Ok(checkpoint)
}
