//! What a leaf holds: salted commitments to an anchor's id and value, never the texts themselves.
//!
//! ```text
//! u8   format = 0x02
//! u8   op
//! u64  time, ms, big-endian
//! 32   id commitment
//! 32   value commitment
//! ```
//!
//! **Source:** `translog.md` §2, format 0x02.

use thiserror::Error;

use crate::hash::{HASH_BYTES, Hash, leaf_hash};

/// The one entry format that is read and written.
const FORMAT: u8 = 0x02;

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

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        Entry {
            op: Op::Append,
            time_ms: 0x0123_4567_89ab_cdef,
            id_commitment: [0x11; 32],
            value_commitment: [0x22; 32],
        }
    }

    #[test]
    fn the_bytes_are_those_of_the_specification() {
        let bytes = entry().encode();
        let expected = [
            [2, 2, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef].as_slice(),
            &[0x11; 32],
            &[0x22; 32],
        ]
        .concat();
        assert_eq!(bytes.as_slice(), expected);
        assert_eq!(entry().leaf_hash(), leaf_hash(&expected));
    }

    #[test]
    fn every_operation_is_read_as_written() {
        for byte in 1..=6 {
            let op = Op::try_from(byte).unwrap();
            assert_eq!(op as u8, byte);
            let entry = Entry { op, ..entry() };
            assert_eq!(Entry::decode(&entry.encode()), Ok(entry));
        }
    }

    #[test]
    fn other_lengths_formats_and_operations_are_refused() {
        let bytes = entry().encode();
        for length in (0..Entry::BYTES).chain([75, 76, 148]) {
            let mut other = bytes.to_vec();
            other.resize(length, 0);
            assert_eq!(
                Entry::decode(&other),
                Err(EntryError::WrongLength { found: length })
            );
        }
        for format in (0..=u8::MAX).filter(|&format| format != FORMAT) {
            let mut other = bytes;
            other[0] = format;
            assert_eq!(
                Entry::decode(&other),
                Err(EntryError::UnknownFormat(format))
            );
        }
        for op in (7..=u8::MAX).chain([0]) {
            let mut other = bytes;
            other[1] = op;
            assert_eq!(Entry::decode(&other), Err(EntryError::UnknownOp(op)));
        }
    }
}
