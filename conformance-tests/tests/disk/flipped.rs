//! Damages copies of a filled folder and looks what a node makes of them.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use testkit::process::{Launch, NodeProcess, ProcessError};
use testkit::random::Random;
use testkit::store;

use crate::damage::{Damage, Deed, Kind, copy, damage, files_of};
use crate::stored::{Granted, Stored};

/// Sizes of the bricks that the folder is filled with: in the tables, around the boundary to the
/// blob files, and beyond one block of the log.
const BRICK_BYTES: [usize; 6] = [0, 300, 4095, 4096, 9000, 40_000];

/// Damages that ended alike: which file, what was done, how it ended, and each one in words.
pub(crate) type Outcomes = BTreeMap<(Kind, Deed, Outcome), Vec<String>>;

/// What became of one damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// Everything is right: nothing live was hit.
    Harmless,
    /// Everything is right, and the check says that something is wrong.
    OnlyReported,
    /// The node does not start and says why.
    RefusedToStart,
    /// The node serves what is right and refuses the rest with a message; the check reports it.
    RefusedToServe,
    /// Something is gone, and the check reports it.
    LostAndReported,
    /// The last writes are gone, as if they had never been made, and nobody says so.
    LostTail,
    /// Something else is gone, and nobody says so.
    LostSilently,
    /// Something is refused that the check calls well.
    MissedByCheck,
    /// Wrong bytes were served.
    Wrong,
    /// The node died while it served, or answered what is no answer.
    Died,
}

impl Outcome {
    /// Whether it is right after this damage. What is missing at the end of a log or of a manifest
    /// cannot be told from what a crash kept from being written; there, and only there, something
    /// may go without a word: of a log the last writes and nothing else.
    pub(crate) fn is_right(self, kind: Kind, deed: Deed) -> bool {
        match self {
            Self::Harmless
            | Self::OnlyReported
            | Self::RefusedToStart
            | Self::RefusedToServe
            | Self::LostAndReported => true,
            Self::LostTail => deed == Deed::Truncate && matches!(kind, Kind::Log | Kind::Manifest),
            Self::LostSilently => deed == Deed::Truncate && kind == Kind::Manifest,
            Self::MissedByCheck | Self::Wrong | Self::Died => false,
        }
    }
}

/// Damages `damages` copies; gives how they ended.
pub(crate) fn damage_copies(damages: u64, random: &mut Random) -> Result<Outcomes> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let mut stored = fill(&data, random.fork())?;
    for kind in Kind::ALL {
        eprintln!("disk: {kind:?}: {}", described(&data, kind)?);
    }
    let mut outcomes = Outcomes::new();
    for (kind, number) in Kind::ALL.iter().cycle().zip(0..damages) {
        let copied = folder.path().join(format!("copy-{number}"));
        copy(&data, &copied)?;
        let done = damage(&copied, *kind, random)?;
        let (outcome, why) = look(&copied, &mut stored).with_context(|| done.to_string())?;
        std::fs::remove_dir_all(&copied)?;
        let Damage { kind, deed, .. } = done;
        let told = format!("{done}: {why}");
        outcomes
            .entry((kind, deed, outcome))
            .or_default()
            .push(told);
    }
    Ok(outcomes)
}

/// Fills a folder so that it has files of every kind: what was written before a restart lies in
/// tables and blob files, what was written after the last one in the log.
fn fill(data: &Path, random: Random) -> Result<Stored> {
    let mut node = start(data)?;
    let mut stored = Stored::nothing(node.address(), random)?;
    for _ in 0..3 {
        fill_once(&mut stored)?;
        ensure!(node.stop()?.success(), "the node did not end well");
        node = start(data)?;
        stored.moved_to(node.address());
    }
    fill_once(&mut stored)?;
    stored.must_be_there()?;
    node.kill_hard();
    let checked = store::check(data)?;
    ensure!(checked.is_well(), "before any damage: {}", checked.text);
    Ok(stored)
}

/// Writes something of everything; all of it must be granted.
fn fill_once(stored: &mut Stored) -> Result<()> {
    for length in BRICK_BYTES {
        let granted = [
            stored.put_brick(length)?,
            stored.create_anchor()?,
            stored.append()?,
            stored.append()?,
            stored.put_document(4, 2000)?,
            stored.put_document(4, 6000)?,
        ];
        ensure!(
            granted == [Granted::Yes; 6],
            "the disk of this machine is full"
        );
    }
    Ok(())
}

/// Checks a damaged folder, then starts a node on it and reads everything.
fn look(data: &Path, stored: &mut Stored) -> Result<(Outcome, String)> {
    let checked = store::check(data)?;
    let reported = checked.is_alarm();
    ensure!(
        reported || checked.is_well(),
        "the check ended with {:?}: {}",
        checked.code,
        checked.text
    );
    let node = match start(data) {
        Ok(node) => node,
        Err(ProcessError::NotReady { stderr, .. }) => {
            ensure!(
                stderr.contains("error: "),
                "it ended without a word: {stderr}"
            );
            let why = stderr.lines().last().unwrap_or_default().to_owned();
            let outcome = if reported {
                Outcome::RefusedToStart
            } else {
                Outcome::MissedByCheck
            };
            return Ok((outcome, why));
        }
        Err(other) => return Err(other.into()),
    };
    stored.moved_to(node.address());
    let Ok(reading) = stored.read() else {
        return Ok((Outcome::Died, node.stderr_tail()));
    };
    node.kill_hard();
    let (lost, refused) = (reading.lost.len(), reading.refused.len());
    let outcome = match (reported, lost > 0, refused > 0) {
        _ if !reading.wrong.is_empty() => Outcome::Wrong,
        (false, false, false) => Outcome::Harmless,
        (true, false, false) => Outcome::OnlyReported,
        (true, true, _) => Outcome::LostAndReported,
        (true, false, true) => Outcome::RefusedToServe,
        (false, true, false) if reading.is_beginning() => Outcome::LostTail,
        (false, true, _) => Outcome::LostSilently,
        (false, false, true) => Outcome::MissedByCheck,
    };
    let (right, wrong, checked) = (reading.right, &reading.wrong, checked.text.trim());
    let why = format!(
        "{right} right, {refused} refused, {lost} lost, wrong {wrong:?}; the check: {checked}"
    );
    Ok((outcome, why))
}

fn described(data: &Path, kind: Kind) -> Result<String> {
    let mut lengths = Vec::new();
    for file in files_of(data, kind)? {
        lengths.push(file.metadata()?.len().to_string());
    }
    Ok(format!(
        "{} files of {} bytes",
        lengths.len(),
        lengths.join(", ")
    ))
}

fn start(data: &Path) -> Result<NodeProcess, ProcessError> {
    NodeProcess::start(&Launch::kiln_serve(data, None)?)
}
