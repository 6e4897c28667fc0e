//! `kiln backup list` and `kiln backup check`.

use std::ops::ControlFlow;
use std::time::Instant;

use backup::{BackupError, Snapshot, Unread};
use clap::Args;
use dsu::Moment;
use serde_json::{Value, json};

use super::create::say_how_long;
use super::{PlaceArgs, WhichArgs, failure};
use crate::common::Common;
use crate::exit::{Exit, Outcome};
use crate::keyring::read_identities;
use crate::output::{self, Form, printable};
use crate::progress::Progress;
use crate::utc;

pub(super) const LIST_HELP: &str = "\
Examples:
  kiln backup list /mnt/backups
  kiln backup list s3://hospital-backups/node-1 --s3-endpoint http://127.0.0.1:9000
  kiln backup list /mnt/backups --identity operator.key --json

Oldest first. What an encrypted backup holds is shown with --identity only; one that is encrypted to
another key is listed by its name and time.
Exit codes: 0 all could be listed, 1 the list of a backup is damaged or of a newer format (its line says
how).";

pub(super) const CHECK_HELP: &str = "\
Examples:
  kiln backup check /mnt/backups --identity operator.key
  kiln backup check /mnt/backups --backup 1790000000000-0123456789abcdef

Reads everything back and compares it with the hashes of when it was stored. Whether the stores in it
are sound is shown by kiln backup drill.
Exit codes: 0 all is there, 1 something is damaged or missing (each finding is a line on stdout).";

/// Options of `kiln backup list`.
#[derive(Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    place: PlaceArgs,
}

/// Options of `kiln backup check`.
#[derive(Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    which: WhichArgs,
}

pub(super) fn list(args: &ListArgs, common: &Common) -> Outcome {
    let identities = read_identities(&common.identity)?;
    let place = args.place.open()?;
    let mut rows = Vec::new();
    let mut exit = Exit::Done;
    for unread in backup::list(&place).map_err(|error| failure(&error))? {
        let time = utc::format(Moment::from_millis(unread.id.created_ms()));
        let id = unread.id.to_string();
        let closed = json!({ "backup": id, "time": time, "encrypted": true });
        let (words, value) = match backup::read(&place, &unread, &identities) {
            Ok(snapshot) => contents(&unread, &time, &snapshot),
            Err(BackupError::NoIdentity) => ("encrypted".to_owned(), closed),
            Err(BackupError::WrongIdentity) => ("encrypted to another key".to_owned(), closed),
            // The others are of use all the same, now more than ever.
            Err(error) => {
                let word = match &error {
                    BackupError::Damaged { .. } | BackupError::Missing { .. } => "damaged",
                    BackupError::Newer { .. } => "newer",
                    _ => return Err(failure(&error)),
                };
                exit = Exit::Negative;
                let mut value =
                    json!({ "backup": id, "time": time, "encrypted": unread.is_sealed });
                if let Some(members) = value.as_object_mut() {
                    members.insert(word.to_owned(), error.to_string().into());
                }
                (format!("{word}: {error}"), value)
            }
        };
        rows.push((format!("{id}  {time}  {words}"), value));
    }
    if common.output().form == Form::Json {
        let values: Vec<_> = rows.into_iter().map(|(_, value)| value).collect();
        output::json(&json!(values))?;
        return Ok(exit);
    }
    for (line, _) in rows {
        output::line(&printable(&line))?;
    }
    Ok(exit)
}

pub(super) fn check(args: &CheckArgs, common: &Common) -> Outcome {
    let output = common.output();
    let began = Instant::now();
    let found = args.which.find(common)?;
    let progress = Progress::new(output);
    progress.begin("checking", Some(found.snapshot.bytes()));
    let advance = |bytes| {
        progress.advance(bytes);
        ControlFlow::Continue(())
    };
    let checked = backup::check(&found.place, &found.snapshot, &found.identities, &advance);
    progress.end();
    let report = checked.map_err(|error| failure(&error))?;
    let findings: Vec<_> = report.findings.iter().map(ToString::to_string).collect();
    say_how_long(output, began);
    if output.form == Form::Json {
        output::json(&json!({
            "backup": found.unread.id.to_string(), "sound": report.sound,
            "bytes": report.bytes, "findings": findings,
        }))?;
    } else {
        for finding in &findings {
            output::line(&format!("wrong: {finding}"))?;
        }
        let words = if findings.is_empty() {
            "all is there"
        } else {
            "damaged"
        };
        let (sound, bytes) = (report.sound, report.bytes);
        output::line(&format!("{words}: {sound} sound objects, {bytes} bytes"))?;
    }
    Ok(if findings.is_empty() {
        Exit::Done
    } else {
        Exit::Negative
    })
}

/// What a backup holds, in words and as JSON.
fn contents(unread: &Unread, time: &str, snapshot: &Snapshot) -> (String, Value) {
    let (files, bytes) = (snapshot.files.len(), snapshot.bytes());
    let logs: Vec<_> = snapshot.logs.iter().map(|log| json!(log)).collect();
    let value = json!({
        "backup": unread.id.to_string(), "time": time, "encrypted": unread.is_sealed,
        "files": files, "bytes": bytes, "logs": logs, "leftOut": snapshot.left_out,
        "version": snapshot.version, "node": snapshot.node,
    });
    let how = if unread.is_sealed {
        "encrypted"
    } else {
        "plain"
    };
    let node = snapshot.node.as_deref().unwrap_or("unknown");
    let words = format!("{files} files, {bytes} bytes, {how}, of node {node}");
    (words, value)
}
