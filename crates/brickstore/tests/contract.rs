//! The store's contract, over a real database in a temporary folder.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

mod damage;

use std::path::Path;

use brickstore::{
    BrickFinding, BrickStore, BrickStoreError, EngineOptions, Mode, Put, PutTerms, check,
};
use bytes::Bytes;
use keyssi::{BrickHash, Domain};

use crate::damage::alter_files;

/// Sizes at which something changes, and why.
const INTERESTING_SIZES: [usize; 8] = [
    0,         // the empty brick exists: the reference accepts it
    1,         // the smallest content
    64,        // an envelope around nothing
    4095,      // the last size that stays in the tables
    4096,      // the first that goes to a blob file
    4097,      // and the next
    1 << 20,   // the chunk of our own client
    9_000_000, // larger than what one batch of the committer gathers
];

fn options() -> EngineOptions {
    EngineOptions {
        free_bytes_min: 0,
        mode: Mode::Serve,
    }
}

fn open(folder: &Path) -> BrickStore {
    BrickStore::open(folder, options()).unwrap()
}

fn domain(name: &str) -> Domain {
    name.parse().unwrap()
}

fn content(size: usize) -> Bytes {
    (0..size)
        .map(|at| (at * 7 + (at >> 8)).to_le_bytes()[0])
        .collect()
}

async fn put(store: &BrickStore, domain: &Domain, bytes: &Bytes) -> Put {
    let hash = BrickHash::of(bytes);
    store
        .put(domain, hash, bytes.clone(), PutTerms::unlimited(0))
        .await
        .unwrap()
}

#[tokio::test]
async fn bricks_of_every_size_come_back_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let here = domain("default");
    for round in 0..2 {
        let store = open(folder.path());
        for size in INTERESTING_SIZES {
            let bytes = content(size);
            let hash = BrickHash::of(&bytes);
            let expected = if round == 0 {
                Put::Stored
            } else {
                Put::Existing
            };
            assert_eq!(put(&store, &here, &bytes).await, expected, "{size} bytes");
            assert_eq!(store.size(&here, hash).await.unwrap(), Some(size as u64));
            assert_eq!(store.get(&here, hash, 0).await.unwrap().unwrap(), bytes);
        }
        let totals = store.totals(&here).await.unwrap();
        assert_eq!(totals.bricks, INTERESTING_SIZES.len() as u64);
        assert_eq!(totals.bytes, INTERESTING_SIZES.iter().sum::<usize>() as u64);
    }
    let report = check(folder.path()).unwrap();
    assert_eq!(report.findings, []);
    assert_eq!(report.sound, INTERESTING_SIZES.len() as u64);
}

#[tokio::test]
async fn domains_are_apart_and_an_absent_brick_is_absent() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let (here, there) = (domain("here"), domain("there"));
    let bytes = content(10);
    let hash = BrickHash::of(&bytes);
    assert_eq!(store.get(&here, hash, 0).await.unwrap(), None);
    put(&store, &here, &bytes).await;
    assert_eq!(store.get(&there, hash, 0).await.unwrap(), None);
    assert_eq!(store.size(&there, hash).await.unwrap(), None);
    assert_eq!(put(&store, &there, &bytes).await, Put::Stored);
    assert_eq!(store.totals(&there).await.unwrap().bricks, 1);
}

#[tokio::test]
async fn simultaneous_puts_of_one_brick_count_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let here = domain("default");
    let bytes = content(5000);
    let puts = (0..64).map(|_| {
        let (store, here, bytes) = (store.clone(), here.clone(), bytes.clone());
        tokio::spawn(async move { put(&store, &here, &bytes).await })
    });
    let mut stored = 0;
    for task in puts.collect::<Vec<_>>() {
        stored += usize::from(task.await.unwrap() == Put::Stored);
    }
    assert_eq!(stored, 1);
    assert_eq!(store.totals(&here).await.unwrap().bricks, 1);
    drop(store);
    assert_eq!(check(folder.path()).unwrap().findings, []);
}

#[tokio::test]
async fn many_bricks_are_put_with_an_answer_for_each() {
    let folder = tempfile::tempdir().unwrap();
    let here = domain("default");
    let bricks: Vec<Bytes> = INTERESTING_SIZES.into_iter().map(content).collect();
    let named = |bricks: &[Bytes]| -> Vec<(BrickHash, Bytes)> {
        let name = |bytes: &Bytes| (BrickHash::of(bytes), bytes.clone());
        bricks.iter().map(name).collect()
    };
    {
        let store = open(folder.path());
        assert_eq!(
            store
                .put_many(&here, vec![], PutTerms::unlimited(0))
                .await
                .unwrap(),
            []
        );
        put(&store, &here, &bricks[2]).await;
        let mut sent = named(&bricks);
        // One that stands twice.
        sent.push(sent[4].clone());
        let mut expected = vec![Put::Stored; bricks.len()];
        expected[2] = Put::Existing;
        expected.push(Put::Existing);
        assert_eq!(
            store
                .put_many(&here, sent, PutTerms::unlimited(0))
                .await
                .unwrap(),
            expected
        );
    }
    let store = open(folder.path());
    let again = store
        .put_many(&here, named(&bricks), PutTerms::unlimited(0))
        .await
        .unwrap();
    assert_eq!(again, vec![Put::Existing; bricks.len()]);
    let mut hashes: Vec<BrickHash> = bricks.iter().map(|it| BrickHash::of(it)).collect();
    for (hash, bytes) in hashes.iter().zip(&bricks) {
        assert_eq!(&store.get(&here, *hash, 0).await.unwrap().unwrap(), bytes);
    }
    hashes.insert(1, BrickHash::of(b"absent"));
    let mut sizes = INTERESTING_SIZES.map(|size| Some(size as u64)).to_vec();
    sizes.insert(1, None);
    assert_eq!(store.sizes(&here, hashes.clone()).await.unwrap(), sizes);
    let elsewhere = store.sizes(&domain("other"), hashes).await.unwrap();
    assert_eq!(elsewhere, vec![None; sizes.len()]);
    drop(store);
    let report = check(folder.path()).unwrap();
    assert_eq!(report.findings, []);
    assert_eq!(report.sound, bricks.len() as u64);
}

#[tokio::test]
async fn many_bricks_that_do_not_fit_leave_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let here = domain("default");
    let present = content(20);
    put(&open(folder.path()), &here, &present).await;
    let full = EngineOptions {
        free_bytes_min: u64::MAX / 4,
        mode: Mode::Serve,
    };
    let store = BrickStore::open(folder.path(), full).unwrap();
    let named = |bytes: Bytes| (BrickHash::of(&bytes), bytes);
    let sent = vec![named(present), named(content(21)), named(content(22))];
    let hashes: Vec<BrickHash> = sent.iter().map(|(hash, _)| *hash).collect();
    let refused = store.put_many(&here, sent, PutTerms::unlimited(0)).await;
    assert!(matches!(refused, Err(BrickStoreError::OutOfSpace)));
    let sizes = store.sizes(&here, hashes).await.unwrap();
    assert_eq!(sizes, [Some(20), None, None]);
    drop(store);
    assert_eq!(check(folder.path()).unwrap().findings, []);
}

#[tokio::test]
async fn a_put_whose_sender_hung_up_is_carried_out() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let here = domain("default");
    let bytes = content(100);
    let hash = BrickHash::of(&bytes);
    let task = {
        let (store, here) = (store.clone(), here.clone());
        tokio::spawn(async move { put(&store, &here, &bytes).await })
    };
    // Either it was queued before this and is carried out, or it was not and left no trace.
    task.abort();
    let _ = task.await;
    drop(store);
    let store = open(folder.path());
    let present = store.size(&here, hash).await.unwrap().is_some();
    assert_eq!(
        store.totals(&here).await.unwrap().bricks,
        u64::from(present)
    );
    drop(store);
    assert_eq!(check(folder.path()).unwrap().findings, []);
}

/// A brick whose bytes changed under the database's own checksums is never served: the database
/// or the hash refuses it, `check` names it, and putting it again heals it.
#[tokio::test]
async fn a_damaged_brick_is_refused_found_and_healed_by_a_put() {
    let folder = tempfile::tempdir().unwrap();
    let here = domain("default");
    let (damaged, sound) = (Bytes::from(vec![b'x'; 6000]), content(6000));
    let hash = BrickHash::of(&damaged);
    {
        let store = open(folder.path());
        put(&store, &here, &damaged).await;
        put(&store, &here, &sound).await;
    }
    // Opening once more moves the bricks from the log to blob files, where damage is not fatal.
    drop(open(folder.path()));
    assert_ne!(alter_files(folder.path(), &[b'x'; 64], &[b'y'; 64]), 0);

    let report = check(folder.path()).unwrap();
    let named = |finding: &BrickFinding| match finding {
        BrickFinding::HashMismatch { hash: found, .. }
        | BrickFinding::Unreadable { hash: found, .. } => *found == hash,
        _ => false,
    };
    assert!(report.findings.iter().any(named), "{:?}", report.findings);
    assert_eq!(report.sound, 1);

    let store = open(folder.path());
    let refused = store.get(&here, hash, 0).await.unwrap_err();
    assert!(matches!(
        refused,
        BrickStoreError::HashMismatch { .. } | BrickStoreError::Corrupt(_)
    ));
    let other = store.get(&here, BrickHash::of(&sound), 0).await.unwrap();
    assert_eq!(other.unwrap(), sound);

    assert_eq!(put(&store, &here, &damaged).await, Put::Stored);
    assert_eq!(store.get(&here, hash, 0).await.unwrap().unwrap(), damaged);
    assert_eq!(store.totals(&here).await.unwrap().bricks, 2);
}

#[tokio::test]
async fn a_full_disk_is_refused_and_reading_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let here = domain("default");
    let bytes = content(10);
    put(&open(folder.path()), &here, &bytes).await;
    let full = EngineOptions {
        free_bytes_min: u64::MAX / 4,
        mode: Mode::Serve,
    };
    let store = BrickStore::open(folder.path(), full).unwrap();
    let more = content(11);
    let refused = store
        .put(&here, BrickHash::of(&more), more, PutTerms::unlimited(0))
        .await;
    assert!(matches!(refused, Err(BrickStoreError::OutOfSpace)));
    let read = store.get(&here, BrickHash::of(&bytes), 0).await.unwrap();
    assert_eq!(read.unwrap(), bytes);
    // What is there already needs no space.
    assert_eq!(put(&store, &here, &bytes).await, Put::Existing);
}
