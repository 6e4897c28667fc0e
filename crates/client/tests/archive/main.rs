//! Whole DSUs from one node into another through a file.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

#[path = "../dsus/world.rs"]
#[allow(
    dead_code,
    reason = "shared with the tests of DSUs, which use all of it"
)]
mod world;

use std::fs::File;
use std::io::{Seek as _, Write as _};

use client::archive::{Archive, ExportError, ImportError, Mounts, export, import};
use client::dsus::{At, Draft, DsuError, Snapshot, compare};
use client::{Client, ClientError, ClientOptions};
use dsu::Depth;
use keyssi::{AnchorValue, KeySsi};

use crate::world::{World, content, latest, path, reader, seed};

async fn exported(client: &Client, ssi: &KeySsi, mounts: Mounts) -> Vec<u8> {
    let mut bytes = Vec::new();
    let exported = export(client, ssi, mounts, &mut bytes).await.unwrap();
    assert_eq!(exported.bytes, bytes.len() as u64);
    bytes
}

fn opened(bytes: &[u8]) -> Archive {
    let mut file: File = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    Archive::open(file).unwrap()
}

/// One more version.
async fn written(world: &World, client: &Client, seed: &KeySsi, name: &str, bytes: &[u8]) {
    let mut draft = Draft::edit(&latest(client, seed).await).unwrap();
    draft.write(&path(name), bytes, world.now()).await.unwrap();
    draft.commit(world.now()).await.unwrap();
}

/// A record with several versions and bricks, a renamed file, a deleted one, an embedded one (the
/// manifest), and another DSU mounted in it.
async fn record(world: &World, client: &Client) -> (KeySsi, KeySsi) {
    let (outer, inner) = (seed(), seed());
    world.made(client, &inner, &[("/inside", b"inside")]).await;
    written(world, client, &inner, "/inside", b"changed").await;
    world
        .made(
            client,
            &outer,
            &[("/a", b"a"), ("/gone", b"gone"), ("/empty", b"")],
        )
        .await;
    let mut draft = Draft::edit(&latest(client, &outer).await)
        .unwrap()
        .with_chunk_bytes(1000);
    let big: Vec<u8> = (0..20_500_u32).map(|at| (at % 251) as u8).collect();
    draft
        .write(&path("/big"), &big[..], world.now())
        .await
        .unwrap();
    draft.remove(&path("/gone"), world.now()).await.unwrap();
    draft
        .rename(&path("/a"), &path("/d/b"), world.now())
        .await
        .unwrap();
    draft
        .mount(&path("/m"), &reader(&inner), world.now())
        .await
        .unwrap();
    draft.commit(world.now()).await.unwrap();
    (outer, inner)
}

#[tokio::test]
async fn a_record_moves_to_another_node_and_is_identical() {
    let (from, to) = (World::new(), World::new());
    let client = from.client();
    let (outer, inner) = record(&from, &client).await;
    // The reading key is enough.
    let bytes = exported(&client, &reader(&outer), Mounts::Include).await;
    let archive = opened(&bytes);
    let verified = archive.verify(&outer).unwrap();
    assert_eq!((verified.dsus, verified.versions), (2, 4));
    assert!(verified.faults.is_empty() && verified.unopened.is_empty());

    let (there, counts) = to.counting();
    let imported = import(&there, &archive).await.unwrap();
    assert_eq!(imported.bricks_stored, archive.bricks());
    assert_eq!(imported.bricks_present, 0);
    let added: Vec<_> = imported.dsus.iter().map(|dsu| dsu.versions_added).collect();
    assert_eq!(added, [2, 2]);
    for key in [&outer, &inner] {
        for version in 0..2 {
            let one = Snapshot::open(&client, key, At::Version(version))
                .await
                .unwrap();
            let other = Snapshot::open(&there, key, At::Version(version))
                .await
                .unwrap();
            assert_eq!(compare(&one, &other).await.unwrap(), []);
            assert_eq!(one.history().values(), other.history().values());
        }
    }
    let moved = latest(&there, &outer).await;
    assert_eq!(content(&moved, "/m/inside").await, b"changed");
    assert_eq!(moved.list(&path("/"), Depth::Here).await.unwrap().len(), 5);

    let stored = counts.lock().unwrap().stored;
    let again = import(&there, &archive).await.unwrap();
    assert_eq!(
        (again.bricks_stored, again.bricks_present),
        (0, archive.bricks())
    );
    assert!(
        again
            .dsus
            .iter()
            .all(|dsu| dsu.versions_added == 0 && dsu.versions_before == 2)
    );
    assert_eq!(counts.lock().unwrap().stored, stored);
    // From there it can be exported again, to the same bytes.
    assert_eq!(exported(&there, &outer, Mounts::Include).await, bytes);
}

#[tokio::test]
async fn mounted_dsus_can_be_left_out_and_constant_ones_are_archived() {
    let (from, to) = (World::new(), World::new());
    let (client, there) = (from.client(), to.client());
    let constant = KeySsi::constant("default", "words for an archive").unwrap();
    from.made(&client, &constant, &[("/leaflet", b"take one")])
        .await;
    let outer = seed();
    let mut draft = Draft::create(&client, &outer, from.now()).await.unwrap();
    draft
        .mount(&path("/c"), &constant, from.now())
        .await
        .unwrap();
    draft.commit(from.now()).await.unwrap();
    let alone = opened(&exported(&client, &outer, Mounts::LeaveOut).await);
    assert_eq!(alone.manifest().dsus.len(), 1);
    assert_eq!(alone.verify(&outer).unwrap().unopened, [path("/c")]);
    let both = opened(&exported(&client, &outer, Mounts::Include).await);
    assert_eq!(both.manifest().dsus.len(), 2);
    import(&there, &both).await.unwrap();
    let moved = latest(&there, &outer).await;
    assert_eq!(content(&moved, "/c/leaflet").await, b"take one");
}

#[tokio::test]
async fn a_node_that_has_a_part_gets_the_rest_and_one_that_has_more_keeps_it() {
    let (from, to) = (World::new(), World::new());
    let (client, there) = (from.client(), to.client());
    let seed = seed();
    from.made(&client, &seed, &[("/f", b"zero")]).await;
    let short = opened(&exported(&client, &seed, Mounts::Include).await);
    written(&from, &client, &seed, "/f", b"one").await;
    let long = opened(&exported(&client, &seed, Mounts::Include).await);
    import(&there, &short).await.unwrap();
    let imported = import(&there, &long).await.unwrap();
    assert_eq!(imported.dsus[0].versions_before, 1);
    assert_eq!(imported.dsus[0].versions_added, 1);
    assert_eq!((imported.bricks_stored, imported.bricks_present), (2, 2));
    let imported = import(&there, &short).await.unwrap();
    assert_eq!(imported.dsus[0].versions_before, 2);
    assert_eq!(imported.dsus[0].versions_added, 0);
    assert_eq!(content(&latest(&there, &seed).await, "/f").await, b"one");
}

#[tokio::test]
async fn a_dsu_that_went_another_way_is_a_conflict_and_nothing_is_written() {
    let (from, to) = (World::new(), World::new());
    let client = from.client();
    let seed = seed();
    from.made(&client, &seed, &[("/f", b"zero")]).await;
    let (there, counts) = to.counting();
    import(
        &there,
        &opened(&exported(&client, &seed, Mounts::Include).await),
    )
    .await
    .unwrap();
    written(&from, &client, &seed, "/f", b"here").await;
    written(&to, &there, &seed, "/f", b"there").await;
    let stored = counts.lock().unwrap().stored;
    let archive = opened(&exported(&client, &seed, Mounts::Include).await);
    let refused = import(&there, &archive).await.unwrap_err();
    assert!(
        matches!(refused, ImportError::Conflict { version: 1, .. }),
        "{refused:?}"
    );
    assert_eq!(counts.lock().unwrap().stored, stored);
    assert_eq!(content(&latest(&there, &seed).await, "/f").await, b"there");
}

#[tokio::test]
async fn a_missing_brick_ends_an_export_with_path_version_and_brick() {
    let (from, to) = (World::new(), World::new());
    let (client, there) = (from.client(), to.client());
    let seed = seed();
    from.made(&client, &seed, &[("/f", b"zero")]).await;
    written(&from, &client, &seed, "/d/g", b"one").await;
    let archive = opened(&exported(&client, &seed, Mounts::Include).await);
    // All but the last brick, which is that of /d/g.
    let dsu = &archive.manifest().dsus[0];
    let (lost, others) = dsu.bricks[0].hashes.split_last().unwrap();
    for hash in others {
        let bytes = archive.brick(hash).unwrap().unwrap();
        there
            .bricks()
            .put(&dsu.bricks[0].domain, hash, bytes)
            .await
            .unwrap();
    }
    let values: Vec<_> = dsu
        .values
        .iter()
        .map(|text| AnchorValue::parse(text).unwrap())
        .collect();
    there
        .anchors()
        .create(&dsu.anchor, &values[0])
        .await
        .unwrap();
    there
        .anchors()
        .append(&dsu.anchor, &values[1])
        .await
        .unwrap();
    let failed = export(&there, &seed, Mounts::Include, &mut Vec::new()).await;
    match failed.unwrap_err() {
        ExportError::Dsu(DsuError::FetchBrick {
            path: found,
            version,
            hash,
            source,
        }) => {
            assert_eq!((found, version, hash), (path("/d/g"), 1, *lost));
            assert!(matches!(*source, ClientError::MissingBrick { .. }));
        }
        other => panic!("{other:?}"),
    }
    // An import mends it: the anchor is there, the brick is not.
    let imported = import(&there, &archive).await.unwrap();
    assert_eq!((imported.bricks_stored, imported.bricks_present), (1, 3));
    export(&there, &seed, Mounts::Include, &mut Vec::new())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_domain_that_the_node_does_not_serve_is_named_before_anything_is_sent() {
    let from = testkit::server::Server::start("[[domain]]\nname = \"elsewhere\"\n").unwrap();
    let url = format!("http://{}", from.address());
    let client = Client::new(ClientOptions::new(url.parse().unwrap())).unwrap();
    let to = World::new();
    let seed = seed();
    let key = seed.private_key().unwrap();
    let seed = KeySsi::seed("elsewhere", &key).unwrap();
    to.made(&client, &seed, &[("/f", b"x")]).await;
    let archive = opened(&exported(&client, &seed, Mounts::Include).await);
    let (there, counts) = to.counting();
    let refused = import(&there, &archive).await.unwrap_err();
    match refused {
        ImportError::Node(ClientError::UnknownDomain { domain, .. }) => {
            assert_eq!(domain.as_str(), "elsewhere");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(counts.lock().unwrap().stored, 0);
}
