//! Replaying a log: every entry is hashed into a tree of our own, and every hash that a tile holds
//! is compared with the one that comes out of it.
//!
//! Of the entries nothing is kept but the hashes of the tiles at the right edge (at most 256 a
//! level) and what the rules need, a head for each anchor.
//!
//! When a hash differs, something is wrong on one side of it: below, in the entries, or in the tile
//! itself. The signed root decides ([`super::vouch`]).

use translog::{BundleId, Checkpoint, Entry, Hash, Opening, TILE_WIDTH, TileId, Tree, leaf_hash};

use super::files::{Files, OpeningBundle};
use super::finding::{Finding, Kind, Stop};
use super::rules::{Broken, Rules};
use super::vouch::{Differing, Place, vouches};

/// Entries in a full bundle, hashes in a full tile.
const WIDTH: u64 = TILE_WIDTH as u64;

/// How far a log was replayed, and what came out.
#[derive(Default)]
pub(super) struct Replay {
    tree: Tree,
    /// For each level the hashes of its last tile, while that is not full.
    edge: Vec<Vec<Hash>>,
    /// What the openings say.
    pub(super) rules: Rules,
    /// Whether there are openings.
    pub(super) openings: Openings,
    /// A former checkpoint that the entries contradict.
    contradicted: Option<u64>,
}

/// Whether the openings can be had.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Openings {
    /// Not known yet; if there are none, the rules are not judged.
    #[default]
    Unknown,
    /// They have to be there.
    Public,
    /// They are not given to everybody.
    Withheld,
}

/// What a step of the replay reads.
#[derive(Clone, Copy)]
struct Log<'a> {
    files: &'a Files,
    checkpoint: &'a Checkpoint,
    former: &'a [Checkpoint],
}

impl Replay {
    /// How many entries were replayed.
    pub(super) fn size(&self) -> u64 {
        self.tree.size()
    }

    /// Goes on to the size of `checkpoint`, whose signature was verified and which is not smaller
    /// than what was replayed. `former` are verified checkpoints of the same log that are not
    /// larger.
    ///
    /// # Errors
    /// The first finding, or why the log cannot be read. This replay is of no use then.
    pub(super) async fn advance(
        &mut self,
        files: &Files,
        checkpoint: &Checkpoint,
        former: &[Checkpoint],
    ) -> Result<(), Stop> {
        let log = Log {
            files,
            checkpoint,
            former,
        };
        self.compare_former(log);
        while self.tree.size() < checkpoint.size {
            self.bundle(log).await?;
        }
        self.right_edge(log).await?;
        if self.tree.root() != checkpoint.root {
            let text = "the signed root is not that of the entries";
            return Err(Finding::new(Kind::Checkpoint, text)
                .at(checkpoint.size)
                .file("checkpoint")
                .into());
        }
        self.contradiction().map_or(Ok(()), |it| Err(it.into()))
    }

    /// Replays the bundle that the tree stops in or before.
    async fn bundle(&mut self, log: Log<'_>) -> Result<(), Stop> {
        let number = self.tree.size() / WIDTH;
        let first = number * WIDTH;
        let left = log.checkpoint.size - first;
        let width = u16::try_from(left).map_or(TILE_WIDTH, |it| it.min(TILE_WIDTH));
        let id = BundleId::new(number, width).map_err(|_| too_large())?;
        let tile = TileId::new(0, number, width).map_err(|_| too_large())?;
        let (bundle, stored, openings) = tokio::try_join!(
            log.files.bundle(id),
            log.files.tile(tile),
            self.fetch_openings(log.files, id),
        )?;
        if self.openings == Openings::Unknown {
            if openings.is_none() {
                self.check_withheld(log).await?;
            }
            self.openings = match openings {
                Some(_) => Openings::Public,
                None => Openings::Withheld,
            };
        }
        let own: Vec<Hash> = bundle.entries.iter().map(|it| leaf_hash(it)).collect();
        let known = self.edge.first().cloned().unwrap_or_default();
        for (place, (bytes, leaf)) in bundle.entries.iter().zip(&own).enumerate() {
            let index = first + place as u64;
            if stored.get(place) != Some(leaf) {
                let (stored, own) = (&stored, &own);
                let differing = Differing {
                    tile,
                    place,
                    stored,
                    own,
                };
                return Err(differing.judge(log.files, log.checkpoint).await?.into());
            }
            if known.get(place).is_some_and(|it| it != leaf) {
                let text = format!("entry {index} was another one when the log was read before");
                return Err(Finding::new(Kind::Fork, text).at(self.tree.size()).into());
            }
            if index < self.tree.size() {
                continue;
            }
            let opening = openings.as_ref().map(|it| it.at(place));
            let judged = self.judge(index, bytes, opening);
            if let Err(broken) = judged {
                return Err(self.broken(broken, index, *leaf, id, log).await?.into());
            }
            self.push(*leaf, log).await?;
            self.compare_former(log);
        }
        Ok(bundle.check_whole(id)?)
    }

    /// A log withholds all its openings or none: where the first bundle has none, the last has none.
    async fn check_withheld(&self, log: Log<'_>) -> Result<(), Stop> {
        let last = log.checkpoint.size.saturating_sub(1) / WIDTH;
        let width = u16::try_from(log.checkpoint.size - last * WIDTH).map_err(|_| too_large())?;
        let id = BundleId::new(last, width).map_err(|_| too_large())?;
        if log.files.openings(id).await?.is_none() {
            return Ok(());
        }
        let text = "the bundle of openings is missing, and later ones are there";
        let first = BundleId::new(self.tree.size() / WIDTH, 1).map_err(|_| too_large())?;
        Err(Finding::new(Kind::Missing, text)
            .at(self.tree.size())
            .file(first.full().openings_path())
            .into())
    }

    async fn fetch_openings(
        &self,
        files: &Files,
        id: BundleId,
    ) -> Result<Option<OpeningBundle>, Stop> {
        if self.openings == Openings::Withheld {
            return Ok(None);
        }
        let openings = files.openings(id).await?;
        let demanded = self.openings == Openings::Public || files.demand_openings();
        if openings.is_none() && demanded {
            let text = "the bundle of openings is missing";
            return Err(Finding::new(Kind::Missing, text)
                .at(id.index() * WIDTH)
                .file(id.openings_path())
                .into());
        }
        Ok(openings)
    }

    /// Judges an entry; `opening` is `None` if openings are not given to everybody.
    fn judge(
        &mut self,
        index: u64,
        bytes: &[u8],
        opening: Option<Result<Option<Opening>, String>>,
    ) -> Result<(), Broken> {
        let entry = Entry::decode(bytes)
            .map_err(|error| Broken::Rule(format!("it is not of the known format: {error}")))?;
        match opening {
            None => Ok(()),
            Some(Err(text)) => Err(Broken::Opening(text)),
            Some(Ok(opening)) => self.rules.judge(index, &entry, opening.as_ref()),
        }
    }

    /// The finding about an entry that breaks a rule: evidence against the log only if the log
    /// signed the entry.
    async fn broken(
        &self,
        broken: Broken,
        index: u64,
        leaf: Hash,
        id: BundleId,
        log: Log<'_>,
    ) -> Result<Finding, Stop> {
        let place = Place {
            level: 0,
            number: index,
        };
        if !vouches(log.files, log.checkpoint, place, &leaf, None).await? {
            let text = "the checkpoint vouches for neither it nor its tile";
            return Ok(Finding::new(Kind::Entry, text).at(index).file(id.path()));
        }
        let finding = match broken {
            Broken::Opening(text) => Finding::new(Kind::Opening, text).file(id.openings_path()),
            Broken::Rule(text) => Finding::new(Kind::Rule, text).file(id.path()),
        };
        Ok(self.contradiction().unwrap_or(finding.at(index)))
    }

    /// Adds a leaf, and compares each tile above level 0 that it makes full.
    async fn push(&mut self, leaf: Hash, log: Log<'_>) -> Result<(), Stop> {
        self.add_to_edge(0, leaf);
        for completed in self.tree.push(leaf) {
            self.add_to_edge(completed.level, completed.hash);
            if (completed.index + 1).is_multiple_of(WIDTH) {
                let number = completed.index / WIDTH;
                self.compare_tile(completed.level, number, log).await?;
            }
        }
        let full = self.edge.iter_mut().filter(|it| it.len() as u64 == WIDTH);
        full.for_each(Vec::clear);
        Ok(())
    }

    fn add_to_edge(&mut self, level: u8, hash: Hash) {
        let level = usize::from(level);
        if self.edge.len() <= level {
            self.edge.resize_with(level + 1, Vec::new);
        }
        if let Some(hashes) = self.edge.get_mut(level) {
            hashes.push(hash);
        }
    }

    /// Compares the partial tiles above level 0.
    async fn right_edge(&self, log: Log<'_>) -> Result<(), Stop> {
        for (level, hashes) in (0_u8..).zip(&self.edge) {
            if level > 0 && !hashes.is_empty() {
                let number = (self.tree.size() >> (8 * u32::from(level))) / WIDTH;
                self.compare_tile(level, number, log).await?;
            }
        }
        Ok(())
    }

    /// Compares the hashes at the right edge of a level with the stored tile.
    async fn compare_tile(&self, level: u8, number: u64, log: Log<'_>) -> Result<(), Stop> {
        let own = self.edge.get(usize::from(level));
        let own = own.map(Vec::as_slice).unwrap_or_default();
        let width = u16::try_from(own.len()).map_err(|_| too_large())?;
        let tile = TileId::new(level, number, width).map_err(|_| too_large())?;
        // As wide as the tree has it by now: a full tile may have replaced the partial one.
        let stored = &log.files.tile(tile).await?;
        let Some(place) = own.iter().zip(stored).position(|(own, it)| own != it) else {
            return Ok(());
        };
        let differing = Differing {
            tile,
            place,
            stored,
            own,
        };
        Err(differing.judge(log.files, log.checkpoint).await?.into())
    }

    /// Holds former checkpoints of the present size against the tree.
    fn compare_former(&mut self, log: Log<'_>) {
        let size = self.tree.size();
        let mut of_this_size = log.former.iter().filter(|it| it.size == size);
        if self.contradicted.is_none() && of_this_size.any(|it| it.root != self.tree.root()) {
            self.contradicted = Some(size);
        }
    }

    fn contradiction(&self) -> Option<Finding> {
        let text = "the log signed another root for this size than that of the entries that it \
                    shows now: it shows different histories";
        let finding = Finding::new(Kind::Fork, text);
        self.contradicted.map(|size| finding.at(size))
    }
}

fn too_large() -> Finding {
    Finding::new(
        Kind::Checkpoint,
        "the size in the checkpoint is beyond that of any log",
    )
}
