//! What a leaf holds: salted commitments to an anchor's id and value, never the texts themselves; and
//! the opening that shows what was committed to.
//!
//! ```text
//! entry, 74 bytes                    opening, binary form
//! u8   format = 0x02                 32   salt
//! u8   op                            u32  length of the anchor id, big-endian
//! u64  time, ms, big-endian          ..   anchor id, UTF-8
//! 32   id commitment                 ..   anchor value, UTF-8, to the end
//! 32   value commitment
//! ```
//!
//! **Source:** `translog.md` §2, format 0x02. The binary form of an opening is ours.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Sha256;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::hash::{HASH_BYTES, Hash, leaf_hash};

/// The one entry format that is read and written.
const FORMAT: u8 = 0x02;
const ID_LABEL: &[u8] = b"kiln/anchor-id";
const VALUE_LABEL: &[u8] = b"kiln/anchor-value";
const SALT_BYTES: usize = 32;

/// What was done with an anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Op {
    /// The first value of an anchor.
    Create = 1,
    /// A further value of an anchor.
    Append = 2,
    /// The only value that an anchor will ever have.
    CreateConstant = 3,
    /// A value that hands the anchor to another key.
    Transfer = 4,
    /// A value taken over from another ledger.
    Migrate = 5,
    /// The opening of an earlier entry was erased.
    Erased = 6,
}

impl TryFrom<u8> for Op {
    type Error = EntryError;

    fn try_from(byte: u8) -> Result<Self, EntryError> {
        Ok(match byte {
            1 => Self::Create,
            2 => Self::Append,
            3 => Self::CreateConstant,
            4 => Self::Transfer,
            5 => Self::Migrate,
            6 => Self::Erased,
            unknown => return Err(EntryError::UnknownOp(unknown)),
        })
    }
}

/// The data of one leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What was done.
    pub op: Op,
    /// The server's clock, milliseconds since 1970. Informative: order is the order of the leaves.
    pub time_ms: u64,
    /// HMAC-SHA256 of the anchor id under the salt.
    pub id_commitment: Hash,
    /// HMAC-SHA256 of the anchor value under the salt.
    pub value_commitment: Hash,
}

impl Entry {
    /// Length of every entry in bytes.
    pub const BYTES: usize = 74;

    /// The bytes that are hashed as a leaf and stored in an entry bundle.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let fields = [FORMAT, self.op as u8]
            .into_iter()
            .chain(self.time_ms.to_be_bytes())
            .chain(self.id_commitment)
            .chain(self.value_commitment);
        for (byte, field) in bytes.iter_mut().zip(fields) {
            *byte = field;
        }
        bytes
    }

    /// Reads an entry.
    ///
    /// # Errors
    /// [`EntryError`] when the length, the format or the operation is not one of ours.
    pub fn decode(bytes: &[u8]) -> Result<Self, EntryError> {
        let wrong_length = EntryError::WrongLength { found: bytes.len() };
        if bytes.len() != Self::BYTES {
            return Err(wrong_length);
        }
        let Some((&[format, op], rest)) = bytes.split_first_chunk() else {
            return Err(wrong_length);
        };
        if format != FORMAT {
            return Err(EntryError::UnknownFormat(format));
        }
        let op = Op::try_from(op)?;
        let Some((time, rest)) = rest.split_first_chunk() else {
            return Err(wrong_length);
        };
        let (Some((id, _)), Some((_, value))) = (
            rest.split_first_chunk::<HASH_BYTES>(),
            rest.split_last_chunk::<HASH_BYTES>(),
        ) else {
            return Err(wrong_length);
        };
        Ok(Self {
            op,
            time_ms: u64::from_be_bytes(*time),
            id_commitment: *id,
            value_commitment: *value,
        })
    }

    /// The hash of the leaf that holds this entry.
    #[must_use]
    pub fn leaf_hash(&self) -> Hash {
        leaf_hash(&self.encode())
    }
}

/// Why bytes are no entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EntryError {
    /// Every entry has [`Entry::BYTES`] bytes.
    #[error("an entry has 74 bytes, this has {found}")]
    WrongLength {
        /// How many bytes there were.
        found: usize,
    },
    /// The first byte names a format that is not known.
    #[error("unknown entry format {0:#04x}")]
    UnknownFormat(u8),
    /// The second byte names an operation that is not known.
    #[error("unknown operation {0} in an entry")]
    UnknownOp(u8),
}

/// 32 random bytes, fresh for every entry. Whoever has them can test a guess of the anchor id, so they
/// are never printed by `Debug`, and overwritten when dropped.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Salt(pub [u8; SALT_BYTES]);

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(..)")
    }
}

impl Serialize for Salt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(self.0))
    }
}

impl<'de> Deserialize<'de> for Salt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut bytes = [0; SALT_BYTES];
        match STANDARD.decode_slice(text, &mut bytes) {
            Ok(SALT_BYTES) => Ok(Self(bytes)),
            // The text is not repeated: it may be all but one character of a salt.
            _ => Err(D::Error::custom("a salt is 32 bytes in padded base64")),
        }
    }
}

/// What opens an entry: its salt and the two texts committed to, as they stand in plain (`ssi:…`).
/// Personal data: kept beside the log, given to whoever may see the anchor, erased on demand.
///
/// JSON: `{"salt": base64, "anchorId": text, "anchorValue": text}`. Unknown fields are ignored, since
/// the commitments decide.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Opening {
    /// The key of both commitments.
    pub salt: Salt,
    /// The plain anchor id, `ssi:…`.
    pub anchor_id: String,
    /// The plain anchor value, `ssi:…`.
    pub anchor_value: String,
}

impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opening(..)")
    }
}

impl Opening {
    /// The entry that commits to this opening.
    #[must_use]
    pub fn commit(&self, op: Op, time_ms: u64) -> Entry {
        Entry {
            op,
            time_ms,
            id_commitment: commitment(&self.salt, ID_LABEL, &self.anchor_id),
            value_commitment: commitment(&self.salt, VALUE_LABEL, &self.anchor_value),
        }
    }

    /// Whether `entry` commits to this id and this value under this salt.
    #[must_use]
    pub fn opens(&self, entry: &Entry) -> bool {
        self.commit(entry.op, entry.time_ms) == *entry
    }

    /// The binary form, for a store.
    ///
    /// # Errors
    /// [`OpeningError::TooLong`] for an id of 4 GiB or more.
    pub fn encode(&self) -> Result<Vec<u8>, OpeningError> {
        let id_bytes = u32::try_from(self.anchor_id.len()).map_err(|_| OpeningError::TooLong)?;
        Ok([
            self.salt.0.as_slice(),
            &id_bytes.to_be_bytes(),
            self.anchor_id.as_bytes(),
            self.anchor_value.as_bytes(),
        ]
        .concat())
    }

    /// Reads the binary form.
    ///
    /// # Errors
    /// [`OpeningError`] when it is cut short or a text is not UTF-8.
    pub fn decode(bytes: &[u8]) -> Result<Self, OpeningError> {
        let (salt, rest) = bytes.split_first_chunk().ok_or(OpeningError::CutShort)?;
        let (id_bytes, rest) = rest.split_first_chunk().ok_or(OpeningError::CutShort)?;
        let id_bytes =
            usize::try_from(u32::from_be_bytes(*id_bytes)).map_err(|_| OpeningError::CutShort)?;
        let (id, value) = rest
            .split_at_checked(id_bytes)
            .ok_or(OpeningError::CutShort)?;
        let text = |bytes: &[u8]| {
            str::from_utf8(bytes)
                .map(str::to_owned)
                .map_err(|_| OpeningError::NotUtf8)
        };
        Ok(Self {
            salt: Salt(*salt),
            anchor_id: text(id)?,
            anchor_value: text(value)?,
        })
    }

    /// The JSON form, one line without its end.
    ///
    /// # Errors
    /// [`OpeningError::Json`], in practice never.
    pub fn to_json(&self) -> Result<String, OpeningError> {
        serde_json::to_string(self).map_err(OpeningError::Json)
    }

    /// Reads the JSON form.
    ///
    /// # Errors
    /// [`OpeningError::Json`].
    pub fn from_json(text: &str) -> Result<Self, OpeningError> {
        serde_json::from_str(text).map_err(OpeningError::Json)
    }
}

/// An openings bundle: one JSON array, an absent or erased opening is `null`. Numbered as the entry
/// bundles are.
///
/// # Errors
/// [`OpeningError::Json`], in practice never.
pub fn encode_openings(openings: &[Option<Opening>]) -> Result<String, OpeningError> {
    serde_json::to_string(openings).map_err(OpeningError::Json)
}

/// Reads an openings bundle of `width` places.
///
/// # Errors
/// [`OpeningError::Json`], or [`OpeningError::WrongWidth`] when it has another number of places.
pub fn decode_openings(text: &str, width: u16) -> Result<Vec<Option<Opening>>, OpeningError> {
    let openings: Vec<Option<Opening>> = serde_json::from_str(text).map_err(OpeningError::Json)?;
    if openings.len() != usize::from(width) {
        return Err(OpeningError::WrongWidth {
            expected: width,
            found: openings.len(),
        });
    }
    Ok(openings)
}

/// Why something is no opening or no bundle of openings.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpeningError {
    /// An anchor id of 4 GiB or more.
    #[error("the anchor id of an opening is too long")]
    TooLong,
    /// The binary form ends too early.
    #[error("an opening is cut short")]
    CutShort,
    /// A text of the binary form is not UTF-8.
    #[error("a text of an opening is not UTF-8")]
    NotUtf8,
    /// The JSON form is not as it should be.
    #[error("an opening is not in its JSON form")]
    Json(#[source] serde_json::Error),
    /// A bundle has another number of places than its name says.
    #[error("{found} openings in a bundle of {expected}")]
    WrongWidth {
        /// What the name of the bundle says.
        expected: u16,
        /// What is in it.
        found: usize,
    },
}

/// `HMAC-SHA256(salt, label || 0x00 || text)`.
#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
fn commitment(salt: &Salt, label: &[u8], text: &str) -> Hash {
    let mut mac = Hmac::<Sha256>::new_from_slice(&salt.0).expect("HMAC takes keys of any length");
    mac.update(label);
    mac.update(&[0]);
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().into()
}
