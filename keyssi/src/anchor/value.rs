//! The values that anchors hold.
//!
//! ```text
//! shl      ssi:shl:<bricks domain>:<hash>:<timestamp>|<signature>:v0[:<hint>]
//! hl       ssi:hl:<bricks domain>:<hash>::v0[:<hint>]
//! transfer ssi:transfer:<domain>:<base64 of new key>:<timestamp>/<signature>:v0[:<hint>]
//! ```
//!
//! **Source:** keyssi specification §6.1, §6.2, §6.6, §7.6 to §7.8.

use std::fmt;

use thiserror::Error;

use super::id::transfer_key;
use crate::domain::{Domain, DomainError};
use crate::keys::PublicKey;
use crate::signature::Signature;
use crate::ssi::{self, Hint, HintError, KeySsi, Segments, SsiError, Version};
use crate::timestamp::Timestamp;
use crate::{base58, base64};

/// Longest plain form of the strict reading. A transfer with a hint that names
/// a domain has some 300 bytes; the rest is room for other hints.
const PLAIN_BYTES_MAX: usize = 2048;
/// Longest base58 text of the 32 bytes of a hash. Shorter texts are taken as
/// they are: tests of the reference anchor words.
const HASH_CHARS_MAX: usize = 44;
/// Twice what a signature takes in base64.
const SIGNATURE_CHARS_MAX: usize = 176;

/// The types of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AnchorValueKind {
    /// `shl`: a version, signed.
    SignedHashLink,
    /// `hl`: the one version of a constant anchor, not signed.
    HashLink,
    /// `transfer`: hands the anchor to another key, signed.
    Transfer,
}

/// A value of an anchor in its normal form.
#[derive(Clone)]
pub struct AnchorValue {
    wrapped: Box<str>,
    plain: Box<str>,
    kind: AnchorValueKind,
    domain: Box<str>,
    specific: Box<str>,
    /// The timestamp exactly as in the control field; empty for `hl`.
    timestamp_text: Box<str>,
    timestamp: Option<Timestamp>,
    /// The signature as in the control field; empty for `hl`.
    signature_text: Box<str>,
    /// `None` if there is no signature that could verify.
    signature: Option<Signature>,
    new_key: Option<PublicKey>,
    irregularity: Option<AnchorValueError>,
}

/// The text is not a value of an anchor.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AnchorValueError {
    /// Plain text where only the wrapped form is taken.
    #[error("an anchor value is base58 text here, not plain text")]
    NotWrapped,
    /// Longer than we accept (2 KiB in the plain form).
    #[error("an anchor value has at most {max} bytes in this form, found {found}")]
    TooLong {
        /// Length of the text in bytes.
        found: usize,
        /// The limit of the form.
        max: usize,
    },
    /// Not base58, an alias with leading `1`, or not UTF-8 inside.
    #[error("an anchor value is an identifier")]
    NotAnIdentifier(#[source] SsiError),
    /// Prefix, number of segments or version differ from `ssi:…:v0`.
    #[error("an anchor value has six segments from 'ssi' to 'v0' and perhaps a hint")]
    WrongShape,
    /// Not `shl`, `hl` or `transfer`.
    #[error("an anchor value is of type 'shl', 'hl' or 'transfer'")]
    WrongKind,
    /// A domain that a server does not accept, `$NAME` included.
    #[error("the domain of the anchor value is malformed")]
    BadDomain(#[source] DomainError),
    /// A hint that is not JSON.
    #[error("the hint of the anchor value is malformed")]
    BadHint(#[source] HintError),
    /// A hint that is not in the form in which it would be written.
    #[error("the hint of the anchor value is not in normal form")]
    HintNotNormal,
    /// Not 1 to 44 base58 characters.
    #[error("the hash of an anchor value is 1 to {HASH_CHARS_MAX} base58 characters")]
    BadHash,
    /// Not the 88 base64 characters of an uncompressed point of the curve.
    #[error("the new key of a transfer is the base64 of a 65-byte public key")]
    BadNewKey,
    /// An `hl` with something in its control field.
    #[error("an unsigned link has an empty control field")]
    UnexpectedControl,
    /// No separator between timestamp and signature, or more than one.
    #[error("a signed anchor value has one timestamp and one signature")]
    MissingSignature,
    /// A signature with characters that are not base64, or far too long.
    #[error("the signature of an anchor value is base64 text")]
    BadSignatureText,
    /// Not decimal digits.
    #[error("the timestamp of an anchor value is decimal digits")]
    BadTimestamp,
    /// What was stored as the key of the last transfer is not that of the last
    /// value, which is a transfer.
    #[error("the stored key of the last transfer is not that of the last value")]
    TransferMismatch,
}

impl AnchorValue {
    /// Reads the plain or the wrapped form, strictly.
    ///
    /// # Errors
    /// [`AnchorValueError`] says which rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, AnchorValueError> {
        if ssi::is_wrapped(text) {
            return Self::parse_wrapped(text);
        }
        check_length(text, PLAIN_BYTES_MAX)?;
        Self::from_plain(text, None)
    }

    /// Reads the wrapped form, which must be the canonical one, strictly.
    ///
    /// # Errors
    /// [`AnchorValueError`] says which rule the text breaks.
    pub fn parse_wrapped(text: &str) -> Result<Self, AnchorValueError> {
        if !ssi::is_wrapped(text) {
            return Err(AnchorValueError::NotWrapped);
        }
        check_length(text, ssi::wrapped_chars_max(PLAIN_BYTES_MAX))?;
        let plain = ssi::unwrap(text).map_err(AnchorValueError::NotAnIdentifier)?;
        Self::from_plain(&plain, Some(text))
    }

    /// Reads a value that another server has stored, as the reference reads
    /// it: either form, hints in any form, any domain, odd timestamps.
    ///
    /// Such a value can stand in a history, but [`create`](super::create) and
    /// [`append`](super::append) refuse it if the strict reading would, see
    /// [`Self::irregularity`]. What could be mistaken for a value of another
    /// type is refused here too: a hash of more than 44 characters, a new key
    /// that is no key (§6.2).
    ///
    /// # Errors
    /// [`AnchorValueError`] if it is no identifier or of no type of values.
    pub fn parse_stored(text: &str) -> Result<Self, AnchorValueError> {
        let ssi = KeySsi::parse_stored(text).map_err(AnchorValueError::NotAnIdentifier)?;
        let plain = ssi.plain();
        match Self::parse(&plain) {
            Ok(value) => Ok(value),
            Err(irregularity) => Self::from_stored(&ssi, &plain, irregularity),
        }
    }

    /// The wrapped text: what is stored and sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.wrapped
    }

    /// The plain text with the hint: what the next entry signs.
    #[must_use]
    pub fn plain(&self) -> &str {
        &self.plain
    }

    /// The type.
    #[must_use]
    pub const fn kind(&self) -> AnchorValueKind {
        self.kind
    }

    /// The domain that holds the bricks. Not covered by the signature.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The hash of the brick map, for all but transfers. Base58 text, not
    /// necessarily that of 32 bytes.
    #[must_use]
    pub fn brick_map_hash(&self) -> Option<&str> {
        (self.kind != AnchorValueKind::Transfer).then_some(&*self.specific)
    }

    /// The base64 text of the key that a transfer hands the anchor to.
    #[must_use]
    pub fn new_key(&self) -> Option<&str> {
        (self.kind == AnchorValueKind::Transfer).then_some(&*self.specific)
    }

    /// The time of a signed value, unless a stored one has no digits.
    #[must_use]
    pub const fn timestamp(&self) -> Option<&Timestamp> {
        self.timestamp.as_ref()
    }

    /// The text of the signature of a signed value. Never an identity: others
    /// verify too.
    #[must_use]
    pub fn signature_text(&self) -> Option<&str> {
        (self.kind != AnchorValueKind::HashLink).then_some(&*self.signature_text)
    }

    /// Why the strict reading refuses the value, if it does.
    #[must_use]
    pub const fn irregularity(&self) -> Option<&AnchorValueError> {
        self.irregularity.as_ref()
    }

    /// The field that is signed: the hash, or the text of the new key.
    pub(super) fn signed_specific(&self) -> &str {
        &self.specific
    }

    /// The timestamp as it is signed.
    pub(super) fn signed_timestamp(&self) -> &str {
        &self.timestamp_text
    }

    pub(super) const fn signature(&self) -> Option<&Signature> {
        self.signature.as_ref()
    }

    pub(super) const fn transfer_key(&self) -> Option<&PublicKey> {
        self.new_key.as_ref()
    }

    fn from_plain(plain: &str, wrapped: Option<&str>) -> Result<Self, AnchorValueError> {
        let segments = Segments::of(plain);
        let (Some(domain), Some(specific), Some(control)) =
            (segments.domain, segments.specific, segments.control)
        else {
            return Err(AnchorValueError::WrongShape);
        };
        if segments.prefix != "ssi" || segments.version != Some("v0") {
            return Err(AnchorValueError::WrongShape);
        }
        let kind = kind_of(segments.kind)?;
        domain
            .parse::<Domain>()
            .map_err(AnchorValueError::BadDomain)?;
        check_hint(segments.hint)?;
        let new_key = match kind {
            AnchorValueKind::Transfer => {
                Some(transfer_key(specific).ok_or(AnchorValueError::BadNewKey)?)
            }
            _ if is_hash(specific) => None,
            _ => return Err(AnchorValueError::BadHash),
        };
        let (timestamp, signature) = match split_control(kind, control) {
            None if kind == AnchorValueKind::HashLink && control.is_empty() => ("", ""),
            None if kind == AnchorValueKind::HashLink => {
                return Err(AnchorValueError::UnexpectedControl);
            }
            None => return Err(AnchorValueError::MissingSignature),
            Some((timestamp, signature)) => (timestamp, strict_signature(signature)?),
        };
        let time = timestamp.parse();
        if kind != AnchorValueKind::HashLink && time.is_err() {
            return Err(AnchorValueError::BadTimestamp);
        }
        let wrapped = wrapped.map_or_else(|| base58::encode(plain.as_bytes()), str::to_owned);
        Ok(Self {
            wrapped: wrapped.into(),
            plain: plain.into(),
            kind,
            domain: domain.into(),
            specific: specific.into(),
            timestamp_text: timestamp.into(),
            timestamp: time.ok(),
            signature_text: signature.into(),
            signature: Signature::from_text(signature).ok(),
            new_key,
            irregularity: None,
        })
    }

    fn from_stored(
        ssi: &KeySsi,
        plain: &str,
        irregularity: AnchorValueError,
    ) -> Result<Self, AnchorValueError> {
        let kind = kind_of(ssi.kind().name())?;
        if *ssi.version() != Version::V0 {
            return Err(AnchorValueError::WrongShape);
        }
        let new_key = match kind {
            AnchorValueKind::Transfer => {
                Some(transfer_key(ssi.specific()).ok_or(AnchorValueError::BadNewKey)?)
            }
            _ if ssi.specific().len() <= HASH_CHARS_MAX => None,
            _ => return Err(AnchorValueError::BadHash),
        };
        let (timestamp, signature) = split_control(kind, ssi.control()).unwrap_or_default();
        // The reference reads the second of all parts that `|` separates.
        let signature = match kind {
            AnchorValueKind::SignedHashLink => signature.split('|').next().unwrap_or_default(),
            _ => signature,
        };
        Ok(Self {
            wrapped: base58::encode(plain.as_bytes()).into(),
            plain: plain.into(),
            kind,
            domain: ssi.domain().into(),
            specific: ssi.specific().into(),
            timestamp_text: timestamp.into(),
            timestamp: leading_number(timestamp),
            signature_text: signature.into(),
            signature: Signature::from_text(signature).ok(),
            new_key,
            irregularity: Some(irregularity),
        })
    }
}

fn check_length(text: &str, max: usize) -> Result<(), AnchorValueError> {
    let found = text.len();
    if found > max {
        return Err(AnchorValueError::TooLong { found, max });
    }
    Ok(())
}

fn kind_of(name: &str) -> Result<AnchorValueKind, AnchorValueError> {
    match name {
        "shl" => Ok(AnchorValueKind::SignedHashLink),
        "hl" => Ok(AnchorValueKind::HashLink),
        "transfer" => Ok(AnchorValueKind::Transfer),
        _ => Err(AnchorValueError::WrongKind),
    }
}

/// Refuses every hint but those that are written as they are read.
fn check_hint(hint: Option<&str>) -> Result<(), AnchorValueError> {
    let Some(text) = hint else { return Ok(()) };
    let hint = Hint::parse(text).map_err(AnchorValueError::BadHint)?;
    if hint.normal_text() != text {
        return Err(AnchorValueError::HintNotNormal);
    }
    Ok(())
}

/// Timestamp and signature. Only the *first* slash of a transfer separates:
/// base64 has slashes too, and the reference, which cuts at each of them,
/// refuses most transfers for it (§6.6).
fn split_control(kind: AnchorValueKind, control: &str) -> Option<(&str, &str)> {
    match kind {
        AnchorValueKind::SignedHashLink => control.split_once('|'),
        AnchorValueKind::Transfer => control.split_once('/'),
        AnchorValueKind::HashLink => None,
    }
}

/// The text of a signature, unless it has characters that reading would skip.
fn strict_signature(text: &str) -> Result<&str, AnchorValueError> {
    if text.is_empty() || text.contains('|') {
        return Err(AnchorValueError::MissingSignature);
    }
    if text.len() > SIGNATURE_CHARS_MAX || !base64::is_clean(text) {
        return Err(AnchorValueError::BadSignatureText);
    }
    Ok(text)
}

/// True for 1 to 44 base58 characters.
fn is_hash(text: &str) -> bool {
    (1..=HASH_CHARS_MAX).contains(&text.len()) && text.bytes().all(base58::is_digit)
}

/// The number at the beginning of a stored timestamp, as the reference's
/// `parseInt` finds it for decimal text. `None` is never older than anything.
fn leading_number(text: &str) -> Option<Timestamp> {
    let text = text.trim_start();
    let text = text.strip_prefix('+').unwrap_or(text);
    let end = text
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(text.len());
    text.get(..end)?.parse().ok()
}

impl PartialEq for AnchorValue {
    fn eq(&self, other: &Self) -> bool {
        self.plain == other.plain
    }
}

impl Eq for AnchorValue {}

impl fmt::Display for AnchorValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.wrapped)
    }
}

impl fmt::Debug for AnchorValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AnchorValue({})", self.plain)
    }
}
