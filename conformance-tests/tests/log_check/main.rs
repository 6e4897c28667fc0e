//! A log that somebody has tampered with, and what `kiln log check` says of it.
//!
//! *Bug that this looks for:* a tampering that is not seen, or is named at the wrong place; a crash
//! or an endless loop in reading what is broken; a good log that is refused. *Mechanism:* logs of
//! real anchors as files (37 and 300 entries with openings, 66,000 without, so that there are tiles
//! of three levels); copies of them are tampered with in every way there is: by who can write
//! files (entries, tiles, bundles, openings), and by who has the log's key (forks, entries that
//! break the rules, all signed). The real binary reads each copy, and has to name kind and place.
//!
//! `KILN_TAMPERINGS` sets the number, `KILN_SEED` repeats a run's choices.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod built;
mod cases;
mod continued;
mod tamper;

use std::env;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;
use testkit::binaries::Binary;
use testkit::process::Launch;
use testkit::random::Random;

use crate::built::{Log, copy};
use crate::tamper::{Expected, Tampering};

/// Tamperings of `make test`.
const TAMPERINGS: u64 = 60;

/// A log in a folder.
struct Written {
    log: Log,
    folder: TempDir,
}

impl Written {
    fn new(log: Log) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        log.write(folder.path())?;
        Ok(Self { log, folder })
    }
}

/// What the command said, and its exit code.
struct Said {
    exit: i32,
    json: Value,
    stderr: String,
}

/// `kiln log check --from FOLDER` with this key, state folder and further arguments.
fn check(folder: &Path, vkey: &str, state: &Path, further: &[&str]) -> Result<Said> {
    let mut launch = Launch::of(Binary::Kiln)?.arg("log").arg("check");
    launch = launch.arg("--from").arg(folder).arg("--vkey").arg(vkey);
    launch = launch.arg("--state").arg(state).arg("--json");
    for argument in further {
        launch = launch.arg(argument);
    }
    let output = launch.run()?;
    Ok(Said {
        exit: output.status.code().context("it was killed")?,
        json: serde_json::from_slice(&output.stdout).unwrap_or_default(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

impl Said {
    fn require_found(&self, expected: &Expected) -> Result<()> {
        let finding = &self.json["finding"];
        let Expected {
            kind,
            index,
            path,
            exit,
        } = expected;
        let is_right = self.exit == *exit
            && finding["kind"] == *kind
            && finding["index"].as_u64() == *index
            && path.as_ref().is_none_or(|it| finding["path"] == **it);
        ensure!(
            is_right,
            "expected {expected:?}, got exit {}, {finding}, {}",
            self.exit,
            self.stderr
        );
        Ok(())
    }

    fn require_in_order(&self, log: &Log) -> Result<()> {
        let (finding, stderr) = (&self.json["finding"], &self.stderr);
        ensure!(self.exit == 0, "exit {}, {finding}, {stderr}", self.exit);
        ensure!(finding.is_null(), "{finding}");
        ensure!(self.json["entries"] == log.size(), "{}", self.json);
        ensure!(self.json["remembered"].is_null(), "{}", self.json);
        let opened = if log.public { log.size() } else { 0 };
        ensure!(self.json["opened"] == opened, "{}", self.json);
        ensure!(self.json["unjudged"] == 0, "{}", self.json);
        Ok(())
    }
}

#[test]
fn every_tampering_is_named_at_its_place() -> Result<()> {
    let rounds = match env::var("KILN_TAMPERINGS") {
        Ok(text) => text.parse().context("KILN_TAMPERINGS is no number")?,
        Err(_) => TAMPERINGS,
    };
    let mut random = Random::announced("log_check")?;
    let few = Written::new(Log::of_anchors(37, &mut random)?)?;
    let some = Written::new(Log::of_anchors(300, &mut random)?)?;
    let many = Written::new(Log::of_secrets(66_000, &mut random))?;
    for written in [&few, &some, &many] {
        let state = tempfile::tempdir()?;
        let vkey = written.log.vkey();
        check(written.folder.path(), &vkey, state.path(), &[])?.require_in_order(&written.log)?;
    }
    let started = Instant::now();
    for round in 0..rounds {
        let mut random = random.fork();
        let turn = usize::try_from(round)?;
        // Every fourth one is of the largest log, where a round takes longest.
        let (written, tampering) = if turn % 4 == 3 {
            let all = Tampering::OF_ALL;
            (&many, all[turn / 4 % all.len()])
        } else {
            let open = Tampering::OF_OPEN;
            let tampering = open[(turn - turn / 4) % open.len()];
            let is_small = random.below(2) == 0
                && !matches!(tampering, Tampering::TileHash(1) | Tampering::TileTruncated);
            (if is_small { &few } else { &some }, tampering)
        };
        let round_of = || {
            format!(
                "round {round}: {tampering:?} in {} entries",
                written.log.size()
            )
        };
        let place = tempfile::tempdir()?;
        let folder = place.path().join("log");
        copy(written.folder.path(), &folder)?;
        let expected = tampering
            .commit(&written.log, &folder, &mut random)
            .with_context(round_of)?;
        let said = check(&folder, &written.log.vkey(), place.path(), &[])?;
        said.require_found(&expected).with_context(round_of)?;
    }
    let took = started.elapsed().as_secs_f64();
    eprintln!("log_check: {rounds} tamperings in {took:.1} s, none missed");
    Ok(())
}
