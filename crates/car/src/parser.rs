//! Reading archives: bytes are pushed in as they come, checked blocks are taken out.
//!
//! What a CAR file may hold and this parser refuses: blocks whose hash is not SHA-256 (they could
//! not be checked; identity CIDs carry their content in their name), empty sections, and lengths
//! in more than nine bytes or in more bytes than needed.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};
use cid::Cid;
use keyssi::BrickHash;
use serde::Deserialize;
use thiserror::Error;
use unsigned_varint::decode;

use crate::block::sha2_256_of;

/// Bytes of the longest length: nine times seven bits.
const LENGTH_BYTES_MAX: usize = 9;
/// Bytes of the longest CID with a SHA-256: version, codec, hash function, length, digest.
const CID_BYTES_MAX: usize = 1 + LENGTH_BYTES_MAX + 1 + 1 + 32;

/// What an archive may make its reader hold. Nothing is reserved for a length beyond these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CarLimits {
    /// Largest header, in bytes; a root takes 41 of them.
    pub header_bytes_max: usize,
    /// Largest block, in bytes, without its CID.
    pub block_bytes_max: usize,
}

/// What a parser found next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CarEvent {
    /// The header; always the first, and only once.
    Header {
        /// The roots, which need not be among the blocks.
        roots: Vec<Cid>,
    },
    /// A block whose bytes hash to its CID.
    Block {
        /// Its name. Any codec; see [`crate::brick_hash`].
        cid: Cid,
        /// Its bytes; a slice of what was pushed where that is possible.
        data: Bytes,
    },
}

/// Why an archive is refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CarError {
    /// The header is larger than allowed.
    #[error("the header has {bytes} bytes, at most {bytes_max} are allowed")]
    HeaderTooLarge {
        /// Its length as stated.
        bytes: u64,
        /// The limit.
        bytes_max: usize,
    },
    /// The header is not the DAG-CBOR of a CAR header.
    #[error("the header is not that of a CAR file")]
    MalformedHeader(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The header is of another version of the format.
    #[error("the archive is a CAR of version {found}, only version 1 is read")]
    UnsupportedVersion {
        /// The version stated.
        found: u64,
    },
    /// A length is not a varint of at most nine bytes in its shortest form.
    #[error("a length is not a varint of at most {LENGTH_BYTES_MAX} bytes in its shortest form")]
    MalformedLength,
    /// A section without even a CID.
    #[error("a section is empty")]
    EmptySection,
    /// A block is larger than allowed.
    #[error("a section has {bytes} bytes, its block may have {bytes_max}")]
    BlockTooLarge {
        /// The length of the block with its CID, as stated.
        bytes: u64,
        /// The limit of the block alone.
        bytes_max: usize,
    },
    /// A section does not begin with a CID.
    #[error("a section does not begin with a CID")]
    MalformedCid(#[source] cid::Error),
    /// The block's hash is none that is checked here.
    #[error("block {cid} is not named by 32 bytes of sha2-256")]
    UnsupportedHash {
        /// Its name.
        cid: Cid,
    },
    /// The block's bytes do not hash to its CID.
    #[error("the bytes of block {cid} do not hash to its CID")]
    HashMismatch {
        /// Its name.
        cid: Cid,
    },
    /// The archive ends in the middle.
    #[error("the archive is cut off")]
    Truncated,
    /// The parser has refused the archive before.
    #[error("the archive was refused before")]
    Refused,
}

/// A parser of one archive.
///
/// It holds what was pushed and not yet taken, and one section at most; a caller that takes all
/// events after each push is bounded by its pieces and [`CarLimits`].
#[derive(Debug)]
pub struct CarParser {
    limits: CarLimits,
    state: State,
    pushed: VecDeque<Bytes>,
    blocks: usize,
}

#[derive(Debug)]
enum State {
    /// Within a length, of which these bytes have come.
    Length { part: Part, begun: Vec<u8> },
    /// Within a header or section of `bytes` bytes, of which these have come.
    Content {
        part: Part,
        bytes: usize,
        begun: Vec<u8>,
    },
    /// Refused, for good.
    Refused,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Header,
    Section,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    /// CAR v2 begins with a header without roots.
    roots: Option<Vec<Cid>>,
    version: u64,
}

impl CarParser {
    /// A parser at the beginning of an archive.
    #[must_use]
    pub fn new(limits: CarLimits) -> Self {
        Self {
            limits,
            state: State::at_length(Part::Header),
            pushed: VecDeque::new(),
            blocks: 0,
        }
    }

    /// Adds the next bytes of the archive, as many as there are.
    pub fn push(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.pushed.push_back(bytes);
        }
    }

    /// The next event; `None` when more bytes are needed for it.
    ///
    /// # Errors
    /// [`CarError`]; the archive is then refused for good. What came out before was checked.
    #[expect(clippy::should_implement_trait, reason = "None is not the end here")]
    pub fn next(&mut self) -> Result<Option<CarEvent>, CarError> {
        let event = self.advance();
        if event.is_err() {
            self.state = State::Refused;
            self.pushed.clear();
        }
        event
    }

    /// Blocks that have come out so far: in case of an error, the index (from 0) of the one that
    /// it is about.
    #[must_use]
    pub fn blocks(&self) -> usize {
        self.blocks
    }

    /// Says that no more bytes come, after [`CarParser::next`] gave `None`.
    ///
    /// # Errors
    /// [`CarError::Truncated`] unless the archive ends where a header or block does.
    pub fn finish(self) -> Result<(), CarError> {
        match self.state {
            State::Refused => Err(CarError::Refused),
            State::Length { part, begun }
                if part == Part::Section && begun.is_empty() && self.pushed.is_empty() =>
            {
                Ok(())
            }
            _ => Err(CarError::Truncated),
        }
    }

    fn advance(&mut self) -> Result<Option<CarEvent>, CarError> {
        loop {
            match &mut self.state {
                State::Refused => return Err(CarError::Refused),
                State::Length { part, begun } => {
                    let Some(bytes) = take_length(begun, &mut self.pushed)? else {
                        return Ok(None);
                    };
                    self.state = State::Content {
                        part: *part,
                        bytes: self.limits.admit(*part, bytes)?,
                        begun: Vec::new(),
                    };
                }
                State::Content { part, bytes, begun } => {
                    let Some(content) = take_content(*bytes, begun, &mut self.pushed) else {
                        return Ok(None);
                    };
                    let event = match part {
                        Part::Header => parse_header(&content)?,
                        Part::Section => {
                            let block = check_section(&content, self.limits.block_bytes_max)?;
                            self.blocks += 1;
                            block
                        }
                    };
                    self.state = State::at_length(Part::Section);
                    return Ok(Some(event));
                }
            }
        }
    }
}

impl State {
    fn at_length(part: Part) -> Self {
        let begun = Vec::new();
        Self::Length { part, begun }
    }
}

impl CarLimits {
    /// A stated length, if it may be that long.
    fn admit(&self, part: Part, bytes: u64) -> Result<usize, CarError> {
        let (bytes_max, refusal) = match part {
            Part::Section if bytes == 0 => return Err(CarError::EmptySection),
            Part::Section => (
                self.block_bytes_max.saturating_add(CID_BYTES_MAX),
                CarError::BlockTooLarge {
                    bytes,
                    bytes_max: self.block_bytes_max,
                },
            ),
            Part::Header => (
                self.header_bytes_max,
                CarError::HeaderTooLarge {
                    bytes,
                    bytes_max: self.header_bytes_max,
                },
            ),
        };
        match usize::try_from(bytes) {
            Ok(bytes) if bytes <= bytes_max => Ok(bytes),
            _ => Err(refusal),
        }
    }
}

/// Takes a varint from `pushed`, the beginning of which may have been taken before.
fn take_length(begun: &mut Vec<u8>, pushed: &mut VecDeque<Bytes>) -> Result<Option<u64>, CarError> {
    while let Some(byte) = take_byte(pushed) {
        begun.push(byte);
        if decode::is_last(byte) {
            let decoded = decode::u64(begun).map_err(|_| CarError::MalformedLength)?;
            return Ok(Some(decoded.0));
        }
        if begun.len() == LENGTH_BYTES_MAX {
            return Err(CarError::MalformedLength);
        }
    }
    Ok(None)
}

fn take_byte(pushed: &mut VecDeque<Bytes>) -> Option<u8> {
    let front = pushed.front_mut()?;
    // No empty piece is ever kept.
    let byte = front.get_u8();
    if front.is_empty() {
        pushed.pop_front();
    }
    Some(byte)
}

/// Takes `bytes` bytes from `pushed`, the beginning of which may have been taken before; without a
/// copy if they lie in one piece.
fn take_content(bytes: usize, begun: &mut Vec<u8>, pushed: &mut VecDeque<Bytes>) -> Option<Bytes> {
    loop {
        let missing = bytes - begun.len();
        if missing == 0 {
            return Some(Bytes::from(std::mem::take(begun)));
        }
        let front = pushed.front_mut()?;
        let piece = front.split_to(missing.min(front.len()));
        if front.is_empty() {
            pushed.pop_front();
        }
        if piece.len() == bytes {
            return Some(piece);
        }
        // The length is within the limits, and pages that are not touched cost nothing.
        begun.reserve_exact(missing);
        begun.extend_from_slice(&piece);
    }
}

fn parse_header(bytes: &[u8]) -> Result<CarEvent, CarError> {
    let header: Header = serde_ipld_dagcbor::from_slice(bytes)
        .map_err(|error| CarError::MalformedHeader(error.into()))?;
    if header.version != 1 {
        let found = header.version;
        return Err(CarError::UnsupportedVersion { found });
    }
    let roots = header
        .roots
        .ok_or_else(|| CarError::MalformedHeader("it has no roots".into()))?;
    Ok(CarEvent::Header { roots })
}

fn check_section(section: &Bytes, block_bytes_max: usize) -> Result<CarEvent, CarError> {
    let mut rest: &[u8] = section;
    let cid = Cid::read_bytes(&mut rest).map_err(CarError::MalformedCid)?;
    let (name, bytes) = (section.len() - rest.len(), rest.len());
    // One name per block: the parser of CIDs also takes numbers in which bits are lost.
    if section.get(..name) != Some(cid.to_bytes().as_slice()) {
        return Err(CarError::MalformedCid(cid::Error::ParsingError));
    }
    if bytes > block_bytes_max {
        return Err(CarError::BlockTooLarge {
            bytes: section.len() as u64,
            bytes_max: block_bytes_max,
        });
    }
    let expected = sha2_256_of(&cid).ok_or(CarError::UnsupportedHash { cid })?;
    if BrickHash::of(rest) != expected {
        return Err(CarError::HashMismatch { cid });
    }
    let data = section.slice(name..);
    Ok(CarEvent::Block { cid, data })
}
