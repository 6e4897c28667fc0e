//! Keys of logs (Ed25519 over the checkpoint) and of witnesses (Ed25519 over time and checkpoint).
//!
//! ```text
//! key id  = SHA-256(name || 0x0A || type || public key)[0..4]
//! vkey    = <name>+<key id, 8 hex digits>+<base64(type || public key)>
//! secret  = PRIVATE+KEY+<name>+<key id, 8 hex digits>+<base64(type || seed)>
//! ```
//!
//! Randomness is the caller's: keys are made from seeds.
//!
//! **Source:** `translog.md` §4 and §8; C2SP signed-note and tlog-cosignature. The secret form is
//! that of the Go package `golang.org/x/mod/sumdb/note`.

use std::fmt;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{Checkpoint, Origin, SignatureLine, text};

/// The name of a key: of the log (its origin) or of the witness.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(String);

impl KeyName {
    /// The longest name, in bytes: what the ML-DSA cosignatures of C2SP can carry.
    pub const BYTES_MAX: usize = 255;

    /// Reads a name: not empty, no Unicode white space, no `+`, no control character.
    ///
    /// # Errors
    /// [`NameError`] says what stands in the way.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.len() > Self::BYTES_MAX {
            return Err(NameError::TooLong);
        }
        if text.contains(|c: char| c == '+' || c.is_whitespace() || c.is_control()) {
            return Err(NameError::Forbidden);
        }
        Ok(Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyKind {
    /// Type 0x01: the checkpoint.
    Log,
    /// Type 0x04: the checkpoint and the time at which it was seen.
    Witness,
}

impl KeyKind {
    /// The type byte of signed notes.
    const fn byte(self) -> u8 {
        match self {
            Self::Log => 0x01,
            Self::Witness => 0x04,
        }
    }

    /// How many bytes of a signature stand after the key id.
    const fn signature_bytes(self) -> usize {
        match self {
            Self::Log => 64,
            Self::Witness => 8 + 64,
        }
    }

    fn from_byte(byte: u8) -> Option<Self> {
        [Self::Log, Self::Witness]
            .into_iter()
            .find(|kind| kind.byte() == byte)
    }
}

/// A public key with its name. `Display` is the vkey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: KeyName,
    kind: KeyKind,
    id: [u8; 4],
    public: VerifyingKey,
}

impl VerifierKey {
    /// Reads a vkey of a log (type 0x01) or of a witness (type 0x04).
    ///
    /// # Errors
    /// [`KeyError`]: malformed, of another type, an id that is not this key's, or no usable point.
    pub fn parse(vkey: &str) -> Result<Self, KeyError> {
        let mut parts = vkey.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(KeyError::Malformed);
        };
        let name = KeyName::parse(name).map_err(KeyError::Name)?;
        let bytes = text::base64_bytes(key).ok_or(KeyError::Malformed)?;
        let (kind, public) = typed(&bytes)?;
        let public = VerifyingKey::from_bytes(&public).map_err(|_| KeyError::Point)?;
        if public.is_weak() {
            return Err(KeyError::Point);
        }
        let key = Self::new(name, kind, public);
        if text::id_text(key.id) == id {
            Ok(key)
        } else {
            Err(KeyError::Id)
        }
    }

    /// The name, in a log's key its origin.
    #[must_use]
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// The first bytes of the hash of name, type and key. Not unique: an identifier, no proof.
    #[must_use]
    pub fn id(&self) -> [u8; 4] {
        self.id
    }

    /// What it signs.
    #[must_use]
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The 32 bytes of the Ed25519 public key.
    #[must_use]
    pub fn public_key(&self) -> &[u8; 32] {
        self.public.as_bytes()
    }

    /// Whether this line claims to be by this key.
    pub(crate) fn is_named_by(&self, line: &SignatureLine) -> bool {
        self.id == line.id && self.name == line.name
    }

    /// Checks what stands after the key id in a signature line, for a note with this text.
    pub(crate) fn verify(&self, note_text: &str, bytes: &[u8]) -> Option<Statement> {
        if bytes.len() != self.kind.signature_bytes() {
            return None;
        }
        let (statement, signature) = match self.kind {
            KeyKind::Log => (Statement::Log, bytes),
            KeyKind::Witness => {
                let (time, signature) = bytes.split_first_chunk::<8>()?;
                let time_s = u64::from_be_bytes(*time);
                (Statement::Cosigned { time_s }, signature)
            }
        };
        let message = match statement {
            Statement::Log => note_text.to_owned(),
            Statement::Cosigned { time_s } if time_s > COSIGNATURE_TIME_S_MAX => return None,
            Statement::Cosigned { time_s } => cosigned_message(note_text, time_s),
        };
        let signature = Signature::from_slice(signature).ok()?;
        // Strict: one meaning of a signature in every implementation, no point of small order.
        self.public
            .verify_strict(message.as_bytes(), &signature)
            .ok()?;
        Some(statement)
    }

    fn new(name: KeyName, kind: KeyKind, public: VerifyingKey) -> Self {
        let mut hash = Sha256::new();
        hash.update(name.as_str());
        hash.update([b'\n', kind.byte()]);
        hash.update(public.as_bytes());
        let [a, b, c, d, ..] = <[u8; 32]>::from(hash.finalize());
        Self {
            name,
            kind,
            id: [a, b, c, d],
            public,
        }
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut typed = vec![self.kind.byte()];
        typed.extend(self.public.as_bytes());
        let (id, key) = (text::id_text(self.id), text::base64_text(&typed));
        write!(f, "{}+{id}+{key}", self.name)
    }
}

/// The secret key of a log. It signs what it is given: that no two of its checkpoints contradict
/// each other is upon whoever holds it.
#[derive(Clone)]
pub struct LogKey(SecretKey);

impl LogKey {
    /// The key of this log made from 32 secret random bytes.
    #[must_use]
    pub fn from_seed(origin: &Origin, seed: &[u8; 32]) -> Self {
        let name = origin.key_name().clone();
        Self(SecretKey::new(name, KeyKind::Log, seed))
    }

    /// Reads the secret text form.
    ///
    /// # Errors
    /// [`KeyError`], which never holds the text.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        SecretKey::parse(text, KeyKind::Log).map(Self)
    }

    /// The secret text form, wiped when dropped.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        self.0.to_text()
    }

    /// The public key.
    #[must_use]
    pub fn verifier(&self) -> &VerifierKey {
        &self.0.verifier
    }

    /// Signs a checkpoint of this log. A checkpoint with another origin than the key's name is
    /// signed too, but no verifier takes that for a log's signature.
    #[must_use]
    pub fn sign(&self, checkpoint: &Checkpoint) -> SignatureLine {
        let signature = self.0.signing.sign(checkpoint.to_string().as_bytes());
        self.0.line(signature.to_bytes().to_vec())
    }
}

impl fmt::Debug for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogKey({})", self.0.verifier)
    }
}

/// The secret key of a witness, which may serve this one witness and nothing else.
#[derive(Clone)]
pub struct WitnessKey(SecretKey);

impl WitnessKey {
    /// The key of this witness made from 32 secret random bytes.
    #[must_use]
    pub fn from_seed(name: &KeyName, seed: &[u8; 32]) -> Self {
        Self(SecretKey::new(name.clone(), KeyKind::Witness, seed))
    }

    /// Reads the secret text form.
    ///
    /// # Errors
    /// [`KeyError`], which never holds the text.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        SecretKey::parse(text, KeyKind::Witness).map(Self)
    }

    /// The secret text form, wiped when dropped.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        self.0.to_text()
    }

    /// The public key.
    #[must_use]
    pub fn verifier(&self) -> &VerifierKey {
        &self.0.verifier
    }

    /// Says that at this time (POSIX seconds) the checkpoint was the newest and largest seen, and
    /// consistent with all seen before.
    #[must_use]
    pub fn cosign(&self, checkpoint: &Checkpoint, time_s: u64) -> SignatureLine {
        let message = cosigned_message(&checkpoint.to_string(), time_s);
        let signature = self.0.signing.sign(message.as_bytes());
        let mut bytes = time_s.to_be_bytes().to_vec();
        bytes.extend(signature.to_bytes());
        self.0.line(bytes)
    }
}

impl fmt::Debug for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WitnessKey({})", self.0.verifier)
    }
}

/// Why a text is no name of a key or log.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NameError {
    /// Nothing there.
    #[error("the name is empty")]
    Empty,
    /// More than [`KeyName::BYTES_MAX`] bytes.
    #[error("the name is longer than {} bytes", KeyName::BYTES_MAX)]
    TooLong,
    /// White space, `+` or a control character.
    #[error("the name has white space, a plus sign or a control character")]
    Forbidden,
}

/// Why a text is no key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Not the parts or the base64 that a key has.
    #[error("the key is malformed")]
    Malformed,
    /// The name in it.
    #[error("the name in the key is not valid")]
    Name(#[source] NameError),
    /// A type of signature that is not known here, or another than asked for.
    #[error("keys of type 0x{0:02x} are not accepted here")]
    Type(u8),
    /// The bytes are not a point that signatures can be checked with.
    #[error("the key is not a usable Ed25519 public key")]
    Point,
    /// The id is not the one of this name, type and key.
    #[error("the id in the key is not that of the key")]
    Id,
}

/// Why keys cannot be trusted side by side.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeySetError {
    /// One public key as log and witness, or as two witnesses: what one signs could be passed off
    /// as the other's word.
    #[error("{0} and {1} are one key")]
    Shared(KeyName, KeyName),
    /// Two keys with one name and one id.
    #[error("two keys of {0} have the same id")]
    Ambiguous(KeyName),
}

/// What a verified signature says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Statement {
    Log,
    Cosigned { time_s: u64 },
}

/// Checks that none of the keys can be taken for another. The same key twice is harmless.
pub(crate) fn check_key_set(keys: &[VerifierKey]) -> Result<(), KeySetError> {
    let mut rest = keys;
    while let Some((one, others)) = rest.split_first() {
        rest = others;
        for other in others.iter().filter(|other| *other != one) {
            let logs = one.kind == KeyKind::Log && other.kind == KeyKind::Log;
            if one.public == other.public && !logs {
                let names = (one.name.clone(), other.name.clone());
                return Err(KeySetError::Shared(names.0, names.1));
            }
            if one.id == other.id && one.name == other.name {
                return Err(KeySetError::Ambiguous(one.name.clone()));
            }
        }
    }
    Ok(())
}

/// The latest time of a cosignature (C2SP tlog-cosignature).
const COSIGNATURE_TIME_S_MAX: u64 = i64::MAX as u64;

/// What a witness signs.
fn cosigned_message(body: &str, time_s: u64) -> String {
    format!("cosignature/v1\ntime {time_s}\n{body}")
}

/// A type byte that is known and 32 bytes.
fn typed(bytes: &[u8]) -> Result<(KeyKind, [u8; 32]), KeyError> {
    let (&byte, key) = bytes.split_first().ok_or(KeyError::Malformed)?;
    let kind = KeyKind::from_byte(byte).ok_or(KeyError::Type(byte))?;
    let key = key.try_into().map_err(|_| KeyError::Malformed)?;
    Ok((kind, key))
}

/// A signing key (wiped when dropped) with its public half.
#[derive(Clone)]
struct SecretKey {
    signing: SigningKey,
    verifier: VerifierKey,
}

impl SecretKey {
    const PREFIX: &str = "PRIVATE+KEY+";

    fn new(name: KeyName, kind: KeyKind, seed: &[u8; 32]) -> Self {
        let signing = SigningKey::from_bytes(seed);
        let verifier = VerifierKey::new(name, kind, signing.verifying_key());
        Self { signing, verifier }
    }

    fn parse(text: &str, expected: KeyKind) -> Result<Self, KeyError> {
        let rest = text.strip_prefix(Self::PREFIX);
        let mut parts = rest.ok_or(KeyError::Malformed)?.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(KeyError::Malformed);
        };
        let name = KeyName::parse(name).map_err(KeyError::Name)?;
        let bytes = text::base64_bytes(key).map(Zeroizing::new);
        let (kind, seed) = typed(&bytes.ok_or(KeyError::Malformed)?)?;
        let seed = Zeroizing::new(seed);
        if kind != expected {
            return Err(KeyError::Type(kind.byte()));
        }
        let key = Self::new(name, kind, &seed);
        if text::id_text(key.verifier.id) == id {
            Ok(key)
        } else {
            Err(KeyError::Id)
        }
    }

    fn to_text(&self) -> Zeroizing<String> {
        let mut typed = Zeroizing::new([0; 33]);
        if let Some((first, seed)) = typed.split_first_mut() {
            *first = self.verifier.kind.byte();
            seed.copy_from_slice(self.signing.as_bytes());
        }
        let key = Zeroizing::new(text::base64_text(typed.as_slice()));
        let (name, id) = (&self.verifier.name, text::id_text(self.verifier.id));
        // In one allocation, for one that grows would leave a copy behind.
        let bytes = Self::PREFIX.len() + name.as_str().len() + id.len() + key.len() + 2;
        let mut text = Zeroizing::new(String::with_capacity(bytes));
        for part in [Self::PREFIX, name.as_str(), "+", &id, "+", &key] {
            text.push_str(part);
        }
        text
    }

    fn line(&self, bytes: Vec<u8>) -> SignatureLine {
        SignatureLine {
            name: self.verifier.name.clone(),
            id: self.verifier.id,
            bytes,
        }
    }
}
