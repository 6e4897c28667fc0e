//! A large folder, imported by a process that is killed again and again.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use testkit::random::Random;

use crate::opened;
use crate::place::{Place, must_count};
use crate::tree::Tree;

/// Bricks of `make test`.
const BRICKS: u64 = 2000;
/// Kills while bricks, and while anchors are taken.
const KILLS: [usize; 2] = [3, 2];
/// How often the stores are looked at.
const POLL: Duration = Duration::from_micros(500);
/// Longest wait for the stores to grow.
const GROW_WAIT: Duration = Duration::from_mins(5);

#[test]
fn a_folder_is_imported_exactly_however_often_the_import_is_killed() -> Result<()> {
    let bricks = match std::env::var("KILN_IMPORT_BRICKS") {
        Ok(text) => text.parse().context("KILN_IMPORT_BRICKS")?,
        Err(_) => BRICKS,
    };
    let mut random = Random::announced("import killed")?;
    let started = Instant::now();
    let tree = Tree::generate(bricks, &mut random)?;
    let held = tree.seal()?;
    eprintln!(
        "import killed: {} bricks, {} anchors, {} findings made in {:.1?}",
        tree.bricks,
        tree.anchors,
        tree.findings.len(),
        started.elapsed()
    );
    let place = Place::new()?;
    kill_often(&place, &tree, &mut random)?;

    let started = Instant::now();
    let (findings, summary) = place.imported(tree.root(), 1)?;
    eprintln!("import killed: the last run took {:.1?}", started.elapsed());
    must_be(&findings, &tree.findings)?;
    must_add_up(&tree, &summary)?;
    place.check(&tree)?;
    ensure!(tree.seal()? == held, "the source was changed");

    // Nothing is left to do, and the same is said again.
    let (findings, summary) = place.imported(tree.root(), 1)?;
    must_be(&findings, &tree.findings)?;
    let nothing = summary["brick_bytes_stored"] == 0 && summary["versions_stored"] == 0;
    ensure!(nothing, "imported twice: {summary}");
    must_add_up(&tree, &summary)?;
    place.check(&tree)?;

    let started = Instant::now();
    opened::check(&place, &tree.good)?;
    eprintln!(
        "import killed: {} DSUs opened in {:.1?}",
        tree.good.len(),
        started.elapsed()
    );
    Ok(())
}

/// Kills the import at random points of its two long parts.
fn kill_often(place: &Place, tree: &Tree, random: &mut Random) -> Result<()> {
    let [bricks, anchors] = KILLS;
    let mut points: Vec<u64> = (0..bricks)
        .map(|_| 1 + random.below(tree.bytes * 3 / 4))
        .collect();
    points.sort_unstable();
    let stored = |data: &Path| folder_bytes(&data.join("bricks"));
    for point in points {
        kill_at(place, tree, point, &stored)?;
    }
    let clean = (tree.good.len() as u64).max(4);
    let mut points: Vec<u64> = (0..anchors).map(|_| 2 + random.below(clean / 2)).collect();
    points.sort_unstable();
    let taken = |data: &Path| journal_lines(&data.join("import"));
    for point in points {
        kill_at(place, tree, point, &taken)?;
    }
    Ok(())
}

/// Runs the import and kills it when `measure` of the data folder has come to `point`, which it must
/// before the import ends.
fn kill_at(place: &Place, tree: &Tree, point: u64, measure: &dyn Fn(&Path) -> u64) -> Result<()> {
    let mut command = place.import(tree.root())?;
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let deadline = Instant::now() + GROW_WAIT;
    let mut ended = None;
    // A store that merges its files may become smaller again.
    let mut most = measure(place.data());
    while most < point && ended.is_none() && Instant::now() < deadline {
        thread::sleep(POLL);
        ended = child.try_wait()?;
        most = most.max(measure(place.data()));
    }
    child.kill()?;
    child.wait()?;
    eprintln!("import killed: at {most}, to be killed at {point}");
    ensure!(
        ended.is_none(),
        "the import ended at {most}, before {point}"
    );
    ensure!(most >= point, "the import did not come to {point} in time");
    Ok(())
}

fn folder_bytes(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.filter_map(|entry| entry.metadata().ok());
    sizes.map(|metadata| metadata.len()).sum()
}

fn journal_lines(folder: &Path) -> u64 {
    let mut lines = 0;
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let bytes = fs::read(entry.path()).unwrap_or_default();
        lines += bytes.split(|byte| *byte == b'\n').count() as u64 - 1;
    }
    lines
}

pub(crate) fn must_be(found: &[Value], expected: &[Value]) -> Result<()> {
    let missing: Vec<_> = expected.iter().filter(|it| !found.contains(it)).collect();
    let more: Vec<_> = found.iter().filter(|it| !expected.contains(it)).collect();
    ensure!(
        missing.is_empty() && more.is_empty() && found.len() == expected.len(),
        "the report lacks {missing:#?} and has {more:#?}"
    );
    Ok(())
}

/// What was stored now or before, and what was skipped, is what lies there.
fn must_add_up(tree: &Tree, summary: &Value) -> Result<()> {
    let skipped = |subject: &str| {
        let skipped = tree.findings.iter();
        let skipped = skipped.filter(|it| it["subject"] == subject && it["effect"] == "skipped");
        skipped.count() as u64
    };
    let taken = [
        ("bricks", "brick", tree.brick_files),
        ("anchors", "anchor", tree.anchors),
        ("documents", "document", tree.documents),
    ];
    for (kind, subject, taken) in taken {
        let stored = summary[kind]["stored"].as_u64().context("no number")?;
        let expected = [
            taken + skipped(subject),
            stored,
            taken - stored,
            skipped(subject),
        ];
        must_count(summary, kind, expected)?;
    }
    let lines: u64 = summary["reasons"]
        .as_object()
        .context("no reasons")?
        .values()
        .filter_map(Value::as_u64)
        .sum();
    ensure!(lines == tree.findings.len() as u64, "{lines} findings");
    Ok(())
}
