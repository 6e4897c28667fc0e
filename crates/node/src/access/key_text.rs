//! The text of an API key: `kiln_<id>_<secret><checksum>`, in lower-case hexadecimal digits.
//!
//! ```text
//! kiln_  0123456789ab  _  64 digits: the secret, 32 random bytes  8 digits: checksum
//!        id, 6 random bytes                                       SHA-256("kiln api key" ‖ id ‖ secret), first 4 bytes
//! ```
//!
//! It has one length and one form, so that scanners for leaked secrets recognise it
//! (`kiln_[0-9a-f]{12}_[0-9a-f]{72}`), and it needs no escapes in URLs, headers or shells. The
//! checksum is no protection: it tells a typing error from a wrong key before anything is looked
//! up.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

const PREFIX: &str = "kiln_";
const ID_BYTES: usize = 6;
const SECRET_BYTES: usize = 32;
const CHECKSUM_BYTES: usize = 4;

/// Names a key; not secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; ID_BYTES]);

/// A whole key, as its holder has it. Wiped when dropped; `Debug` shows the id only.
pub struct KeyText {
    id: KeyId,
    secret: Zeroizing<[u8; SECRET_BYTES]>,
}

/// The text is no key of ours; none of it is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyTextError {
    /// It does not look like one.
    #[error("it does not have the form of a key, kiln_<12 digits>_<72 digits>")]
    Form,
    /// It looks like one, but a digit is wrong.
    #[error("it was mistyped or cut: its checksum is wrong")]
    Checksum,
}

impl KeyText {
    /// A new key.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub fn random() -> Result<Self, getrandom::Error> {
        let (mut id, mut secret) = ([0; ID_BYTES], Zeroizing::new([0; SECRET_BYTES]));
        getrandom::fill(&mut id)?;
        getrandom::fill(secret.as_mut_slice())?;
        Ok(Self {
            id: KeyId(id),
            secret,
        })
    }

    /// Reads a key.
    ///
    /// # Errors
    /// [`KeyTextError`].
    pub fn parse(text: &str) -> Result<Self, KeyTextError> {
        let rest = text.strip_prefix(PREFIX).ok_or(KeyTextError::Form)?;
        let (id, tail) = rest.split_once('_').ok_or(KeyTextError::Form)?;
        let id: KeyId = id.parse()?;
        let mut bytes = Zeroizing::new([0; SECRET_BYTES + CHECKSUM_BYTES]);
        read_hex(tail, bytes.as_mut_slice())?;
        let (secret, checksum) = bytes.split_at(SECRET_BYTES);
        let mut key = Self {
            id,
            secret: Zeroizing::new([0; SECRET_BYTES]),
        };
        key.secret.copy_from_slice(secret);
        if key.checksum().as_slice() != checksum {
            return Err(KeyTextError::Checksum);
        }
        Ok(key)
    }

    /// Which key it is.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// What is stored of the secret. It is 32 random bytes, so no slower hash is needed.
    #[must_use]
    pub fn secret_hash(&self) -> [u8; 32] {
        Sha256::digest(self.secret.as_slice()).into()
    }

    /// The text, for its holder and nobody else.
    #[must_use]
    pub fn reveal(&self) -> Zeroizing<String> {
        let digits = 2 * (ID_BYTES + SECRET_BYTES + CHECKSUM_BYTES);
        // Room from the start, since a buffer that grows leaves copies behind.
        let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + digits + 1));
        text.push_str(PREFIX);
        push_hex(&mut text, &self.id.0);
        text.push('_');
        push_hex(&mut text, self.secret.as_slice());
        push_hex(&mut text, &self.checksum());
        text
    }

    /// A key of this id with another secret, as somebody would guess it.
    #[cfg(test)]
    pub(crate) fn guess(id: KeyId) -> Self {
        Self {
            id,
            ..Self::random().unwrap()
        }
    }

    fn checksum(&self) -> [u8; CHECKSUM_BYTES] {
        let mut hash = Sha256::new_with_prefix(b"kiln api key");
        hash.update(self.id.0);
        hash.update(self.secret.as_slice());
        let mut first = [0; CHECKSUM_BYTES];
        for (to, from) in first.iter_mut().zip(hash.finalize()) {
            *to = from;
        }
        first
    }
}

impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyText({}, secret)", self.id)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl FromStr for KeyId {
    type Err = KeyTextError;

    fn from_str(text: &str) -> Result<Self, KeyTextError> {
        let mut id = [0; ID_BYTES];
        read_hex(text, &mut id)?;
        Ok(Self(id))
    }
}

/// Fills `bytes` from exactly as many pairs of lower-case digits.
fn read_hex(text: &str, bytes: &mut [u8]) -> Result<(), KeyTextError> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        _ => Err(KeyTextError::Form),
    };
    if text.len() != bytes.len() * 2 {
        return Err(KeyTextError::Form);
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let [high, low] = pair else {
            return Err(KeyTextError::Form);
        };
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Ok(())
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        for nibble in [byte >> 4, byte & 0xf] {
            text.push(char::from_digit(nibble.into(), 16).unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_is_written() {
        let key = KeyText::random().unwrap();
        let text = key.reveal();
        assert_eq!(text.len(), 5 + 12 + 1 + 72);
        let read = KeyText::parse(&text).unwrap();
        assert_eq!(
            (read.id(), read.secret_hash()),
            (key.id(), key.secret_hash())
        );
        assert_eq!(format!("{key:?}"), format!("KeyText({}, secret)", key.id()));
        assert_ne!(*KeyText::random().unwrap().reveal(), *text);
    }

    #[test]
    fn every_wrong_digit_is_noticed() {
        let text = KeyText::random().unwrap().reveal();
        for place in 0..text.len() {
            let mut bytes = text.as_bytes().to_vec();
            bytes[place] = if bytes[place] == b'0' { b'1' } else { b'0' };
            let altered = String::from_utf8(bytes).unwrap();
            let expected = match place {
                0..5 | 17 => KeyTextError::Form,
                _ => KeyTextError::Checksum,
            };
            assert_eq!(KeyText::parse(&altered).unwrap_err(), expected, "{place}");
        }
        for wrong in [
            "",
            "kiln_",
            "kiln__",
            &text[..text.len() - 1],
            &text.to_uppercase(),
            &format!("{}0", *text),
            &format!(" {}", *text),
        ] {
            assert_eq!(
                KeyText::parse(wrong).unwrap_err(),
                KeyTextError::Form,
                "{wrong}"
            );
        }
    }
}
