//! `kiln backup create`.

use std::path::PathBuf;
use std::time::Instant;

use backup::{BackupError, Place, Recipients, Source};
use clap::Args;
use serde_json::json;
use zeroize::Zeroizing;

use super::stop::Stop;
use super::{PlaceArgs, failure, frozen};
use crate::common::{Common, DataArgs};
use crate::exit::{Exit, Failure, Outcome};
use crate::local_file::read_bounded;
use crate::output::{self, Output};
use crate::progress::Progress;

pub(super) const HELP: &str = "\
Examples:
  kiln backup create /mnt/backups --data /var/lib/kiln --recipient age1…
  kiln backup create s3://hospital-backups/node-1 --recipients-file operators.txt
  kiln backup create /mnt/backups                      plain: without the private keys of the logs

A node that runs is asked for a consistent copy through its admin listener and goes on serving; a
stopped one is opened. Everything that was acknowledged before the command began is in the backup.
Files that an earlier backup has stored are not stored again. Private keys of the logs are in it only if
it is encrypted; account keys of chains and keys outside of the data folder never are: keep those
yourself.";

/// Longest file of recipients, in bytes.
const RECIPIENTS_BYTES_MAX: u64 = 1 << 20;

/// Options of `kiln backup create`.
#[derive(Args)]
pub(crate) struct CreateArgs {
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    folder: DataArgs,
    /// Encrypt to this age recipient (age1…); can be repeated
    #[arg(long, value_name = "RECIPIENT")]
    recipient: Vec<String>,
    /// Encrypt to the age recipients in this file, one in a line
    #[arg(long, value_name = "FILE")]
    recipients_file: Option<PathBuf>,
}

pub(super) fn run(args: &CreateArgs, common: &Common) -> Outcome {
    let output = common.output();
    let recipients = recipients(args)?;
    // A place that is made stays, also where there is nothing to put into it.
    let data = &args.folder.data;
    frozen::require_stores(data)?;
    let place = Place::open_or_make(&args.place.place, &args.place.options())
        .map_err(|error| failure(&error))?;
    if recipients.is_none() {
        warn_of_readers(&place)?;
    }
    let began = Instant::now();
    let stop = Stop::watch()?;
    let frozen = frozen::freeze(data)?;
    stop.check()?;
    let source = Source {
        folder: frozen.folder().to_owned(),
        frozen_ms: frozen.since_ms(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        node: frozen.node().to_owned(),
        logs: frozen.logs().to_vec(),
        left_out: frozen.left_out().to_vec(),
        index: Some(data.join("backup-index.json")),
    };
    let progress = Progress::new(output);
    progress.begin("backing up", None);
    let made = backup::create(&place, &source, recipients.as_ref(), &|bytes| {
        progress.advance(bytes);
        stop.flow()
    });
    progress.end();
    let report = made.map_err(|error| failure(&error))?;
    drop(frozen);
    let left_out = &report.snapshot.left_out;
    for what in left_out {
        output::warn(&format!("not in the backup: {what}"));
    }
    let (files, bytes) = (report.snapshot.files.len(), report.snapshot.bytes());
    let id = report.id.to_string();
    let value = json!({
        "backup": id, "files": files, "bytes": bytes, "storedFiles": report.stored_files,
        "storedBytes": report.stored_bytes, "encryptedTo": report.snapshot.sealed_to,
        "leftOut": left_out, "milliseconds": began.elapsed().as_millis(),
    });
    say_how_long(output, began);
    output.table(
        &value,
        &[
            ("backup", id),
            ("files", format!("{files}, {bytes} bytes")),
            (
                "stored now",
                format!("{}, {} bytes", report.stored_files, report.stored_bytes),
            ),
        ],
    )?;
    Ok(Exit::Done)
}

fn warn_of_readers(place: &Place) -> Result<(), Failure> {
    let mode = place.open_to_others().map_err(|error| failure(&error))?;
    if let Some(mode) = mode {
        output::warn(&format!(
            "the backup is not encrypted, and others than the owner can use {} (mode {mode:04o}); \
             next: chmod 700, or name a --recipient",
            place.name()
        ));
    }
    Ok(())
}

pub(super) fn say_how_long(output: Output, began: Instant) {
    output.say(&format!("took {:.1} s", began.elapsed().as_secs_f64()));
}

fn recipients(args: &CreateArgs) -> Result<Option<Recipients>, Failure> {
    // Each with where it stands, which is all that is told: it may be a private key, given by mistake.
    let mut given: Vec<(String, Zeroizing<String>)> = (1_usize..)
        .zip(&args.recipient)
        .map(|(number, text)| (format!("recipient {number}"), text.clone().into()))
        .collect();
    if let Some(file) = &args.recipients_file {
        let bytes = read_bounded(file, RECIPIENTS_BYTES_MAX)?;
        let before = given.len();
        for (number, line) in (1_usize..).zip(String::from_utf8_lossy(&bytes).lines()) {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                let place = format!("line {number} of {}", file.display());
                given.push((place, line.to_owned().into()));
            }
        }
        if given.len() == before {
            let message = format!("{} holds no age recipients", file.display());
            return Err(
                Failure::new(Exit::Usage, message).next("write one recipient (age1…) in a line")
            );
        }
    }
    let texts = given.iter().map(|(_, text)| text.as_str());
    Recipients::parse(texts).map_err(|error| {
        let BackupError::Recipient { number, problem } = error else {
            return failure(&error);
        };
        let place = given.get(number - 1).map(|(place, _)| place.as_str());
        let message = format!("{} {problem}", place.unwrap_or("a recipient"));
        Failure::new(Exit::Usage, message).next("see kiln backup create --help")
    })
}
