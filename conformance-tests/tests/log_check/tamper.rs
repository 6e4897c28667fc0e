//! Tamperings with a log, each with what a reader has to say about it.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use testkit::random::Random;
use testkit::server::write_file;
use translog::{Op, TileId, leaf_hash};

use crate::built::{Log, Record, key};

/// What the reader has to find.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) kind: &'static str,
    pub(crate) index: Option<u64>,
    /// The file, where it is more than the entry's.
    pub(crate) path: Option<String>,
    pub(crate) exit: i32,
}

/// Kinds of tamperings.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Tampering {
    EntryAltered,
    EntryRemoved,
    EntriesSwapped,
    EntryAlteredWithTile,
    BundleTruncated,
    BundleExtended,
    TileHash(u8),
    TileTruncated,
    FileRemoved,
    CheckpointForked,
    OtherKey,
    SignatureAltered,
    OpeningAltered,
    OpeningsSwapped,
    ValuesSwapped,
    CreatedTwice,
    OpWrong,
    FormatUnknown,
}

impl Tampering {
    /// Those that need openings.
    pub(crate) const OF_OPEN: [Self; 16] = [
        Self::EntryAltered,
        Self::EntryRemoved,
        Self::EntriesSwapped,
        Self::EntryAlteredWithTile,
        Self::BundleTruncated,
        Self::BundleExtended,
        Self::TileHash(0),
        Self::TileHash(1),
        Self::TileTruncated,
        Self::CheckpointForked,
        Self::OtherKey,
        Self::OpeningAltered,
        Self::OpeningsSwapped,
        Self::ValuesSwapped,
        Self::CreatedTwice,
        Self::OpWrong,
    ];
    /// Those that do not.
    pub(crate) const OF_ALL: [Self; 9] = [
        Self::TileHash(2),
        Self::TileHash(1),
        Self::TileHash(0),
        Self::EntryAltered,
        Self::FileRemoved,
        Self::SignatureAltered,
        Self::FormatUnknown,
        Self::BundleTruncated,
        Self::CheckpointForked,
    ];

    /// Tampers with the copy of `log` in `folder`.
    pub(crate) fn commit(self, log: &Log, folder: &Path, random: &mut Random) -> Result<Expected> {
        match self {
            Self::EntryAltered => {
                let index = random.below(log.size());
                alter_bundle(log, folder, index, |entries, place| {
                    flip(&mut entries[place], random);
                })?;
                Ok(damaged("entry", index))
            }
            Self::EntryRemoved => {
                let index = random.below(log.size());
                alter_bundle(log, folder, index, |entries, place| {
                    entries.remove(place);
                })?;
                let (bundle, place) = log.bundle_of(index);
                let is_last = place + 1 == usize::from(bundle.width());
                Ok(damaged(if is_last { "bundle" } else { "entry" }, index))
            }
            Self::EntriesSwapped => {
                let (bundle, place) = log.bundle_of(random.below(log.size()));
                let other = (place + 1 + random.index(usize::from(bundle.width()) - 1))
                    % usize::from(bundle.width());
                let first = bundle.index() * 256;
                alter_bundle(log, folder, first, |entries, _| entries.swap(place, other))?;
                Ok(damaged("entry", first + place.min(other) as u64))
            }
            Self::EntryAlteredWithTile => entry_with_tile(log, folder, random),
            Self::BundleTruncated => {
                let (bundle, _) = log.bundle_of(random.below(log.size()));
                let path = folder.join(bundle.path());
                let bytes = fs::read(&path)?;
                let left = random.index(bytes.len());
                write_file(&path, &bytes[..left])?;
                // Each entry has 76 bytes with its length.
                let whole = left as u64 / 76;
                Ok(damaged("bundle", bundle.index() * 256 + whole))
            }
            Self::BundleExtended => {
                let (bundle, _) = log.bundle_of(random.below(log.size()));
                let path = folder.join(bundle.path());
                let mut bytes = fs::read(&path)?;
                bytes.push(0);
                write_file(&path, &bytes)?;
                let last = bundle.index() * 256 + u64::from(bundle.width()) - 1;
                Ok(damaged("bundle", last))
            }
            _ => self.commit_to_tiles(log, folder, random),
        }
    }

    fn commit_to_tiles(self, log: &Log, folder: &Path, random: &mut Random) -> Result<Expected> {
        match self {
            Self::TileHash(level) => {
                let tile = any(&log.tiles(level), random);
                let path = folder.join(tile.path());
                let mut bytes = fs::read(&path)?;
                let hash = random.index(usize::from(tile.width()));
                bytes[hash * 32 + random.index(32)] ^= 1 << random.index(8);
                write_file(&path, &bytes)?;
                let first = (tile.index() * 256 + hash as u64) << (8 * level);
                Ok(of_tile(&tile, first))
            }
            Self::TileTruncated => {
                let levels = [0, 1].map(|level| log.tiles(level));
                let tile = any(&levels.concat(), random);
                let path = folder.join(tile.path());
                let bytes = fs::read(&path)?;
                write_file(&path, &bytes[..random.index(bytes.len())])?;
                Ok(of_tile(&tile, tile.index() << (8 * (tile.level() + 1))))
            }
            Self::FileRemoved => {
                let (bundle, place) = log.bundle_of(random.below(log.size()));
                let tile = any(&log.tiles(0), random);
                let (path, index) = if place.is_multiple_of(2) {
                    (bundle.path(), bundle.index() * 256)
                } else {
                    (tile.path(), tile.index() * 256)
                };
                fs::remove_file(folder.join(&path))?;
                let path = Some(path);
                Ok(Expected {
                    path,
                    ..damaged("missing", index)
                })
            }
            _ => self.commit_to_content(log, folder, random),
        }
    }

    /// Tamperings by the log itself, and with what is signed.
    fn commit_to_content(self, log: &Log, folder: &Path, random: &mut Random) -> Result<Expected> {
        match self {
            Self::CheckpointForked => {
                let root = random.bytes(32).try_into().unwrap();
                let note = log.sign(log.size(), root);
                write_file(&folder.join("checkpoint"), note.to_string().as_bytes())?;
                Ok(Expected {
                    kind: "checkpoint",
                    index: Some(log.size()),
                    path: None,
                    exit: 18,
                })
            }
            Self::OtherKey => {
                let other = Log {
                    key: key(2),
                    ..log.clone()
                };
                let note = other.note(log.records.len());
                write_file(&folder.join("checkpoint"), note.to_string().as_bytes())?;
                Ok(unsigned())
            }
            Self::SignatureAltered => {
                let mut note = log.note(log.records.len());
                let mut line = note.signatures()[0].clone();
                flip(&mut line.bytes, random);
                note.add(line)?;
                write_file(&folder.join("checkpoint"), note.to_string().as_bytes())?;
                Ok(unsigned())
            }
            Self::OpeningAltered => {
                let index = random.below(log.size());
                let mut altered = log.clone();
                let record = &mut altered.records[usize::try_from(index)?];
                let opening = record.opening.as_mut().context("an erased one")?;
                match random.below(3) {
                    0 => opening.salt.0[random.index(32)] ^= 1 << random.index(8),
                    1 => opening.anchor_id.insert(random.index(20), 'x'),
                    _ => opening.anchor_value.insert(random.index(20), 'x'),
                }
                write_openings(&altered, folder, index)?;
                Ok(damaged("opening", index))
            }
            Self::OpeningsSwapped => {
                let (bundle, place) = log.bundle_of(random.below(log.size()));
                let first = usize::try_from(bundle.index())? * 256;
                let width = usize::from(bundle.width());
                let other = (place + 1 + random.index(width - 1)) % width;
                let mut altered = log.clone();
                let kept = altered.records[first + place].opening.clone();
                altered.records[first + place].opening =
                    altered.records[first + other].opening.take();
                altered.records[first + other].opening = kept;
                write_openings(&altered, folder, first as u64)?;
                Ok(damaged("opening", (first + place.min(other)) as u64))
            }
            _ => self.commit_to_rules(log, folder, random),
        }
    }

    /// A log that signs what it must not: everything fits together but the rules.
    fn commit_to_rules(self, log: &Log, folder: &Path, random: &mut Random) -> Result<Expected> {
        let mut altered = log.clone();
        let records = &mut altered.records;
        let index = match self {
            Self::ValuesSwapped => {
                // Two values of one anchor, the second of which follows the first.
                let pairs: Vec<(usize, usize)> = successors(records);
                let (one, two) = any(&pairs, random);
                let (first, second) = (records[one].clone(), records[two].clone());
                records[one] = with_op(&first, &second);
                records[two] = with_op(&second, &first);
                one
            }
            Self::CreatedTwice => {
                let created: Vec<usize> = (0..records.len())
                    .filter(|&it| records[it].op() == Op::Create as u8)
                    .collect();
                let from = any(&created, random);
                let to = from + 1 + random.index(records.len() - from);
                let copy = records[from].clone();
                records.insert(to, copy);
                to
            }
            Self::OpWrong => {
                let index = random.index(records.len());
                let op = records[index].op();
                // A migrated value may be first or later, all others are one thing only.
                let ops: Vec<Op> = [Op::Create, Op::Append, Op::CreateConstant, Op::Transfer]
                    .into_iter()
                    .filter(|it| *it as u8 != op)
                    .collect();
                let op = any(&ops, random);
                let is_right = op as u8 == right_op(records, index);
                let opening = records[index].opening.clone().context("an erased one")?;
                records[index] = Record::new(op, 0, opening);
                if is_right {
                    records[index].entry[0] = 7;
                }
                index
            }
            _ => {
                let index = random.index(records.len());
                records[index].entry[0] = u8::from(random.below(2) == 1);
                index
            }
        };
        fs::remove_dir_all(folder)?;
        altered.write(folder)?;
        Ok(Expected {
            kind: "rule",
            index: Some(index as u64),
            path: None,
            exit: 10,
        })
    }
}

fn damaged(kind: &'static str, index: u64) -> Expected {
    Expected {
        kind,
        index: Some(index),
        path: None,
        exit: 17,
    }
}

fn of_tile(tile: &TileId, first: u64) -> Expected {
    Expected {
        path: Some(tile.path()),
        ..damaged("tile", first)
    }
}

fn unsigned() -> Expected {
    Expected {
        kind: "signature",
        index: None,
        path: Some("checkpoint".to_owned()),
        exit: 1,
    }
}

/// Changes the entries of the bundle with the entry `index`.
fn alter_bundle(
    log: &Log,
    folder: &Path,
    index: u64,
    change: impl FnOnce(&mut Vec<Vec<u8>>, usize),
) -> Result<()> {
    let (id, place) = log.bundle_of(index);
    let path = folder.join(id.path());
    let mut entries = translog::decode_bundle(&fs::read(&path)?, id.width())?;
    change(&mut entries, place);
    let bytes = translog::encode_bundle(entries.iter().map(Vec::as_slice))?;
    write_file(&path, &bytes)?;
    Ok(())
}

/// An entry and its hash in the tile: by who can write both and cannot sign. The opening does not
/// open it any more, and nothing above vouches for it.
fn entry_with_tile(log: &Log, folder: &Path, random: &mut Random) -> Result<Expected> {
    let index = random.below(log.size());
    let (bundle, place) = log.bundle_of(index);
    let mut leaf = [0; 32];
    alter_bundle(log, folder, index, |entries, place| {
        // Within the commitments, so that the format stays right.
        let byte = 10 + random.index(64);
        entries[place][byte] ^= 1 << random.index(8);
        leaf = leaf_hash(&entries[place]);
    })?;
    let tile = TileId::new(0, bundle.index(), bundle.width())?;
    let path = folder.join(tile.path());
    let mut bytes = fs::read(&path)?;
    bytes[place * 32..][..32].copy_from_slice(&leaf);
    write_file(&path, &bytes)?;
    Ok(damaged("entry", index))
}

fn write_openings(log: &Log, folder: &Path, index: u64) -> Result<()> {
    let (id, _) = log.bundle_of(index);
    let first = usize::try_from(id.index())? * 256;
    let records = &log.records[first..][..usize::from(id.width())];
    let openings: Vec<_> = records.iter().map(|it| it.opening.clone()).collect();
    let text = translog::encode_openings(&openings)?;
    write_file(&folder.join(id.openings_path()), text.as_bytes())?;
    Ok(())
}

/// Pairs of entries of one anchor, one after the other.
fn successors(records: &[Record]) -> Vec<(usize, usize)> {
    let id = |it: &Record| it.opening.as_ref().unwrap().anchor_id.clone();
    let mut pairs = Vec::new();
    for (one, record) in records.iter().enumerate() {
        let id_of_one = id(record);
        let later = records[one + 1..].iter().position(|it| id(it) == id_of_one);
        if let Some(distance) = later {
            pairs.push((one, one + 1 + distance));
        }
    }
    pairs
}

/// The operation and time of one record with the opening of another.
fn with_op(record: &Record, other: &Record) -> Record {
    let entry = translog::Entry::decode(&record.entry).unwrap();
    Record::new(entry.op, entry.time_ms, other.opening.clone().unwrap())
}

/// The operation that an entry has to have.
fn right_op(records: &[Record], index: usize) -> u8 {
    let opening = |it: &Record| it.opening.clone().unwrap();
    let own = opening(&records[index]);
    let is_first = records[..index]
        .iter()
        .all(|it| opening(it).anchor_id != own.anchor_id);
    let op = match () {
        () if own.anchor_id.starts_with("ssi:cza:") => Op::CreateConstant,
        () if is_first => Op::Create,
        () if own.anchor_value.starts_with("ssi:transfer:") => Op::Transfer,
        () => Op::Append,
    };
    op as u8
}

fn flip(bytes: &mut [u8], random: &mut Random) {
    let byte = random.index(bytes.len());
    bytes[byte] ^= 1 << random.index(8);
}

fn any<T: Clone>(all: &[T], random: &mut Random) -> T {
    all[random.index(all.len())].clone()
}
