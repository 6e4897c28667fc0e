//! What a review found: each test is one way in which content was lost, undone or mixed up.

use std::future::poll_fn;
use std::path::Path;
use std::task::Poll;
use std::time::Duration;

use client::dsus::{At, Draft, DsuError, Snapshot, compare, create_wallet, verify};
use client::{Client, ClientOptions};
use dsu::Moment;
use keyssi::{
    AnchorId, AnchorSigner, AnchorValue, ArrayElements, BrickHash, KeySsi, PrivateKey, Timestamp,
};
use testkit::liar::{Liar, Lie, Route, Rule};

use crate::world::{World, content, latest, names, path, reader, seed};

/// A client of a node that can be told to fail, and that does not try for long.
fn quick(liar: &Liar) -> Client {
    let mut options = ClientOptions::new(liar.url().parse().unwrap());
    options.retry_wait = Duration::from_millis(2);
    options.retry_wait_max = Duration::from_millis(20);
    options.attempts_max = 2;
    Client::new(options).unwrap()
}

fn refuse(liar: &Liar, route: Route) {
    liar.tell(Rule::new(route, Lie::Instead(403, "{}".into())));
}

/// An outer DSU with `inner` mounted at these points.
async fn mounted(world: &World, client: &Client, points: &[&str], inner: &KeySsi) -> KeySsi {
    let outer = seed();
    let mut draft = Draft::create(client, &outer, world.now()).await.unwrap();
    for point in points {
        let point = path(point);
        draft.mount(&point, inner, world.now()).await.unwrap();
    }
    draft.commit(world.now()).await.unwrap();
    outer
}

async fn edit(client: &Client, ssi: &KeySsi) -> Draft {
    Draft::edit(&latest(client, ssi).await).unwrap()
}

#[tokio::test]
async fn bricks_that_could_not_be_stored_are_stored_before_the_commit() {
    let world = World::new();
    let liar = Liar::before(world.node.address()).unwrap();
    let (client, seed) = (quick(&liar), seed());
    world.made(&client, &seed, &[]).await;
    let mut draft = edit(&client, &seed).await;
    let record = &b"the record"[..];
    draft.write(&path("/a"), record, world.now()).await.unwrap();
    refuse(&liar, Route::PutBrick);
    assert!(matches!(draft.flush().await, Err(DsuError::Node(_))));
    assert!(matches!(draft.flush().await, Err(DsuError::Node(_))));
    liar.be_honest();
    draft.commit(world.now()).await.unwrap();
    assert_eq!(content(&latest(&client, &seed).await, "/a").await, record);
}

#[tokio::test]
async fn nothing_is_anchored_before_the_bricks_of_all_dsus_are_stored() {
    let world = World::new();
    let liar = Liar::before(world.node.address()).unwrap();
    let (client, inner) = (quick(&liar), seed());
    world.made(&client, &inner, &[]).await;
    let outer = mounted(&world, &client, &["/m"], &inner).await;
    let mut draft = edit(&client, &outer).await;
    let (now, fresh) = (world.now(), &b"fresh"[..]);
    draft.write(&path("/a"), fresh, now).await.unwrap();
    draft.copy(&path("/a"), &path("/m/b"), now).await.unwrap();
    refuse(&liar, Route::PutBrick);
    assert!(draft.commit(world.now()).await.is_err());
    liar.be_honest();
    assert_eq!(latest(&client, &inner).await.history().len(), 1);
}

#[tokio::test]
async fn times_beyond_all_clocks_make_no_version_the_newest() {
    let world = World::new();
    let (client, seed) = (world.client(), seed());
    world.made(&client, &seed, &[("/f", b"v0")]).await;
    let after_first = world.now();
    let first = latest(&client, &seed).await;
    let signer = AnchorSigner::of_seed(&seed).unwrap();
    let hash = first.history().brick_map(0).unwrap().hash.to_string();
    // Written by the SDK when it follows a value from the future (dsu §14-12).
    let time: Timestamp = "17951944729021000010000".parse().unwrap();
    let head = first.history().head().unwrap();
    let value = signer.append(head, &hash, &time).unwrap();
    client.anchors().append(first.id(), &value).await.unwrap();
    let mut draft = edit(&client, &seed).await;
    let now = world.now();
    draft.write(&path("/later"), &b"x"[..], now).await.unwrap();
    draft.commit(world.now()).await.unwrap();
    let open = async |at| Snapshot::open(&client, &seed, at).await;
    let old = open(At::Version(1)).await.unwrap();
    assert!(!old.is_newest());
    assert!(matches!(Draft::edit(&old), Err(DsuError::NotNewest { .. })));
    assert_eq!(open(At::Time(after_first)).await.unwrap().version(), 0);
    let before = open(At::Time(Moment::from_millis(1))).await.map(drop);
    assert!(matches!(before, Err(DsuError::NothingAtTime(_))));
}

#[tokio::test]
async fn a_dsu_that_is_mounted_twice_is_one() {
    let world = World::new();
    let (client, inner) = (world.client(), seed());
    world.made(&client, &inner, &[("/f", b"old")]).await;
    let outer = mounted(&world, &client, &["/m1", "/m2"], &inner).await;
    let mut draft = edit(&client, &outer).await;
    let now = world.now();
    draft.write(&path("/m1/f"), &b"new"[..], now).await.unwrap();
    draft
        .copy(&path("/m1/f"), &path("/m2/copy"), now)
        .await
        .unwrap();
    draft.write(&path("/m1/g"), &b"g"[..], now).await.unwrap();
    draft
        .rename(&path("/m1/g"), &path("/m2/h"), now)
        .await
        .unwrap();
    assert_eq!(draft.commit(world.now()).await.unwrap().len(), 1);
    let snapshot = latest(&client, &inner).await;
    assert_eq!(names(&snapshot).await, ["/copy", "/f", "/h"]);
    assert_eq!(content(&snapshot, "/copy").await, b"new");
}

#[tokio::test]
async fn what_was_written_through_a_mount_outlives_the_mount() {
    let world = World::new();
    let (client, inner) = (world.client(), seed());
    world.made(&client, &inner, &[]).await;
    let outer = mounted(&world, &client, &["/m"], &inner).await;
    let mut draft = edit(&client, &outer).await;
    let now = world.now();
    draft.write(&path("/m/note"), &b"x"[..], now).await.unwrap();
    draft.unmount(&path("/m"), now).await.unwrap();
    assert_eq!(draft.commit(world.now()).await.unwrap().len(), 2);
    assert_eq!(names(&latest(&client, &inner).await).await, ["/note"]);
}

#[tokio::test]
async fn a_move_out_of_a_mount_is_not_lost_in_a_conflict() {
    let world = World::new();
    let (client, inner) = (world.client(), seed());
    world.made(&client, &inner, &[("/f", b"precious")]).await;
    let outer = mounted(&world, &client, &["/m"], &inner).await;
    let mut draft = edit(&client, &outer).await;
    let now = world.now();
    draft.rename(&path("/m/f"), &path("/f"), now).await.unwrap();
    let mut other = edit(&client, &outer).await;
    other.write(&path("/f"), &b"theirs"[..], now).await.unwrap();
    other.commit(world.now()).await.unwrap();
    let conflict = draft.commit(world.now()).await;
    assert!(
        matches!(conflict, Err(DsuError::Conflict(_))),
        "{conflict:?}"
    );
    let snapshot = latest(&client, &outer).await;
    assert_eq!(content(&snapshot, "/m/f").await, b"precious");
    assert_eq!(content(&snapshot, "/f").await, b"theirs");
}

#[tokio::test]
async fn two_writers_do_not_mount_one_dsu_inside_the_other() {
    let world = World::new();
    let (client, outer, one, two) = (world.client(), seed(), seed(), seed());
    for ssi in [&outer, &one, &two] {
        world.made(&client, ssi, &[]).await;
    }
    let (mut first, mut second) = (edit(&client, &outer).await, edit(&client, &outer).await);
    let now = world.now();
    first.mount(&path("/m"), &one, now).await.unwrap();
    second.mount(&path("/m/x"), &two, now).await.unwrap();
    first.commit(world.now()).await.unwrap();
    let conflict = second.commit(world.now()).await;
    assert!(
        matches!(conflict, Err(DsuError::Conflict(_))),
        "{conflict:?}"
    );
}

#[tokio::test]
async fn what_is_mounted_decides_what_may_be_written() {
    let world = World::new();
    let (client, inner) = (world.client(), seed());
    world.made(&client, &inner, &[("/f", b"read only")]).await;
    let outer = mounted(&world, &client, &["/ro"], &reader(&inner)).await;
    let wallet = ArrayElements::from_texts(&["user", "password"]);
    let wallet = KeySsi::wallet("default", &wallet).unwrap();
    create_wallet(&client, &wallet, None, world.now())
        .await
        .unwrap();
    let mut draft = edit(&client, &outer).await;
    let now = world.now();
    let refused = draft.write(&path("/ro/x"), &b"x"[..], now).await;
    assert!(
        matches!(refused, Err(DsuError::Mounted { .. })),
        "{refused:?}"
    );
    draft.copy(&path("/ro/f"), &path("/f"), now).await.unwrap();
    draft.mount(&path("/w"), &wallet, now).await.unwrap();
    let note = path("/w/writableDSU/note");
    draft.write(&note, &b"x"[..], now).await.unwrap();
    let refused = draft.write(&path("/w/x"), &b"x"[..], now).await;
    assert!(
        matches!(refused, Err(DsuError::Mounted { .. })),
        "{refused:?}"
    );
    draft.commit(world.now()).await.unwrap();
    let mut draft = Draft::edit(&latest(&client, &wallet).await).unwrap();
    let more = path("/writableDSU/more");
    draft.write(&more, &b"y"[..], world.now()).await.unwrap();
    draft.commit(world.now()).await.unwrap();
    let snapshot = latest(&client, &outer).await;
    assert_eq!(content(&snapshot, "/f").await, b"read only");
    assert_eq!(content(&snapshot, "/w/writableDSU/more").await, b"y");
}

#[tokio::test]
async fn a_dsu_that_was_handed_over_says_so() {
    let world = World::new();
    let (client, seed) = (world.client(), seed());
    world.made(&client, &seed, &[("/f", b"v0")]).await;
    let before = latest(&client, &seed).await;
    let mut stale = Draft::edit(&before).unwrap();
    stale
        .write(&path("/g"), &b"g"[..], world.now())
        .await
        .unwrap();
    let signer = AnchorSigner::of_seed(&seed).unwrap();
    let heir = PrivateKey::generate(&mut rand_core::UnwrapErr(getrandom::SysRng));
    let now = Timestamp::from_millis(world.now().millis());
    let value = signer.transfer(before.history().head(), &heir.public_key(), &now);
    let id = AnchorId::of(&seed).unwrap();
    client.anchors().append(&id, &value.unwrap()).await.unwrap();
    let late = stale.commit(world.now()).await;
    assert!(matches!(late, Err(DsuError::HandedOver)), "{late:?}");
    let now = Snapshot::open(&client, &seed, At::Time(world.now()))
        .await
        .unwrap();
    assert_eq!(now.version(), 0);
    assert!(matches!(Draft::edit(&now), Err(DsuError::HandedOver)));
    assert!(verify(&client, &seed).await.unwrap().faults.is_empty());
}

#[tokio::test]
async fn places_that_cannot_be_are_refused() {
    let world = World::new();
    let (client, seed, other) = (world.client(), seed(), seed());
    world.made(&client, &other, &[("/o", b"o")]).await;
    world
        .made(&client, &seed, &[("/a/b", b"file"), ("/keep", b"k")])
        .await;
    let mut draft = edit(&client, &seed).await;
    let now = world.now();
    let refused = draft.mount(&path("/a/b/c"), &other, now).await;
    assert!(matches!(refused, Err(DsuError::IsFile(_))), "{refused:?}");
    let refused = draft.write(&path("/manifest/x"), &b"x"[..], now).await;
    assert!(matches!(refused, Err(DsuError::Reserved(_))), "{refused:?}");
    let refused = draft.create_folder(&path("/manifest"), now).await;
    assert!(matches!(refused, Err(DsuError::Reserved(_))), "{refused:?}");
    let refused = draft.mount(&path("/self"), &reader(&seed), now).await;
    assert!(
        matches!(refused, Err(DsuError::MountCircle(_))),
        "{refused:?}"
    );
    // The same line twice is two bricks.
    for _ in 0..2 {
        draft
            .append(&path("/log"), &b"beep\n"[..], now)
            .await
            .unwrap();
    }
    let entries = draft.map().file(&path("/log")).unwrap().entries();
    assert_eq!(entries.len(), 2);
    assert_ne!(entries[0], entries[1]);
    draft
        .take_over(&latest(&client, &other).await, now)
        .unwrap();
    draft.commit(world.now()).await.unwrap();
    assert_eq!(names(&latest(&client, &seed).await).await, ["/o"]);
}

#[tokio::test]
async fn a_mounted_dsu_with_a_fast_clock_does_not_hide_the_outer_one() {
    let world = World::new();
    let (client, inner) = (world.client(), seed());
    let ahead = Moment::from_millis(world.now().millis() + 600_000);
    let draft = Draft::create(&client, &inner, ahead).await.unwrap();
    draft.commit(ahead).await.unwrap();
    let outer = mounted(&world, &client, &["/m"], &inner).await;
    let mut draft = edit(&client, &outer).await;
    draft
        .write(&path("/g"), &b"g"[..], world.now())
        .await
        .unwrap();
    draft.commit(world.now()).await.unwrap();
    let old = Snapshot::open(&client, &outer, At::Version(0))
        .await
        .unwrap();
    assert_eq!(names(&old).await, ["/m", "/manifest"]);
    assert!(compare(&old, &old).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_reader_goes_on_behind_what_could_not_be_read() {
    let world = World::new();
    let liar = Liar::before(world.node.address()).unwrap();
    let (client, seed) = (quick(&liar), seed());
    world
        .made(
            &client,
            &seed,
            &[("/a", b"aaa"), ("/b", b"bbb"), ("/c", b"ccc")],
        )
        .await;
    let mut draft = edit(&client, &seed).await;
    draft
        .copy(&path("/a"), &path("/a2"), world.now())
        .await
        .unwrap();
    draft.commit(world.now()).await.unwrap();
    let snapshot = latest(&client, &seed).await;
    let (_, lost) = snapshot.content(&path("/a")).await.unwrap();
    let lost = lost.pieces()[0].brick().unwrap().hash.to_string();
    let gone = || Lie::Instead(404, "{}".into());
    liar.tell(Rule::new(Route::GetBricks, gone()));
    liar.tell(Rule::new(Route::GetBrick, gone()).about(&lost));
    let files = ["/a", "/a2", "/b", "/c"].map(path);
    let mut reader = snapshot.read_many(&files).await.unwrap();
    for _ in 0..2 {
        let missing = reader.next().await;
        assert!(
            matches!(missing, Err(DsuError::FetchBrick { .. })),
            "{missing:?}"
        );
    }
    assert_eq!(reader.next().await.unwrap().unwrap().1.as_slice(), b"bbb");
    assert_eq!(reader.next().await.unwrap().unwrap().1.as_slice(), b"ccc");
}

#[tokio::test]
async fn a_reader_that_is_dropped_in_the_middle_leaves_no_hole() {
    let world = World::new();
    let (client, seed) = (world.client(), seed());
    let draft = Draft::create(&client, &seed, world.now()).await.unwrap();
    let mut draft = draft.with_chunk_bytes(100_000);
    let bytes: Vec<u8> = (b'A'..=b'F')
        .flat_map(|letter| vec![letter; 100_000])
        .collect();
    draft
        .write(&path("/f"), bytes.as_slice(), world.now())
        .await
        .unwrap();
    draft.commit(world.now()).await.unwrap();
    let mut reader = latest(&client, &seed)
        .await
        .read(&path("/f"))
        .await
        .unwrap();
    let (mut read, mut dropped) = (Vec::new(), 0);
    loop {
        // Given up after three turns, unless it is ready by then. The first one is given up after
        // one turn, in which no answer comes, however slow this side is.
        let turns = if read.is_empty() { 1 } else { 3 };
        let mut next = Box::pin(reader.next());
        let mut piece = None;
        for _ in 0..turns {
            let polled = poll_fn(|context| Poll::Ready(next.as_mut().poll(context)));
            if let Poll::Ready(ready) = polled.await {
                piece = Some(ready.unwrap());
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(next);
        dropped += usize::from(piece.is_none());
        let piece = match piece {
            Some(piece) => piece,
            None => reader.next().await.unwrap(),
        };
        match piece {
            Some((_, piece)) => read.extend_from_slice(&piece),
            None => break,
        }
    }
    assert!(read == bytes, "{} bytes", read.len());
    assert!(dropped > 0);
}

#[tokio::test]
async fn a_head_that_cannot_be_remembered_does_not_undo_the_commit() {
    let world = World::new();
    let folder = tempfile::tempdir().unwrap();
    let heads = folder.path().join("heads");
    let mut options = world.client().options().clone();
    options.heads = Some(heads.clone());
    let (client, seed) = (Client::new(options).unwrap(), seed());
    let draft = Draft::create(&client, &seed, world.now()).await.unwrap();
    let _ = std::fs::remove_dir_all(&heads);
    testkit::server::write_file(&heads, b"in the way").unwrap();
    assert_eq!(draft.commit(world.now()).await.unwrap().len(), 1);
    assert!(
        names(&latest(&world.client(), &seed).await)
            .await
            .is_empty()
    );
}

/// A recorded DSU of the Diff strategy on a node, without one of its bricks.
async fn diff_dsu(client: &Client, without: Option<BrickHash>) -> KeySsi {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../conformance-tests/vectors/dsu/diff-strategy");
    let text = std::fs::read_to_string(folder.join("dsu.json")).unwrap();
    let recorded: serde_json::Value = serde_json::from_str(&text).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let domain = "default".parse().unwrap();
    for brick in recorded["bricks"].as_array().unwrap() {
        let hash: BrickHash = text(&brick["hash"]).parse().unwrap();
        if Some(hash) != without {
            let bytes = std::fs::read(folder.join("bricks").join(hash.to_string())).unwrap();
            let stored = client.bricks().put(&domain, &hash, bytes.into()).await;
            stored.unwrap();
        }
    }
    let dsu = &recorded["dsus"][0];
    let ssi = KeySsi::parse(&text(&dsu["keySSI"]["id"])).unwrap();
    let id = AnchorId::of(&ssi).unwrap();
    for (version, recorded) in dsu["versions"].as_array().unwrap().iter().enumerate() {
        let value = AnchorValue::parse(&text(&recorded["anchorValue"])).unwrap();
        let written = match version {
            0 => client.anchors().create(&id, &value).await,
            _ => client.anchors().append(&id, &value).await,
        };
        written.unwrap();
    }
    ssi
}

#[tokio::test]
async fn a_verification_looks_at_the_content_of_the_diff_strategy_too() {
    let world = World::new();
    let client = world.client();
    let ssi = diff_dsu(&client, None).await;
    let verified = verify(&client, &ssi).await.unwrap();
    assert!(verified.faults.is_empty(), "{:?}", verified.faults);
    let snapshot = latest(&client, &ssi).await;
    let (_, content) = snapshot.content(&path("/a.txt")).await.unwrap();
    let lost = content.pieces()[0].brick().unwrap().hash;
    let world = World::new();
    let client = world.client();
    let ssi = diff_dsu(&client, Some(lost)).await;
    let faults = verify(&client, &ssi).await.unwrap().faults;
    assert_eq!(faults.first().and_then(|fault| fault.brick), Some(lost));
}
