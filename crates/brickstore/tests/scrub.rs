//! The scrub over a real store whose files were damaged.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

mod damage;

use std::path::Path;
use std::time::Duration;

use brickstore::{
    Account, BrickStore, BrickStoreError, EngineOptions, Mode, OpenError, Pass, Put, PutTerms,
    ScrubOptions, Scrubber, check, migration,
};
use bytes::Bytes;
use engine::rocksdb::WriteBatch;
use engine::{Engine, Family};
use keyssi::{BrickHash, Domain};

use crate::damage::alter_files;

const NOW: u64 = 1_700_000_000_000;

fn open(folder: &Path) -> BrickStore {
    let options = EngineOptions {
        free_bytes_min: 0,
        mode: Mode::Serve,
    };
    BrickStore::open(folder, options).unwrap()
}

fn here() -> Domain {
    "default".parse().unwrap()
}

fn terms() -> PutTerms {
    let account: Account = "key/owner".parse().unwrap();
    PutTerms {
        account: Some(account),
        ..PutTerms::unlimited(NOW)
    }
}

/// Bricks of the kinds that are stored differently: small ones in tables, large ones in blob files.
/// Those with odd numbers are easily found in a file.
fn bricks() -> Vec<(BrickHash, Bytes)> {
    let brick = |number: u8| {
        let size = if number.is_multiple_of(3) { 200 } else { 6000 };
        let bytes = if number.is_multiple_of(2) {
            (0..size)
                .map(|at: usize| at.to_le_bytes()[0] ^ number)
                .collect()
        } else {
            vec![b'a' + number; size]
        };
        (BrickHash::of(&bytes), Bytes::from(bytes))
    };
    (0..20).map(brick).collect()
}

fn scrub(store: &BrickStore) -> Scrubber {
    let options = ScrubOptions {
        automatic: false,
        bytes_per_second: 1 << 40,
        pause_between: Duration::from_hours(24),
    };
    store.scrub(options, || NOW).unwrap()
}

/// Runs one pass to its end.
fn pass(scrubber: &Scrubber) -> Pass {
    let before = scrubber.state().last.map_or(0, |pass| pass.number);
    scrubber.start_pass();
    loop {
        match scrubber.state().last {
            Some(pass) if pass.number > before => return pass,
            _ => std::thread::yield_now(),
        }
    }
}

#[tokio::test]
async fn damage_is_quarantined_never_served_never_deleted_and_healed_by_a_put() {
    let folder = tempfile::tempdir().unwrap();
    let bricks = bricks();
    let bytes: u64 = bricks.iter().map(|(_, bytes)| bytes.len() as u64).sum();
    {
        let store = open(folder.path());
        store
            .put_many(&here(), bricks.clone(), terms())
            .await
            .unwrap();
        let scrubber = scrub(&store);
        let sound = pass(&scrubber);
        assert_eq!((sound.things, sound.bytes, sound.damaged), (20, bytes, 0));
    }
    // Opening once more moves the bricks from the log to tables and blob files.
    drop(open(folder.path()));
    // The brick of 6000 times `b`.
    let (hash, whole) = bricks[1].clone();
    let damaged = alter_files(folder.path(), &[b'b'; 64], &[b'?'; 64]);
    assert_ne!(damaged, 0);

    let store = open(folder.path());
    let scrubber = scrub(&store);
    let found = pass(&scrubber);
    assert_eq!((found.number, found.things, found.damaged), (2, 20, 1));
    assert_eq!(store.quarantined(), 1);
    drop((scrubber, store));

    // It is known after a restart, and refused at once.
    let store = open(folder.path());
    let quarantine = store.quarantine(10).await.unwrap();
    assert_eq!(quarantine.len(), 1);
    assert_eq!((quarantine[0].hash, quarantine[0].found_ms), (hash, NOW));
    assert_eq!(quarantine[0].domain, Some(here()));
    let refused = |result| matches!(result, Err(BrickStoreError::Quarantined { .. }));
    assert!(refused(store.get(&here(), hash, NOW).await.map(drop)));
    assert!(refused(store.size(&here(), hash).await.map(drop)));
    let asked = vec![hash, bricks[2].0];
    let there = store.which_are_there(&here(), asked).await.unwrap();
    assert_eq!(there, [false, true]);
    let totals = store.totals(&here()).await.unwrap();
    assert_eq!((totals.bricks, totals.bytes), (20, bytes));
    assert_eq!(check(folder.path()).unwrap().quarantined, 1);

    // A second pass says the same and records nothing twice.
    let scrubber = scrub(&store);
    assert_eq!(pass(&scrubber).damaged, 1);
    assert_eq!(store.quarantined(), 1);

    // Put by somebody else, it is whole again and still its owner's.
    let (domain, others) = (here(), PutTerms::unlimited(NOW));
    let healed = store.put(&domain, hash, whole.clone(), others).await;
    assert_eq!(healed.unwrap(), Put::Stored);
    assert_eq!(store.quarantined(), 0);
    assert_eq!(store.get(&here(), hash, NOW).await.unwrap().unwrap(), whole);
    assert_eq!(pass(&scrubber).damaged, 0);
    drop((scrubber, store));
    let report = check(folder.path()).unwrap();
    assert_eq!((report.findings, report.quarantined), (vec![], 0));
}

#[tokio::test]
async fn what_a_reader_finds_damaged_is_quarantined_too_and_let_out_when_it_is_whole_again() {
    let folder = tempfile::tempdir().unwrap();
    let bricks = bricks();
    let (hash, whole) = bricks[5].clone();
    {
        let store = open(folder.path());
        store
            .put_many(&here(), bricks.clone(), terms())
            .await
            .unwrap();
    }
    drop(open(folder.path()));
    assert_ne!(alter_files(folder.path(), &[b'f'; 64], &[b'!'; 64]), 0);
    {
        let store = open(folder.path());
        let refused = store.get(&here(), hash, NOW).await.unwrap_err();
        let damaged = matches!(
            refused,
            BrickStoreError::HashMismatch { .. } | BrickStoreError::Corrupt(_)
        );
        assert!(damaged, "{refused}");
    }
    // The disk reads right again: the scrub sees it.
    assert_ne!(alter_files(folder.path(), &[b'!'; 64], &[b'f'; 64]), 0);
    let store = open(folder.path());
    assert_eq!(store.quarantined(), 1);
    let refused = store.get(&here(), hash, NOW).await;
    assert!(matches!(refused, Err(BrickStoreError::Quarantined { .. })));
    let scrubber = scrub(&store);
    assert_eq!(pass(&scrubber).damaged, 0);
    assert_eq!(store.quarantined(), 0);
    assert_eq!(store.get(&here(), hash, NOW).await.unwrap().unwrap(), whole);
}

/// The families as an older version knew them, for looking at the format number.
const FAMILIES: &[Family] = &[
    Family {
        name: "bricks",
        tune: |options| options.set_enable_blob_files(true),
    },
    Family {
        name: "brick_meta",
        tune: |_| {},
    },
];

fn open_as_format(folder: &Path, format: u32) -> Result<Engine, OpenError> {
    let options = EngineOptions {
        free_bytes_min: 0,
        mode: Mode::Serve,
    };
    Engine::open(folder, FAMILIES, format, options)
}

/// A store of format 1, whose records have no accounts, is read as it is; the number goes up with the
/// first write.
#[tokio::test]
async fn a_store_of_format_1_is_read_and_becomes_format_2_with_the_first_write() {
    let folder = tempfile::tempdir().unwrap();
    let (hash, bytes) = bricks()[0].clone();
    let store = open(folder.path());
    let unowned = PutTerms::unlimited(NOW);
    store
        .put(&here(), hash, bytes.clone(), unowned)
        .await
        .unwrap();
    drop(store);
    {
        let engine = open_as_format(folder.path(), 2).unwrap();
        let mut batch = WriteBatch::default();
        engine.put_format(&mut batch, 1).unwrap();
        engine.write(batch).unwrap();
    }
    let store = open(folder.path());
    assert_eq!(store.size(&here(), hash).await.unwrap(), Some(200));
    assert_eq!(store.get(&here(), hash, NOW).await.unwrap().unwrap(), bytes);
    assert_eq!(store.usages().await.unwrap(), []);
    drop(store);
    assert_eq!(check(folder.path()).unwrap().findings, []);
    drop(open_as_format(folder.path(), 1).unwrap());
    let planned = migration(folder.path()).unwrap();
    assert_eq!((planned.from, planned.to, planned.records), (1, 2, 0));

    let store = open(folder.path());
    let (other, bytes) = bricks()[1].clone();
    store.put(&here(), other, bytes, terms()).await.unwrap();
    let usages = store.usages().await.unwrap();
    assert_eq!(usages.len(), 1);
    let (account, used) = &usages[0];
    assert_eq!((account.as_str(), used.bytes), ("key/owner", 6000));
    drop(store);
    assert_eq!(check(folder.path()).unwrap().findings, []);
    let refused = open_as_format(folder.path(), 1).err().unwrap();
    assert!(matches!(refused, OpenError::NewerFormat { found: 2, .. }));
}
