//! The tiles of a log, files of up to 256 hashes, and how they are named.
//!
//! ```text
//! tile/<level>/<N>[.p/<W>]      W hashes of 32 bytes, 256 without .p
//! N: groups of three digits, all but the last with an x: 1234067 -> x001/x234/067
//! ```
//!
//! A path is parsed strictly: there is one text for one file, so that what is cached is never ambiguous.
//!
//! **Source:** `translog.md` §5.

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

/// The width of tile `index` at a level with `hashes` complete hashes, of which it has at least one.
fn width_in(index: u64, hashes: u64) -> u16 {
    let from_here = hashes.saturating_sub(index << 8);
    u16::try_from(from_here).map_or(TILE_WIDTH, |width| width.min(TILE_WIDTH))
}

pub(crate) fn check_place(index: u64, width: u16) -> Result<(), IdError> {
    if index > INDEX_MAX {
        return Err(IdError::Index);
    }
    if !(1..=TILE_WIDTH).contains(&width) {
        return Err(IdError::Width);
    }
    Ok(())
}

/// `x001/234` or `x001/234.p/5`.
pub(crate) fn place_path(index: u64, width: u16) -> String {
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
pub(crate) fn parse_place(text: &str) -> Result<(u64, u16), IdError> {
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
pub(crate) fn canonical<T>(id: T, path: &str, write: impl Fn(&T) -> String) -> Result<T, IdError> {
    if write(&id) == path {
        Ok(id)
    } else {
        Err(IdError::Path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::BundleId;
    use proptest::prelude::*;

    #[test]
    fn paths() {
        let cases = [
            (0, 0, 256, "tile/0/000"),
            (0, 5, 1, "tile/0/005.p/1"),
            (1, 999, 255, "tile/1/999.p/255"),
            (7, 1000, 256, "tile/7/x001/000"),
            (10, 1_234_067, 12, "tile/10/x001/x234/067.p/12"),
            (63, 1_000_000, 256, "tile/63/x001/x000/000"),
            (0, INDEX_MAX, 256, "tile/0/x072/x057/x594/x037/x927/935"),
        ];
        for (level, index, width, path) in cases {
            let tile = TileId::new(level, index, width).unwrap();
            assert_eq!(tile.path(), path);
            assert_eq!(TileId::parse(path), Ok(tile));
        }
    }

    #[test]
    fn numbers_out_of_range_make_no_name() {
        assert_eq!(TileId::new(64, 0, 1), Err(IdError::Level));
        assert_eq!(TileId::new(0, INDEX_MAX + 1, 1), Err(IdError::Index));
        for width in [0, 257, u16::MAX] {
            assert_eq!(TileId::new(0, 0, width), Err(IdError::Width));
        }
    }

    /// What may stand for N and W, and what may not: the same for tiles, entries and openings.
    #[test]
    fn hostile_places_are_refused() {
        let zeros = format!("{}000", "x000/".repeat(10_000));
        let cases = "
            / 0 00 0000 1 x001 x001/ 001/000 x000/001 x000/x001/000 x001/00 x001/0000 x001//000
            x001/x000 X001/000 xx01/000 /000 000/ +00 -01 0x1 1e3 %30%30%30 x001%2F000 %2e%2e ..
            ../000 000/.. 000.p 000.p/ 000.p/0 000.p/00 000.p/01 000.p/256 000.p/257 000.p/65536
            000.p/65537 000.p/99999999999999999999999 000.p/+1 000.p/-1 000.p/1/ 000.p/1.p/1
            000.p/x01 000.p//1 000.P/1 000p/1 x001.p/1/000 000? 000# 000\0 ٠٠٠ ééé é00
            x072/x057/x594/x037/x927/936 x018/x446/x744/x073/x709/x551/616
            x999/x999/x999/x999/x999/x999/x999/x999/999";
        let with_spaces = [
            "", " ", "000 ", " 000", "000\n", "000.p/1 ", "000.p/ 1", &zeros,
        ];
        for place in cases.split_whitespace().chain(with_spaces) {
            let tile = format!("tile/0/{place}");
            assert!(TileId::parse(&tile).is_err(), "{tile}");
            let bundle = format!("tile/entries/{place}");
            assert!(BundleId::parse(&bundle).is_err(), "{bundle}");
            let openings = format!("openings/{place}");
            assert!(BundleId::parse_openings(&openings).is_err(), "{openings}");
        }
    }

    #[test]
    fn hostile_prefixes_and_levels_are_refused() {
        let cases = "
            tile tile/ tile/0 tile//000 tile/00/000 tile/01/000 tile/64/000 tile/255/000
            tile/256/000 tile/18446744073709551616/000 tile/-1/000 tile/+1/000 tile/x/000
            tile/%30/000 tile/entries/000 tile/0/entries/000 /tile/0/000 Tile/0/000
            tile/8/0/000 entries/000 tile/0/000/..";
        for path in cases.split_whitespace().chain(["", "tile/ 0/000"]) {
            assert!(TileId::parse(path).is_err(), "{path}");
        }
    }

    #[test]
    fn the_example_of_the_specification() {
        let tiles: Vec<_> = all_tiles(70_000).collect();
        let count = |level, width| {
            let of = |tile: &&TileId| tile.level == level && tile.width == width;
            tiles.iter().filter(of).count()
        };
        assert_eq!((count(0, 256), count(0, 112)), (273, 1));
        assert_eq!((count(1, 256), count(1, 17), count(2, 1)), (1, 1, 1));
        assert_eq!(tiles.len(), 277);
        let paths: Vec<_> = all_tiles(256).map(|tile| tile.path()).collect();
        assert_eq!(paths, ["tile/0/000", "tile/1/000.p/1"]);
        assert_eq!(all_tiles(0).count(), 0);
    }

    proptest! {
        #[test]
        fn names_are_read_as_written(level in 0..=63u8, index in 0..=INDEX_MAX, bits in 0..56u32, width in 1..=256u16) {
            // Numbers of all lengths, not only the longest.
            let index = index >> bits;
            let tile = TileId::new(level, index, width).unwrap();
            prop_assert_eq!(TileId::parse(&tile.path()), Ok(tile));
        }

        #[test]
        fn one_text_for_one_file(path in "tile/[0-9]{1,2}/(x[0-9]{3}/){0,3}[0-9]{3}(\\.p/[0-9]{1,3})?") {
            if let Ok(tile) = TileId::parse(&path) {
                prop_assert_eq!(tile.path(), path);
            }
        }

    }
}
