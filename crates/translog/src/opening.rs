//! What shows to whom an entry belongs: its salt, and the anchor id and value committed to.
//!
//! ```text
//! binary form
//! 32   salt
//! u32  length of the anchor id, big-endian
//! ..   anchor id, UTF-8
//! ..   anchor value, UTF-8, to the end
//! ```
//!
//! **Source:** `translog.md` §2. The JSON and the binary form are ours.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Sha256;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::entry::{Entry, Op};
use crate::hash::Hash;
use crate::tile::TILE_WIDTH;

const ID_LABEL: &[u8] = b"kiln/anchor-id";
const VALUE_LABEL: &[u8] = b"kiln/anchor-value";
const SALT_BYTES: usize = 32;

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
    let Places(openings) = serde_json::from_str(text).map_err(OpeningError::Json)?;
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

/// The places of a bundle, at most [`TILE_WIDTH`]: a long array of `null` takes much more room in memory
/// than on the wire.
struct Places(Vec<Option<Opening>>);

impl<'de> Deserialize<'de> for Places {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(PlacesVisitor)
    }
}

struct PlacesVisitor;

impl<'de> Visitor<'de> for PlacesVisitor {
    type Value = Places;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of at most 256 openings")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Places, A::Error> {
        let mut openings = Vec::new();
        while let Some(opening) = array.next_element()? {
            if openings.len() == usize::from(TILE_WIDTH) {
                return Err(A::Error::invalid_length(openings.len() + 1, &self));
            }
            openings.push(opening);
        }
        Ok(Places(openings))
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::tests::hex;

    fn opening() -> Opening {
        Opening {
            salt: Salt(std::array::from_fn(|place| u8::try_from(place).unwrap())),
            anchor_id: "ssi:sza:default::key".to_owned(),
            anchor_value: "ssi:hl:default:hash".to_owned(),
        }
    }

    const JSON: &str = r#"{"salt":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=","anchorId":"ssi:sza:default::key","anchorValue":"ssi:hl:default:hash"}"#;

    /// The expected texts come from Python's `hmac` and `hashlib`.
    #[test]
    fn commitments_are_those_of_another_implementation() {
        let entry = opening().commit(Op::Append, 0x0123_4567_89ab_cdef);
        assert_eq!(
            hex(entry.id_commitment),
            "6833d29178cbcad92d55cd4f9bb08a3b07a5fca95f54b6726e0baebf420341c9"
        );
        assert_eq!(
            hex(entry.value_commitment),
            "eb7833ebdc612223d438403c76defbcf73701b1ffd2e5cd0b288fb895ac42393"
        );
        assert_eq!(
            hex(entry.leaf_hash()),
            "0bce0e87fb909e19f6dc3c1d3ee9295f6ad3d3af4374801a3fd7f84bd2189f0c"
        );
    }

    #[test]
    fn an_opening_opens_its_entry_and_no_other() {
        let entry = opening().commit(Op::Create, 7);
        assert!(opening().opens(&entry));
        let salt = Salt([9; 32]);
        let others = [
            Opening { salt, ..opening() },
            Opening {
                anchor_id: "ssi:sza:default::kex".to_owned(),
                ..opening()
            },
            Opening {
                anchor_value: "ssi:hl:default:hasi".to_owned(),
                ..opening()
            },
            Opening {
                anchor_id: opening().anchor_value,
                anchor_value: opening().anchor_id,
                ..opening()
            },
        ];
        for other in others {
            assert!(!other.opens(&entry));
        }
    }

    #[test]
    fn the_json_form_is_read_as_written() {
        assert_eq!(opening().to_json().unwrap(), JSON);
        assert_eq!(Opening::from_json(JSON).unwrap(), opening());
        let more = JSON.replace(r#"{"salt""#, r#"{"later":[1],"salt""#);
        assert_eq!(Opening::from_json(&more).unwrap(), opening());
    }

    #[test]
    fn other_json_is_refused_and_not_repeated() {
        let cases = [
            JSON.replace("Hh8=", "Hh8"),
            JSON.replace("Hh8=", "Hh9="),
            JSON.replace("Hh8=", "Hg=="),
            JSON.replace("Hh8=", "Hh8gAA=="),
            JSON.replace("AAEC", "AA-C"),
            JSON.replace(r#""salt":"#, r#""sal":"#),
            JSON.replace("anchorId", "anchor_id"),
            JSON.replace(r#""ssi:hl:default:hash""#, "null"),
            String::new(),
        ];
        for case in cases {
            let error = Opening::from_json(&case).unwrap_err();
            assert!(!format!("{error:?}").contains("BAUG"), "{error:?}");
        }
    }

    #[test]
    fn the_binary_form_is_read_as_written() {
        let bytes = opening().encode().unwrap();
        assert_eq!(bytes.len(), 32 + 4 + 20 + 19);
        assert_eq!(Opening::decode(&bytes).unwrap(), opening());
        for length in 0..32 + 4 + 20 {
            assert!(
                matches!(
                    Opening::decode(&bytes[..length]),
                    Err(OpeningError::CutShort)
                ),
                "{length} bytes"
            );
        }
        let mut too_long = bytes.clone();
        too_long[32] = 0xff;
        assert!(matches!(
            Opening::decode(&too_long),
            Err(OpeningError::CutShort)
        ));
        for place in [40, 60] {
            let mut no_text = bytes.clone();
            no_text[place] = 0xff;
            assert!(matches!(
                Opening::decode(&no_text),
                Err(OpeningError::NotUtf8)
            ));
        }
    }

    #[test]
    fn a_bundle_of_openings_has_the_width_of_its_name() {
        let openings = vec![None, Some(opening()), None];
        let text = encode_openings(&openings).unwrap();
        assert_eq!(text, format!("[null,{JSON},null]"));
        assert_eq!(decode_openings(&text, 3).unwrap(), openings);
        for width in [0, 2, 4, 256] {
            let error = decode_openings(&text, width).unwrap_err();
            assert!(matches!(error, OpeningError::WrongWidth { found: 3, .. }));
        }
        let full = format!("[{}null]", "null,".repeat(255));
        assert_eq!(decode_openings(&full, 256).unwrap().len(), 256);
        let over = format!("[{}null]", "null,".repeat(256));
        for text in [over.as_str(), "{}", "[null", "[null]x", "", "null"] {
            let error = decode_openings(text, 1).unwrap_err();
            assert!(matches!(error, OpeningError::Json(_)), "{text}");
        }
    }

    #[test]
    fn nothing_is_told_by_debug() {
        assert_eq!(format!("{:?}", opening()), "Opening(..)");
        assert_eq!(format!("{:?}", opening().salt), "Salt(..)");
    }
}
