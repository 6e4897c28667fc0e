//! Encryption of a backup, all of it by the `age` library.

use std::io::{Read, Write};
use std::str::FromStr;

use age::x25519;
use sha2::{Digest, Sha256};

use crate::{BackupError, Place};

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
    /// [`BackupError::Recipient`] names the text that is none.
    pub fn parse<'a>(
        texts: impl IntoIterator<Item = &'a str>,
    ) -> Result<Option<Self>, BackupError> {
        let mut keys = Vec::new();
        let mut sorted = Vec::new();
        for text in texts {
            let key = x25519::Recipient::from_str(text).map_err(|_| BackupError::Recipient {
                text: text.to_owned(),
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
