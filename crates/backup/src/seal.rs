//! Encryption of a backup, all of it by the `age` library.

use std::io::{Read, Write};
use std::str::FromStr;

use age::x25519;
use sha2::{Digest, Sha256};

use crate::{BackupError, Place};

/// How the text of every private key of age begins.
const PRIVATE_KEY: &str = "AGE-SECRET-KEY-";

/// Of an age file behind its header: the nonce, and pieces of the contents each with its tag.
const NONCE_BYTES: u64 = 16;
const CHUNK_BYTES: u64 = 64 << 10;
const TAG_BYTES: u64 = 16;

/// Private keys that open a backup.
pub type Identities = Vec<Box<dyn age::Identity + Send + Sync>>;

/// The public keys that a backup is encrypted to; at least one.
#[derive(Clone)]
pub struct Recipients {
    keys: Vec<x25519::Recipient>,
    /// As texts, sorted: what the snapshot records.
    texts: Vec<String>,
}

impl Recipients {
    /// Parses age recipients (`age1…`); `None` when there are none.
    ///
    /// # Errors
    /// [`BackupError::Recipient`] says which of the texts is none. The text is not in it.
    pub fn parse<'a>(
        texts: impl IntoIterator<Item = &'a str>,
    ) -> Result<Option<Self>, BackupError> {
        let mut keys = Vec::new();
        let mut sorted = Vec::new();
        for (before, text) in texts.into_iter().enumerate() {
            let key = x25519::Recipient::from_str(text).map_err(|_| BackupError::Recipient {
                number: before + 1,
                problem: NoRecipient::of(text),
            })?;
            sorted.push(key.to_string());
            keys.push(key);
        }
        sorted.sort();
        sorted.dedup();
        Ok((!keys.is_empty()).then_some(Self {
            keys,
            texts: sorted,
        }))
    }

    /// The recipients as texts, sorted.
    #[must_use]
    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    /// A writer that encrypts into `output`; its `finish` must be called.
    pub(crate) fn wrap<W: Write>(
        &self,
        output: W,
    ) -> std::io::Result<age::stream::StreamWriter<W>> {
        let keys = self.keys.iter().map(|key| key as &dyn age::Recipient);
        // It fails without recipients, or with ones that do not go together; ours are of one kind.
        let encryptor = age::Encryptor::with_recipients(keys).map_err(std::io::Error::other)?;
        encryptor.wrap_output(output)
    }
}

/// Why a text is no recipient. It may be a secret, so it is in none of the words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRecipient {
    /// The secret half of a pair of keys.
    #[error("is a private key; give the public half (age-keygen -y)")]
    PrivateKey,
    /// Anything else.
    #[error("is no age recipient (age1…)")]
    Other,
}

impl NoRecipient {
    fn of(text: &str) -> Self {
        let begins = text.get(..PRIVATE_KEY.len());
        if begins.is_some_and(|begins| begins.eq_ignore_ascii_case(PRIVATE_KEY)) {
            Self::PrivateKey
        } else {
            Self::Other
        }
    }
}

/// The folder of objects for these recipients (sorted texts); without any, of plain objects.
pub(crate) fn folder(texts: &[String]) -> String {
    if texts.is_empty() {
        return "objects".to_owned();
    }
    let digest = Sha256::digest(texts.join("\n").as_bytes());
    format!(
        "sealed-{}",
        hex(digest.as_slice().get(..8).unwrap_or_default())
    )
}

/// Whether an object of so many bytes can hold a file of so many. What encryption adds differs, so of
/// an encrypted one only that it is too short is seen.
pub(crate) fn can_hold(stored: u64, bytes: u64, is_sealed: bool) -> bool {
    if !is_sealed {
        return stored == bytes;
    }
    // An empty file is one empty chunk.
    let tags = bytes.div_ceil(CHUNK_BYTES).max(1).saturating_mul(TAG_BYTES);
    stored >= bytes.saturating_add(tags).saturating_add(NONCE_BYTES)
}

/// A reader of what `input` holds encrypted.
pub(crate) fn open<R: Read>(
    place: &Place,
    object: &str,
    input: R,
    identities: &Identities,
) -> Result<age::stream::StreamReader<R>, BackupError> {
    if identities.is_empty() {
        return Err(BackupError::NoIdentity);
    }
    let failed = |error| match error {
        age::DecryptError::NoMatchingKeys => BackupError::WrongIdentity,
        age::DecryptError::Io(error) => place.unreadable(object, error),
        _ => BackupError::damaged(object, "it does not begin as an age file"),
    };
    let decryptor = age::Decryptor::new(input).map_err(failed)?;
    let keys = identities
        .iter()
        .map(|identity| identity.as_ref() as &dyn age::Identity);
    decryptor.decrypt(keys).map_err(failed)
}

/// Lower-case hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
