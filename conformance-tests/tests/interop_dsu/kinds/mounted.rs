//! DSUs mounted in a DSU: by seed and by sread, nested, written through, unmounted.

use anyhow::{Context as _, Result, ensure};
use client::dsus::{At, DsuError, Snapshot};
use keyssi::KeySsi;
use serde_json::json;

use super::{Files, agree, files};
use crate::operation::Operation;
use crate::world::{World, change, create, read_only, seed};

/// Who does something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Ours,
    Sdk,
}

pub(super) async fn play(world: &mut World) -> Result<()> {
    for (one, other) in [(Side::Ours, Side::Sdk), (Side::Sdk, Side::Ours)] {
        let played = turns(world, one, other).await;
        played.with_context(|| format!("first {one:?}"))?;
    }
    Ok(())
}

async fn made(world: &mut World, side: Side, operations: &[Operation]) -> Result<KeySsi> {
    match side {
        Side::Sdk => world.sdk_seed(operations),
        Side::Ours => {
            let ssi = seed()?;
            create(&world.client()?, &ssi, operations).await?;
            Ok(ssi)
        }
    }
}

async fn changed(world: &mut World, side: Side, ssi: &KeySsi, list: &[Operation]) -> Result<()> {
    match side {
        Side::Sdk => world.sdk_change(ssi, list),
        Side::Ours => change(&world.client()?, ssi, list).await,
    }
}

/// `one` makes and mounts, `other` writes through and mounts more, `one` goes on.
async fn turns(world: &mut World, one: Side, other: Side) -> Result<()> {
    let nested = made(world, one, &[Operation::write("/n", "two mounts away")]).await?;
    let mount = |place: &str, ssi: &KeySsi| Operation::Mount(place.to_owned(), ssi.clone());
    let in_inner = [
        Operation::write("/in/side", "inside"),
        mount("/further", &nested),
    ];
    let inner = made(world, one, &in_inner).await?;
    let shared = made(world, one, &[Operation::write("/s", "read only")]).await?;
    let operations = [
        Operation::write("/out", "outside"),
        mount("/mnt/inner", &inner),
        mount("/shared", &read_only(&shared)?),
    ];
    let outer = made(world, one, &operations).await?;
    let mut expected = files(&[
        ("/out", b"outside"),
        ("/mnt/inner/in/side", b"inside"),
        ("/mnt/inner/further/n", b"two mounts away"),
        ("/shared/s", b"read only"),
    ]);
    agree(world, &outer, &expected).await?;
    same_mounts(
        world,
        &outer,
        &[("/mnt/inner", &inner), ("/shared", &read_only(&shared)?)],
    )?;

    for (side, name) in [(other, "first"), (one, "second")] {
        let turn = write_through(world, side, name, &outer, &inner, &mut expected).await;
        turn.with_context(|| format!("{name} through, {side:?}"))?;
    }
    let extra = made(world, other, &[Operation::write("/x", "mounted later")]).await?;
    let operations = [
        mount("/later", &extra),
        Operation::Unmount("/shared".to_owned()),
    ];
    changed(world, other, &outer, &operations).await?;
    expected.retain(|(place, _)| !place.starts_with("/shared"));
    expected.push(("/later/x".to_owned(), b"mounted later".to_vec()));
    agree(world, &outer, &expected).await?;
    same_mounts(world, &outer, &[("/mnt/inner", &inner), ("/later", &extra)])?;
    read_only_stays(world, &shared).await
}

/// One commit on the outer DSU makes a version of each DSU that was written through it.
async fn write_through(
    world: &mut World,
    side: Side,
    name: &str,
    outer: &KeySsi,
    inner: &KeySsi,
    expected: &mut Files,
) -> Result<()> {
    let before = versions(world, inner).await?;
    let operations = [
        Operation::write(&format!("/mnt/inner/{name}"), name),
        Operation::write(&format!("/mnt/inner/further/{name}"), name),
        Operation::write("/out", name),
    ];
    changed(world, side, outer, &operations).await?;
    ensure!(
        versions(world, inner).await? == before + 1,
        "one version of the inner DSU"
    );
    name.as_bytes().clone_into(&mut expected[0].1);
    for place in ["/mnt/inner", "/mnt/inner/further"] {
        expected.push((format!("{place}/{name}"), name.as_bytes().to_vec()));
    }
    agree(world, outer, expected).await
}

async fn versions(world: &World, ssi: &KeySsi) -> Result<usize> {
    let snapshot = Snapshot::open(&world.client()?, ssi, At::Latest).await?;
    Ok(snapshot.history().len())
}

/// Fails unless the SDK lists these mounts.
fn same_mounts(world: &mut World, outer: &KeySsi, mounts: &[(&str, &KeySsi)]) -> Result<()> {
    let listed = world
        .reader
        .call(&json!({"call": "mounts", "ssi": outer.wrapped().as_str()}))?;
    let wanted = mounts
        .iter()
        .map(|(place, ssi)| ((*place).to_owned(), json!(ssi.wrapped().as_str())));
    let wanted: serde_json::Map<_, _> = wanted.collect();
    ensure!(
        listed == json!(wanted),
        "mounts {listed}, wanted {wanted:?}"
    );
    Ok(())
}

/// Writing through a read-only mount is refused by us at once; the SDK never calls back there.
async fn read_only_stays(world: &mut World, shared: &KeySsi) -> Result<()> {
    let outer = seed()?;
    let mount = Operation::Mount("/m".to_owned(), read_only(shared)?);
    let client = world.client()?;
    create(&client, &outer, &[mount]).await?;
    let refused = change(&client, &outer, &[Operation::write("/m/s", "not allowed")]).await;
    let refused = refused.unwrap_err();
    let mut causes = refused
        .chain()
        .filter_map(|it| it.downcast_ref::<DsuError>());
    let is_named = causes.any(|it| match it {
        DsuError::Mounted { source, .. } => matches!(**source, DsuError::NotWritable(_)),
        _ => false,
    });
    ensure!(is_named, "{refused:?}");
    Ok(())
}
