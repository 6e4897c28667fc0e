//! The files of a log: tiles, bundles of entries, and openings.
//!
//! A partial file may be gone once there is the full one, so each is asked for in turn.
//!
//! **Source:** `translog.md` §2, §5 and §6.

use serde_json::Value;
use translog::{BundleId, Hash, Opening, TILE_WIDTH, TileId};

use super::finding::{Finding, Kind, Stop};
use super::source::Source;
use crate::common::Common;
use crate::exit::Failure;

/// The longest bundle that its framing allows, in bytes. Ours have 19,456; a longer one has to be
/// readable, so that the entry at fault can be named.
const BUNDLE_BYTES_MAX: usize = TILE_WIDTH as usize * (2 + 0xffff);
/// A full tile, in bytes.
const TILE_BYTES_MAX: usize = TILE_WIDTH as usize * 32;
/// 256 openings have some 150,000 bytes; values with long hints may have more.
const OPENINGS_BYTES_MAX: usize = 16 << 20;

/// Where the files of a log are.
pub(super) struct Files {
    /// Checkpoint, tiles and bundles.
    pub(super) log: Source,
    /// Openings, if somewhere else; they have to be there then.
    openings: Option<Source>,
}

/// A bundle, split into its entries as far as that is possible.
pub(super) struct Bundle {
    /// The entries that are whole, at most as many as were asked for.
    pub(super) entries: Vec<Vec<u8>>,
    /// Bytes after the last of them.
    pub(super) left_over: usize,
}

/// The openings of a bundle, as far as they can be read.
pub(super) struct OpeningBundle(Result<Vec<Value>, String>);

impl Files {
    /// A log, with the address or folder of its openings if they are not beside it.
    ///
    /// # Errors
    /// When that is neither.
    pub(super) fn of(
        log: Source,
        openings: Option<&str>,
        common: &Common,
    ) -> Result<Self, Failure> {
        let openings = openings.map(|it| Source::of(it, common)).transpose()?;
        Ok(Self { log, openings })
    }

    /// Whether the log is not in order without its openings.
    pub(super) fn demand_openings(&self) -> bool {
        self.openings.is_some()
    }

    /// The hashes of a tile.
    ///
    /// # Errors
    /// A finding if it is not there or has another length.
    pub(super) async fn tile(&self, id: TileId) -> Result<Vec<Hash>, Stop> {
        let narrow = self.log.fetch(&id.path(), TILE_BYTES_MAX).await?;
        let (found, bytes) = match narrow {
            Some(bytes) => (id, Some(bytes)),
            None if id.is_full() => (id, None),
            None => {
                let full = id.full();
                (full, self.log.fetch(&full.path(), TILE_BYTES_MAX).await?)
            }
        };
        // The first leaf below it. No tile that is asked for covers more than 2^64 leaves.
        let first = (id.index() << 8).wrapping_shl(8 * u32::from(id.level()));
        let Some(bytes) = bytes else {
            let text = "the tile is missing";
            return Err(Finding::new(Kind::Missing, text)
                .at(first)
                .file(id.path())
                .into());
        };
        let (hashes, rest) = bytes.as_chunks::<32>();
        if !rest.is_empty() || hashes.len() != usize::from(found.width()) {
            let text = format!("it holds no {} hashes", found.width());
            return Err(Finding::new(Kind::Tile, text)
                .at(first)
                .file(found.path())
                .into());
        }
        let hashes = hashes.iter().take(usize::from(id.width()));
        Ok(hashes.copied().collect())
    }

    /// The entries of a bundle.
    ///
    /// # Errors
    /// A finding if it is not there.
    pub(super) async fn bundle(&self, id: BundleId) -> Result<Bundle, Stop> {
        let narrow = self.log.fetch(&id.path(), BUNDLE_BYTES_MAX).await?;
        if let Some(bytes) = narrow {
            return Ok(Bundle::split(&bytes, id.width()));
        }
        let full = if id.is_full() {
            None
        } else {
            let path = id.full().path();
            self.log.fetch(&path, BUNDLE_BYTES_MAX).await?
        };
        let Some(bytes) = full else {
            let text = "the bundle of entries is missing";
            return Err(Finding::new(Kind::Missing, text)
                .at(id.index() << 8)
                .file(id.path())
                .into());
        };
        Ok(Bundle {
            left_over: 0,
            ..Bundle::split(&bytes, id.width())
        })
    }

    /// The openings of a bundle; `None` if there are none.
    ///
    /// # Errors
    /// When they cannot be fetched.
    pub(super) async fn openings(&self, id: BundleId) -> Result<Option<OpeningBundle>, Failure> {
        let source = self.openings.as_ref().unwrap_or(&self.log);
        let (path, max) = (id.openings_path(), OPENINGS_BYTES_MAX);
        if let Some(bytes) = source.fetch(&path, max).await? {
            return Ok(Some(OpeningBundle::read(&bytes, id.width())));
        }
        if id.is_full() {
            return Ok(None);
        }
        let fetched = source.fetch(&id.full().openings_path(), max).await?;
        Ok(fetched.map(|bytes| OpeningBundle::read(&bytes, TILE_WIDTH)))
    }
}

impl Bundle {
    fn split(bytes: &[u8], width: u16) -> Self {
        let mut entries = Vec::with_capacity(usize::from(width));
        let mut rest = bytes;
        while entries.len() < usize::from(width) {
            let Some((length, after)) = rest.split_first_chunk() else {
                break;
            };
            let length = usize::from(u16::from_be_bytes(*length));
            let Some((entry, after)) = after.split_at_checked(length) else {
                break;
            };
            entries.push(entry.to_vec());
            rest = after;
        }
        Self {
            entries,
            left_over: rest.len(),
        }
    }

    /// What is wrong with the bundle as a whole.
    pub(super) fn check_whole(&self, id: BundleId) -> Result<(), Finding> {
        let there = self.entries.len() as u64;
        let finding = |index, text: String| {
            let index = (id.index() << 8) + index;
            Err(Finding::new(Kind::Bundle, text).at(index).file(id.path()))
        };
        if there < u64::from(id.width()) {
            let text = format!("the bundle ends after {there} of {} entries", id.width());
            return finding(there, text);
        }
        if self.left_over > 0 {
            let text = format!("{} bytes come after it in the bundle", self.left_over);
            return finding(there.saturating_sub(1), text);
        }
        Ok(())
    }
}

impl OpeningBundle {
    fn read(bytes: &[u8], width: u16) -> Self {
        let places: Result<Vec<Value>, _> = serde_json::from_slice(bytes);
        Self(match places {
            Err(_) => Err("the bundle of openings is no JSON array".to_owned()),
            Ok(places) if places.len() != usize::from(width) => Err(format!(
                "the bundle of openings has {} places and not {width}",
                places.len()
            )),
            Ok(places) => Ok(places),
        })
    }

    /// The opening of the entry at this place of the bundle, `None` if it was erased.
    ///
    /// # Errors
    /// In words, why it cannot be read.
    pub(super) fn at(&self, place: usize) -> Result<Option<Opening>, String> {
        let places = self.0.as_ref().map_err(Clone::clone)?;
        match places.get(place) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => serde_json::from_value(value.clone())
                .map(Some)
                // The cause could repeat parts of the opening.
                .map_err(|_| "its opening is malformed".to_owned()),
        }
    }
}
