//! The id of an anchor, as a server accepts it.
//!
//! **Source:** keyssi specification §1.2 (table), §1.3, §1.4, §6.2, §7.8.

use std::fmt;

use thiserror::Error;

use crate::domain::{Domain, DomainError};
use crate::keys::{PUBLIC_RAW_BYTES, PublicKey};
use crate::ssi::{self, Segments, SsiError};
use crate::{base58, base64};

/// Longest wrapped form: ids are file names in the reference's storage.
const WRAPPED_CHARS_MAX: usize = 255;
/// Longest base58 text of the 32 bytes of a hash.
const HASH_CHARS_MAX: usize = 44;

/// The two kinds of anchors that a server keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AnchorKind {
    /// `sza`: every entry is signed.
    Signed,
    /// `cza`: one unsigned entry, never followed by another.
    Constant,
}

/// The canonical id of an anchor: one text per anchor, safe as a key.
///
/// Equality, order and hash are those of the wrapped text.
#[derive(Clone)]
pub struct AnchorId {
    wrapped: Box<str>,
    plain: Box<str>,
    domain: Domain,
    /// The owner's key of a signed anchor.
    key: Option<PublicKey>,
}

/// The text is not the canonical id of an anchor.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AnchorIdError {
    /// Contains a colon. Ids are taken in the wrapped form only.
    #[error("an anchor id is base58 text, not plain text")]
    NotWrapped,
    /// Longer than 255 characters.
    #[error("an anchor id has at most {WRAPPED_CHARS_MAX} characters, found {found}")]
    TooLong {
        /// Length of the text in bytes.
        found: usize,
    },
    /// Not base58, an alias with leading `1`, or not UTF-8 inside.
    #[error("an anchor id is a wrapped identifier")]
    NotAnIdentifier(#[source] SsiError),
    /// Prefix, number of segments or version differ from `ssi:…:v0`.
    #[error("an anchor id has six segments from 'ssi' to 'v0'")]
    WrongShape,
    /// Anything after `v0`.
    #[error("an anchor id has no hint")]
    Hint,
    /// Not `sza` or `cza`.
    #[error("an anchor id is of type 'sza' or 'cza'")]
    WrongKind,
    /// A domain that a server does not serve, `$NAME` included.
    #[error("the domain of the anchor id is malformed")]
    BadDomain(#[source] DomainError),
    /// A `sza` without the one canonical text of a point of the curve.
    #[error("the control field of a 'sza' is the base64 of a public key and its only key")]
    BadKey,
    /// A `cza` without the text of a hash.
    #[error("the specific field of a 'cza' is the base58 of a hash")]
    BadHash,
}

impl AnchorId {
    /// Reads the wrapped form, which must be the canonical one.
    ///
    /// # Errors
    /// [`AnchorIdError`] says which rule the text breaks.
    pub fn parse_wrapped(text: &str) -> Result<Self, AnchorIdError> {
        if !ssi::is_wrapped(text) {
            return Err(AnchorIdError::NotWrapped);
        }
        if text.len() > WRAPPED_CHARS_MAX {
            return Err(AnchorIdError::TooLong { found: text.len() });
        }
        let plain = ssi::unwrap(text).map_err(AnchorIdError::NotAnIdentifier)?;
        Self::from_canonical(text, &plain)
    }

    /// Reads the plain form, for callers that hold one of their own making.
    ///
    /// # Errors
    /// [`AnchorIdError`] says which rule the text breaks.
    pub fn parse_plain(plain: &str) -> Result<Self, AnchorIdError> {
        if plain.len() > WRAPPED_CHARS_MAX {
            return Err(AnchorIdError::TooLong { found: plain.len() });
        }
        Self::parse_wrapped(&base58::encode(plain.as_bytes()))
    }

    /// The wrapped text: what is stored, sent and compared.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.wrapped
    }

    /// The plain text: what is signed.
    #[must_use]
    pub fn plain(&self) -> &str {
        &self.plain
    }

    /// The domain that the anchor belongs to.
    #[must_use]
    pub const fn domain(&self) -> &Domain {
        &self.domain
    }

    /// Whether entries are signed.
    #[must_use]
    pub const fn kind(&self) -> AnchorKind {
        match self.key {
            Some(_) => AnchorKind::Signed,
            None => AnchorKind::Constant,
        }
    }

    /// The key of the first owner of a signed anchor.
    #[must_use]
    pub const fn public_key(&self) -> Option<&PublicKey> {
        self.key.as_ref()
    }

    /// Judges a plain text and takes it with the wrapped text it came from.
    fn from_canonical(wrapped: &str, plain: &str) -> Result<Self, AnchorIdError> {
        let segments = Segments::of(plain);
        let (Some(domain), Some(specific), Some(control)) =
            (segments.domain, segments.specific, segments.control)
        else {
            return Err(AnchorIdError::WrongShape);
        };
        if segments.prefix != "ssi" || segments.version != Some("v0") {
            return Err(AnchorIdError::WrongShape);
        }
        if segments.hint.is_some() {
            return Err(AnchorIdError::Hint);
        }
        let key = match segments.kind {
            "sza" if specific.is_empty() => Some(canonical_key(control)?),
            "sza" => return Err(AnchorIdError::BadKey),
            "cza" if is_hash(specific) => None,
            "cza" => return Err(AnchorIdError::BadHash),
            _ => return Err(AnchorIdError::WrongKind),
        };
        Ok(Self {
            wrapped: wrapped.into(),
            plain: plain.into(),
            domain: domain.parse().map_err(AnchorIdError::BadDomain)?,
            key,
        })
    }
}

/// The key of a control field, from its one canonical text only.
fn canonical_key(control: &str) -> Result<PublicKey, AnchorIdError> {
    let bytes = base64::decode_canonical(control).map_err(|_| AnchorIdError::BadKey)?;
    PublicKey::from_sec1(&bytes).map_err(|_| AnchorIdError::BadKey)
}

/// True for the base58 text of 32 bytes.
fn is_hash(text: &str) -> bool {
    let decode = |text| base58::decode(text).is_ok_and(|bytes| bytes.len() == 32);
    text.len() <= HASH_CHARS_MAX && decode(text)
}

/// The key of a transfer: exactly 65 bytes in their one canonical text.
pub(super) fn transfer_key(text: &str) -> Option<PublicKey> {
    let bytes = base64::decode_canonical(text).ok()?;
    let is_raw = bytes.len() == PUBLIC_RAW_BYTES;
    is_raw.then(|| PublicKey::from_sec1(&bytes).ok()).flatten()
}

impl PartialEq for AnchorId {
    fn eq(&self, other: &Self) -> bool {
        self.wrapped == other.wrapped
    }
}

impl Eq for AnchorId {}

impl PartialOrd for AnchorId {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for AnchorId {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.wrapped.cmp(&other.wrapped)
    }
}

impl std::hash::Hash for AnchorId {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.wrapped.hash(state);
    }
}

impl fmt::Display for AnchorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.wrapped)
    }
}

impl fmt::Debug for AnchorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AnchorId({})", self.plain)
    }
}
