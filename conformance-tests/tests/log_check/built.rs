//! Logs of real, signed anchors, made with the tree and the formats themselves, as files in a folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use keyssi::{AnchorId, AnchorSigner, AnchorValue, Head, KeySsi, PrivateKey, Timestamp};
use testkit::random::Random;
use testkit::server::write_file;
use translog::{
    BundleId, Checkpoint, ExtensionLine, Hash, LogKey, Op, Opening, Origin, Salt, SignedNote,
    TileId, Tree, all_tiles, encode_bundle, encode_openings,
};

/// The time of the first entry, in milliseconds.
const BEGIN_MS: u64 = 1_700_000_000_000;
const ORIGIN: &str = "anchors.example/default";

/// One entry, and what opens it.
#[derive(Clone)]
pub(crate) struct Record {
    pub(crate) entry: Vec<u8>,
    pub(crate) opening: Option<Opening>,
}

impl Record {
    pub(crate) fn new(op: Op, time_ms: u64, opening: Opening) -> Self {
        Self {
            entry: opening.commit(op, time_ms).encode().to_vec(),
            opening: Some(opening),
        }
    }

    pub(crate) fn op(&self) -> u8 {
        self.entry[1]
    }
}

/// A log and its key.
#[derive(Clone)]
pub(crate) struct Log {
    pub(crate) records: Vec<Record>,
    pub(crate) key: LogKey,
    /// Whether the openings are there for everybody.
    pub(crate) public: bool,
    /// What its checkpoints say beside size and root.
    pub(crate) extensions: Vec<ExtensionLine>,
}

/// An owner of an anchor.
struct Owner {
    id: AnchorId,
    key: PrivateKey,
    head: Head,
}

pub(crate) fn origin() -> Origin {
    Origin::parse(ORIGIN).unwrap()
}

pub(crate) fn key(seed: u8) -> LogKey {
    LogKey::from_seed(&origin(), &[seed; 32])
}

impl Log {
    /// `count` entries of anchors that are created, appended to and handed over.
    pub(crate) fn of_anchors(count: usize, random: &mut Random) -> Result<Self> {
        let mut owners: Vec<Owner> = Vec::new();
        let mut records = Vec::new();
        while records.len() < count {
            let now = BEGIN_MS + 7 * records.len() as u64;
            let choice = random.below(100);
            let (op, id, value) = if owners.is_empty() || choice < 25 {
                let (owner, value) = create(random, now)?;
                let id = owner.id.clone();
                owners.push(owner);
                (Op::Create, id, value)
            } else if choice < 30 {
                let (id, value) = constant(random)?;
                (Op::CreateConstant, id, value)
            } else {
                let place = random.index(owners.len());
                let owner = &mut owners[place];
                let (op, value) = owner.go_on(random, now)?;
                (op, owner.id.clone(), value)
            };
            // What an older store held comes first in a log.
            let op = if records.len() < count / 8 {
                Op::Migrate
            } else {
                op
            };
            records.push(Record::new(op, now, opening(random, &id, &value)));
        }
        Ok(Self {
            records,
            key: key(1),
            public: true,
            extensions: Vec::new(),
        })
    }

    /// `count` entries that nobody can open.
    pub(crate) fn of_secrets(count: usize, random: &mut Random) -> Self {
        let record = |place: usize| {
            let opening = Opening {
                salt: salt(random),
                anchor_id: format!("id {place}"),
                anchor_value: String::new(),
            };
            Record::new(Op::Append, BEGIN_MS, opening)
        };
        Self {
            records: (0..count).map(record).collect(),
            key: key(1),
            public: false,
            extensions: Vec::new(),
        }
    }

    /// Adds an entry.
    pub(crate) fn push(&mut self, op: Op, id: &str, value: &str, random: &mut Random) {
        let opening = Opening {
            salt: salt(random),
            anchor_id: id.to_owned(),
            anchor_value: value.to_owned(),
        };
        self.records.push(Record::new(op, BEGIN_MS, opening));
    }

    pub(crate) fn size(&self) -> u64 {
        self.records.len() as u64
    }

    pub(crate) fn vkey(&self) -> String {
        self.key.verifier().to_string()
    }

    /// The signed checkpoint of the first `size` entries.
    pub(crate) fn note(&self, size: usize) -> SignedNote {
        let mut tree = Tree::new();
        for record in &self.records[..size] {
            tree.push(translog::leaf_hash(&record.entry));
        }
        self.sign(size as u64, tree.root())
    }

    /// A signed checkpoint that says this.
    pub(crate) fn sign(&self, size: u64, root: Hash) -> SignedNote {
        let checkpoint = Checkpoint {
            origin: origin(),
            size,
            root,
            extensions: self.extensions.clone(),
        };
        SignedNote::new(&checkpoint, self.key.sign(&checkpoint))
    }

    /// Writes the log of all entries to a folder.
    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        let mut hashes: BTreeMap<(u8, u64), Hash> = BTreeMap::new();
        let mut tree = Tree::new();
        for (place, record) in (0..).zip(&self.records) {
            let leaf = translog::leaf_hash(&record.entry);
            hashes.insert((0, place), leaf);
            for completed in tree.push(leaf) {
                hashes.insert((completed.level, completed.index), completed.hash);
            }
        }
        for tile in all_tiles(self.size()) {
            let first = tile.index() * 256;
            let places = first..first + u64::from(tile.width());
            let bytes: Vec<u8> = places
                .flat_map(|place| hashes[&(tile.level(), place)])
                .collect();
            write_file(&folder.join(tile.path()), &bytes)?;
        }
        for (number, records) in (0..).zip(self.records.chunks(256)) {
            let id = BundleId::new(number, u16::try_from(records.len())?)?;
            let bundle = encode_bundle(records.iter().map(|it| it.entry.as_slice()))?;
            write_file(&folder.join(id.path()), &bundle)?;
            if self.public {
                let openings: Vec<_> = records.iter().map(|it| it.opening.clone()).collect();
                let text = encode_openings(&openings)?;
                write_file(&folder.join(id.openings_path()), text.as_bytes())?;
            }
        }
        let note = self.sign(self.size(), tree.root());
        write_file(&folder.join("checkpoint"), note.to_string().as_bytes())?;
        Ok(())
    }

    /// The bundle that holds an entry, and the place in it.
    pub(crate) fn bundle_of(&self, index: u64) -> (BundleId, usize) {
        let left = self.size() - index / 256 * 256;
        let width = u16::try_from(left.min(256)).unwrap();
        let id = BundleId::new(index / 256, width).unwrap();
        (id, usize::try_from(index % 256).unwrap())
    }

    /// The tiles of a level.
    pub(crate) fn tiles(&self, level: u8) -> Vec<TileId> {
        all_tiles(self.size())
            .filter(|it| it.level() == level)
            .collect()
    }
}

impl Owner {
    fn go_on(&mut self, random: &mut Random, now: u64) -> Result<(Op, AnchorValue)> {
        let signer = AnchorSigner::new(self.id.clone(), self.key.clone(), "default", None)?;
        let time = Timestamp::from_millis(now);
        let (op, value) = if random.below(10) == 0 {
            let next = private_key(random)?;
            let value = signer.transfer(Some(&self.head), &next.public_key(), &time)?;
            self.key = next;
            (Op::Transfer, value)
        } else {
            let value = signer.append(&self.head, &hash(random), &time)?;
            (Op::Append, value)
        };
        self.head = keyssi::append(&self.id, &self.head, &value)?;
        Ok((op, value))
    }
}

fn create(random: &mut Random, now: u64) -> Result<(Owner, AnchorValue)> {
    let key = private_key(random)?;
    let seed = KeySsi::seed("default", &key)?;
    let id = AnchorId::parse_wrapped(&seed.anchor()?.wrapped())?;
    let signer = AnchorSigner::new(id.clone(), key.clone(), "default", None)?;
    let value = signer.create(&hash(random), &Timestamp::from_millis(now))?;
    let head = keyssi::create(&id, &value)?;
    Ok((Owner { id, key, head }, value))
}

fn constant(random: &mut Random) -> Result<(AnchorId, AnchorValue)> {
    let ssi = KeySsi::constant("default", &hash(random))?;
    let id = AnchorId::parse_wrapped(&ssi.anchor()?.wrapped())?;
    let value = AnchorValue::constant(&ssi, &hash(random))?;
    Ok((id, value))
}

fn private_key(random: &mut Random) -> Result<PrivateKey> {
    PrivateKey::from_bytes(&random.bytes(32)).context("a key that is none; try another seed")
}

/// The base58 hash of a brick map.
fn hash(random: &mut Random) -> String {
    bs58::encode(random.bytes(32)).into_string()
}

fn salt(random: &mut Random) -> Salt {
    Salt(random.bytes(32).try_into().unwrap())
}

fn opening(random: &mut Random, id: &AnchorId, value: &AnchorValue) -> Opening {
    Opening {
        salt: salt(random),
        anchor_id: id.plain().to_owned(),
        anchor_value: value.plain().to_owned(),
    }
}

/// A copy of a folder that shares the files: replace files in it, do not write into them.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for item in fs::read_dir(from)? {
        let item = item?;
        let target: PathBuf = to.join(item.file_name());
        if item.file_type()?.is_dir() {
            copy(&item.path(), &target)?;
        } else {
            fs::hard_link(item.path(), target)?;
        }
    }
    Ok(())
}
