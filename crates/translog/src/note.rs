//! Signed notes: a text, an empty line, and a line for each signature.
//!
//! ```text
//! <text, each line ended>
//! \n
//! — <key name> <base64(key id[4] || signature)>\n      (one or more)
//! ```
//!
//! **Source:** `translog.md` §4; C2SP signed-note.

use std::fmt;

use thiserror::Error;

use crate::key::{Statement, check_key_set};
use crate::{Checkpoint, CheckpointError, KeyName, KeySetError, NameError, VerifierKey, text};

/// The longest note, in bytes. A checkpoint with [`SIGNATURES_MAX`] Ed25519 lines has about 24,000.
pub const NOTE_BYTES_MAX: usize = 64 * 1024;

/// The most signature lines of a note. C2SP demands that 16 are accepted.
pub const SIGNATURES_MAX: usize = 64;

/// A text with signatures that nobody has checked yet. `Display` gives back what was parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedNote {
    text: String,
    signatures: Vec<SignatureLine>,
}

impl SignedNote {
    /// A checkpoint with its first signature.
    #[must_use]
    pub fn new(checkpoint: &Checkpoint, signature: SignatureLine) -> Self {
        Self {
            text: checkpoint.to_string(),
            signatures: vec![signature],
        }
    }

    /// Reads a note of at most [`NOTE_BYTES_MAX`] bytes and [`SIGNATURES_MAX`] signature lines.
    ///
    /// # Errors
    /// [`NoteSyntaxError`] says what is wrong.
    pub fn parse(note: &str) -> Result<Self, NoteSyntaxError> {
        if note.len() > NOTE_BYTES_MAX {
            return Err(NoteSyntaxError::TooLong);
        }
        if note.contains(|c: char| c != '\n' && c.is_ascii_control()) {
            return Err(NoteSyntaxError::ControlCharacter);
        }
        // The text may have empty lines: the signatures come after the last one.
        let (start, lines) = note
            .rsplit_once("\n\n")
            .ok_or(NoteSyntaxError::NoSignatures)?;
        let text = format!("{start}\n");
        let signatures = SignatureLine::parse_all(lines)?;
        Ok(Self { text, signatures })
    }

    /// What is signed, with the end of its last line.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signature lines, in their order.
    #[must_use]
    pub fn signatures(&self) -> &[SignatureLine] {
        &self.signatures
    }

    /// The text as a checkpoint, which says nothing about its signatures.
    ///
    /// # Errors
    /// [`CheckpointError`] when it is none.
    pub fn checkpoint(&self) -> Result<Checkpoint, CheckpointError> {
        Checkpoint::parse(&self.text)
    }

    /// Adds a signature, in the place of one by the same name and id if there is one.
    ///
    /// # Errors
    /// [`NoteSyntaxError::TooManySignatures`] and [`NoteSyntaxError::TooLong`] leave the note as
    /// it was.
    pub fn add(&mut self, line: SignatureLine) -> Result<(), NoteSyntaxError> {
        let mut signatures = self.signatures.clone();
        match signatures.iter_mut().find(|old| old.is_by_same_key(&line)) {
            Some(old) => *old = line,
            None => signatures.push(line),
        }
        if signatures.len() > SIGNATURES_MAX {
            return Err(NoteSyntaxError::TooManySignatures);
        }
        let lines: usize = signatures.iter().map(|line| line.to_string().len()).sum();
        if self.text.len() + 1 + lines > NOTE_BYTES_MAX {
            return Err(NoteSyntaxError::TooLong);
        }
        self.signatures = signatures;
        Ok(())
    }
}

impl fmt::Display for SignedNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|line| line.fmt(f))
    }
}

/// One signature: `— <name> <base64(id || bytes)>` with the end of the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureLine {
    /// Whose key.
    pub name: KeyName,
    /// Which key.
    pub id: [u8; 4],
    /// The signature, whose shape depends on the type of the key. Never empty in a parsed line.
    pub bytes: Vec<u8>,
}

impl SignatureLine {
    /// Reads one line, which has to end.
    ///
    /// # Errors
    /// [`NoteSyntaxError`] says what is wrong.
    pub fn parse(line: &str) -> Result<Self, NoteSyntaxError> {
        let line = line
            .strip_suffix('\n')
            .ok_or(NoteSyntaxError::Unterminated)?;
        let (name, signature) = line
            .strip_prefix("\u{2014} ")
            .and_then(|rest| rest.split_once(' '))
            .ok_or(NoteSyntaxError::SignatureLine)?;
        let name = KeyName::parse(name).map_err(NoteSyntaxError::Name)?;
        let bytes = text::base64_bytes(signature).ok_or(NoteSyntaxError::Signature)?;
        match bytes.split_first_chunk::<4>() {
            Some((&id, bytes)) if !bytes.is_empty() => Ok(Self {
                name,
                id,
                bytes: bytes.to_vec(),
            }),
            _ => Err(NoteSyntaxError::Signature),
        }
    }

    /// Reads lines, at least one and at most [`SIGNATURES_MAX`], as a witness answers them.
    ///
    /// # Errors
    /// [`NoteSyntaxError`] says what is wrong.
    pub fn parse_all(lines: &str) -> Result<Vec<Self>, NoteSyntaxError> {
        if lines.is_empty() {
            return Err(NoteSyntaxError::NoSignatures);
        }
        if lines.split_inclusive('\n').count() > SIGNATURES_MAX {
            return Err(NoteSyntaxError::TooManySignatures);
        }
        lines.split_inclusive('\n').map(Self::parse).collect()
    }

    fn is_by_same_key(&self, other: &Self) -> bool {
        self.id == other.id && self.name == other.name
    }
}

impl fmt::Display for SignatureLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signature = text::base64_text(&[self.id.as_slice(), &self.bytes].concat());
        writeln!(f, "\u{2014} {} {signature}", self.name)
    }
}

/// What the known keys say about a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The text.
    pub checkpoint: Checkpoint,
    /// The keys of the log itself that signed it: their name is its origin. Each key once. Empty
    /// when only witnesses are known.
    pub log: Vec<VerifierKey>,
    /// The witnesses that cosigned it, each key once.
    pub cosigned: Vec<Cosignature>,
}

/// A cosignature that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosignature {
    /// Whose.
    pub key: VerifierKey,
    /// When it was made, in POSIX seconds, by the witness's clock; the newest if there are several.
    pub time_s: u64,
}

/// Checks a checkpoint against known keys. Lines by others are ignored, also when they share a
/// name or an id with a known key. Each line of a known key has to hold. A log's key speaks for
/// its own origin only.
///
/// # Errors
/// [`NoteError`]: no checkpoint, a known key's line that does not hold, no line by a known key, or
/// keys that cannot be told apart.
pub fn verify_note(note: &SignedNote, keys: &[VerifierKey]) -> Result<Verified, NoteError> {
    check_key_set(keys).map_err(NoteError::Keys)?;
    let mut verified = Verified {
        checkpoint: note.checkpoint().map_err(NoteError::Checkpoint)?,
        log: Vec::new(),
        cosigned: Vec::new(),
    };
    for line in note.signatures() {
        let Some(key) = keys.iter().find(|key| key.is_named_by(line)) else {
            continue;
        };
        match key.verify(note.text(), &line.bytes) {
            None => return Err(NoteError::BadSignature(key.name().clone())),
            Some(Statement::Log) => verified.add_log(key),
            Some(Statement::Cosigned { time_s }) => verified.add_cosignature(key, time_s),
        }
    }
    if verified.log.is_empty() && verified.cosigned.is_empty() {
        return Err(NoteError::NoKnownSignature);
    }
    Ok(verified)
}

impl Verified {
    fn add_log(&mut self, key: &VerifierKey) {
        let speaks_for_itself = key.name() == self.checkpoint.origin.key_name();
        if speaks_for_itself && !self.log.contains(key) {
            self.log.push(key.clone());
        }
    }

    fn add_cosignature(&mut self, key: &VerifierKey, time_s: u64) {
        match self.cosigned.iter_mut().find(|old| old.key == *key) {
            Some(old) => old.time_s = old.time_s.max(time_s),
            None => self.cosigned.push(Cosignature {
                key: key.clone(),
                time_s,
            }),
        }
    }
}

/// Why a text is no signed note.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NoteSyntaxError {
    /// More than [`NOTE_BYTES_MAX`] bytes.
    #[error("the note is longer than {NOTE_BYTES_MAX} bytes")]
    TooLong,
    /// A control character that is no LF.
    #[error("the note has a control character")]
    ControlCharacter,
    /// No empty line, or nothing after it.
    #[error("the note has no signatures")]
    NoSignatures,
    /// The last line does not end.
    #[error("the last signature line does not end")]
    Unterminated,
    /// More than [`SIGNATURES_MAX`] lines.
    #[error("the note has more than {SIGNATURES_MAX} signatures")]
    TooManySignatures,
    /// A line without the dash, the name or the signature.
    #[error("a signature line is malformed")]
    SignatureLine,
    /// The name in a signature line.
    #[error("a signature line has no valid name")]
    Name(#[source] NameError),
    /// The base64 in a signature line.
    #[error("a signature is not the base64 of an id and a signature")]
    Signature,
}

/// Why a note is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NoteError {
    /// The known keys cannot be used together.
    #[error("the known keys cannot be used together")]
    Keys(#[source] KeySetError),
    /// The text is no checkpoint.
    #[error("the note is no checkpoint")]
    Checkpoint(#[source] CheckpointError),
    /// A line bears name and id of a known key, and is not by it.
    #[error("the signature of {0} does not hold")]
    BadSignature(KeyName),
    /// None of the known keys signed it.
    #[error("no known key signed the note")]
    NoKnownSignature,
}
