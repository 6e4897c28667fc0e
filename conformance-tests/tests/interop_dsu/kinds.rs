//! Each kind of DSU: what one side writes the other reads, checks and appends to, in turns.

mod constants;
mod mounted;
mod plain;

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use client::Client;
use client::dsus::{At, Snapshot};
use dsu::{Depth, DsuPath};
use keyssi::{KeySsi, SsiKind};

use crate::tree::{Tree, digest};
use crate::world::{World, read_only, verified};

/// Paths and contents.
type Files = Vec<(String, Vec<u8>)>;

/// Plays every kind in both directions.
pub(crate) async fn play(mut world: World) -> Result<()> {
    plain::play(&mut world).await?;
    constants::play(&mut world).await.context("constants")?;
    mounted::play(&mut world).await.context("mounted")
}

/// Fails unless both sides read the same in every version, the newest one holds exactly `expected`
/// besides manifests, every brick and signature holds, and both list the same history.
async fn agree(world: &mut World, ssi: &KeySsi, expected: &Files) -> Result<()> {
    let client = world.client()?;
    let newest = Snapshot::open(&client, ssi, At::Latest).await?;
    let ours = Tree::of_snapshot(&newest).await?;
    let theirs = world.sdk_tree(ssi, None)?;
    ensure!(ours == theirs, "we read {ours:#?}, the SDK {theirs:#?}");
    let is_manifest = |place: &String| place == "/manifest" || place.ends_with("/manifest");
    let read: BTreeMap<_, _> = ours
        .files
        .iter()
        .filter(|(it, _)| !is_manifest(it))
        .collect();
    let wanted: BTreeMap<_, _> = expected
        .iter()
        .map(|(it, bytes)| (it, digest(bytes)))
        .collect();
    let is_as_wanted =
        read.len() == wanted.len() && wanted.iter().all(|(it, file)| read.get(it) == Some(&file));
    ensure!(is_as_wanted, "read {read:#?}, written {wanted:#?}");
    world.sdk_same_history(&newest)?;
    verified(&client, ssi).await?;
    if ssi.kind() == SsiKind::Seed {
        let reader = Snapshot::open(&client, &read_only(ssi)?, At::Latest).await?;
        ensure!(
            Tree::of_snapshot(&reader).await? == ours,
            "the sread key reads something else"
        );
    }
    // The SDK cannot read an older version through a mount (dsu §14-11).
    if newest.manifest().mounts().is_empty() {
        same_versions(world, &client, ssi, newest.history().len()).await?;
    }
    Ok(())
}

/// Fails unless both sides read the same in every version.
async fn same_versions(
    world: &mut World,
    client: &Client,
    ssi: &KeySsi,
    count: usize,
) -> Result<()> {
    for version in 0..count {
        let snapshot = Snapshot::open(client, ssi, At::Version(version)).await?;
        let ours = Tree::of_snapshot(&snapshot).await?;
        let theirs = world.sdk_tree(ssi, Some(version))?;
        ensure!(
            ours == theirs,
            "version {version}: we read {ours:#?}, the SDK {theirs:#?}"
        );
        // A listing is in order and names everything once.
        let lines = snapshot.list(&DsuPath::root(), Depth::Recursive).await?;
        ensure!(
            lines.is_sorted_by(|one, other| one.path < other.path),
            "version {version}: {lines:?}"
        );
    }
    Ok(())
}

fn files(list: &[(&str, &[u8])]) -> Files {
    list.iter()
        .map(|(place, bytes)| ((*place).to_owned(), bytes.to_vec()))
        .collect()
}

/// `length` bytes that look random and differ by `label`.
fn noise(label: u64, length: usize) -> Vec<u8> {
    testkit::random::Random::new(label).bytes(length)
}
