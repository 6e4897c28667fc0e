//! DSUs made from a seed, as bricks and anchor values; no node is needed for it.

use std::collections::BTreeMap;
use std::convert::Infallible;

use anyhow::Result;
use dsu::{BrickMap, BrickSealer, DsuPath, Moment, Timing};
use keyssi::{
    AnchorId, AnchorSigner, AnchorValue, BrickHash, Domain, Head, KeySsi, PrivateKey, Timestamp,
};
use rand_core::{TryCryptoRng, TryRng};
use testkit::owner::FIRST_MS;
use testkit::random::Random;

/// A DSU with all its versions.
pub(crate) struct MadeDsu {
    pub(crate) ssi: KeySsi,
    pub(crate) anchor: AnchorId,
    /// The values, oldest first.
    pub(crate) values: Vec<AnchorValue>,
    /// All bricks, and which of them are brick maps: the version of each.
    pub(crate) bricks: Vec<MadeBrick>,
    /// The files of the newest version.
    pub(crate) files: BTreeMap<String, Vec<u8>>,
}

pub(crate) struct MadeBrick {
    pub(crate) hash: BrickHash,
    pub(crate) bytes: Vec<u8>,
    /// The version whose map it is; `None` for content.
    pub(crate) map_of: Option<usize>,
}

/// What a DSU is to be.
pub(crate) struct Wish<'a> {
    pub(crate) domain: &'a Domain,
    pub(crate) versions: usize,
    /// Bricks of the file that each version adds.
    pub(crate) bricks: usize,
    /// Constant: one version, no signature.
    pub(crate) is_constant: bool,
}

/// Makes a DSU: each version adds a file of some bricks.
pub(crate) fn make(wish: &Wish<'_>, random: &mut Random) -> Result<MadeDsu> {
    let domain = wish.domain.as_str();
    let key = PrivateKey::from_bytes(&random.bytes(32))?;
    let ssi = if wish.is_constant {
        KeySsi::constant(domain, &format!("constant {}", random.bits()))?
    } else {
        KeySsi::seed(domain, &key)?
    };
    let anchor = AnchorId::of(&ssi)?;
    let sealer = BrickSealer::new(&ssi)?;
    let timing = if wish.is_constant {
        Timing::TimeFree
    } else {
        Timing::Stamped
    };
    let mut made = MadeDsu {
        anchor,
        values: Vec::new(),
        bricks: Vec::new(),
        files: BTreeMap::new(),
        ssi,
    };
    let mut map = BrickMap::new(timing, Moment::from_millis(FIRST_MS));
    let mut head = None;
    for version in 0..wish.versions {
        let now_ms = FIRST_MS + 1000 * version as u64;
        let (path, mut entries) = (format!("/records/{version}.bin"), Vec::new());
        let mut content = Vec::new();
        for _ in 0..wish.bricks {
            let length = 1 + random.index(1500);
            let chunk = random.bytes(length);
            let brick = sealer.seal(content.len() as u64, &chunk)?;
            made.bricks.push(MadeBrick {
                hash: brick.hash,
                bytes: brick.bytes,
                map_of: None,
            });
            entries.push(brick.entry);
            content.extend_from_slice(&chunk);
        }
        let now = Moment::from_millis(now_ms);
        map.write(&DsuPath::parse(&path)?, entries, now)?;
        made.files.insert(path, content);
        map.finish(made.values.last(), now);
        let stored = sealer.seal_map(&map, &mut Noise(random.fork()))?;
        made.bricks.push(MadeBrick {
            hash: stored.hash,
            bytes: stored.bytes,
            map_of: Some(version),
        });
        let hash = stored.hash.to_string();
        let value = if wish.is_constant {
            AnchorValue::constant(&made.ssi, &hash)?
        } else {
            sign(&made.anchor, &key, head.as_ref(), &hash, now_ms)?
        };
        head = Some(match &head {
            None => keyssi::create(&made.anchor, &value)?,
            Some(head) => keyssi::append(&made.anchor, head, &value)?,
        });
        made.values.push(value);
    }
    Ok(made)
}

/// A value signed with `key`, which need not be the owner's.
pub(crate) fn sign(
    anchor: &AnchorId,
    key: &PrivateKey,
    head: Option<&Head>,
    hash: &str,
    now_ms: u64,
) -> Result<AnchorValue> {
    let domain = anchor.domain().as_str();
    let signer = AnchorSigner::new(anchor.clone(), key.clone(), domain, None)?;
    let now = Timestamp::from_millis(now_ms);
    Ok(match head {
        None => signer.create(hash, &now)?,
        Some(head) => signer.append(head, hash, &now)?,
    })
}

/// Randomness of the test where a library wants that of a system.
struct Noise(Random);

impl TryRng for Noise {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.try_next_u64()
            .map(|bits| u32::try_from(bits >> 32).unwrap())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.0.bits())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.copy_from_slice(&self.0.bytes(bytes.len()));
        Ok(())
    }
}

impl TryCryptoRng for Noise {}
