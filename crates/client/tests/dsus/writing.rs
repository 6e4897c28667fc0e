//! What a draft does, and that it says so when it cannot.

use client::dsus::{At, Draft, DsuError, Snapshot, create_wallet};
use dsu::EmbeddedContent;
use keyssi::{ArrayElements, KeySsi};

use crate::world::{Counts, World, content, latest, names, path, reader, seed};

#[tokio::test]
async fn files_are_written_appended_moved_copied_and_removed() {
    let world = World::new();
    let (client, seed) = (world.client(), seed());
    world
        .made(
            &client,
            &seed,
            &[("/a.txt", b"one"), ("/d/b.txt", b"two"), ("/empty", b"")],
        )
        .await;
    let mut draft = Draft::edit(&latest(&client, &seed).await).unwrap();
    let now = world.now();
    assert_eq!(
        draft
            .append(&path("/a.txt"), &b" more"[..], now)
            .await
            .unwrap(),
        5
    );
    draft
        .append(&path("/new.txt"), &b"new"[..], now)
        .await
        .unwrap();
    draft.rename(&path("/d"), &path("/e"), now).await.unwrap();
    draft
        .copy(&path("/e/b.txt"), &path("/c.txt"), now)
        .await
        .unwrap();
    draft.create_folder(&path("/f/g"), now).await.unwrap();
    draft.remove(&path("/empty"), now).await.unwrap();
    let committed = draft.commit(world.now()).await.unwrap();
    assert_eq!(committed.len(), 1);
    assert_eq!(committed[0].version, 1);
    let snapshot = latest(&client, &reader(&seed)).await;
    assert_eq!(
        names(&snapshot).await,
        [
            "/a.txt", "/c.txt", "/e", "/e/b.txt", "/f", "/f/g", "/new.txt"
        ]
    );
    assert_eq!(content(&snapshot, "/a.txt").await, b"one more");
    assert_eq!(content(&snapshot, "/c.txt").await, b"two");
    assert_eq!(content(&snapshot, "/new.txt").await, b"new");
}

#[tokio::test]
async fn content_of_every_interesting_size_comes_back() {
    let world = World::new();
    let (client, seed) = (world.client(), seed());
    let mut draft = Draft::create(&client, &seed, world.now())
        .await
        .unwrap()
        .with_chunk_bytes(1000);
    let sizes = [0, 1, 999, 1000, 1001, 2000, 2001, 25_000];
    for size in sizes {
        let bytes: Vec<u8> = (0..size).map(|at: u32| at.to_le_bytes()[0]).collect();
        let read = draft
            .write(&path(&format!("/{size}")), bytes.as_slice(), world.now())
            .await;
        assert_eq!(read.unwrap(), u64::from(size));
    }
    draft.commit(world.now()).await.unwrap();
    let snapshot = latest(&client, &seed).await;
    for size in sizes {
        let bytes: Vec<u8> = (0..size).map(|at: u32| at.to_le_bytes()[0]).collect();
        assert_eq!(
            content(&snapshot, &format!("/{size}")).await,
            bytes,
            "{size}"
        );
    }
}

#[tokio::test]
async fn what_is_stored_already_is_not_sent_again() {
    let world = World::new();
    let ((client, counts), seed) = (world.counting(), seed());
    let bytes = vec![7_u8; 5000];
    // Cut off before its commit.
    let mut draft = Draft::create(&client, &seed, world.now())
        .await
        .unwrap()
        .with_chunk_bytes(1000);
    draft
        .write(&path("/f"), bytes.as_slice(), world.now())
        .await
        .unwrap();
    draft.flush().await.unwrap();
    drop(draft);
    assert_eq!(
        *counts.lock().unwrap(),
        Counts {
            stored: 5,
            skipped: 0
        }
    );
    let mut draft = Draft::create(&client, &seed, world.now())
        .await
        .unwrap()
        .with_chunk_bytes(1000);
    draft
        .write(&path("/f"), bytes.as_slice(), world.now())
        .await
        .unwrap();
    draft.commit(world.now()).await.unwrap();
    assert_eq!(
        *counts.lock().unwrap(),
        Counts {
            stored: 6,
            skipped: 5
        }
    );
    // The same content again makes no version.
    let draft = Draft::edit(&latest(&client, &seed).await).unwrap();
    let mut draft = draft.with_chunk_bytes(1000);
    draft
        .write(&path("/f"), bytes.as_slice(), world.now())
        .await
        .unwrap();
    assert!(draft.commit(world.now()).await.unwrap().is_empty());
    assert_eq!(latest(&client, &seed).await.history().len(), 1);
}

#[tokio::test]
async fn a_mounted_dsu_is_written_and_read_through_its_mount() {
    let world = World::new();
    let (client, outer, inner) = (world.client(), seed(), seed());
    world.made(&client, &inner, &[("/in.txt", b"inside")]).await;
    world
        .made(&client, &outer, &[("/out.txt", b"outside")])
        .await;
    let mut draft = Draft::edit(&latest(&client, &outer).await).unwrap();
    draft
        .mount(&path("/mnt/inner"), &inner, world.now())
        .await
        .unwrap();
    draft.commit(world.now()).await.unwrap();
    let snapshot = latest(&client, &reader(&outer)).await;
    assert_eq!(
        names(&snapshot).await,
        [
            "/manifest",
            "/mnt",
            "/mnt/inner",
            "/mnt/inner/in.txt",
            "/out.txt"
        ]
    );
    let mut draft = Draft::edit(&latest(&client, &outer).await).unwrap();
    draft
        .write(&path("/mnt/inner/more"), &b"more"[..], world.now())
        .await
        .unwrap();
    draft
        .copy(&path("/out.txt"), &path("/mnt/inner/copy"), world.now())
        .await
        .unwrap();
    let committed = draft.commit(world.now()).await.unwrap();
    assert_eq!(committed.len(), 1, "the outer DSU has no change of its own");
    assert_eq!(committed[0].point, path("/mnt/inner"));
    let snapshot = latest(&client, &outer).await;
    assert_eq!(content(&snapshot, "/mnt/inner/copy").await, b"outside");
    assert_eq!(
        content(&latest(&client, &inner).await, "/more").await,
        b"more"
    );
    // The older version of the outer one shows the inner one as it was then.
    let old = Snapshot::open(&client, &outer, At::Version(0))
        .await
        .unwrap();
    assert_eq!(names(&old).await, ["/out.txt"]);
    let mut draft = Draft::edit(&latest(&client, &outer).await).unwrap();
    draft
        .unmount(&path("/mnt/inner"), world.now())
        .await
        .unwrap();
    draft.commit(world.now()).await.unwrap();
    assert_eq!(
        names(&latest(&client, &outer).await).await,
        ["/manifest", "/out.txt"]
    );
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_and_changes_nothing() {
    let world = World::new();
    let (client, seed, other) = (world.client(), seed(), seed());
    world.made(&client, &seed, &[("/a/b", b"file")]).await;
    world.made(&client, &other, &[]).await;
    let again = Draft::create(&client, &seed, world.now()).await;
    assert!(matches!(again, Err(DsuError::Exists)));
    let snapshot = latest(&client, &reader(&seed)).await;
    assert!(matches!(
        Draft::edit(&snapshot),
        Err(DsuError::NotWritable(_))
    ));
    let mut draft = Draft::edit(&latest(&client, &seed).await).unwrap();
    let now = world.now();
    let refused = draft.write(&path("/a"), &b"x"[..], now).await;
    assert!(matches!(refused, Err(DsuError::IsFolder(_))), "{refused:?}");
    let refused = draft.write(&path("/a/b/c"), &b"x"[..], now).await;
    assert!(matches!(refused, Err(DsuError::IsFile(_))), "{refused:?}");
    let refused = draft.write(&path("/manifest"), &b"x"[..], now).await;
    assert!(matches!(refused, Err(DsuError::Reserved(_))), "{refused:?}");
    let refused = draft.mount(&path("/a"), &other, now).await;
    assert!(matches!(refused, Err(DsuError::NotEmpty(_))), "{refused:?}");
    let refused = draft.mount(&path("/a/b"), &other, now).await;
    assert!(matches!(refused, Err(DsuError::IsFile(_))), "{refused:?}");
    draft.mount(&path("/m/n"), &other, now).await.unwrap();
    let refused = draft.mount(&path("/m/n"), &other, now).await;
    assert!(
        matches!(refused, Err(DsuError::MountedAlready(_))),
        "{refused:?}"
    );
    let refused = draft.remove(&path("/m"), now).await;
    assert!(
        matches!(refused, Err(DsuError::MountedBelow(_))),
        "{refused:?}"
    );
    draft.unmount(&path("/m/n"), now).await.unwrap();
    let refused = draft.unmount(&path("/m/n"), now).await;
    assert!(
        matches!(refused, Err(DsuError::NotMounted(_))),
        "{refused:?}"
    );
    let refused = draft.remove(&path("/nothing"), now).await;
    assert!(matches!(refused, Err(DsuError::Edit(_))), "{refused:?}");
}

#[tokio::test]
async fn embedded_files_need_no_brick() {
    let world = World::new();
    let ((client, counts), seed) = (world.counting(), seed());
    let mut draft = Draft::create(&client, &seed, world.now()).await.unwrap();
    let text = EmbeddedContent::Text("ä".to_owned().into());
    let bytes = EmbeddedContent::Bytes(vec![0, 255].into());
    let now = world.now();
    draft.embed(&path("/d/text"), &text, now).await.unwrap();
    draft.embed(&path("/d/bytes"), &bytes, now).await.unwrap();
    draft
        .append(&path("/d/text"), &b"+"[..], now)
        .await
        .unwrap();
    let refused = draft.embed(&path("/d"), &text, now).await;
    assert!(matches!(refused, Err(DsuError::IsFolder(_))), "{refused:?}");
    let refused = draft.embed(&path("/d/text/x"), &text, now).await;
    assert!(matches!(refused, Err(DsuError::IsFile(_))), "{refused:?}");
    let refused = draft.embed(&path("/manifest"), &text, now).await;
    assert!(matches!(refused, Err(DsuError::Reserved(_))), "{refused:?}");
    draft.commit(world.now()).await.unwrap();
    // The brick map alone.
    assert_eq!(counts.lock().unwrap().stored, 1);
    let snapshot = latest(&client, &reader(&seed)).await;
    assert_eq!(content(&snapshot, "/d/text").await, "ä+".as_bytes());
    assert_eq!(content(&snapshot, "/d/bytes").await, [0, 255]);
}

#[tokio::test]
async fn constant_dsus_are_written_once() {
    let world = World::new();
    let client = world.client();
    let constant = KeySsi::constant("default", "a text that everybody knows").unwrap();
    world
        .made(&client, &constant, &[("/leaflet.xml", b"<leaflet/>")])
        .await;
    let snapshot = latest(&client, &constant).await;
    assert_eq!(content(&snapshot, "/leaflet.xml").await, b"<leaflet/>");
    assert!(matches!(Draft::edit(&snapshot), Err(DsuError::Constant)));
    let again = Draft::create(&client, &constant, world.now()).await;
    assert!(matches!(again, Err(DsuError::Exists)));
}

#[tokio::test]
async fn a_wallet_has_a_writable_part() {
    let world = World::new();
    let (client, application) = (world.client(), seed());
    world
        .made(&client, &application, &[("/app.js", b"code")])
        .await;
    let words = ArrayElements::from_texts(&["user", "password"]);
    let wallet = KeySsi::wallet("default", &words).unwrap();
    let writable = create_wallet(&client, &wallet, Some(&application), world.now())
        .await
        .unwrap();
    let snapshot = latest(&client, &wallet).await;
    assert_eq!(
        content(&snapshot, "/writableDSU/code/app.js").await,
        b"code"
    );
    let mut draft = Draft::edit(&latest(&client, &writable).await).unwrap();
    draft
        .write(&path("/note"), &b"mine"[..], world.now())
        .await
        .unwrap();
    draft.commit(world.now()).await.unwrap();
    let snapshot = latest(&client, &wallet).await;
    assert_eq!(content(&snapshot, "/writableDSU/note").await, b"mine");
    let again = create_wallet(&client, &wallet, None, world.now()).await;
    assert!(matches!(again, Err(DsuError::Exists)));
}
