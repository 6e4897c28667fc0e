//! One element of a file's `hashLinks`: a brick, or the size of a big file.
//!
//! **Source:** dsu specification §3.

use std::fmt;

use keyssi::json::{JsText, Json, Object};
use keyssi::{KeySsi, SsiError};
use thiserror::Error;

const HASH_LINK: &str = "hashLink";
const KEY: &str = "key";
/// What the SDK calls the key in its operation log.
const LOGGED_KEY: &str = "encryptionKey";
const SIZE: &str = "size";

/// One element of `hashLinks`. Unknown members are kept. `Debug` shows no keys.
#[derive(Clone, PartialEq)]
pub struct Entry(Object);

/// An entry holds something that is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EntryError {
    /// The member is not text.
    #[error("the entry's `{member}` is not text")]
    NotText {
        /// `hashLink`, `key` or `size`.
        member: &'static str,
    },
    /// The member is not an identifier.
    #[error("the entry's `{member}` is not an identifier")]
    NotAnIdentifier {
        /// `hashLink`, `key` or `size`.
        member: &'static str,
        /// Why not.
        #[source]
        source: SsiError,
    },
}

impl Entry {
    /// A brick: where it lies and, if it is encrypted, its key.
    #[must_use]
    pub fn brick(hash_link: &KeySsi, key: Option<&KeySsi>) -> Self {
        let mut members = Object::new();
        members.set(HASH_LINK, hash_link.wrapped().as_str());
        if let Some(key) = key {
            members.set(KEY, key.wrapped().as_str());
        }
        Self(members)
    }

    /// The first entry of a big file: its `ssi:size:…`.
    #[must_use]
    pub fn size_of(size: &KeySsi) -> Self {
        let mut members = Object::new();
        members.set(SIZE, size.wrapped().as_str());
        Self(members)
    }

    /// The hash link (`hl`, or `embed` with the data in it); `None` for a size.
    ///
    /// # Errors
    /// [`EntryError`] if the member is not an identifier.
    pub fn hash_link(&self) -> Result<Option<KeySsi>, EntryError> {
        self.identifier(HASH_LINK)
    }

    /// The key of the brick; `None` if it is stored in clear. (The SDK leaves the
    /// key under the name of its operation log when the last brick of a big file
    /// is replaced.)
    ///
    /// # Errors
    /// [`EntryError`] if the member is not an identifier.
    pub fn key(&self) -> Result<Option<KeySsi>, EntryError> {
        match self.identifier(KEY)? {
            None => self.identifier(LOGGED_KEY),
            key => Ok(key),
        }
    }

    /// The size of a big file; `None` for a brick.
    ///
    /// # Errors
    /// [`EntryError`] if the member is not an identifier.
    pub fn size(&self) -> Result<Option<KeySsi>, EntryError> {
        self.identifier(SIZE)
    }

    pub(crate) const fn from_object(members: Object) -> Self {
        Self(members)
    }

    /// The entry that the SDK makes of a brick in its operation log.
    pub(crate) fn from_logged(brick: &Object) -> Self {
        let mut members = Object::new();
        let names = [
            ("checkSum", "checkSum"),
            (HASH_LINK, HASH_LINK),
            (SIZE, SIZE),
            (LOGGED_KEY, KEY),
            (KEY, KEY),
        ];
        for (logged, name) in names {
            if let Some(value) = brick.get(logged) {
                members.insert(JsText::new(name), value.clone());
            }
        }
        Self(members)
    }

    pub(crate) fn into_json(self) -> Json {
        Json::Object(self.0)
    }

    fn identifier(&self, member: &'static str) -> Result<Option<KeySsi>, EntryError> {
        let Some(value) = self.0.get(member) else {
            return Ok(None);
        };
        let text = value.as_text().ok_or(EntryError::NotText { member })?;
        KeySsi::parse_stored(&text)
            .map(Some)
            .map_err(|source| EntryError::NotAnIdentifier { member, source })
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Keys are secret, and so is an `embed` link: the data are in it.
        let members = self.0.iter().map(|(name, _)| name);
        f.debug_set().entries(members).finish()
    }
}
