//! Versions, times, verification, comparison, and what a lost brick does.

use client::dsus::{At, Difference, Draft, DsuError, Snapshot, compare, verify};
use dsu::{Depth, DsuPath, NodeKind};
use keyssi::{AnchorId, AnchorSigner, BrickHash, Timestamp};

use crate::world::{World, content, latest, path, reader, seed};

#[tokio::test]
async fn every_version_can_be_read_by_number_and_by_time() {
    let world = World::new();
    let (client, seed) = (world.client(), seed());
    world.made(&client, &seed, &[("/f", b"zero")]).await;
    let between = world.now();
    let mut draft = Draft::edit(&latest(&client, &seed).await).unwrap();
    draft
        .write(&path("/f"), &b"one"[..], world.now())
        .await
        .unwrap();
    draft.commit(world.now()).await.unwrap();
    let open = async |at| Snapshot::open(&client, &reader(&seed), at).await;
    assert_eq!(
        content(&open(At::Version(0)).await.unwrap(), "/f").await,
        b"zero"
    );
    assert_eq!(
        content(&open(At::Version(1)).await.unwrap(), "/f").await,
        b"one"
    );
    assert_eq!(
        content(&open(At::Time(between)).await.unwrap(), "/f").await,
        b"zero"
    );
    assert_eq!(
        content(&open(At::Time(world.now())).await.unwrap(), "/f").await,
        b"one"
    );
    let missing = open(At::Version(2)).await.map(drop);
    assert!(matches!(
        missing,
        Err(DsuError::NoSuchVersion { asked: 2, count: 2 })
    ));
    let before = open(At::Time(dsu::Moment::from_millis(1))).await.map(drop);
    assert!(matches!(before, Err(DsuError::NothingAtTime(_))));
    let absent = Snapshot::open(&client, &crate::world::seed(), At::Latest)
        .await
        .map(drop);
    assert!(matches!(absent, Err(DsuError::NotAnchored(_))));
    let anchor = reader(&reader(&seed));
    let unreadable = Snapshot::open(&client, &anchor, At::Latest).await.map(drop);
    assert!(matches!(unreadable, Err(DsuError::NotReadable(_))));
}

#[tokio::test]
async fn paths_that_are_not_there_are_named() {
    let world = World::new();
    let (client, seed) = (world.client(), seed());
    world.made(&client, &seed, &[("/d/f", b"x")]).await;
    let snapshot = latest(&client, &seed).await;
    let error = snapshot.read(&path("/d")).await.map(drop);
    assert!(matches!(error, Err(DsuError::IsFolder(_))));
    let error = snapshot.read(&path("/nothing")).await.map(drop);
    assert!(matches!(error, Err(DsuError::NotFound(_))));
    let error = snapshot.list(&path("/d/f"), Depth::Here).await;
    assert!(matches!(error, Err(DsuError::IsFile(_))));
    assert_eq!(
        snapshot.stat(&path("/d")).await.unwrap().kind,
        NodeKind::Folder
    );
    assert_eq!(
        snapshot.stat(&DsuPath::root()).await.unwrap().kind,
        NodeKind::Folder
    );
}

#[tokio::test]
async fn many_files_are_read_in_order() {
    let world = World::new();
    let (client, seed) = (world.client(), seed());
    let files: Vec<(String, Vec<u8>)> = (0..40_u8)
        .map(|at| (format!("/f{at:02}"), vec![at; usize::from(at)]))
        .collect();
    let list: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
        .collect();
    world.made(&client, &seed, &list).await;
    let paths: Vec<_> = files.iter().map(|(name, _)| path(name)).collect();
    let mut reader = latest(&client, &seed)
        .await
        .read_many(&paths)
        .await
        .unwrap();
    let mut read = vec![Vec::new(); files.len()];
    let mut newest = 0;
    while let Some((index, bytes)) = reader.next().await.unwrap() {
        assert!(index >= newest);
        newest = index;
        read[index].extend_from_slice(&bytes);
    }
    for ((name, bytes), read) in files.iter().zip(&read) {
        assert_eq!(bytes, read, "{name}");
    }
}

#[tokio::test]
async fn a_verification_counts_and_a_comparison_names() {
    let world = World::new();
    let (client, one, other) = (world.client(), seed(), seed());
    world
        .made(
            &client,
            &one,
            &[("/same", b"same"), ("/gone", b"x"), ("/changed", b"1")],
        )
        .await;
    world
        .made(
            &client,
            &other,
            &[
                ("/same", b"same"),
                ("/new/manifest", b"x"),
                ("/changed", b"2"),
            ],
        )
        .await;
    let (left, right) = (latest(&client, &one).await, latest(&client, &other).await);
    assert!(compare(&left, &left).await.unwrap().is_empty());
    assert_eq!(
        compare(&left, &right).await.unwrap(),
        [
            Difference::Changed(path("/changed")),
            Difference::Removed(path("/gone")),
            Difference::Added(path("/new")),
            Difference::Added(path("/new/manifest")),
        ]
    );
    let mut draft = Draft::edit(&left).unwrap();
    draft
        .write(&path("/more"), &b"more"[..], world.now())
        .await
        .unwrap();
    draft.commit(world.now()).await.unwrap();
    let verified = verify(&client, &reader(&one)).await.unwrap();
    assert!(verified.faults.is_empty(), "{:?}", verified.faults);
    assert_eq!(
        (verified.versions, verified.files, verified.bricks),
        (2, 7, 4)
    );
}

#[tokio::test]
async fn two_writers_of_different_files_both_win() {
    let world = World::new();
    let (client, seed) = (world.client(), seed());
    world
        .made(&client, &seed, &[("/shared", b"old"), ("/d/a", b"a")])
        .await;
    let base = latest(&client, &seed).await;
    let mut first = Draft::edit(&base).unwrap();
    let mut second = Draft::edit(&base).unwrap();
    first
        .write(&path("/shared"), &b"new"[..], world.now())
        .await
        .unwrap();
    second
        .write(&path("/d/b"), &b"b"[..], world.now())
        .await
        .unwrap();
    first.commit(world.now()).await.unwrap();
    let committed = second.commit(world.now()).await.unwrap();
    assert_eq!(committed[0].version, 2);
    let merged = latest(&client, &seed).await;
    assert_eq!(content(&merged, "/shared").await, b"new");
    assert_eq!(content(&merged, "/d/b").await, b"b");
    // And a real conflict is told.
    let mut first = Draft::edit(&merged).unwrap();
    let mut second = Draft::edit(&merged).unwrap();
    first
        .write(&path("/shared"), &b"left"[..], world.now())
        .await
        .unwrap();
    second
        .write(&path("/shared"), &b"right"[..], world.now())
        .await
        .unwrap();
    first.commit(world.now()).await.unwrap();
    let conflict = second.commit(world.now()).await;
    assert!(
        matches!(conflict, Err(DsuError::Conflict(_))),
        "{conflict:?}"
    );
    assert_eq!(
        content(&latest(&client, &seed).await, "/shared").await,
        b"left"
    );
}

#[tokio::test]
async fn a_version_without_its_map_is_recovered_from_and_written_over() {
    let world = World::new();
    let (client, seed) = (world.client(), seed());
    world.made(&client, &seed, &[("/f", b"kept")]).await;
    // A version whose brick map no node ever got: signed and anchored by other software.
    let id = AnchorId::of(&seed).unwrap();
    let before = latest(&client, &seed).await;
    let signer = AnchorSigner::of_seed(&seed).unwrap();
    let hash = BrickHash::of(b"lost").to_string();
    let now = Timestamp::from_millis(world.now().millis());
    let value = signer.append(before.history().head().unwrap(), &hash, &now);
    client.anchors().append(&id, &value.unwrap()).await.unwrap();
    let lost = Snapshot::open(&client, &seed, At::Latest).await.map(drop);
    assert!(
        matches!(lost, Err(DsuError::FetchMap { version: 1, .. })),
        "{lost:?}"
    );
    let (recovered, damaged) = Snapshot::recover(&client, &seed).await.unwrap();
    assert_eq!(
        (recovered.version(), damaged.len(), damaged[0].version),
        (0, 1, 1)
    );
    let mut draft = Draft::edit(&recovered).unwrap();
    draft
        .write(&path("/g"), &b"after"[..], world.now())
        .await
        .unwrap();
    assert_eq!(draft.commit(world.now()).await.unwrap()[0].version, 2);
    let snapshot = latest(&client, &seed).await;
    assert_eq!(content(&snapshot, "/f").await, b"kept");
    let verified = verify(&client, &seed).await.unwrap();
    assert_eq!(verified.faults.len(), 1);
    assert_eq!(verified.faults[0].version, Some(1));
    // Changes on an old version that is not the newest would undo the later ones.
    let old = Snapshot::open(&client, &seed, At::Version(0))
        .await
        .unwrap();
    assert!(matches!(
        Draft::edit(&old),
        Err(DsuError::NotNewest {
            version: 0,
            count: 3
        })
    ));
}
