//! The files of a log: tiles of up to 256 hashes, bundles of up to 256 entries, and how they are named.
//!
//! ```text
//! tile/<level>/<N>[.p/<W>]      W hashes of 32 bytes, 256 without .p
//! tile/entries/<N>[.p/<W>]      W times: u16 length, big-endian || entry
//! openings/<N>[.p/<W>]          a JSON array of W places (`entry.rs`)
//! N: groups of three digits, all but the last with an x: 1234067 -> x001/x234/067
//! ```
//!
//! A path is parsed strictly: there is one text for one file, so that what is cached is never ambiguous.
//!
//! **Source:** `translog.md` §5 and §6.

use std::fmt::Write as _;

use thiserror::Error;

/// Hashes in a full tile, and entries in a full bundle.
pub const TILE_WIDTH: u16 = 256;

/// The highest level that a path can name. No tree of 64-bit size gets beyond level 7.
const LEVEL_MAX: u8 = 63;

/// The highest tile number: the places of the tile still have 64-bit numbers.
const INDEX_MAX: u64 = u64::MAX >> 8;

/// The name of a tile: level, number at that level, and how many hashes it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TileId {
    level: u8,
    index: u64,
    width: u16,
}

impl TileId {
    /// A tile of `width` hashes, number `index` at `level`.
    ///
    /// # Errors
    /// [`IdError`] for a level above 63, a number of 2^56 or more, a width of 0 or above 256.
    pub fn new(level: u8, index: u64, width: u16) -> Result<Self, IdError> {
        if level > LEVEL_MAX {
            return Err(IdError::Level);
        }
        check_place(index, width)?;
        Ok(Self {
            level,
            index,
            width,
        })
    }

    /// The tile with the hash number `place` of a level, in a tree that has `hashes` of them there, and
    /// this one among them.
    pub(crate) fn holding(level: u8, place: u64, hashes: u64) -> Self {
        let index = place >> 8;
        Self {
            level,
            index,
            width: width_in(index, hashes),
        }
    }

    /// The tile which ends with the hash number `place` of a level.
    pub(crate) fn ending_at(level: u8, place: u64) -> Self {
        let index = place >> 8;
        let width = u16::try_from(place & 0xff).map_or(TILE_WIDTH, |last| last + 1);
        Self {
            level,
            index,
            width,
        }
    }

    /// 0 for leaf hashes; a hash at level L covers 256^L leaves.
    #[must_use]
    pub fn level(&self) -> u8 {
        self.level
    }

    /// The number of the tile at its level. Its first hash has the number `index * 256`.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.index
    }

    /// How many hashes it holds, 1 to 256.
    #[must_use]
    pub fn width(&self) -> u16 {
        self.width
    }

    /// Whether it holds 256 hashes and never changes its name again.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.width == TILE_WIDTH
    }

    /// The full tile at the same place.
    #[must_use]
    pub fn full(&self) -> Self {
        Self {
            width: TILE_WIDTH,
            ..*self
        }
    }

    /// Where it is served, below the prefix of the log: `tile/0/x001/234.p/5`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("tile/{}/{}", self.level, place_path(self.index, self.width))
    }

    /// Reads a path as [`TileId::path`] writes it.
    ///
    /// # Errors
    /// [`IdError`].
    pub fn parse(path: &str) -> Result<Self, IdError> {
        let rest = path.strip_prefix("tile/").ok_or(IdError::Path)?;
        let (level, rest) = rest.split_once('/').ok_or(IdError::Path)?;
        let level = u8::try_from(parse_decimal(level)?).map_err(|_| IdError::Level)?;
        let (index, width) = parse_place(rest)?;
        canonical(Self::new(level, index, width)?, path, Self::path)
    }
}

/// The name of an entry bundle, and of the bundle of openings beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BundleId {
    index: u64,
    width: u16,
}

impl BundleId {
    /// A bundle of `width` entries, the first of which is the entry number `index * 256`.
    ///
    /// # Errors
    /// [`IdError`] for a number of 2^56 or more, a width of 0 or above 256.
    pub fn new(index: u64, width: u16) -> Result<Self, IdError> {
        check_place(index, width)?;
        Ok(Self { index, width })
    }

    /// The number of the bundle.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.index
    }

    /// How many entries it holds, 1 to 256.
    #[must_use]
    pub fn width(&self) -> u16 {
        self.width
    }

    /// Whether it holds 256 entries and never changes its name again.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.width == TILE_WIDTH
    }

    /// The full bundle at the same place.
    #[must_use]
    pub fn full(&self) -> Self {
        Self {
            width: TILE_WIDTH,
            ..*self
        }
    }

    /// Where the entries are served: `tile/entries/x001/234.p/5`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("tile/entries/{}", place_path(self.index, self.width))
    }

    /// Reads a path as [`BundleId::path`] writes it.
    ///
    /// # Errors
    /// [`IdError`].
    pub fn parse(path: &str) -> Result<Self, IdError> {
        let rest = path.strip_prefix("tile/entries/").ok_or(IdError::Path)?;
        let (index, width) = parse_place(rest)?;
        canonical(Self::new(index, width)?, path, Self::path)
    }

    /// Where the openings are served, if they are public: `openings/x001/234.p/5`.
    #[must_use]
    pub fn openings_path(&self) -> String {
        format!("openings/{}", place_path(self.index, self.width))
    }

    /// Reads a path as [`BundleId::openings_path`] writes it.
    ///
    /// # Errors
    /// [`IdError`].
    pub fn parse_openings(path: &str) -> Result<Self, IdError> {
        let rest = path.strip_prefix("openings/").ok_or(IdError::Path)?;
        let (index, width) = parse_place(rest)?;
        canonical(Self::new(index, width)?, path, Self::openings_path)
    }
}

/// Why a name is that of no tile and no bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IdError {
    /// Not of the shape that paths have.
    #[error("not the path of a tile or bundle")]
    Path,
    /// The level is above 63.
    #[error("a tile has a level of at most 63")]
    Level,
    /// The number is too large for any tree of 64-bit size.
    #[error("the number of a tile or bundle is too large")]
    Index,
    /// The width is none of 1 to 256, or 256 is written out.
    #[error("a partial tile or bundle has a width of 1 to 255")]
    Width,
}

/// Every tile of a tree of `size` leaves: level 0 first, each level from the left, the last one of a
/// level partial where it is not full.
pub fn all_tiles(size: u64) -> impl Iterator<Item = TileId> {
    (0..8u8).flat_map(move |level| {
        let hashes = size >> (8 * u32::from(level));
        (0..hashes.div_ceil(u64::from(TILE_WIDTH))).map(move |index| TileId {
            level,
            index,
            width: width_in(index, hashes),
        })
    })
}

/// The bytes of an entry bundle.
///
/// # Errors
/// [`BundleError::EntryTooLong`] for an entry of more than 65,535 bytes.
pub fn encode_bundle<'a>(
    entries: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<u8>, BundleError> {
    let mut bytes = Vec::new();
    for entry in entries {
        let length = u16::try_from(entry.len()).map_err(|_| BundleError::EntryTooLong)?;
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    Ok(bytes)
}

/// Reads a bundle that holds exactly `width` entries.
///
/// # Errors
/// [`BundleError::WrongWidth`] for a width that no bundle has, [`BundleError::CutShort`],
/// [`BundleError::LeftOver`].
pub fn decode_bundle(bytes: &[u8], width: u16) -> Result<Vec<Vec<u8>>, BundleError> {
    if !(1..=TILE_WIDTH).contains(&width) {
        return Err(BundleError::WrongWidth);
    }
    let mut rest = bytes;
    let mut entries = Vec::with_capacity(usize::from(width));
    for entry_number in 0..width {
        let cut_short = BundleError::CutShort { entry_number };
        let (length, after) = rest.split_first_chunk().ok_or(cut_short)?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (entry, after) = after.split_at_checked(length).ok_or(cut_short)?;
        entries.push(entry.to_vec());
        rest = after;
    }
    if !rest.is_empty() {
        return Err(BundleError::LeftOver { bytes: rest.len() });
    }
    Ok(entries)
}

/// Why bytes are no bundle, or entries cannot become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BundleError {
    /// An entry is longer than its length field can say.
    #[error("an entry of a bundle has at most 65535 bytes")]
    EntryTooLong,
    /// Asked for a width of 0 or above 256.
    #[error("a bundle has 1 to 256 entries")]
    WrongWidth,
    /// The bytes end within an entry.
    #[error("the bundle ends within its entry {entry_number}")]
    CutShort {
        /// Counted from 0 within the bundle.
        entry_number: u16,
    },
    /// There are bytes after the last entry.
    #[error("{bytes} bytes after the last entry of a bundle")]
    LeftOver {
        /// How many.
        bytes: usize,
    },
}

/// The width of tile `index` at a level with `hashes` complete hashes, of which it has at least one.
fn width_in(index: u64, hashes: u64) -> u16 {
    let from_here = hashes.saturating_sub(index << 8);
    u16::try_from(from_here).map_or(TILE_WIDTH, |width| width.min(TILE_WIDTH))
}

fn check_place(index: u64, width: u16) -> Result<(), IdError> {
    if index > INDEX_MAX {
        return Err(IdError::Index);
    }
    if !(1..=TILE_WIDTH).contains(&width) {
        return Err(IdError::Width);
    }
    Ok(())
}

/// `x001/234` or `x001/234.p/5`.
fn place_path(index: u64, width: u16) -> String {
    let mut groups = vec![index % 1000];
    let mut rest = index / 1000;
    while rest > 0 {
        groups.push(rest % 1000);
        rest /= 1000;
    }
    let mut path = String::new();
    for (following, group) in groups.iter().enumerate().rev() {
        // Writing to a string does not fail.
        let _ = match following {
            0 => write!(path, "{group:03}"),
            _ => write!(path, "x{group:03}/"),
        };
    }
    if width != TILE_WIDTH {
        let _ = write!(path, ".p/{width}");
    }
    path
}

/// Reads what [`place_path`] writes. What it lets through beyond that is refused by [`canonical`].
fn parse_place(text: &str) -> Result<(u64, u16), IdError> {
    let (number, width) = match text.split_once(".p/") {
        Some((number, width)) => {
            let width = u16::try_from(parse_decimal(width)?).map_err(|_| IdError::Width)?;
            (number, width)
        }
        None => (text, TILE_WIDTH),
    };
    let mut index = 0u64;
    for group in number.split('/') {
        let digits = group.strip_prefix('x').unwrap_or(group);
        if digits.len() != 3 {
            return Err(IdError::Path);
        }
        let digits = parse_decimal(digits)?;
        index = index
            .checked_mul(1000)
            .and_then(|index| index.checked_add(digits))
            .ok_or(IdError::Index)?;
    }
    Ok((index, width))
}

/// Digits only: no sign, no spaces.
fn parse_decimal(text: &str) -> Result<u64, IdError> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(IdError::Path);
    }
    text.parse().map_err(|_| IdError::Index)
}

/// One text for one file: what was read is written again and compared. This refuses leading zeros, a
/// missing or superfluous `x`, and `.p/256`.
fn canonical<T>(id: T, path: &str, write: impl Fn(&T) -> String) -> Result<T, IdError> {
    if write(&id) == path {
        Ok(id)
    } else {
        Err(IdError::Path)
    }
}
