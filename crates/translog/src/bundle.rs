//! Entry bundles: files of up to 256 entries, numbered as the tiles of level 0, and how they are named.
//!
//! ```text
//! tile/entries/<N>[.p/<W>]      W times: u16 length, big-endian || entry
//! openings/<N>[.p/<W>]          a JSON array of W places (`opening.rs`)
//! ```
//!
//! **Source:** `translog.md` §2 and §6.

use thiserror::Error;

use crate::tile::{IdError, TILE_WIDTH, canonical, check_place, parse_place, place_path};

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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths() {
        let bundle = BundleId::new(1_234_067, 7).unwrap();
        assert_eq!(bundle.path(), "tile/entries/x001/x234/067.p/7");
        assert_eq!(BundleId::parse(&bundle.path()), Ok(bundle));
        assert_eq!(bundle.openings_path(), "openings/x001/x234/067.p/7");
        assert_eq!(
            BundleId::parse_openings(&bundle.openings_path()),
            Ok(bundle)
        );
        assert_eq!(bundle.full().path(), "tile/entries/x001/x234/067");
    }

    #[test]
    fn hostile_paths_are_refused() {
        for path in "tile/0/000 tile/entries entries/000 tile/data/000 openings/000".split(' ') {
            assert!(BundleId::parse(path).is_err(), "{path}");
        }
        for path in "tile/0/000 tile/entries/000 openings tile/openings/000".split(' ') {
            assert!(BundleId::parse_openings(path).is_err(), "{path}");
        }
        assert_eq!(BundleId::new(u64::MAX, 1), Err(IdError::Index));
        for width in [0, 257, u16::MAX] {
            assert_eq!(BundleId::new(0, width), Err(IdError::Width));
        }
    }

    #[test]
    fn bundles() {
        let longest = vec![7; 65_535];
        let entries: [&[u8]; 3] = [b"abc", b"", &longest];
        let bytes = encode_bundle(entries).unwrap();
        assert_eq!(&bytes[..9], b"\0\x03abc\0\0\xff\xff");
        assert_eq!(decode_bundle(&bytes, 3).unwrap(), entries);

        let cut_short = |entry_number| Err(BundleError::CutShort { entry_number });
        assert_eq!(decode_bundle(&bytes, 4), cut_short(3));
        assert_eq!(decode_bundle(&bytes[..bytes.len() - 1], 3), cut_short(2));
        assert_eq!(decode_bundle(&bytes[..8], 3), cut_short(2));
        assert_eq!(decode_bundle(&bytes[..4], 3), cut_short(0));
        assert_eq!(decode_bundle(&[], 1), cut_short(0));
        let left_over = Err(BundleError::LeftOver { bytes: 65_537 });
        assert_eq!(decode_bundle(&bytes, 2), left_over);
        for width in [0, 257, u16::MAX] {
            assert_eq!(decode_bundle(&bytes, width), Err(BundleError::WrongWidth));
        }
        let too_long = vec![0; 65_536];
        assert_eq!(
            encode_bundle([too_long.as_slice()]),
            Err(BundleError::EntryTooLong)
        );
    }

    proptest! {
        #[test]
        fn names_are_read_as_written(index in 0..=u64::MAX >> 8, width in 1..=256u16) {
            let bundle = BundleId::new(index, width).unwrap();
            prop_assert_eq!(BundleId::parse(&bundle.path()), Ok(bundle));
            prop_assert_eq!(BundleId::parse_openings(&bundle.openings_path()), Ok(bundle));
        }

        #[test]
        fn bundles_are_read_as_written(entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..90), 1..=256)) {
            let bytes = encode_bundle(entries.iter().map(Vec::as_slice)).unwrap();
            let width = u16::try_from(entries.len()).unwrap();
            prop_assert_eq!(decode_bundle(&bytes, width), Ok(entries));
        }

        #[test]
        fn no_bytes_make_reading_a_bundle_panic(bytes in prop::collection::vec(any::<u8>(), 0..600), width in any::<u16>()) {
            if let Ok(entries) = decode_bundle(&bytes, width) {
                prop_assert_eq!(encode_bundle(entries.iter().map(Vec::as_slice)), Ok(bytes));
            }
        }
    }
}
