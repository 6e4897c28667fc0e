//! One key of a keyring, and what is encrypted of it.

use std::borrow::Cow;
use std::str::FromStr;

use keyssi::KeySsi;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

use crate::exit::{Exit, Failure};

/// What is encrypted has a multiple of this length, so that the length does not tell one type of
/// key from another.
const PADDED_BYTES: usize = 256;

/// The name of a key: 1 to 64 characters of `A-Z a-z 0-9 . _ -`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KeyName(String);

/// The text is not the name of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a name has 1 to 64 letters, digits, '.', '_' and '-'")]
pub(crate) struct KeyNameError;

/// One key of a keyring.
pub(crate) struct Key {
    /// Its name.
    pub(crate) name: KeyName,
    /// The identifier. Secret.
    pub(crate) ssi: KeySsi,
    /// What its owner wrote beside it; possibly empty.
    pub(crate) note: String,
    /// When it was added, in milliseconds since the epoch.
    pub(crate) added_ms: u64,
}

/// What an entry holds. Field order is that of the file.
#[derive(Serialize, Deserialize)]
struct Record<'a> {
    name: Cow<'a, str>,
    keyssi: Cow<'a, str>,
    note: Cow<'a, str>,
    added_ms: u64,
}

impl KeyName {
    /// The name as text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyName {
    type Err = KeyNameError;

    fn from_str(text: &str) -> Result<Self, KeyNameError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let fits = (1..=64).contains(&text.len()) && text.bytes().all(allowed);
        fits.then(|| Self(text.to_owned())).ok_or(KeyNameError)
    }
}

impl Key {
    /// What is encrypted.
    ///
    /// # Errors
    /// [`Exit::Local`] if it cannot be written as JSON, which has no cause that we know.
    pub(super) fn to_plaintext(&self) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let wrapped = self.ssi.wrapped();
        let record = Record {
            name: self.name.as_str().into(),
            keyssi: wrapped.as_str().into(),
            note: self.note.as_str().into(),
            added_ms: self.added_ms,
        };
        // Room for all at once (escapes take up to six characters), so that no secret stays in an
        // old buffer.
        let room = wrapped.len() + 6 * self.note.len() + 2 * PADDED_BYTES;
        let mut plaintext = Zeroizing::new(Vec::with_capacity(room));
        serde_json::to_writer(&mut *plaintext, &record).map_err(|error| {
            Failure::new(Exit::Local, "the key cannot be written as JSON")
                .because(error)
                .next("report this as a fault of kiln")
        })?;
        let padded = plaintext.len().next_multiple_of(PADDED_BYTES);
        plaintext.resize(padded, b' ');
        Ok(plaintext)
    }

    /// Reads what was encrypted; `None` if it is something else.
    pub(super) fn from_plaintext(plaintext: &[u8]) -> Option<Self> {
        let mut record: Record<'_> = serde_json::from_slice(plaintext).ok()?;
        let ssi = KeySsi::parse(&record.keyssi).ok();
        record.keyssi.to_mut().zeroize();
        Some(Self {
            name: record.name.parse().ok()?,
            ssi: ssi?,
            note: record.note.into_owned(),
            added_ms: record.added_ms,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_1_to_64_plain_characters() {
        let longest = "x".repeat(64);
        for good in ["a", "Patient_7.b-c", &longest] {
            assert!(good.parse::<KeyName>().is_ok(), "{good}");
        }
        let long = "x".repeat(65);
        for bad in ["", "a b", "a/b", "@a", "ä", "a\n", &long] {
            assert_eq!(bad.parse::<KeyName>(), Err(KeyNameError), "{bad}");
        }
    }

    #[test]
    fn what_is_encrypted_is_read_and_its_length_tells_little() {
        let lengths = ["seed", "sread"].map(|kind| {
            let ssi = KeySsi::parse(&format!("ssi:{kind}:default:c2VjcmV0::v0")).unwrap();
            let note = "ward \"3\"\n".to_owned();
            let key = Key {
                name: "a".parse().unwrap(),
                ssi,
                note,
                added_ms: 7,
            };
            let plaintext = key.to_plaintext().unwrap();
            let read = Key::from_plaintext(&plaintext).unwrap();
            assert_eq!((read.name, read.ssi), (key.name, key.ssi));
            assert_eq!((read.note, read.added_ms), (key.note, 7));
            plaintext.len()
        });
        assert_eq!(lengths, [256, 256]);
    }
}
