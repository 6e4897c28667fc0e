//! `kiln backup drill`: a restore for trial. A backup that was never restored is a hope.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use serde_json::json;

use super::create::say_how_long;
use super::{WhichArgs, restore};
use crate::common::Common;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, Form};
use crate::progress::Progress;

pub(super) const HELP: &str = "\
Examples:
  kiln backup drill /mnt/backups --identity operator.key
  kiln backup drill s3://hospital-backups/node-1 --in /var/tmp --json

Restores the backup into a new folder, reads and hashes every brick, replays every anchor, compares the
length of the logs, says how long it took, and removes the folder.
Exit codes: 0 all is well, 1 something is wrong (each finding is a line on stdout).";

/// Options of `kiln backup drill`.
#[derive(Args)]
pub(crate) struct DrillArgs {
    #[command(flatten)]
    which: WhichArgs,
    /// Where there is room for the restored folder [default: the system's folder for temporary files]
    #[arg(long = "in", value_name = "DIR")]
    within: Option<PathBuf>,
}

pub(super) fn run(args: &DrillArgs, common: &Common) -> Outcome {
    let output = common.output();
    let began = Instant::now();
    let found = args.which.find(common)?;
    let within = args.within.clone().unwrap_or_else(std::env::temp_dir);
    let scratch = Scratch(within.join(format!("kiln-drill-{}", std::process::id())));
    restore::restore(&found, &scratch.0, &Progress::new(output))?;
    let restored = began.elapsed();
    let mut findings = Vec::new();
    let (mut bricks, mut versions) = (0, 0);
    let unreadable = |error: Box<dyn std::error::Error + Send + Sync>| {
        Failure::new(Exit::Negative, "a restored store cannot be opened")
            .because(error)
            .next("this backup is of no use; make and try another one")
    };
    if scratch.0.join("bricks").is_dir() {
        let report = brickstore::check(&scratch.0.join("bricks"));
        let report = report.map_err(|error| unreadable(error.into()))?;
        bricks = report.sound;
        findings.extend(report.findings.iter().map(ToString::to_string));
    }
    if scratch.0.join("anchors").is_dir() {
        let report = ledger::check(&scratch.0.join("anchors"));
        let report = report.map_err(|error| unreadable(error.into()))?;
        versions = report.versions;
        findings.extend(report.findings.iter().map(ToString::to_string));
    }
    drop(scratch);
    let total = began.elapsed();
    if output.form == Form::Json {
        output::json(&json!({
            "backup": found.unread.id.to_string(), "bricks": bricks, "versions": versions,
            "bytes": found.snapshot.bytes(), "restoreMilliseconds": restored.as_millis(),
            "milliseconds": total.as_millis(), "findings": findings,
        }))?;
    } else {
        for finding in &findings {
            output::line(&format!("wrong: {finding}"))?;
        }
        output::line(&format!(
            "{}: {bricks} bricks, {versions} versions of anchors",
            if findings.is_empty() {
                "all is well"
            } else {
                "damaged"
            },
        ))?;
        output::line(&format!(
            "restored in {:.1} s, checked in {:.1} s",
            restored.as_secs_f64(),
            total.saturating_sub(restored).as_secs_f64()
        ))?;
    }
    say_how_long(output, began);
    Ok(if findings.is_empty() {
        Exit::Done
    } else {
        Exit::Negative
    })
}

/// A folder that goes when the drill is over, however it ends.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        remove(&self.0);
        let mut beside = self.0.clone().into_os_string();
        beside.push(".restoring");
        remove(Path::new(&beside));
    }
}

fn remove(folder: &Path) {
    // What stays is in the folder of temporary files, and says whose it is.
    let _ = std::fs::remove_dir_all(folder);
}
