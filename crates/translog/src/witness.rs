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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{KeyName, LogKey, Origin, TileId, TileSet, WitnessKey, leaf_hash};

    fn log_key(origin: &str, seed: u8) -> LogKey {
        LogKey::from_seed(&Origin::parse(origin).unwrap(), &[seed; 32])
    }

    /// The log under test, whose key is the second one, and another.
    fn logs() -> [VerifierKey; 2] {
        let other = log_key("log.example/b", 2);
        [other, log_key("log.example/a", 1)].map(|key| key.verifier().clone())
    }

    /// A tree of fewer than 256 leaves, which is one tile. A branch differs in its last leaf.
    fn tiles(size: u8, branch: u8) -> TileSet {
        let last = size.saturating_sub(1);
        let leaf = |index| leaf_hash(&[index, if index == last { branch } else { 0 }]);
        let leaves: Vec<u8> = (0..size).flat_map(leaf).collect();
        let mut tiles = TileSet::new();
        if size > 0 {
            let id = TileId::new(0, 0, size.into()).unwrap();
            tiles.insert(id, &leaves).unwrap();
        }
        tiles
    }

    fn checkpoint(size: u8, branch: u8) -> Checkpoint {
        Checkpoint {
            origin: Origin::parse("log.example/a").unwrap(),
            size: size.into(),
            root: tiles(size, branch).root(size.into()).unwrap(),
            extensions: Vec::new(),
        }
    }

    fn signed(checkpoint: &Checkpoint) -> SignedNote {
        SignedNote::new(checkpoint, log_key("log.example/a", 1).sign(checkpoint))
    }

    fn record(size: u8) -> WitnessRecord {
        let Checkpoint { size, root, .. } = checkpoint(size, 0);
        WitnessRecord { size, root }
    }

    fn request(old: u8, new: u8) -> AddCheckpoint {
        let proof = if old == 0 {
            Vec::new()
        } else {
            tiles(new, 0)
                .consistency_proof(old.into(), new.into())
                .unwrap()
        };
        AddCheckpoint {
            old: old.into(),
            proof,
            note: signed(&checkpoint(new, 0)),
        }
    }

    #[test]
    fn a_log_that_grows_is_cosigned() {
        for (old, new) in [
            (0, 0),
            (0, 1),
            (1, 1),
            (1, 2),
            (3, 7),
            (7, 8),
            (8, 8),
            (8, 255),
        ] {
            let request = request(old, new);
            let again = AddCheckpoint::parse(&request.to_string()).unwrap();
            assert_eq!(again, request);
            let cosigned = judge(Some(&record(old)), &again, &logs()).unwrap();
            assert_eq!(cosigned, checkpoint(new, 0), "{old} to {new}");
            if old == 0 {
                assert_eq!(judge(None, &again, &logs()), Ok(cosigned));
            }
        }
    }

    /// Each refusal has its status, and the first thing that is wrong decides.
    fn check(record: Option<&WitnessRecord>, request: &AddCheckpoint, expected: &Refusal) {
        let refused = judge(record, request, &logs()).unwrap_err();
        assert_eq!(&refused, expected);
        let status = match expected {
            Refusal::Malformed(_) | Refusal::OldTooLarge => 400,
            Refusal::NoValidSignature(_) => 403,
            Refusal::UnknownLog => 404,
            Refusal::WrongOld { .. } => 409,
            _ => 422,
        };
        assert_eq!(refused.status(), status);
    }

    #[test]
    fn the_signature_of_the_log_decides_first() {
        let record = record(7);
        let good = request(7, 8);
        let refuse = |note: SignedNote, expected: Refusal| {
            // The old size is wrong as well, but is not looked at.
            let request = AddCheckpoint {
                old: 6,
                note,
                ..good.clone()
            };
            check(Some(&record), &request, &expected);
        };
        let no_checkpoint = SignedNote::parse(&format!("text\n{}", good.note)).unwrap();
        let size = AddCheckpointError::Checkpoint(CheckpointError::Size);
        refuse(no_checkpoint, Refusal::Malformed(size));

        let unknown = Checkpoint {
            origin: Origin::parse("log.example/c").unwrap(),
            ..checkpoint(8, 0)
        };
        let by_c = log_key("log.example/c", 1).sign(&unknown);
        refuse(SignedNote::new(&unknown, by_c), Refusal::UnknownLog);

        // Another log's key, also one that the witness knows, is not this log's.
        let eight = checkpoint(8, 0);
        let none = Refusal::NoValidSignature(NoteError::NoKnownSignature);
        for stranger in [log_key("log.example/b", 2), log_key("log.example/a", 3)] {
            refuse(SignedNote::new(&eight, stranger.sign(&eight)), none.clone());
        }
        let by_log = log_key("log.example/a", 1).sign(&checkpoint(9, 0));
        let bad = NoteError::BadSignature(by_log.name.clone());
        let bad = Refusal::NoValidSignature(bad);
        refuse(SignedNote::new(&eight, by_log), bad);

        let unknown = judge(Some(&record), &good, &logs()[..1]);
        assert_eq!(unknown, Err(Refusal::UnknownLog));
        // A witness that bears the log's name does not speak for the log.
        let name = KeyName::parse("log.example/a").unwrap();
        let namesake = WitnessKey::from_seed(&name, &[4; 32]);
        let cosigned = AddCheckpoint {
            note: SignedNote::new(&eight, namesake.cosign(&eight, 1)),
            ..good
        };
        let keys = [namesake.verifier().clone()];
        let unknown = judge(Some(&record), &cosigned, &keys);
        assert_eq!(unknown, Err(Refusal::UnknownLog));
    }

    #[test]
    fn a_request_that_starts_elsewhere_is_told_where_to_start() {
        let good = request(7, 8);
        let with_old = |old| AddCheckpoint {
            old,
            ..good.clone()
        };
        check(Some(&record(7)), &with_old(9), &Refusal::OldTooLarge);
        check(None, &with_old(9), &Refusal::OldTooLarge);
        for old in [0, 6, 8] {
            let wrong = Refusal::WrongOld { size: 7 };
            check(Some(&record(7)), &with_old(old), &wrong);
        }
        check(None, &good, &Refusal::WrongOld { size: 0 });
        // The witness never goes back.
        check(Some(&record(9)), &good, &Refusal::WrongOld { size: 9 });
    }

    #[test]
    fn a_log_that_contradicts_itself_is_not_cosigned() {
        let fork = AddCheckpoint {
            old: 8,
            proof: Vec::new(),
            note: signed(&checkpoint(8, 1)),
        };
        check(Some(&record(8)), &fork, &Refusal::Fork);
        let mut with_proof = fork;
        with_proof.proof = vec![[0; 32]];
        check(Some(&record(8)), &with_proof, &Refusal::Fork);

        // A branch: the proof is right between its own trees, which the witness did not see.
        let branch = AddCheckpoint {
            old: 7,
            proof: tiles(7, 0).consistency_proof(7, 7).unwrap(),
            note: signed(&checkpoint(9, 0)),
        };
        check(Some(&record(7)), &branch, &Refusal::BadProof);
        let seen = WitnessRecord {
            root: checkpoint(7, 1).root,
            ..record(7)
        };
        check(Some(&seen), &request(7, 9), &Refusal::BadProof);
    }

    #[test]
    fn every_change_of_a_proof_is_refused() {
        let good = request(7, 200);
        assert!(good.proof.len() > 3);
        for place in 0..good.proof.len() {
            let mut altered = good.clone();
            altered.proof[place][31] ^= 1;
            check(Some(&record(7)), &altered, &Refusal::BadProof);
            let mut shorter = good.clone();
            shorter.proof.remove(place);
            check(Some(&record(7)), &shorter, &Refusal::BadProof);
            let mut longer = good.clone();
            longer.proof.insert(place, [0; 32]);
            check(Some(&record(7)), &longer, &Refusal::BadProof);
        }
        // No proof is needed here, so none is taken.
        for (old, new) in [(0, 0), (0, 5), (5, 5)] {
            let mut needless = request(old, new);
            needless.proof.push([0; 32]);
            check(Some(&record(old)), &needless, &Refusal::BadProof);
        }
    }

    #[test]
    fn an_empty_tree_has_one_root() {
        let empty = Checkpoint {
            root: [0; 32],
            ..checkpoint(0, 0)
        };
        let request = AddCheckpoint {
            note: signed(&empty),
            ..request(0, 0)
        };
        check(None, &request, &Refusal::EmptyTreeRoot);
        check(Some(&record(0)), &request, &Refusal::EmptyTreeRoot);
    }

    #[test]
    fn a_malformed_body_is_named() {
        let good = request(7, 200).to_string();
        let refuse = |body: &str, expected: AddCheckpointError| {
            let refused = AddCheckpoint::parse(body).unwrap_err();
            assert_eq!(refused, expected, "{body:?}");
            assert_eq!(Refusal::from(refused).status(), 400);
        };
        for old in [
            "", "old", "old ", "old  7", "old 07", "old -7", "Old 7", "old 7 ", "old 7\r",
        ] {
            let body = good.replacen("old 7", old, 1);
            refuse(&body, AddCheckpointError::OldLine);
        }
        refuse("old 7", AddCheckpointError::OldLine);
        refuse("old 7\n", AddCheckpointError::Proof);
        let (start, note) = good.split_once("\n\n").unwrap();
        let proof = AddCheckpointError::Proof;
        for hash in [
            "x",
            "AAAA",
            " ",
            "\r",
            &format!("{} ", text::base64_text(&[0; 32])),
        ] {
            refuse(&format!("{start}\n{hash}\n\n{note}"), proof.clone());
        }
        refuse(&format!("{start}\n{note}"), proof.clone());
        let hashes = |count| "\n".to_owned() + &text::hash_lines(&vec![[7; 32]; count]);
        let most = format!("old 7{}\n{note}", hashes(63));
        assert_eq!(AddCheckpoint::parse(&most).unwrap().proof.len(), 63);
        refuse(&format!("old 7{}\n{note}", hashes(64)), proof);
        let syntax = AddCheckpointError::Note;
        refuse(
            &format!("{start}\n\n"),
            syntax(NoteSyntaxError::NoSignatures),
        );
        refuse(good.trim_end(), syntax(NoteSyntaxError::Unterminated));
        let long = "x".repeat(ADD_CHECKPOINT_BYTES_MAX);
        refuse(&format!("{good}{long}"), AddCheckpointError::TooLong);
    }
}
