//! Fills a small volume, frees it, and goes on.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use testkit::process::{Launch, NodeProcess, ProcessError};
use testkit::random::Random;
use testkit::store;

use crate::stored::{Granted, Stored};
use crate::volume::Volume;

/// What the volume has for the node before it is full the first time. RocksDB takes 36 MiB for each
/// of the two stores at once (space for a write-ahead log and a manifest).
const ROOM_BYTES: usize = 192 << 20;
/// What is taken from the volume before, and given back when it is full; once for each time. More
/// than a store's write buffers, which is what a reopening writes.
const BALLAST_BYTES: usize = 64 << 20;
/// Size of the bricks that fill it.
const BRICK_BYTES: usize = 1 << 20;
/// Refusals in a row after which the volume counts as full.
const REFUSALS: usize = 8;
/// Longest wait until writes are granted after there is space again.
const RECOVERY: Duration = Duration::from_mins(1);

/// What a variant gave.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// How often the volume was full.
    pub(crate) fills: usize,
    /// Writes that were refused with 507.
    pub(crate) refused: usize,
    /// Bricks, anchors and documents that were acknowledged.
    pub(crate) acknowledged: [usize; 3],
}

/// Fills and frees the volume `fills` times with the floor `free_bytes_min`; `None` when there can
/// be no volume.
pub(crate) fn fill_and_free(
    free_bytes_min: u64,
    fills: usize,
    random: Random,
) -> Result<Option<Figures>> {
    let Some((volume, mut ballast)) = volume(fills)? else {
        return Ok(None);
    };
    let data = volume.path().join("data");
    let node = start(&data, free_bytes_min)?;
    let mut stored = Stored::nothing(node.address(), random)?;
    let mut figures = Figures::default();
    for _ in 0..3 {
        for granted in [stored.create_anchor()?, stored.put_document(2, 5000)?] {
            ensure!(granted == Granted::Yes, "the empty volume is full");
        }
    }
    while let Some(ballast) = ballast.pop() {
        let filled = fill_and_free_once(&volume, &ballast, &mut stored);
        figures.refused += filled.with_context(|| node.stderr_tail())?;
        figures.fills += 1;
    }
    figures.acknowledged = stored.counts();
    node.kill_hard();
    let node = start(&data, free_bytes_min)?;
    stored.moved_to(node.address());
    stored.must_be_there().context("after a restart")?;
    ensure!(node.stop()?.success(), "the node did not end well");
    let checked = store::check(&data)?;
    ensure!(checked.is_well(), "{}", checked.text);
    Ok(Some(figures))
}

/// Fills what is left of the volume and frees some of it; gives the number of refusals.
fn fill_and_free_once(volume: &Volume, ballast: &Path, stored: &mut Stored) -> Result<usize> {
    let mut refused = fill_with_bricks(stored)?;
    stored
        .must_be_there()
        .context("when the bricks filled the volume")?;
    // The rest, too: now not even an anchor has room.
    let rest = volume.fill("rest", None)?;
    refused += refuse_everything(stored)?;
    stored
        .must_be_there()
        .context("when nothing was left of the volume")?;
    std::fs::remove_file(rest)?;
    std::fs::remove_file(ballast)?;
    go_on(stored)?;
    stored
        .must_be_there()
        .context("when there was space again")?;
    Ok(refused)
}

/// A volume with room for the node, and the files that take the rest of it.
fn volume(fills: usize) -> Result<Option<(Volume, Vec<PathBuf>)>> {
    let bytes = ROOM_BYTES + fills * BALLAST_BYTES;
    let Some(volume) = Volume::mount(bytes as u64)? else {
        return Ok(None);
    };
    let mut ballast = Vec::new();
    for number in 0..fills {
        ballast.push(volume.fill(&format!("ballast-{number}"), Some(BALLAST_BYTES))?);
    }
    Ok(Some((volume, ballast)))
}

/// How full a volume is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fullness {
    /// The node takes no more: what its floor keeps free is free.
    ToTheFloor,
    /// Not a byte is left.
    ToTheLastByte,
}

/// Kills a node on a full volume and starts it again there. Above its floor it must serve what it
/// has; with no byte left it may say why it cannot. Once there is space it must have everything.
pub(crate) fn restart_when_full(
    free_bytes_min: u64,
    fullness: Fullness,
    random: Random,
) -> Result<Option<&'static str>> {
    let Some((volume, mut taken)) = volume(1)? else {
        return Ok(None);
    };
    let data = volume.path().join("data");
    let node = start(&data, free_bytes_min)?;
    let mut stored = Stored::nothing(node.address(), random)?;
    stored.create_anchor()?;
    fill_with_bricks(&mut stored).with_context(|| node.stderr_tail())?;
    node.kill_hard();
    if fullness == Fullness::ToTheLastByte {
        taken.push(volume.fill("rest", None)?);
    }
    let how = match start(&data, free_bytes_min) {
        Ok(node) => {
            stored.moved_to(node.address());
            stored
                .must_be_there()
                .context("started on the full volume")?;
            node.kill_hard();
            "it serves what it has"
        }
        Err(ProcessError::NotReady { stderr, .. }) => {
            ensure!(fullness == Fullness::ToTheLastByte, "{stderr}");
            ensure!(stderr.contains("error: "), "without a word: {stderr}");
            "it says why it cannot start"
        }
        Err(other) => return Err(other.into()),
    };
    taken.drain(..).try_for_each(std::fs::remove_file)?;
    let node = start(&data, free_bytes_min)?;
    stored.moved_to(node.address());
    stored.must_be_there().context("started with space again")?;
    let granted = stored.put_brick(BRICK_BYTES)?;
    ensure!(granted == Granted::Yes, "it takes no writes");
    ensure!(node.stop()?.success(), "the node did not end well");
    let checked = store::check(&data)?;
    ensure!(checked.is_well(), "{}", checked.text);
    Ok(Some(how))
}

/// Puts bricks until several in a row are refused; gives the number of refusals.
fn fill_with_bricks(stored: &mut Stored) -> Result<usize> {
    let (mut refused, mut in_a_row) = (0, 0);
    while in_a_row < REFUSALS {
        match stored.put_brick(BRICK_BYTES)? {
            Granted::Yes => in_a_row = 0,
            Granted::DiskFull => {
                in_a_row += 1;
                refused += 1;
            }
        }
    }
    Ok(refused)
}

/// With no byte left, every kind of write is refused in the end; a few small ones may still fit
/// into what the write-ahead log has already taken.
fn refuse_everything(stored: &mut Stored) -> Result<usize> {
    type Write = fn(&mut Stored) -> Result<Granted>;
    let writes: [(&str, Write); 4] = [
        ("a small brick", |it| it.put_brick(100)),
        ("an anchor", Stored::create_anchor),
        ("an append", Stored::append),
        ("a document", |it| it.put_document(2, 6000)),
    ];
    let mut refused = 0;
    for (name, write) in writes {
        let mut attempts = 0;
        while write(stored)? == Granted::Yes {
            attempts += 1;
            ensure!(attempts < 1000, "{name} is granted on and on");
        }
        refused += 1;
    }
    Ok(refused)
}

/// Once there is space, every kind of write is granted again without a restart.
fn go_on(stored: &mut Stored) -> Result<()> {
    let since = Instant::now();
    loop {
        let granted = [
            stored.put_brick(BRICK_BYTES)?,
            stored.create_anchor()?,
            stored.append()?,
            stored.put_document(2, 7000)?,
        ];
        if granted == [Granted::Yes; 4] {
            return Ok(());
        }
        ensure!(
            since.elapsed() < RECOVERY,
            "still refused with space: {granted:?}"
        );
        thread::sleep(Duration::from_millis(100));
    }
}

fn start(data: &Path, free_bytes_min: u64) -> Result<NodeProcess, ProcessError> {
    let launch = Launch::kiln_serve(data, None)?;
    let floor = free_bytes_min.to_string();
    NodeProcess::start(&launch.env("KILN__LIMITS__FREE_BYTES_MIN", floor))
}
