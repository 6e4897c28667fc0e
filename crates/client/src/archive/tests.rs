//! A small archive made in memory, and everything that can be wrong with one.

use std::fs::File;
use std::io::{Seek as _, Write as _};

use dsu::{BrickMap, BrickSealer, DsuPath, History, Manifest, Moment, SealedBrick, Timing};
use getrandom::SysRng;
use keyssi::{AnchorId, AnchorSigner, BrickHash, KeySsi, PrivateKey, Timestamp};
use rand_core::UnwrapErr;

use super::check::{Archive, ArchiveError};
use super::manifest::{ArchiveManifest, ArchivedDsu, DomainBricks};
use super::verify::{FaultKind, VerifyError};

const START: u64 = 1_795_191_413_000;

/// A DSU with two versions and the bricks that it is made of.
struct Made {
    seed: KeySsi,
    archived: ArchivedDsu,
    bricks: Vec<Vec<u8>>,
}

impl Made {
    /// A file in the first version, another one and what is mounted in the second.
    fn new(mounted: Option<&KeySsi>) -> Self {
        let key = PrivateKey::generate(&mut UnwrapErr(SysRng));
        let seed = KeySsi::seed("default", &key).unwrap();
        let anchor = AnchorId::of(&seed).unwrap();
        let sealer = BrickSealer::new(&seed).unwrap();
        let signer = AnchorSigner::new(anchor.clone(), key, "default", None).unwrap();
        let mut map = BrickMap::new(Timing::Stamped, Moment::from_millis(START));
        let (mut bricks, mut values): (Vec<Vec<u8>>, Vec<String>) = (Vec::new(), Vec::new());
        for version in 0..2_u64 {
            let now = Moment::from_millis(START + 1000 * (version + 1));
            let text = format!("content of version {version}");
            let SealedBrick { bytes, entry, .. } = sealer.seal(0, text.as_bytes()).unwrap();
            let path = DsuPath::parse(&format!("/file{version}")).unwrap();
            map.write(&path, vec![entry], now).unwrap();
            if version == 1 {
                mount(&mut map, mounted, now);
            }
            let history = History::check(&anchor, &values).unwrap();
            map.finish(history.latest(), now);
            let stored = sealer.seal_map(&map, &mut UnwrapErr(SysRng)).unwrap();
            let hash = stored.hash.to_string();
            let time = Timestamp::from_millis(now.millis());
            let value = match history.head() {
                None => signer.create(&hash, &time),
                Some(head) => signer.append(head, &hash, &time),
            };
            values.push(value.unwrap().as_str().to_owned());
            bricks.extend([stored.bytes, bytes]);
        }
        let hashes = bricks.iter().map(|bytes| BrickHash::of(bytes)).collect();
        let domain = "default".parse().unwrap();
        let archived = ArchivedDsu {
            anchor,
            values,
            bricks: vec![DomainBricks { domain, hashes }],
        };
        Self {
            seed,
            archived,
            bricks,
        }
    }
}

fn mount(map: &mut BrickMap, ssi: Option<&KeySsi>, now: Moment) {
    let Some(ssi) = ssi else { return };
    let mut manifest = Manifest::default();
    manifest
        .mount(&DsuPath::parse("/inner").unwrap(), ssi)
        .unwrap();
    let path = DsuPath::parse("/manifest").unwrap();
    let text = manifest.to_json().to_string();
    map.embed(&path, &dsu::EmbeddedContent::Text(text.into()), now)
        .unwrap();
}

/// The file of an archive.
fn car(manifest: &ArchiveManifest, bricks: &[Vec<u8>]) -> Vec<u8> {
    let block = manifest.to_block();
    let root = car::dag_cbor_cid(&block);
    let mut bytes = car::header(&[root]);
    bytes.extend(car::section_prefix(&root, block.len()));
    bytes.extend(&block);
    for brick in bricks {
        let cid = car::brick_cid(&BrickHash::of(brick));
        bytes.extend(car::section_prefix(&cid, brick.len()));
        bytes.extend(brick);
    }
    bytes
}

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

fn open(bytes: &[u8]) -> Result<Archive, ArchiveError> {
    Archive::open(file(bytes))
}

fn manifest(made: &[&Made]) -> ArchiveManifest {
    let dsus = made.iter().map(|made| made.archived.clone()).collect();
    ArchiveManifest { dsus }
}

fn whole(made: &Made) -> Vec<u8> {
    car(&manifest(&[made]), &made.bricks)
}

#[test]
fn an_archive_is_checked_without_and_opened_with_a_key() {
    let made = Made::new(None);
    let bytes = whole(&made);
    let archive = open(&bytes).unwrap();
    assert_eq!((archive.bricks(), archive.bytes()), (4, bytes.len() as u64));
    assert_eq!(archive.histories()[0].len(), 2);
    let reader = made.seed.derive().unwrap().unwrap();
    for key in [&made.seed, &reader] {
        let verified = archive.verify(key).unwrap();
        assert_eq!((verified.dsus, verified.versions), (1, 2));
        assert_eq!((verified.files, verified.pieces), (3, 2));
        assert!(verified.faults.is_empty() && verified.unopened.is_empty());
    }
    let other = Made::new(None).seed;
    let refused = archive.verify(&other).unwrap_err();
    assert!(matches!(refused, VerifyError::NotThere(_)), "{refused:?}");
    let public = reader.derive().unwrap().unwrap();
    let refused = archive.verify(&public).unwrap_err();
    assert!(
        matches!(refused, VerifyError::NotReadable(_)),
        "{refused:?}"
    );
}

#[test]
fn a_mounted_dsu_is_opened_where_the_archive_holds_it() {
    let inner = Made::new(None);
    let outer = Made::new(Some(&inner.seed));
    let bricks = [&outer.bricks[..], &inner.bricks[..]].concat();
    let archive = open(&car(&manifest(&[&outer, &inner]), &bricks)).unwrap();
    let verified = archive.verify(&outer.seed).unwrap();
    assert_eq!((verified.dsus, verified.versions), (2, 4));
    assert!(verified.faults.is_empty() && verified.unopened.is_empty());
    let alone = open(&whole(&outer)).unwrap();
    let verified = alone.verify(&outer.seed).unwrap();
    assert_eq!(verified.unopened[0].as_str(), "/inner");
    assert!(verified.faults.is_empty());
}

#[test]
fn every_cut_is_noticed() {
    let bytes = whole(&Made::new(None));
    for length in 0..bytes.len() {
        assert!(open(&bytes[..length]).is_err(), "cut to {length} bytes");
    }
}

#[test]
fn every_flipped_byte_is_noticed() {
    let bytes = whole(&Made::new(None));
    let mut random = testkit::random::Random::announced("a CAR with flipped bytes").unwrap();
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= u8::try_from(1 + random.below(255)).unwrap();
        assert!(open(&flipped).is_err(), "byte {at}");
    }
}

#[test]
fn what_is_missing_moved_or_too_much_is_named() {
    let made = Made::new(None);
    let manifest = manifest(&[&made]);
    let hash = |at: usize| BrickHash::of(&made.bricks[at]);
    let check =
        |bricks: Vec<Vec<u8>>, block: usize, due: BrickHash| match open(&car(&manifest, &bricks)) {
            Err(ArchiveError::Missing { block: at, hash }) => assert_eq!((at, hash), (block, due)),
            other => panic!("{other:?}"),
        };
    for at in 0..made.bricks.len() {
        let mut bricks = made.bricks.clone();
        bricks.remove(at);
        check(bricks, at + 1, hash(at));
    }
    let mut moved = made.bricks.clone();
    moved.swap(1, 2);
    check(moved, 2, hash(1));
    let mut more = made.bricks.clone();
    more.push(b"more".to_vec());
    let refused = open(&car(&manifest, &more)).unwrap_err();
    assert!(
        matches!(refused, ArchiveError::Unlinked { .. }),
        "{refused:?}"
    );
}

#[test]
fn a_manifest_that_does_not_fit_its_histories_is_refused() {
    let made = Made::new(None);
    let mut forged = manifest(&[&made]);
    forged.dsus[0].values.swap(0, 1);
    let refused = open(&car(&forged, &made.bricks)).unwrap_err();
    let is_version_0 = |error: &ArchiveError| match error {
        ArchiveError::Forged { source, .. } => source.version == 0,
        _ => false,
    };
    assert!(is_version_0(&refused), "{refused:?}");
    let mut without = manifest(&[&made]);
    without.dsus[0].bricks[0].hashes.remove(2);
    let mut bricks = made.bricks.clone();
    bricks.remove(2);
    let refused = open(&car(&without, &bricks)).unwrap_err();
    assert!(
        matches!(refused, ArchiveError::NoMap { version: 1, .. }),
        "{refused:?}"
    );
    // A brick of a file that the manifest does not link is seen with the key only.
    let mut without = manifest(&[&made]);
    without.dsus[0].bricks[0].hashes.remove(3);
    let archive = open(&car(&without, &made.bricks[..3])).unwrap();
    let faults = archive.verify(&made.seed).unwrap().faults;
    assert_eq!(faults.len(), 1);
    assert_eq!(faults[0].version, 1);
    assert_eq!(faults[0].path.as_ref().unwrap().as_str(), "/file1");
    assert!(matches!(faults[0].kind, FaultKind::Missing));
}

#[test]
fn a_file_that_changes_after_the_check_is_noticed() {
    let made = Made::new(None);
    let bytes = whole(&made);
    let file = file(&bytes);
    let mut same = file.try_clone().unwrap();
    let archive = Archive::open(file).unwrap();
    same.seek(std::io::SeekFrom::End(-1)).unwrap();
    same.write_all(&[bytes[bytes.len() - 1] ^ 1]).unwrap();
    let last = BrickHash::of(made.bricks.last().unwrap());
    let refused = archive.brick(&last).unwrap_err();
    assert!(
        matches!(refused, ArchiveError::Changed { .. }),
        "{refused:?}"
    );
    same.set_len(10).unwrap();
    let refused = archive.verify(&made.seed).unwrap_err();
    assert!(matches!(
        refused,
        VerifyError::Archive(ArchiveError::Changed { .. })
    ));
}
