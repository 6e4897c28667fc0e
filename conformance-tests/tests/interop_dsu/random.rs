//! Random operations, carried out by the SDK on one DSU and by us on another: the same tree, bytes
//! and history come out, and each side goes on with what the other made.
//!
//! **Bug that this looks for:** an operation, or a combination of operations, after which the two
//! brick maps differ in more than keys, hashes and times; a version that one side anchors and the
//! other does not; something that one side writes and the other cannot read or extend.
//! **Mechanism:** operations are drawn on a model, which also says what must be read in the end.
//! `KILN_SEQUENCES` sets how many sequences are played, `KILN_SEED` repeats a run.

mod plan;

use std::env;
use std::io::Write as _;

use anyhow::{Context as _, Result, ensure};
use client::Client;
use client::dsus::{At, Snapshot};
use keyssi::KeySsi;
use testkit::random::Random;

use self::plan::{POINT, Plan, Step};
use crate::operation::Operation;
use crate::shape::{shape, touched};
use crate::tree::Tree;
use crate::world::{World, change, create, seed, verified};

/// Sequences of a run.
const SEQUENCES: u64 = 200;

/// Two DSUs to which the same is done, with what they mount.
struct Pair {
    by_us: KeySsi,
    by_sdk: KeySsi,
    inner: Option<Box<Pair>>,
}

/// Who changes which of the two.
#[derive(Debug, Clone, Copy)]
enum Turn {
    /// Each the one that it made.
    Own,
    /// Each the one that the other made.
    Exchanged,
}

/// What all sequences did.
#[derive(Debug, Default)]
struct Figures {
    operations: usize,
    versions: usize,
    mounted: usize,
}

pub(crate) async fn play(mut world: World) -> Result<()> {
    let sequences = match env::var("KILN_SEQUENCES") {
        Ok(text) => text.parse().context("KILN_SEQUENCES")?,
        Err(_) => SEQUENCES,
    };
    let mut random = Random::announced("interop_dsu")?;
    let mut figures = Figures::default();
    for number in 0..sequences {
        let plan = Plan::draw(&mut random.fork());
        let played = sequence(&mut world, &plan, &mut figures).await;
        played.with_context(|| format!("sequence {number}: {plan:#?}"))?;
    }
    // Written past the test harness, which hides what a passing test prints.
    writeln!(std::io::stderr(), "{sequences} sequences, {figures:?}")?;
    Ok(())
}

async fn sequence(world: &mut World, plan: &Plan, figures: &mut Figures) -> Result<()> {
    let client = world.client()?;
    let inner = if plan.mounts {
        let file = Operation::write("/first", "of the inner DSU");
        let pair = made(world, &client, &[Step::Do(file)], None).await;
        Some(Box::new(pair.context("inner")?))
    } else {
        None
    };
    let (exchanged, own) = plan.batches.split_last().context("no batches")?;
    let (first, own_changes) = own.split_first().context("one batch")?;
    let pair = made(world, &client, &first.0, inner)
        .await
        .context("first")?;
    for (number, (steps, _)) in own_changes.iter().enumerate() {
        let changed = changed(world, &client, &pair, steps, Turn::Own).await;
        changed.with_context(|| format!("change {number}"))?;
    }
    let own = same(world, &client, &pair, own).await;
    own.context("as each wrote it")?;
    let changed = changed(world, &client, &pair, &exchanged.0, Turn::Exchanged).await;
    changed.context("the exchanged change")?;
    let exchanged = same(world, &client, &pair, &plan.batches).await;
    exchanged.context("after the exchange")?;
    let steps = plan.batches.iter().map(|(steps, _)| steps.len());
    figures.operations += steps.sum::<usize>();
    figures.versions += plan.batches.len();
    figures.mounted += usize::from(plan.mounts);
    Ok(())
}

/// The first version of two DSUs.
async fn made(
    world: &mut World,
    client: &Client,
    steps: &[Step],
    inner: Option<Box<Pair>>,
) -> Result<Pair> {
    let mounted = inner.as_deref();
    let by_us = seed()?;
    let ours = operations(steps, mounted.map(|it| &it.by_us))?;
    create(client, &by_us, &ours).await?;
    let theirs = operations(steps, mounted.map(|it| &it.by_sdk))?;
    let by_sdk = world.sdk_seed(&theirs)?;
    Ok(Pair {
        by_us,
        by_sdk,
        inner,
    })
}

/// One more version of both.
async fn changed(
    world: &mut World,
    client: &Client,
    pair: &Pair,
    steps: &[Step],
    turn: Turn,
) -> Result<()> {
    let inner = pair.inner.as_deref();
    let on_ours = operations(steps, inner.map(|it| &it.by_us))?;
    let on_theirs = operations(steps, inner.map(|it| &it.by_sdk))?;
    match turn {
        Turn::Own => {
            change(client, &pair.by_us, &on_ours).await?;
            world.sdk_change(&pair.by_sdk, &on_theirs)
        }
        Turn::Exchanged => {
            change(client, &pair.by_sdk, &on_theirs).await?;
            world.sdk_change(&pair.by_us, &on_ours)
        }
    }
}

fn operations(steps: &[Step], inner: Option<&KeySsi>) -> Result<Vec<Operation>> {
    let operation = |step: &Step| match step {
        Step::Do(operation) => Ok(operation.clone()),
        Step::MountInner => {
            let inner = inner.context("nothing to mount")?.clone();
            Ok(Operation::Mount(POINT.to_owned(), inner))
        }
    };
    steps.iter().map(operation).collect()
}

/// Fails unless both DSUs are the same to both readers: every version where nothing is mounted,
/// else the newest one, and each brick map up to what must differ.
async fn same(
    world: &mut World,
    client: &Client,
    pair: &Pair,
    batches: &[(Vec<Step>, Tree)],
) -> Result<()> {
    let versions = same_maps(world, client, pair).await?;
    if let Some(inner) = &pair.inner {
        same_maps(world, client, inner).await.context("inner")?;
        let newest = batches.last().context("no batches")?;
        return same_trees(world, client, pair, None, &newest.1).await;
    }
    ensure!(versions == batches.len(), "{versions} versions");
    for (version, (_, expected)) in batches.iter().enumerate() {
        let trees = same_trees(world, client, pair, Some(version), expected).await;
        trees.with_context(|| format!("version {version}"))?;
    }
    Ok(())
}

/// Compares the histories and the brick maps of all versions; gives the number of versions.
async fn same_maps(world: &mut World, client: &Client, pair: &Pair) -> Result<usize> {
    let ours = Snapshot::open(client, &pair.by_us, At::Latest).await?;
    let theirs = Snapshot::open(client, &pair.by_sdk, At::Latest).await?;
    let versions = ours.history().len();
    let other = theirs.history().len();
    ensure!(
        versions == other,
        "{versions} versions by us, {other} by the SDK"
    );
    let mut previous: Option<(Snapshot, Snapshot)> = None;
    for version in 0..versions {
        let ours = Snapshot::open(client, &pair.by_us, At::Version(version)).await?;
        let theirs = Snapshot::open(client, &pair.by_sdk, At::Version(version)).await?;
        let (shape_ours, shape_theirs) = (shape(ours.map())?, shape(theirs.map())?);
        ensure!(
            shape_ours == shape_theirs,
            "version {version}: we made {shape_ours:#}, the SDK {shape_theirs:#}"
        );
        let (before_ours, before_theirs) = previous.as_ref().map(|(one, two)| (one, two)).unzip();
        let touched_ours = touched(before_ours.map(Snapshot::map), ours.map())?;
        let touched_theirs = touched(before_theirs.map(Snapshot::map), theirs.map())?;
        ensure!(
            touched_ours == touched_theirs,
            "version {version}: we touched {touched_ours:?}, the SDK {touched_theirs:?}"
        );
        ensure!(
            !touched_ours.is_empty(),
            "version {version} touched nothing"
        );
        previous = Some((ours, theirs));
    }
    for (ssi, snapshot) in [(&pair.by_us, &ours), (&pair.by_sdk, &theirs)] {
        verified(client, ssi).await?;
        world.sdk_same_history(snapshot)?;
    }
    Ok(versions)
}

/// Fails unless both DSUs hold `expected` in a version, read by us and read by the SDK.
async fn same_trees(
    world: &mut World,
    client: &Client,
    pair: &Pair,
    version: Option<usize>,
    expected: &Tree,
) -> Result<()> {
    let at = version.map_or(At::Latest, At::Version);
    for (writer, ssi) in [("us", &pair.by_us), ("the SDK", &pair.by_sdk)] {
        let snapshot = Snapshot::open(client, ssi, at).await?;
        let trees = [
            ("us", Tree::of_snapshot(&snapshot).await?),
            ("the SDK", world.sdk_tree(ssi, version)?),
        ];
        for (reader, mut tree) in trees {
            // It names keys, which differ.
            tree.files.remove("/manifest");
            if pair.inner.is_some() {
                tree.files.remove(&format!("{POINT}/first"));
            }
            ensure!(
                tree == *expected,
                "written by {writer}, read by {reader}: {tree:#?}, expected {expected:#?}"
            );
        }
    }
    Ok(())
}
