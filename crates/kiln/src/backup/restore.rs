//! `kiln backup restore`: a new data folder from a backup, with every log on hold.

use std::path::{Path, PathBuf};
use std::time::Instant;

use backup::BackupError;
use clap::Args;
use dsu::Moment;
use keyssi::Domain;
use ledger::{EmbeddedLedger, EngineOptions, HoldCause, Mode};
use serde_json::json;

use super::create::say_how_long;
use super::stop::Stop;
use super::{Found, WhichArgs, failure, is_disk_full};
use crate::common::Common;
use crate::exit::{Exit, Failure, Outcome};
use crate::progress::Progress;
use crate::utc;

pub(super) const HELP: &str = "\
Examples:
  kiln backup restore /mnt/backups --data /var/lib/kiln --identity operator.key
  kiln backup restore s3://hospital-backups/node-1 --data new --backup 1790000000000-0123456789abcdef

The folder must not exist or be empty; a file system may be mounted there. A log that was signed further
than the backup knows must not be signed again from there, so every log is put on hold, also those
without entries: the node serves bricks and reads anchors, and takes no new versions until `kiln log lift`
has compared the log with a checkpoint that was kept outside of the backup (by a witness or a monitor).";

/// The file with the API keys.
const CONTROL: &str = "control.db";

/// Options of `kiln backup restore`.
#[derive(Args)]
pub(crate) struct RestoreArgs {
    #[command(flatten)]
    which: WhichArgs,
    /// The new data folder
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
}

pub(super) fn run(args: &RestoreArgs, common: &Common) -> Outcome {
    let output = common.output();
    let began = Instant::now();
    let found = args.which.find(common)?;
    let held = restore(&found, &args.data, &Progress::new(output), &Stop::watch()?)?;
    say_how_long(output, began);
    let left_out = &found.snapshot.left_out;
    for what in left_out {
        crate::output::warn(&format!("not in the backup: {what}"));
    }
    if found.snapshot.files.iter().any(|it| it.path == CONTROL) {
        let time = utc::format(Moment::from_millis(found.snapshot.created_ms));
        crate::output::warn(&format!(
            "what was done to API keys, quotas and the read-only mode after {time} is undone: keys that \
             were revoked since are valid again; next, when the node runs: kiln admin keys list"
        ));
    }
    for domain in &held {
        output.say(&format!(
            "the log of {domain} is on hold; next: kiln log lift --data {} --domain {domain} \
             --checkpoint FILE",
            args.data.display()
        ));
    }
    output.say(&format!(
        "the log of any other domain is on hold too, unless its key is made after this; if nothing was \
         ever signed with its key: kiln log lift --data {} --domain NAME --nothing-was-ever-signed",
        args.data.display()
    ));
    let held: Vec<_> = held.iter().map(ToString::to_string).collect();
    let (files, bytes) = (found.snapshot.files.len(), found.snapshot.bytes());
    let id = found.unread.id.to_string();
    let value = json!({
        "backup": id, "files": files, "bytes": bytes, "onHold": held, "leftOut": left_out,
        "milliseconds": began.elapsed().as_millis(),
    });
    output.table(
        &value,
        &[
            ("backup", id),
            ("restored", format!("{files} files, {bytes} bytes")),
            (
                "on hold",
                if held.is_empty() {
                    "every log; none has entries yet".to_owned()
                } else {
                    format!("every log: {}", held.join(", "))
                },
            ),
        ],
    )?;
    Ok(Exit::Done)
}

/// Writes the data folder, with every log on hold; gives the domains that its store knows.
pub(super) fn restore(
    found: &Found,
    data: &Path,
    progress: &Progress,
    stop: &Stop,
) -> Result<Vec<Domain>, Failure> {
    let snapshot = &found.snapshot;
    progress.begin("restoring", Some(snapshot.bytes()));
    let advance = |bytes| {
        progress.advance(bytes);
        stop.flow()
    };
    let mut held = Vec::new();
    let time = utc::format(Moment::from_millis(snapshot.created_ms));
    let why = format!("backup {} of {time}", found.unread.id);
    let finish = |folder: &Path| {
        held = hold_logs(folder, &why)?;
        Ok(())
    };
    let (place, identities) = (&found.place, &found.identities);
    let restored: Result<(), RestoreError> =
        backup::restore(place, snapshot, identities, data, &advance, finish);
    progress.end();
    match restored {
        Ok(()) => Ok(held),
        Err(RestoreError::Backup(error)) => Err(failure(&error)),
        Err(RestoreError::Ledger(failure)) => Err(failure),
    }
}

enum RestoreError {
    Backup(BackupError),
    Ledger(Failure),
}

impl From<BackupError> for RestoreError {
    fn from(error: BackupError) -> Self {
        Self::Backup(error)
    }
}

/// No log is signed further from here before somebody has looked how far it was signed. A backup without
/// anchors says nothing of what was signed after it: the store that is made here does.
fn hold_logs(folder: &Path, why: &str) -> Result<Vec<Domain>, RestoreError> {
    let anchors = folder.join("anchors");
    let cannot = |error: Box<dyn std::error::Error + Send + Sync>| {
        let text = "the logs of the restored folder cannot be put on hold";
        let (exit, next) = if is_disk_full(error.as_ref()) {
            (
                Exit::DiskFull,
                "nothing was restored; make room on the disk, then try again",
            )
        } else {
            (Exit::Local, "nothing was restored; try another backup")
        };
        RestoreError::Ledger(Failure::new(exit, text).because(error).next(next))
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(|error| cannot(error.into()))?;
    let options = EngineOptions {
        // The folder was just written: what is recorded now is a few bytes, and must not be missing.
        free_bytes_min: 0,
        mode: Mode::Serve,
    };
    let ledger = EmbeddedLedger::open(&anchors, options, node::clock_ms)
        .map_err(|error| cannot(error.into()))?;
    runtime
        .block_on(ledger.hold_logs(HoldCause::Restored, why))
        .map_err(|error| cannot(error.into()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_folder_that_was_restored_in_part_is_no_data_folder() {
        let folder = tempfile::tempdir().unwrap();
        let mark = folder.path().join(backup::UNFINISHED);
        std::fs::create_dir(&mark).unwrap();
        let refused = node::lock_store(folder.path(), "anchors").unwrap_err();
        assert!(
            refused.to_string().contains("kiln backup restore"),
            "{refused}"
        );
        std::fs::remove_dir(&mark).unwrap();
        node::lock_store(folder.path(), "anchors").unwrap();
    }
}
