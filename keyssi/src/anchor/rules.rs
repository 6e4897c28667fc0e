//! Which value may stand first in an anchor, and which may follow another.
//!
//! A pure state machine: the state is the [`Head`] of a history, never the
//! whole of it, so the cost of an entry does not grow with the history.
//!
//! **Source:** keyssi specification §6.2 to §6.7.

use thiserror::Error;

use super::id::{AnchorId, AnchorKind, transfer_key};
use super::value::{AnchorValue, AnchorValueError, AnchorValueKind};
use crate::keys::PublicKey;
use crate::timestamp::Timestamp;

/// Digits of the timestamp of a first entry. Nothing separates hash and
/// timestamp in what is signed there; a fixed number of digits makes the split
/// unique, so that no one can move digits between them (§6.2).
pub(super) const FIRST_TIMESTAMP_DIGITS: usize = 13;

/// What must be kept of a history to judge its next entry: the last value, and
/// the key of the last transfer if there was any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    value: AnchorValue,
    transferred: Option<Transferred>,
}

/// The owner after a transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Transferred {
    text: Box<str>,
    key: PublicKey,
}

/// Why a value cannot be the first of an anchor.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CreateError {
    /// The value is only fit to stand in a history from elsewhere.
    #[error("the anchor value is malformed")]
    Malformed(#[source] AnchorValueError),
    /// Signed anchors hold signed values, constant ones unsigned values.
    #[error("the type of the value does not fit the anchor")]
    WrongValueKind {
        /// Kind of the anchor.
        anchor: AnchorKind,
        /// Type of the value.
        value: AnchorValueKind,
    },
    /// Any other number of digits would leave open where the hash ends.
    #[error("the timestamp of a first entry has {FIRST_TIMESTAMP_DIGITS} digits")]
    TimestampNotThirteenDigits,
    /// Not signed by the anchor's key, or not as a first entry.
    #[error("the signature of the first entry does not verify")]
    BadSignature,
}

/// Why a value cannot be the next of an anchor.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AppendError {
    /// Constant anchors have one entry.
    #[error("a constant anchor takes no second entry")]
    ConstantAnchor,
    /// The value is only fit to stand in a history from elsewhere.
    #[error("the anchor value is malformed")]
    Malformed(#[source] AnchorValueError),
    /// Signed anchors hold signed values.
    #[error("the type of the value does not fit the anchor")]
    WrongValueKind {
        /// Kind of the anchor.
        anchor: AnchorKind,
        /// Type of the value.
        value: AnchorValueKind,
    },
    /// The value is older than the last entry.
    #[error("the timestamp is older than that of the last entry")]
    OlderTimestamp {
        /// Time of the last entry.
        last: Timestamp,
        /// Time of the value.
        found: Timestamp,
    },
    /// The signature does not verify over the last entry: made over another
    /// entry, by a key that does not own the anchor (any more), or altered.
    /// These cannot be told apart.
    #[error("the value is not signed by the owner over the last entry")]
    OutOfSync,
}

/// Why an entry cannot stand where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EntryError {
    /// The first entry.
    #[error(transparent)]
    Create(#[from] CreateError),
    /// A later entry.
    #[error(transparent)]
    Append(#[from] AppendError),
}

/// A history that does not hold together.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("entry {index} of the history does not belong there")]
pub struct HistoryError {
    /// Place of the entry, from 0.
    pub index: usize,
    /// What is wrong with it.
    #[source]
    pub source: EntryError,
}

impl Head {
    /// The last value.
    #[must_use]
    pub const fn value(&self) -> &AnchorValue {
        &self.value
    }

    /// The base64 text of the key that the anchor was last handed to.
    #[must_use]
    pub fn transferred_to(&self) -> Option<&str> {
        self.transferred.as_ref().map(|owner| &*owner.text)
    }

    /// Takes a head back from storage, with the lenient reading of the value.
    ///
    /// # Errors
    /// [`AnchorValueError`] if a text cannot be read, or if the last value is
    /// a transfer to another key than `transferred_to`.
    pub fn restore(
        last_value: &str,
        transferred_to: Option<&str>,
    ) -> Result<Self, AnchorValueError> {
        let value = AnchorValue::parse_stored(last_value)?;
        let transferred = transferred_to
            .map(|text| {
                let key = transfer_key(text).ok_or(AnchorValueError::BadNewKey)?;
                let text = text.into();
                Ok(Transferred { text, key })
            })
            .transpose()?;
        let last = Transferred::by(&value);
        if last.is_some() && last != transferred {
            return Err(AnchorValueError::TransferMismatch);
        }
        Ok(Self { value, transferred })
    }

    /// The key that signs the next entry.
    fn signer<'a>(&'a self, id: &'a AnchorId) -> Option<&'a PublicKey> {
        let owner = self.transferred.as_ref().map(|owner| &owner.key);
        owner.or(id.public_key())
    }

    /// The head after `value`.
    fn followed_by(previous: Option<&Self>, value: &AnchorValue) -> Self {
        let inherited = || previous.and_then(|head| head.transferred.clone());
        Self {
            value: value.clone(),
            transferred: Transferred::by(value).or_else(inherited),
        }
    }
}

impl Transferred {
    fn by(value: &AnchorValue) -> Option<Self> {
        Some(Self {
            text: value.new_key()?.into(),
            key: *value.transfer_key()?,
        })
    }
}

/// Judges the first value of an anchor.
///
/// # Errors
/// [`CreateError`] says which rule it breaks.
pub fn create(id: &AnchorId, value: &AnchorValue) -> Result<Head, CreateError> {
    if let Some(irregularity) = value.irregularity() {
        return Err(CreateError::Malformed(irregularity.clone()));
    }
    check_first(id, value)?;
    Ok(Head::followed_by(None, value))
}

/// Judges a value that is to follow the head of an anchor.
///
/// # Errors
/// [`AppendError`] says which rule it breaks, the first one in the order of
/// §6.5: a constant anchor, the type of the value, its time, its signature.
pub fn append(id: &AnchorId, head: &Head, value: &AnchorValue) -> Result<Head, AppendError> {
    if id.kind() == AnchorKind::Constant {
        return Err(AppendError::ConstantAnchor);
    }
    if let Some(irregularity) = value.irregularity() {
        return Err(AppendError::Malformed(irregularity.clone()));
    }
    check_kind(id, value)
        .map_err(|(anchor, value)| AppendError::WrongValueKind { anchor, value })?;
    if let (Some(last), Some(found)) = (head.value.timestamp(), value.timestamp())
        && found < last
    {
        return Err(AppendError::OlderTimestamp {
            last: last.clone(),
            found: found.clone(),
        });
    }
    check_next(id, head, value)?;
    Ok(Head::followed_by(Some(head), value))
}

/// Checks a whole history, from its first entry on: types, the split of the
/// first entry, and every signature. Like the reference it does not compare
/// timestamps, which are the appender's concern (§6.7), and it takes values of
/// the lenient reading. Returns the head, or `None` for an empty history.
///
/// # Errors
/// [`HistoryError`] names the first entry that does not belong there.
pub fn check_history(
    id: &AnchorId,
    values: impl IntoIterator<Item = AnchorValue>,
) -> Result<Option<Head>, HistoryError> {
    let mut head = None;
    for (index, value) in values.into_iter().enumerate() {
        let checked = match &head {
            None => check_first(id, &value).map_err(EntryError::from),
            Some(head) => check_later(id, head, &value).map_err(EntryError::from),
        };
        checked.map_err(|source| HistoryError { index, source })?;
        head = Some(Head::followed_by(head.as_ref(), &value));
    }
    Ok(head)
}

fn check_first(id: &AnchorId, value: &AnchorValue) -> Result<(), CreateError> {
    check_kind(id, value)
        .map_err(|(anchor, value)| CreateError::WrongValueKind { anchor, value })?;
    let Some(signer) = id.public_key() else {
        return Ok(());
    };
    let time = value.signed_timestamp();
    let is_digits = time.bytes().all(|byte| byte.is_ascii_digit());
    if time.len() != FIRST_TIMESTAMP_DIGITS || !is_digits {
        return Err(CreateError::TimestampNotThirteenDigits);
    }
    if !is_signed(id, signer, "", value) {
        return Err(CreateError::BadSignature);
    }
    Ok(())
}

fn check_later(id: &AnchorId, head: &Head, value: &AnchorValue) -> Result<(), AppendError> {
    if id.kind() == AnchorKind::Constant {
        return Err(AppendError::ConstantAnchor);
    }
    check_kind(id, value)
        .map_err(|(anchor, value)| AppendError::WrongValueKind { anchor, value })?;
    check_next(id, head, value)
}

fn check_next(id: &AnchorId, head: &Head, value: &AnchorValue) -> Result<(), AppendError> {
    let signer = head.signer(id).ok_or(AppendError::ConstantAnchor)?;
    if !is_signed(id, signer, head.value.plain(), value) {
        return Err(AppendError::OutOfSync);
    }
    Ok(())
}

/// A `sza` takes signed values, a `cza` unsigned ones.
fn check_kind(id: &AnchorId, value: &AnchorValue) -> Result<(), (AnchorKind, AnchorValueKind)> {
    let (anchor, value) = (id.kind(), value.kind());
    let is_signed_anchor = anchor == AnchorKind::Signed;
    let is_signed_value = value != AnchorValueKind::HashLink;
    if is_signed_anchor == is_signed_value {
        Ok(())
    } else {
        Err((anchor, value))
    }
}

/// Checks the signature of a value over anchor id, specific field, previous
/// plain value and timestamp, in this order and without separators (§6.2).
fn is_signed(id: &AnchorId, signer: &PublicKey, previous: &str, value: &AnchorValue) -> bool {
    let parts = [
        id.plain().as_bytes(),
        value.signed_specific().as_bytes(),
        previous.as_bytes(),
        value.signed_timestamp().as_bytes(),
    ];
    let signature = value.signature();
    signature.is_some_and(|signature| signer.verify_parts(&parts, signature))
}
