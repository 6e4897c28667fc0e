//! Who is right when an entry and a tile, or two tiles, disagree: the one that leads to the signed
//! root.

use translog::{Checkpoint, Hash, TileId, TileSet, inclusion_tiles, verify_inclusion};

use super::files::Files;
use super::finding::{Finding, Kind, Stop};

/// The place of a hash: its level, and its number there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) level: u8,
    pub(super) number: u64,
}

/// A tile whose hashes are not those that were computed.
pub(super) struct Differing<'a> {
    pub(super) tile: TileId,
    /// The first hash that differs.
    pub(super) place: usize,
    /// The hashes that the tile holds.
    pub(super) stored: &'a [Hash],
    /// The hashes that the entries lead to.
    pub(super) own: &'a [Hash],
}

/// Whether the checkpoint vouches for a hash: whether it leads to the signed root together with
/// the tiles, in which `given` takes the place of the stored one.
///
/// # Errors
/// When tiles cannot be fetched; if they are missing, the answer is no.
pub(super) async fn vouches(
    files: &Files,
    checkpoint: &Checkpoint,
    place: Place,
    hash: &Hash,
    given: Option<(TileId, &[Hash])>,
) -> Result<bool, Stop> {
    let size = checkpoint.size;
    let height = 8 * u32::from(place.level);
    let (Some(unit), Some(first)) = (1_u64.checked_shl(height), place.number.checked_shl(height))
    else {
        return Ok(false);
    };
    let mut tiles = TileSet::new();
    if let Some((id, hashes)) = given
        && tiles.insert(id, hashes.as_flattened()).is_err()
    {
        return Ok(false);
    }
    for id in inclusion_tiles(first, size) {
        if tiles.contains(id) {
            continue;
        }
        match files.tile(id).await {
            Ok(hashes) => drop(tiles.insert(id, hashes.as_flattened())),
            Err(Stop::Found(_)) => return Ok(false),
            Err(failed) => return Err(failed),
        }
    }
    let Ok(proof) = tiles.inclusion_proof(first, size) else {
        return Ok(false);
    };
    // The path from the first leaf below the hash goes through it: the rest of the path is that of
    // a leaf in a tree of subtrees of this height.
    let above = usize::try_from(height).ok().and_then(|it| proof.get(it..));
    let Some(above) = above else { return Ok(false) };
    let units = size.div_ceil(unit);
    Ok(verify_inclusion(place.number, units, hash, above, &checkpoint.root).is_ok())
}

impl Differing<'_> {
    /// Says what is at fault.
    ///
    /// # Errors
    /// When tiles cannot be fetched.
    pub(super) async fn judge(
        &self,
        files: &Files,
        checkpoint: &Checkpoint,
    ) -> Result<Finding, Stop> {
        let level = self.tile.level();
        let number = (self.tile.index() << 8) + self.place as u64;
        let place = Place { level, number };
        let first = number.wrapping_shl(8 * u32::from(level));
        let vouched = async |hashes: &[Hash]| match hashes.get(self.place) {
            Some(hash) => {
                let given = Some((self.tile, hashes));
                vouches(files, checkpoint, place, hash, given).await
            }
            None => Ok(false),
        };
        if vouched(self.stored).await? {
            return Ok(self.below(first));
        }
        let hash = self.place;
        let (kind, text) = if vouched(self.own).await? {
            let text = format!(
                "hash {hash} of the tile is not that of the entries, for which the checkpoint vouches"
            );
            (Kind::Tile, text)
        } else {
            let text = format!(
                "hash {hash} of the tile is not that of the entries, and the checkpoint vouches \
                 for neither"
            );
            (if level == 0 { Kind::Entry } else { Kind::Tile }, text)
        };
        Ok(Finding::new(kind, text).at(first).file(self.tile.path()))
    }

    /// The tile is right: what lies below is not.
    fn below(&self, first: u64) -> Finding {
        let text = match self.tile.level() {
            0 => "it is not the entry that the checkpoint vouches for".to_owned(),
            level => format!(
                "one of the {} entries from here on was altered together with the tiles above it, \
                 and is not the one that the checkpoint vouches for",
                1_u128 << (8 * u32::from(level))
            ),
        };
        Finding::new(Kind::Entry, text)
            .at(first)
            .file(self.tile.path())
    }
}
