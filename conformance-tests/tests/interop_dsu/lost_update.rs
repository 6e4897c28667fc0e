//! Our client and the SDK change one DSU at the same time.

use anyhow::{Context as _, Result, ensure};
use client::dsus::{At, Draft, DsuError, Snapshot};
use dsu::{Change, PathConflict};
use keyssi::KeySsi;
use serde_json::json;

use crate::operation::{Operation, path, to_json};
use crate::world::{World, create, now, seed, verified};

pub(crate) async fn play(mut world: World) -> Result<()> {
    both_stay(&mut world).await.context("both stay")?;
    conflict(&mut world).await.context("conflict")
}

/// A DSU with a shared file, and our draft of it.
async fn begun(world: &World) -> Result<(KeySsi, Draft)> {
    let (client, ssi) = (world.client()?, seed()?);
    let files = [
        Operation::write("/shared.txt", "old"),
        Operation::write("/d/a", "a"),
    ];
    create(&client, &ssi, &files).await?;
    let draft = Draft::edit(&Snapshot::open(&client, &ssi, At::Latest).await?)?;
    Ok((ssi, draft))
}

async fn read(world: &World, ssi: &KeySsi, place: &str) -> Result<String> {
    let snapshot = Snapshot::open(&world.client()?, ssi, At::Latest).await?;
    let bytes = snapshot.read(&path(place)?).await?.to_end().await?;
    Ok(String::from_utf8(bytes.to_vec())?)
}

/// The SDK changes `/shared.txt` while we add `/unrelated.txt` and a file in `/d`: the case in
/// which the SDK loses the other's update (dsu §14-1).
async fn both_stay(world: &mut World) -> Result<()> {
    let (ssi, draft) = begun(world).await?;
    let by_sdk = [
        Operation::write("/shared.txt", "by the SDK"),
        Operation::write("/d/b", "b"),
    ];
    world.sdk_change(&ssi, &by_sdk)?;
    let added = Operation::write("/unrelated.txt", "by us");
    let draft = added.apply(draft, now()?).await?;
    let draft = Operation::write("/d/c", "c").apply(draft, now()?).await?;
    let committed = draft.commit(now()?).await?;
    ensure!(committed[0].version == 2, "{committed:?}");
    let wanted = [
        ("/shared.txt", "by the SDK"),
        ("/unrelated.txt", "by us"),
        ("/d/a", "a"),
        ("/d/b", "b"),
        ("/d/c", "c"),
    ];
    for (place, text) in wanted {
        ensure!(read(world, &ssi, place).await? == text, "{place}");
    }
    let snapshot = Snapshot::open(&world.client()?, &ssi, At::Latest).await?;
    let ours = crate::tree::Tree::of_snapshot(&snapshot).await?;
    ensure!(
        world.sdk_tree(&ssi, None)? == ours,
        "the SDK reads something else"
    );
    world.sdk_same_history(&snapshot)?;
    verified(&world.client()?, &ssi).await
}

/// Both write the same file, and one deletes what the other writes: we name the paths and both
/// sides, and nothing of ours is anchored.
async fn conflict(world: &mut World) -> Result<()> {
    let (ssi, draft) = begun(world).await?;
    let by_sdk = [
        Operation::write("/shared.txt", "by the SDK"),
        Operation::Delete("/d".to_owned()),
    ];
    let ops = to_json(&by_sdk);
    let ssi_text = ssi.wrapped();
    world
        .writer
        .call(&json!({"call": "begin", "name": "both", "ssi": ssi_text.as_str(), "ops": ops}))?;
    let draft = Operation::write("/shared.txt", "by us")
        .apply(draft, now()?)
        .await?;
    let draft = Operation::write("/d/a", "by us")
        .apply(draft, now()?)
        .await?;
    world
        .writer
        .call(&json!({"call": "commit", "name": "both"}))?;
    let Err(DsuError::Conflict(conflicts)) = draft.commit(now()?).await else {
        anyhow::bail!("no conflict");
    };
    let named = |place: &str, theirs| -> Result<PathConflict> {
        Ok(PathConflict {
            path: path(place)?,
            ours: Change::Written,
            theirs,
        })
    };
    let mut conflicts = conflicts.0;
    conflicts.sort_by(|one, other| one.path.cmp(&other.path));
    let wanted = [
        named("/d/a", Change::Deleted)?,
        named("/shared.txt", Change::Written)?,
    ];
    ensure!(conflicts == wanted, "{conflicts:?}");
    ensure!(
        read(world, &ssi, "/shared.txt").await? == "by the SDK",
        "/shared.txt"
    );
    Ok(())
}
