//! Quotas and the scrub of the embedded ledger, over a real database in a temporary folder.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::path::Path;
use std::time::Duration;

use engine::rocksdb::WriteBatch;
use engine::{Engine, Family};
use keyssi::{
    AnchorId, AnchorSigner, AnchorValue, BrickHash, Domain, Head, KeySsi, PrivateKey, Timestamp,
};
use ledger::{
    AnchorQuota, EmbeddedLedger, EngineOptions, Entry, Intent, Ledger, LedgerError, Mode,
    ScrubOptions, check,
};

const NOW: u64 = 1_700_000_000_000;

fn options() -> EngineOptions {
    EngineOptions {
        free_bytes_min: 0,
        mode: Mode::Serve,
    }
}

fn open(folder: &Path) -> EmbeddedLedger {
    EmbeddedLedger::open(folder, options(), || NOW).unwrap()
}

fn domain() -> Domain {
    "default".parse().unwrap()
}

/// A signed anchor of its own for each `number`.
fn signer(number: u8) -> AnchorSigner {
    let key = PrivateKey::from_bytes(&[number; 32]).unwrap();
    let seed = KeySsi::seed("default", &key).unwrap();
    AnchorSigner::new(AnchorId::of(&seed).unwrap(), key, "default", None).unwrap()
}

fn first(signer: &AnchorSigner) -> AnchorValue {
    let hash = BrickHash::of(b"first").to_string();
    signer.create(&hash, &Timestamp::from_millis(NOW)).unwrap()
}

fn entry(signer: &AnchorSigner, value: AnchorValue) -> Entry {
    Entry {
        id: signer.id().clone(),
        value,
        intent: Intent::CreateOrAppend,
    }
}

fn creation(number: u8) -> Entry {
    let owner = signer(number);
    let value = first(&owner);
    entry(&owner, value)
}

fn exceeded(written: Result<(), LedgerError>) -> Option<(&'static str, u64, u64)> {
    match written {
        Ok(()) => None,
        Err(LedgerError::QuotaExceeded {
            what, limit, used, ..
        }) => Some((what, limit, used)),
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn quotas_hold_exactly_under_many_writers_and_over_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let quota = AnchorQuota {
        anchors: Some(10),
        versions: Some(12),
    };
    {
        let ledger = open(folder.path());
        ledger.set_quota(&domain(), || quota);
        let writers = (1..=32).map(|number| {
            let ledger = ledger.clone();
            tokio::spawn(async move { exceeded(ledger.write(creation(number)).await) })
        });
        let mut created = 0;
        for writer in writers.collect::<Vec<_>>() {
            match writer.await.unwrap() {
                None => created += 1,
                Some(refused) => assert_eq!(refused.0, "anchors"),
            }
        }
        assert_eq!(created, 10);
    }
    let ledger = open(folder.path());
    assert_eq!(ledger.total(&domain()).await.unwrap(), 10);
    ledger.set_quota(&domain(), || quota);
    let late = exceeded(ledger.write(creation(40)).await);
    assert_eq!(late, Some(("anchors", 10, 10)));

    // Two versions are left, for an anchor that exists; all or none of three.
    let existing = (1..=32).map(signer);
    let mut owner = None;
    for signer in existing {
        if ledger.last_version(signer.id()).await.unwrap().is_some() {
            owner = Some(signer);
        }
    }
    let owner = owner.unwrap();
    let mut values = vec![first(&owner)];
    for number in 1..4_u64 {
        let head = Head::restore(values.last().unwrap().as_str(), None).unwrap();
        let hash = BrickHash::of(&number.to_be_bytes()).to_string();
        let time = Timestamp::from_millis(NOW + number);
        values.push(owner.append(&head, &hash, &time).unwrap());
    }
    let entries = |range: std::ops::Range<usize>| {
        let values = values[range].iter().cloned();
        values.map(|value| entry(&owner, value)).collect::<Vec<_>>()
    };
    let refused = ledger.write_all(entries(1..4)).await;
    let refused = exceeded(refused.map_err(|error| error.source));
    assert_eq!(refused, Some(("versions", 12, 10)));
    ledger.write_all(entries(1..3)).await.unwrap();
    let all = ledger.all_versions(owner.id()).await.unwrap();
    assert_eq!(all.len(), 3);
    drop(ledger);
    assert_eq!(check(folder.path()).unwrap().findings, []);
}

/// The families, for changing what lies in the store behind the ledger's back.
const FAMILIES: &[Family] = &[
    family("anchors"),
    family("heads"),
    family("log"),
    family("openings"),
    family("outbox"),
    Family {
        name: "documents",
        tune: |options| options.set_enable_blob_files(true),
    },
];

const fn family(name: &'static str) -> Family {
    Family { name, tune: |_| {} }
}

#[tokio::test]
async fn the_scrub_finds_a_history_with_a_hole_and_goes_on_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    {
        let ledger = open(folder.path());
        for number in 1..=5 {
            ledger.write(creation(number)).await.unwrap();
        }
        ledger.put_document("a/path", "text".into()).await.unwrap();
    }
    let options = ScrubOptions {
        automatic: false,
        bytes_per_second: 1 << 40,
        pause_between: Duration::from_hours(24),
    };
    let pass = |ledger: &EmbeddedLedger| {
        let scrubber = ledger.scrub(options).unwrap();
        let before = scrubber.state().last.map_or(0, |pass| pass.number);
        scrubber.start_pass();
        loop {
            match scrubber.state().last {
                Some(pass) if pass.number > before => return (pass.things, pass.damaged),
                _ => std::thread::yield_now(),
            }
        }
    };
    let ledger = open(folder.path());
    assert_eq!(pass(&ledger), (5, 0));
    drop(ledger);
    {
        let engine = Engine::open(folder.path(), FAMILIES, 2, self::options()).unwrap();
        let mut keys = Vec::new();
        engine
            .scan("heads", &[], |key, _| {
                keys.push(key.to_vec());
                Ok(())
            })
            .unwrap();
        let mut batch = WriteBatch::default();
        engine.delete(&mut batch, "heads", &keys[1]).unwrap();
        engine.write(batch).unwrap();
    }
    let ledger = open(folder.path());
    assert_eq!(pass(&ledger), (5, 1));
}
