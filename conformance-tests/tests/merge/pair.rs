//! Two writers: changes that go together, and changes that do not.

use client::dsus::{Draft, DsuError};
use dsu::{Change, PathConflict};
use testkit::server::Server;

use crate::world::{at, client, content, latest, made, path};

/// The recorded `lost-update`: one writer changes a file that is there, the other adds another one
/// on the version before. The SDK anchors the old file again.
#[tokio::test]
async fn the_lost_update_is_not_lost() {
    let node = Server::start("").unwrap();
    let (one, other) = (client(&node), client(&node));
    let ssi = made(&one, &[("/shared.txt", "old"), ("/d/a", "a")]).await;
    let mut first = Draft::edit(&latest(&one, &ssi).await).unwrap();
    let mut second = Draft::edit(&latest(&other, &ssi).await).unwrap();
    first
        .write(&path("/shared.txt"), &b"new"[..], at(1))
        .await
        .unwrap();
    first.write(&path("/d/b"), &b"b"[..], at(1)).await.unwrap();
    second
        .write(&path("/unrelated.txt"), &b"more"[..], at(1))
        .await
        .unwrap();
    second.write(&path("/d/c"), &b"c"[..], at(1)).await.unwrap();
    first.commit(at(1)).await.unwrap();
    let committed = second.commit(at(1)).await.unwrap();
    assert_eq!(committed[0].version, 2);
    let merged = latest(&one, &ssi).await;
    let wanted = [
        ("/shared.txt", "new"),
        ("/unrelated.txt", "more"),
        ("/d/a", "a"),
        ("/d/b", "b"),
        ("/d/c", "c"),
    ];
    for (place, text) in wanted {
        assert_eq!(content(&merged, place).await, text, "{place}");
    }
    assert_eq!(merged.map().files().len(), wanted.len());
}

#[tokio::test]
async fn a_conflict_names_the_paths_and_both_sides() {
    let node = Server::start("").unwrap();
    let (one, other) = (client(&node), client(&node));
    let ssi = made(
        &one,
        &[("/shared", "old"), ("/d/gone", "1"), ("/d/stays", "2")],
    )
    .await;
    let mut first = Draft::edit(&latest(&one, &ssi).await).unwrap();
    let mut second = Draft::edit(&latest(&other, &ssi).await).unwrap();
    first
        .write(&path("/shared"), &b"first"[..], at(1))
        .await
        .unwrap();
    first.remove(&path("/d/gone"), at(1)).await.unwrap();
    first
        .write(&path("/new"), &b"first"[..], at(1))
        .await
        .unwrap();
    second
        .write(&path("/shared"), &b"second"[..], at(1))
        .await
        .unwrap();
    second
        .write(&path("/d/gone"), &b"second"[..], at(1))
        .await
        .unwrap();
    second.create_folder(&path("/new"), at(1)).await.unwrap();
    second
        .write(&path("/fine"), &b"second"[..], at(1))
        .await
        .unwrap();
    first.commit(at(1)).await.unwrap();
    let Err(DsuError::Conflict(conflicts)) = second.commit(at(1)).await else {
        panic!("no conflict");
    };
    let message = conflicts.to_string();
    let mut found = conflicts.0;
    found.sort_by(|left, right| left.path.cmp(&right.path));
    let conflict = |place, ours, theirs| PathConflict {
        path: path(place),
        ours,
        theirs,
    };
    let wanted = [
        conflict("/d/gone", Change::Written, Change::Deleted),
        conflict("/new", Change::MadeFolder, Change::Added),
        conflict("/shared", Change::Written, Change::Written),
    ];
    assert_eq!(found, wanted);
    for place in ["/d/gone", "/new", "/shared"] {
        assert!(message.contains(place), "{message}");
    }
    // Nothing of the second writer's is there, what the first one wrote is.
    let stands = latest(&one, &ssi).await;
    assert_eq!(stands.history().len(), 2);
    assert_eq!(content(&stands, "/shared").await, "first");
    assert!(stands.map().lookup(&path("/fine")).is_none());
}
