//! `kiln backup drill`: a restore for trial. A backup that was never restored is a hope.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use backup::LogHead;
use clap::Args;
use keyssi::Domain;
use ledger::{EmbeddedLedger, EngineOptions, Mode};
use serde_json::json;

use super::create::say_how_long;
use super::stop::Stop;
use super::{WhichArgs, restore};
use crate::common::Common;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, Form};
use crate::progress::Progress;

pub(super) const HELP: &str = "\
Examples:
  kiln backup drill /mnt/backups --identity operator.key
  kiln backup drill s3://hospital-backups/node-1 --in /var/tmp --json

Restores the backup into a new folder that only its owner can use, reads and hashes every brick, replays
every anchor, requires that no log is shorter than it was when the backup was made, says how long it took,
and removes the folder, also when it is interrupted.
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
    let stop = Stop::watch()?;
    // It goes when the drill is over, however that ends.
    let scratch = tempfile::Builder::new()
        .prefix("kiln-drill-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(&within)
        .map_err(|error| {
            Failure::io(format!("{} cannot be used", within.display()), error)
                .next("name a folder with --in where there is room")
        })?;
    restore::restore(&found, scratch.path(), &Progress::new(output), &stop)?;
    let restored = began.elapsed();
    let (folder, logs) = (scratch.path().to_owned(), found.snapshot.logs.clone());
    let Checked {
        bricks,
        versions,
        findings,
    } = stop.during(move || check(&folder, &logs))??;
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

/// What was found in the restored folder.
#[derive(Default)]
struct Checked {
    bricks: u64,
    versions: u64,
    findings: Vec<String>,
}

fn check(folder: &Path, logs: &[LogHead]) -> Result<Checked, Failure> {
    let mut checked = Checked::default();
    let (bricks, anchors) = (folder.join("bricks"), folder.join("anchors"));
    if bricks.is_dir() {
        let report = brickstore::check(&bricks).map_err(unreadable)?;
        checked.bricks = report.sound;
        let findings = report.findings.iter().map(ToString::to_string);
        checked.findings.extend(findings);
    }
    if anchors.is_dir() {
        let report = ledger::check(&anchors).map_err(unreadable)?;
        checked.versions = report.versions;
        let findings = report.findings.iter().map(ToString::to_string);
        checked.findings.extend(findings);
        checked.findings.extend(shorter_logs(&anchors, logs)?);
    } else if !logs.is_empty() {
        let text = "the backup names logs and has no anchors";
        checked.findings.push(text.to_owned());
    }
    Ok(checked)
}

/// The logs that have fewer entries than when the folder was frozen.
fn shorter_logs(anchors: &Path, logs: &[LogHead]) -> Result<Vec<String>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(|error| Failure::io("no runtime can be started", error))?;
    let options = EngineOptions {
        free_bytes_min: 0,
        mode: Mode::Serve,
    };
    let ledger = EmbeddedLedger::open(anchors, options, node::clock_ms).map_err(unreadable)?;
    let mut findings = Vec::new();
    for log in logs {
        let domain: Domain = log.domain.parse().map_err(unreadable)?;
        let size = runtime.block_on(ledger.log(&domain).size());
        let size = size.map_err(unreadable)?;
        if size < log.entries {
            findings.push(format!(
                "the log of {domain} has {size} entries, and had {} when the backup was made",
                log.entries
            ));
        }
    }
    Ok(findings)
}

fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> Failure {
    Failure::new(Exit::Negative, "a restored store cannot be opened")
        .because(error)
        .next("this backup is of no use; make and try another one")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_lacks_entries_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let log = |entries| LogHead {
            domain: "default".to_owned(),
            entries,
        };
        let found = |logs: &[LogHead]| shorter_logs(folder.path(), logs).unwrap();
        assert_eq!(found(&[log(0)]), Vec::<String>::new());
        let findings = found(&[log(0), log(3)]);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].contains("had 3"), "{findings:?}");
    }
}
