//! Public keys of logs (Ed25519 over the checkpoint) and of witnesses (Ed25519 over time and checkpoint).
//!
//! ```text
//! key id  = SHA-256(name || 0x0A || type || public key)[0..4]
//! vkey    = <name>+<key id, 8 hex digits>+<base64(type || public key)>
//! ```
//!
//! **Source:** `translog.md` §4 and §8; C2SP signed-note and tlog-cosignature.

use std::fmt;

use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::{SignatureLine, text};

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
    pub(crate) const fn byte(self) -> u8 {
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
        let (kind, public) = typed_key(&bytes)?;
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

    pub(crate) fn new(name: KeyName, kind: KeyKind, public: VerifyingKey) -> Self {
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
pub(crate) fn cosigned_message(body: &str, time_s: u64) -> String {
    format!("cosignature/v1\ntime {time_s}\n{body}")
}

/// A type byte that is known and 32 bytes.
pub(crate) fn typed_key(bytes: &[u8]) -> Result<(KeyKind, [u8; 32]), KeyError> {
    let (&byte, key) = bytes.split_first().ok_or(KeyError::Malformed)?;
    let kind = KeyKind::from_byte(byte).ok_or(KeyError::Type(byte))?;
    let key = key.try_into().map_err(|_| KeyError::Malformed)?;
    Ok((kind, key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LogKey, Origin, WitnessKey};

    const LOG: &str =
        "anchors.example/default+2b1a01bb+AU0MMDS+gBHPu5NgKs1EVJYY450cLHMKuh/lDTIY8FZL";
    const WITNESS: &str =
        "witness.example/w1+50e42388+BLwil4xpElNRR4wONqXupHaFJxXMem4pXeLT5PffPVW3";

    /// The vkey of these parts with the id that belongs to them.
    fn vkey(name: &str, typed: &[u8]) -> String {
        let mut hash = Sha256::new();
        hash.update(name);
        hash.update(b"\n");
        hash.update(typed);
        let [a, b, c, d, ..] = <[u8; 32]>::from(hash.finalize());
        let (id, key) = (text::id_text([a, b, c, d]), text::base64_text(typed));
        format!("{name}+{id}+{key}")
    }

    #[test]
    fn a_vkey_is_given_back_byte_for_byte() {
        for (vkey, name, id, kind) in [
            (
                LOG,
                "anchors.example/default",
                [0x2b, 0x1a, 0x01, 0xbb],
                KeyKind::Log,
            ),
            (
                WITNESS,
                "witness.example/w1",
                [0x50, 0xe4, 0x23, 0x88],
                KeyKind::Witness,
            ),
        ] {
            let key = VerifierKey::parse(vkey).unwrap();
            assert_eq!(key.to_string(), vkey);
            assert_eq!((key.name().as_str(), key.id()), (name, id));
            assert_eq!(key.kind(), kind);
        }
    }

    #[test]
    fn no_single_change_of_a_vkey_is_taken_for_a_key() {
        for vkey in [LOG, WITNESS] {
            for (place, old) in vkey.char_indices() {
                for new in "A0z+/= \n\u{e9}".chars().filter(|new| *new != old) {
                    let mut text = vkey.to_owned();
                    text.replace_range(place..=place, new.encode_utf8(&mut [0; 4]));
                    assert!(VerifierKey::parse(&text).is_err(), "{text:?}");
                }
                let mut shorter = vkey.to_owned();
                shorter.remove(place);
                assert!(VerifierKey::parse(&shorter).is_err(), "{shorter:?}");
            }
            // The same id in capitals is another text.
            let capitals = vkey.replace("bb+", "BB+").replace("+50e4", "+50E4");
            assert_eq!(VerifierKey::parse(&capitals), Err(KeyError::Id));
        }
    }

    #[test]
    fn what_is_no_key_is_named() {
        let check = |vkey: &str, expected: KeyError| {
            assert_eq!(VerifierKey::parse(vkey), Err(expected), "{vkey}");
        };
        let key = VerifierKey::parse(LOG).unwrap();
        let typed = |byte: u8| [&[byte], key.public_key().as_slice()].concat();
        assert_eq!(vkey("anchors.example/default", &typed(0x01)), LOG);
        for byte in [0x00, 0x02, 0x03, 0x05, 0x06, 0xff] {
            check(&vkey("a", &typed(byte)), KeyError::Type(byte));
        }
        check("", KeyError::Malformed);
        check("a", KeyError::Malformed);
        check("a+2b1a01bb", KeyError::Malformed);
        check(&vkey("a", &[]), KeyError::Malformed);
        check(&vkey("a", &[1; 32]), KeyError::Malformed);
        check(
            &vkey("a", &[typed(1), vec![0]].concat()),
            KeyError::Malformed,
        );
        check(&vkey("", &typed(1)), KeyError::Name(NameError::Empty));
        check(
            &vkey("a b", &typed(1)),
            KeyError::Name(NameError::Forbidden),
        );
        // No point of the curve; the neutral point, with which anyone can sign anything.
        let mut point = [0; 33];
        point[0] = 1;
        point[1] = 2;
        check(&vkey("a", &point), KeyError::Point);
        point[1] = 1;
        check(&vkey("a", &point), KeyError::Point);
    }

    #[test]
    fn keys_that_could_be_mistaken_are_refused_together() {
        let origin = |text| Origin::parse(text).unwrap();
        let log = |name, seed| {
            LogKey::from_seed(&origin(name), &[seed; 32])
                .verifier()
                .clone()
        };
        let witness = |name, seed| {
            let name = KeyName::parse(name).unwrap();
            WitnessKey::from_seed(&name, &[seed; 32]).verifier().clone()
        };
        let check = |keys: &[VerifierKey], expected: Result<(), (&str, &str)>| {
            let name = |text| KeyName::parse(text).unwrap();
            let expected = expected.map_err(|(a, b)| KeySetError::Shared(name(a), name(b)));
            assert_eq!(check_key_set(keys), expected);
        };
        check(&[], Ok(()));
        check(
            &[log("a", 1), witness("w", 2), log("a", 3), witness("w", 4)],
            Ok(()),
        );
        check(&[witness("w", 2), log("a", 1), witness("w", 2)], Ok(()));
        // One key for two logs: each of its signatures names the log.
        check(&[log("a", 1), log("b", 1)], Ok(()));
        check(&[log("a", 1), witness("w", 1)], Err(("a", "w")));
        check(
            &[log("a", 1), log("b", 2), witness("a", 1)],
            Err(("a", "a")),
        );
        check(
            &[witness("w", 1), log("b", 2), witness("v", 1)],
            Err(("w", "v")),
        );
        let mut same_id = log("a", 2);
        same_id.id = log("a", 1).id;
        let ambiguous = KeySetError::Ambiguous(KeyName::parse("a").unwrap());
        assert_eq!(check_key_set(&[log("a", 1), same_id]), Err(ambiguous));
    }
}
