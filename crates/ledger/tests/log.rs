//! The transparency log of the embedded ledger, over a real database in a temporary folder.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::path::Path;

use engine::rocksdb::WriteBatch;
use engine::{DomainIds, Engine, Family};
use keyssi::{
    AnchorId, AnchorSigner, AnchorValue, BrickHash, Domain, Head, KeySsi, PrivateKey, Timestamp,
};
use ledger::{
    AnchorFinding, AnchorQuota, EmbeddedLedger, EngineOptions, Entry, Intent, Ledger, LedgerError,
    LogSigner, Mode, SignerError, check,
};
use translog::{
    BundleId, Checkpoint, LogKey, Op, Origin, TileId, verify_consistency, verify_inclusion,
    verify_note,
};

const NOW_MS: u64 = 1_700_000_000_000;

fn options(mode: Mode) -> EngineOptions {
    EngineOptions {
        free_bytes_min: 0,
        mode,
    }
}

fn open(folder: &Path) -> EmbeddedLedger {
    EmbeddedLedger::open(folder, options(Mode::Serve), || NOW_MS).unwrap()
}

fn domain() -> Domain {
    "default".parse().unwrap()
}

/// A signed anchor of its own for each `number`.
fn owner(number: u16) -> AnchorSigner {
    let mut bytes = [7; 32];
    bytes[..2].copy_from_slice(&number.to_be_bytes());
    let key = PrivateKey::from_bytes(&bytes).unwrap();
    let seed = KeySsi::seed("default", &key).unwrap();
    AnchorSigner::new(AnchorId::of(&seed).unwrap(), key, "default", None).unwrap()
}

fn first(owner: &AnchorSigner) -> AnchorValue {
    let hash = BrickHash::of(b"first").to_string();
    owner
        .create(&hash, &Timestamp::from_millis(NOW_MS))
        .unwrap()
}

fn next(owner: &AnchorSigner, last: &AnchorValue) -> AnchorValue {
    let head = Head::restore(last.as_str(), None).unwrap();
    let hash = BrickHash::of(b"next").to_string();
    let time = Timestamp::from_millis(NOW_MS + 1);
    owner.append(&head, &hash, &time).unwrap()
}

fn entry(owner: &AnchorSigner, value: &AnchorValue, intent: Intent) -> Entry {
    Entry {
        id: owner.id().clone(),
        value: value.clone(),
        intent,
    }
}

/// Creates anchors `from..to`, many at once.
async fn create(ledger: &EmbeddedLedger, numbers: std::ops::Range<u16>) {
    let entries = numbers.map(|number| {
        let owner = owner(number);
        entry(&owner, &first(&owner), Intent::Create)
    });
    ledger.write_all(entries.collect()).await.unwrap();
}

fn key(origin: &str, seed: u8) -> LogKey {
    LogKey::from_seed(&Origin::parse(origin).unwrap(), &[seed; 32])
}

async fn signer(ledger: &EmbeddedLedger, keys: Vec<LogKey>) -> Result<LogSigner, SignerError> {
    let origin = Origin::parse(keys[0].verifier().name().as_str()).unwrap();
    LogSigner::open(ledger.log(&domain()), origin, keys, None).await
}

async fn sign(ledger: &EmbeddedLedger) -> Checkpoint {
    let key = key("log.example/default", 1);
    let signer = signer(ledger, vec![key.clone()]).await.unwrap();
    let note = signer.sign().await.unwrap().unwrap();
    let verified = verify_note(&note, &[key.verifier().clone()]).unwrap();
    assert_eq!(verified.log.len(), 1);
    verified.checkpoint
}

#[tokio::test]
async fn every_entry_is_proven_from_what_is_signed_and_nothing_else_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let log = ledger.log(&domain());
    assert!(log.checkpoint().await.unwrap().is_none());
    create(&ledger, 0..300).await;
    // Not signed, so not shown.
    assert_eq!(
        log.tile(TileId::new(0, 0, 256).unwrap()).await.unwrap(),
        None
    );
    let old = sign(&ledger).await;
    assert_eq!(old.size, 300);
    create(&ledger, 300..520).await;
    let (one, two) = (owner(5), first(&owner(5)));
    let value = next(&one, &two);
    ledger
        .write(entry(&one, &value, Intent::Append))
        .await
        .unwrap();
    let new = sign(&ledger).await;
    assert_eq!(new.size, 521);
    let proof = log.consistency(300, 521).await.unwrap().unwrap();
    verify_consistency(300, &old.root, 521, &new.root, &proof).unwrap();
    for (number, version, op) in [(0, 0, Op::Create), (5, 1, Op::Append), (519, 0, Op::Create)] {
        let found = log
            .find(owner(number).id(), Some(version))
            .await
            .unwrap()
            .unwrap();
        let proven = log.prove(found.place, new.size).await.unwrap().unwrap();
        let leaf = translog::leaf_hash(&proven.entry);
        verify_inclusion(found.place, new.size, &leaf, &proven.hashes, &new.root).unwrap();
        let entry = translog::Entry::decode(&proven.entry).unwrap();
        assert_eq!((entry.op, entry.time_ms), (op, NOW_MS));
        let opening = proven.opening.unwrap();
        assert!(opening.opens(&entry));
        assert_eq!(opening.anchor_id, owner(number).id().plain());
    }
    let bundle = log
        .bundle(BundleId::new(2, 9).unwrap())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(bundle.len(), 9 * (2 + 74));
    assert_eq!(
        log.bundle(BundleId::new(2, 10).unwrap()).await.unwrap(),
        None
    );
    let tile = log.tile(TileId::new(1, 0, 2).unwrap()).await.unwrap();
    assert_eq!(tile.unwrap().len(), 64);
    let signer = signer(&ledger, vec![key("log.example/default", 1)])
        .await
        .unwrap();
    assert!(signer.sign().await.unwrap().is_none(), "nothing is new");
    drop((ledger, log, signer));
    let report = check(folder.path()).unwrap();
    assert_eq!(report.findings, []);
    assert_eq!(report.log_entries, 521);
}

/// Bug: an empty log signs a checkpoint of size 0, and the store passes for damaged. Mechanism: the quota refuses
/// the first entries of a domain in a batch in which another domain's are written. Fix: the state is
/// written of the logs that grew.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_whose_first_entries_are_refused_stays_empty() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let other: Domain = "two".parse().unwrap();
    let quota = AnchorQuota {
        anchors: Some(1),
        versions: None,
    };
    ledger.set_quota(&other, || quota);
    let refused = |number: u8| {
        let key = PrivateKey::from_bytes(&[number; 32]).unwrap();
        let seed = KeySsi::seed("two", &key).unwrap();
        let id = AnchorId::of(&seed).unwrap();
        let owner = AnchorSigner::new(id, key, "two", None).unwrap();
        entry(&owner, &first(&owner), Intent::Create)
    };
    // Many at once, so that some are in one batch.
    let mut writers = Vec::new();
    for number in 0..32_u8 {
        let (good, bad) = (ledger.clone(), ledger.clone());
        let number_of_good = u16::from(number);
        writers.push(tokio::spawn(async move {
            create(&good, number_of_good..number_of_good + 1).await;
        }));
        let pair = vec![refused(2 * number + 1), refused(2 * number + 2)];
        writers.push(tokio::spawn(async move {
            let refused = bad.write_all(pair).await.unwrap_err().source;
            assert!(
                matches!(refused, LedgerError::QuotaExceeded { .. }),
                "{refused}"
            );
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let name = Origin::parse("log.example/two").unwrap();
    let keys = vec![LogKey::from_seed(&name, &[1; 32])];
    let signer = LogSigner::open(ledger.log(&other), name, keys, None).await;
    assert_eq!(signer.unwrap().sign().await.unwrap(), None);
    assert_eq!(sign(&ledger).await.size, 32);
    drop(ledger);
    assert_eq!(check(folder.path()).unwrap().findings, []);
}

#[tokio::test]
async fn the_log_goes_on_after_a_restart_and_keeps_its_name_and_key() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    create(&ledger, 0..257).await;
    let old = sign(&ledger).await;
    drop(ledger);
    let ledger = open(folder.path());
    create(&ledger, 257..260).await;
    let other = signer(&ledger, vec![key("log.example/other", 1)]).await;
    let refused = other.err().unwrap();
    assert!(
        matches!(refused, SignerError::OriginChanged { .. }),
        "{refused}"
    );
    let other = signer(&ledger, vec![key("log.example/default", 2)]).await;
    let refused = other.err().unwrap();
    assert!(
        matches!(refused, SignerError::KeyChanged { .. }),
        "{refused}"
    );
    // A rotation: both keys sign.
    let keys = vec![key("log.example/default", 2), key("log.example/default", 1)];
    let rotated = signer(&ledger, keys.clone()).await.unwrap();
    let note = rotated.sign().await.unwrap().unwrap();
    let verifiers: Vec<_> = keys.iter().map(|key| key.verifier().clone()).collect();
    assert_eq!(verify_note(&note, &verifiers).unwrap().log.len(), 2);
    let new = note.checkpoint().unwrap();
    let proof = ledger
        .log(&domain())
        .consistency(old.size, new.size)
        .await
        .unwrap();
    verify_consistency(old.size, &old.root, new.size, &new.root, &proof.unwrap()).unwrap();
}

#[tokio::test]
async fn a_disk_that_fills_up_between_entry_and_checkpoint_loses_and_shows_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    create(&ledger, 0..3).await;
    drop(ledger);
    let full = EngineOptions {
        free_bytes_min: u64::MAX,
        mode: Mode::Serve,
    };
    let ledger = EmbeddedLedger::open(folder.path(), full, || NOW_MS).unwrap();
    let key = key("log.example/default", 1);
    let on_full = signer(&ledger, vec![key.clone()]).await.unwrap();
    let refused = on_full.sign().await.err().unwrap();
    assert!(
        matches!(refused, SignerError::Ledger(LedgerError::OutOfSpace)),
        "{refused}"
    );
    let log = ledger.log(&domain());
    assert!(log.checkpoint().await.unwrap().is_none());
    let late = owner(9);
    let refused = ledger
        .write(entry(&late, &first(&late), Intent::Create))
        .await;
    assert!(matches!(refused, Err(LedgerError::OutOfSpace)));
    drop((ledger, on_full, log));
    let ledger = open(folder.path());
    assert_eq!(sign(&ledger).await.size, 3);
    ledger
        .write(entry(&late, &first(&late), Intent::Create))
        .await
        .unwrap();
    assert_eq!(sign(&ledger).await.size, 4);
}

const RAW: &[Family] = &[
    Family {
        name: "anchors",
        tune: |_| {},
    },
    Family {
        name: "heads",
        tune: |_| {},
    },
    Family {
        name: "log",
        tune: |_| {},
    },
    Family {
        name: "openings",
        tune: |_| {},
    },
    Family {
        name: "outbox",
        tune: |_| {},
    },
    Family {
        name: "documents",
        tune: |_| {},
    },
];

/// Changes what lies in the store behind the ledger's back.
fn tamper(folder: &Path, change: impl Fn(&Engine, &mut WriteBatch)) {
    let raw = Engine::open(folder, RAW, 2, options(Mode::Serve)).unwrap();
    let mut batch = WriteBatch::default();
    change(&raw, &mut batch);
    raw.write(batch).unwrap();
}

fn records(engine: &Engine, family: &str, tag: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found = Vec::new();
    let visit = |key: &[u8], value: &[u8]| {
        if key[4..].starts_with(tag) {
            found.push((key.to_vec(), value.to_vec()));
        }
        Ok(())
    };
    engine.scan(family, b"", visit).unwrap();
    found
}

#[tokio::test]
async fn nothing_is_signed_over_entries_that_are_not_those_signed_before() {
    for tag in [&b"e"[..], b"h\x01"] {
        let folder = tempfile::tempdir().unwrap();
        let ledger = open(folder.path());
        create(&ledger, 0..300).await;
        sign(&ledger).await;
        drop(ledger);
        tamper(folder.path(), |raw, batch| {
            let (key, mut value) = records(raw, "log", tag).pop().unwrap();
            value[9] ^= 1;
            raw.put(batch, "log", &key, &value).unwrap();
        });
        let report = check(folder.path()).unwrap();
        let is_named = |finding: &AnchorFinding| matches!(finding, AnchorFinding::WrongLog { .. });
        assert!(report.findings.iter().any(is_named), "{tag:?}");
        let ledger = open(folder.path());
        let signer = signer(&ledger, vec![key("log.example/default", 1)])
            .await
            .unwrap();
        let refused = signer.sign().await.err().unwrap();
        assert!(
            matches!(refused, SignerError::Inconsistent { .. }),
            "{refused}"
        );
        // And the log takes no more entries, which could not be signed.
        let late = owner(999);
        let refused = ledger
            .write(entry(&late, &first(&late), Intent::Create))
            .await;
        refused.unwrap_err();
    }
}

#[tokio::test]
async fn an_erased_opening_leaves_a_log_that_checks_and_no_trace_of_the_anchor() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    create(&ledger, 0..300).await;
    let old = sign(&ledger).await;
    let erased = owner(77);
    let place = ledger
        .log(&domain())
        .find(erased.id(), None)
        .await
        .unwrap()
        .unwrap()
        .place;
    drop(ledger);
    tamper(folder.path(), |raw, batch| {
        for (family, tag) in [
            ("anchors", erased.id().as_str()),
            ("heads", erased.id().as_str()),
        ] {
            for (key, _) in records(raw, family, tag.as_bytes()) {
                raw.delete(batch, family, &key).unwrap();
            }
        }
        for (key, value) in records(raw, "openings", &place.to_be_bytes()) {
            assert!(value.ends_with(erased.id().as_str().as_bytes()));
            raw.delete(batch, "openings", &key).unwrap();
        }
        // The number of anchors follows an erasure.
        let (key, _) = meta_total(raw);
        raw.put(batch, "meta", &key, &299_u64.to_be_bytes())
            .unwrap();
    });
    let report = check(folder.path()).unwrap();
    assert_eq!(report.findings, []);
    assert_eq!(report.log_entries, 300);
    let ledger = open(folder.path());
    let log = ledger.log(&domain());
    let mut shown = Vec::new();
    for (level, width) in [(0, 256), (1, 1)] {
        shown.extend(
            log.tile(TileId::new(level, 0, width).unwrap())
                .await
                .unwrap()
                .unwrap(),
        );
    }
    shown.extend(
        log.bundle(BundleId::new(0, 256).unwrap())
            .await
            .unwrap()
            .unwrap(),
    );
    let openings = log
        .openings(BundleId::new(0, 256).unwrap())
        .await
        .unwrap()
        .unwrap();
    shown.extend(openings.into_bytes());
    let neighbour = log.prove(place ^ 1, old.size).await.unwrap().unwrap();
    shown.extend(neighbour.entry);
    shown.extend(neighbour.hashes.concat());
    let own = log.prove(place, old.size).await.unwrap().unwrap();
    assert!(own.opening.is_none());
    shown.extend(own.entry);
    let plain = erased.id().plain();
    let public_key = plain.split(':').nth(4).unwrap();
    for secret in [erased.id().as_str(), plain, public_key] {
        let found = shown
            .windows(secret.len())
            .any(|window| window == secret.as_bytes());
        assert!(!found, "the erased anchor shows: {secret}");
    }
    // The same look finds an anchor that was not erased.
    let other = owner(78).id().plain().to_owned();
    let found = shown
        .windows(other.len())
        .any(|window| window == other.as_bytes());
    assert!(found);
}

fn meta_total(raw: &Engine) -> (Vec<u8>, Vec<u8>) {
    let mut found = None;
    let visit = |key: &[u8], value: &[u8]| {
        if key.starts_with(b"anchors/") {
            found = Some((key.to_vec(), value.to_vec()));
        }
        Ok(())
    };
    raw.scan("meta", b"", visit).unwrap();
    found.unwrap()
}

#[tokio::test]
async fn a_store_without_logs_is_brought_forward_and_an_interrupted_step_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    create(&ledger, 0..1100).await;
    let (one, two) = (owner(5), first(&owner(5)));
    let value = next(&one, &two);
    ledger
        .write(entry(&one, &value, Intent::Append))
        .await
        .unwrap();
    drop(ledger);
    // Back to format 1: versions are their values alone, and there is no log.
    tamper(folder.path(), |raw, batch| {
        for (key, stored) in records(raw, "anchors", b"") {
            raw.put(batch, "anchors", &key, &stored[8..]).unwrap();
        }
        for family in ["log", "openings"] {
            for (key, _) in records(raw, family, b"") {
                raw.delete(batch, family, &key).unwrap();
            }
        }
        raw.put_format(batch, 1).unwrap();
    });
    // The first step was written before the power went.
    {
        let raw = Engine::open(folder.path(), RAW, 2, options(Mode::Serve)).unwrap();
        assert_eq!(raw.format(), 1);
        assert_eq!(DomainIds::load(&raw).unwrap().all().len(), 1);
    }
    let refused = check(folder.path()).err().unwrap();
    assert!(refused.to_string().contains("older format"), "{refused}");
    let planned = ledger::migration(folder.path()).unwrap();
    assert_eq!((planned.from, planned.to, planned.records), (1, 2, 1101));
    let ledger = open(folder.path());
    assert_eq!(ledger.all_versions(one.id()).await.unwrap().len(), 2);
    let checkpoint = sign(&ledger).await;
    assert_eq!(checkpoint.size, 1101);
    let log = ledger.log(&domain());
    let found = log.find(one.id(), Some(1)).await.unwrap().unwrap();
    let proven = log.prove(found.place, 1101).await.unwrap().unwrap();
    let entry = translog::Entry::decode(&proven.entry).unwrap();
    assert_eq!(entry.op, Op::Migrate);
    create(&ledger, 1100..1101).await;
    drop((ledger, log));
    let report = check(folder.path()).unwrap();
    assert_eq!(report.findings, []);
    assert_eq!(report.log_entries, 1102);
}
