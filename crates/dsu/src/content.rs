//! How to read one file: which bricks to fetch, and what to do with the bytes.
//!
//! A file is the concatenation of its pieces. A piece is a brick, a slice of an
//! unencrypted container brick (compacted folders), or bytes that the brick map
//! itself holds. Nothing is fetched here: the caller brings the bytes of each
//! brick, and they are hashed before anything else is done with them.
//!
//! The entry `size` of a big file tells the sizes of its pieces beforehand, so
//! that a range can be read without the rest. If later appends have left it
//! behind, the sizes count as unknown and the file is read as a whole.
//!
//! **Source:** dsu specification §2, §3, §3.3, §14-8, §14-9, §14-15.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use keyssi::envelope::{self, EnvelopeError};
use keyssi::{
    BrickHash, BrickHashError, Domain, DomainError, EncryptionKey, Hint, KeySsi, SsiKind, UseError,
};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::brick_map::{BrickMap, FileNode, UnreadableEmbedded};
use crate::entry::{Entry, EntryError};
use crate::path::DsuPath;

/// A brick and where it is stored.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BrickRef {
    /// The domain whose stores hold it.
    pub domain: Domain,
    /// Its name.
    pub hash: BrickHash,
}

/// The plan of a whole file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    pieces: Vec<Piece>,
}

/// One piece of a file. Holds its key; `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Piece {
    source: PieceSource,
    key: Option<EncryptionKey>,
    /// Length of the plaintext, where it is known beforehand.
    bytes: Option<u64>,
}

/// Where the bytes of a piece come from.
#[derive(Clone, PartialEq, Eq)]
pub enum PieceSource {
    /// A brick, or a part of one.
    Brick {
        /// The brick to fetch.
        brick: BrickRef,
        /// The part that is meant; `None` for all of it.
        slice: Option<Slice>,
    },
    /// The bytes themselves, in clear.
    Inline(Zeroizing<Vec<u8>>),
}

/// A part of a container brick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// First byte.
    pub offset: usize,
    /// Length in bytes.
    pub bytes: usize,
    /// Hash of the part alone.
    pub hash: BrickHash,
}

/// A part of a piece that belongs to a range of the file.
#[derive(Debug, Clone)]
pub struct PieceRange<'a> {
    /// The piece to open.
    pub piece: &'a Piece,
    /// How many bytes at the start of its plaintext come before the range.
    pub skip: usize,
    /// How many bytes after them belong to the range.
    pub bytes: usize,
}

/// The brick map describes a file in a way that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ContentError {
    /// One of the bricks.
    #[error("entry {index} of the file cannot be read")]
    Entry {
        /// Place of the entry in `hashLinks`, from 0.
        index: usize,
        /// What is wrong with it.
        #[source]
        source: EntryFault,
    },
    /// The content inside the map.
    #[error("the embedded file cannot be read")]
    Embedded(#[source] UnreadableEmbedded),
}

/// A file of a brick map cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the brick map says of {path} what cannot be read")]
pub struct UnreadableFile {
    /// The file.
    pub path: DsuPath,
    /// Why.
    #[source]
    pub source: ContentError,
}

/// What is wrong with an entry of a file.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EntryFault {
    /// A member is not the identifier that it should be.
    #[error("the entry is malformed")]
    Malformed(#[source] EntryError),
    /// Neither a link nor a size.
    #[error("the entry names no brick")]
    NoLink,
    /// A link of a type that holds no data.
    #[error("an identifier of type '{kind}' is no link to data")]
    NotALink {
        /// The type.
        kind: SsiKind,
    },
    /// The link names no brick.
    #[error("the link holds no brick hash")]
    BadHash(#[source] BrickHashError),
    /// The link names no domain that a node serves.
    #[error("the domain of the link is malformed")]
    BadDomain(#[source] DomainError),
    /// The key is of a type without keys, or broken.
    #[error("the entry holds no usable key")]
    BadKey(#[source] UseError),
    /// The hint `embedded` is not `offset,size,identifier`.
    #[error("the place inside the container brick is malformed")]
    BadSlice,
    /// A `size` that is not the first entry, or does not hold two sizes.
    #[error("the size of the file is malformed or misplaced")]
    BadSize,
}

/// The bytes that were fetched are not the piece.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Other bytes than the brick map means, of the brick or of its slice.
    #[error("the brick hashes to {actual} instead of {expected}")]
    WrongHash {
        /// The hash in the brick map.
        expected: BrickHash,
        /// The hash of the bytes.
        actual: BrickHash,
    },
    /// The right bytes, but the key in the brick map does not open them.
    #[error("the brick was not sealed with the key in the brick map")]
    Undecipherable(#[source] EnvelopeError),
    /// The container brick is shorter than the brick map says.
    #[error("the container brick has {found} bytes, the slice ends at {end}")]
    SliceOutside {
        /// Length of the container in bytes.
        found: usize,
        /// End of the slice.
        end: u128,
    },
    /// A brick of a big file holds another number of bytes than its `size`
    /// entry says, so that ranges would be wrong.
    #[error("the brick holds {found} bytes instead of {expected}")]
    WrongSize {
        /// Bytes due.
        expected: u64,
        /// Bytes found.
        found: u64,
    },
}

impl FileNode<'_> {
    /// How to read the file.
    ///
    /// # Errors
    /// [`ContentError`] if the brick map describes it in a way that cannot be
    /// read.
    pub fn content(&self) -> Result<Content, ContentError> {
        match self.embedded() {
            Some(content) => {
                let content = content.map_err(ContentError::Embedded)?;
                let bytes = content.as_bytes().to_vec();
                Ok(Content::inline(Zeroizing::new(bytes)))
            }
            None => Content::of_entries(&self.entries()),
        }
    }
}

impl BrickMap {
    /// The bricks that the files of this version consist of, containers too,
    /// each once, sorted. The brick of the map itself is not among them.
    ///
    /// # Errors
    /// [`UnreadableFile`] names the first file that cannot be read.
    pub fn bricks(&self) -> Result<Vec<BrickRef>, UnreadableFile> {
        let mut bricks = BTreeSet::new();
        for (path, file) in self.files() {
            match file.content() {
                Ok(content) => bricks.extend(content.bricks()),
                Err(source) => return Err(UnreadableFile { path, source }),
            }
        }
        Ok(bricks.into_iter().collect())
    }
}

impl Content {
    /// The plan for the `hashLinks` of a file. No entries are an empty file.
    ///
    /// # Errors
    /// [`ContentError::Entry`] names the first entry that cannot be read.
    pub fn of_entries(entries: &[Entry]) -> Result<Self, ContentError> {
        let at = |index: usize| move |source| ContentError::Entry { index, source };
        let size = entries.first().map(size_of).transpose().map_err(at(0))?;
        let size = size.flatten();
        let bricks = entries.iter().enumerate().skip(usize::from(size.is_some()));
        let pieces = bricks.map(|(index, entry)| Piece::of_entry(entry).map_err(at(index)));
        let mut content = Self {
            pieces: pieces.collect::<Result<_, _>>()?,
        };
        if let Some((total, chunk)) = size {
            content.note_sizes(total, chunk);
        }
        Ok(content)
    }

    /// The plan for bytes that are there already.
    #[must_use]
    pub fn inline(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self {
            pieces: vec![Piece::inline(bytes)],
        }
    }

    /// The pieces, in order.
    #[must_use]
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// The size of the file, where it is known before reading: of embedded,
    /// compacted and big files. The bricks of a compacted file can show that it
    /// was wrong.
    #[must_use]
    pub fn total_bytes(&self) -> Option<u64> {
        let mut sizes = self.pieces.iter().map(Piece::bytes);
        sizes.try_fold(0_u64, |sum, bytes| sum.checked_add(bytes?))
    }

    /// The pieces that hold the bytes from `range.start` up to `range.end`,
    /// which is cut off at the end of the file. `None` if the sizes are not
    /// known before reading.
    #[must_use]
    pub fn range(&self, range: Range<u64>) -> Option<Vec<PieceRange<'_>>> {
        let end = range.end.min(self.total_bytes()?);
        let mut first = 0;
        let mut found = Vec::new();
        for piece in &self.pieces {
            let next = first + piece.bytes()?;
            let (from, to) = (range.start.max(first), end.min(next));
            if from < to {
                found.push(PieceRange {
                    piece,
                    skip: usize::try_from(from - first).ok()?,
                    bytes: usize::try_from(to - from).ok()?,
                });
            }
            first = next;
        }
        Some(found)
    }

    /// The bricks that have to be fetched, each once, sorted.
    #[must_use]
    pub fn bricks(&self) -> BTreeSet<BrickRef> {
        self.pieces
            .iter()
            .filter_map(Piece::brick)
            .cloned()
            .collect()
    }

    /// Tells the pieces of a big file their sizes, unless their number shows
    /// that the file has grown since.
    fn note_sizes(&mut self, total: u64, chunk: u64) {
        let count = u64::try_from(self.pieces.len()).unwrap_or(u64::MAX);
        // Empty content is one empty brick (§2), or none.
        let due = total.div_ceil(chunk).max(u64::from(count > 0));
        if count != due {
            return;
        }
        let mut rest = total;
        for piece in &mut self.pieces {
            let bytes = rest.min(chunk);
            piece.bytes = Some(bytes);
            rest -= bytes;
        }
    }
}

impl Piece {
    /// Where the bytes come from.
    #[must_use]
    pub const fn source(&self) -> &PieceSource {
        &self.source
    }

    /// The brick to fetch; `None` if the bytes are there already.
    #[must_use]
    pub const fn brick(&self) -> Option<&BrickRef> {
        match &self.source {
            PieceSource::Brick { brick, .. } => Some(brick),
            PieceSource::Inline(_) => None,
        }
    }

    /// The length of the plaintext, where it is known before reading.
    #[must_use]
    pub const fn bytes(&self) -> Option<u64> {
        self.bytes
    }

    /// The plaintext, from the bytes of the brick as they were fetched. For
    /// inline pieces the bytes do not matter.
    ///
    /// # Errors
    /// [`OpenError`] if they are not the bytes that the brick map means, or the
    /// key does not fit.
    pub fn open(&self, brick_bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let (brick, slice) = match &self.source {
            PieceSource::Inline(bytes) => return Ok(bytes.clone()),
            PieceSource::Brick { brick, slice } => (brick, slice),
        };
        check_hash(&brick.hash, brick_bytes)?;
        let stored = slice.map_or(Ok(brick_bytes), |slice| slice.cut(brick_bytes))?;
        let plain = match &self.key {
            Some(key) => envelope::open(key, stored).map_err(OpenError::Undecipherable)?,
            None => Zeroizing::new(stored.to_vec()),
        };
        let found = u64::try_from(plain.len()).unwrap_or(u64::MAX);
        match self.bytes {
            Some(expected) if expected != found => Err(OpenError::WrongSize { expected, found }),
            _ => Ok(plain),
        }
    }

    fn inline(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self {
            key: None,
            bytes: u64::try_from(bytes.len()).ok(),
            source: PieceSource::Inline(bytes),
        }
    }

    fn of_entry(entry: &Entry) -> Result<Self, EntryFault> {
        if entry.size().map_err(EntryFault::Malformed)?.is_some() {
            return Err(EntryFault::BadSize);
        }
        let link = entry.hash_link().map_err(EntryFault::Malformed)?;
        let link = link.ok_or(EntryFault::NoLink)?;
        // As in the reference, the data inside a link are never encrypted.
        if let Some(data) = link.embedded_data() {
            return Ok(Self::inline(data));
        }
        let key = entry.key().map_err(EntryFault::Malformed)?;
        let key = key.as_ref().map(key_of).transpose()?;
        let slice = match link.hint().and_then(Hint::embedded) {
            Some(place) => Some(Slice::parse(&place).ok_or(EntryFault::BadSlice)?),
            None => None,
        };
        let overhead = if key.is_some() {
            envelope::OVERHEAD_BYTES
        } else {
            0
        };
        let bytes = slice.and_then(|slice| slice.bytes.checked_sub(overhead));
        let brick = BrickRef::of_link(&link)?;
        Ok(Self {
            source: PieceSource::Brick { brick, slice },
            key,
            bytes: bytes.and_then(|bytes| u64::try_from(bytes).ok()),
        })
    }
}

impl PieceRange<'_> {
    /// The bytes of the range that this piece holds, see [`Piece::open`].
    ///
    /// # Errors
    /// [`OpenError`] as [`Piece::open`].
    pub fn open(&self, brick_bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let whole = self.piece.open(brick_bytes)?;
        if whole.len() == self.bytes {
            return Ok(whole);
        }
        // The length was checked: a range names pieces of known sizes only.
        let rest = whole.get(self.skip..).unwrap_or_default();
        let part = rest.get(..self.bytes).unwrap_or(rest);
        Ok(Zeroizing::new(part.to_vec()))
    }
}

impl BrickRef {
    fn of_link(link: &KeySsi) -> Result<Self, EntryFault> {
        Ok(Self {
            hash: hash_of(link)?,
            domain: link.domain().parse().map_err(EntryFault::BadDomain)?,
        })
    }
}

impl Slice {
    /// Reads `offset,size,identifier`.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(',');
        let (offset, bytes, link) = (parts.next()?, parts.next()?, parts.next()?);
        let link = KeySsi::parse_stored(link).ok()?;
        Some(Self {
            offset: offset.parse().ok()?,
            bytes: bytes.parse().ok()?,
            hash: hash_of(&link).ok()?,
        })
    }

    /// The slice of a container whose hash was checked already.
    fn cut(self, container: &[u8]) -> Result<&[u8], OpenError> {
        let rest = container.get(self.offset..);
        let slice = rest.and_then(|rest| rest.get(..self.bytes));
        let slice = slice.ok_or(OpenError::SliceOutside {
            found: container.len(),
            end: self.offset as u128 + self.bytes as u128,
        })?;
        check_hash(&self.hash, slice)?;
        Ok(slice)
    }
}

impl fmt::Debug for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Piece")
            .field("source", &self.source)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for PieceSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Brick { brick, slice } => f
                .debug_struct("Brick")
                .field("brick", brick)
                .field("slice", slice)
                .finish(),
            Self::Inline(bytes) => f.debug_tuple("Inline").field(&bytes.len()).finish(),
        }
    }
}

fn check_hash(expected: &BrickHash, bytes: &[u8]) -> Result<(), OpenError> {
    let actual = BrickHash::of(bytes);
    if actual == *expected {
        return Ok(());
    }
    let expected = *expected;
    Err(OpenError::WrongHash { expected, actual })
}

fn hash_of(link: &KeySsi) -> Result<BrickHash, EntryFault> {
    match link.kind() {
        SsiKind::HashLink => link.specific().parse().map_err(EntryFault::BadHash),
        kind => Err(EntryFault::NotALink { kind }),
    }
}

fn key_of(ssi: &KeySsi) -> Result<EncryptionKey, EntryFault> {
    let kind = ssi.kind();
    let key = ssi.encryption_key().map_err(EntryFault::BadKey)?;
    key.ok_or(EntryFault::BadKey(UseError::NoKey { kind }))
}

/// Total and chunk size, if the entry is a `size`.
fn size_of(entry: &Entry) -> Result<Option<(u64, u64)>, EntryFault> {
    let Some(size) = entry.size().map_err(EntryFault::Malformed)? else {
        return Ok(None);
    };
    match size.sizes() {
        Some((total, chunk)) if chunk > 0 => Ok(Some((total, chunk))),
        _ => Err(EntryFault::BadSize),
    }
}

#[cfg(test)]
mod tests;
