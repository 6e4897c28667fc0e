//! `kiln backup prune`: old backups go.

use std::time::Instant;

use backup::{Keep, PruneMode, SnapshotId};
use clap::Args;
use dsu::Moment;
use serde_json::json;

use super::create::say_how_long;
use super::{PlaceArgs, failure};
use crate::common::Common;
use crate::exit::{Exit, Outcome};
use crate::keyring::read_identities;
use crate::output::{self, Form};
use crate::{duration, utc};

pub(super) const HELP: &str = "\
Examples:
  kiln backup prune /mnt/backups --keep-last 7 --dry-run
  kiln backup prune /mnt/backups --keep-daily 30 --identity operator.key
  kiln backup prune s3://hospital-backups/node-1 --keep-last 3 --keep-within 90d --identity operator.key

A backup stays if any of the rules names it; the newest always does. Then every object goes that no
backup needs any more, also what was left by one that was cut off. What an encrypted backup needs is read
with --identity. Nothing goes while a backup that stays lacks an object (exit code 1): those that go may be
the last whole ones. Ended in between, it is carried on by the next call. While a backup is made there, it
is refused, and the other way round.";

/// Options of `kiln backup prune`.
#[derive(Args)]
#[group(id = "rules", required = true, multiple = true, args = ["keep_last", "keep_daily", "keep_within"])]
pub(crate) struct PruneArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// Keep the newest so many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    keep_last: Option<u32>,
    /// Keep the newest of each day (UTC) that has any, for so many days
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..))]
    keep_daily: Option<u32>,
    /// Keep those that are at most so much older than the newest: a number and s, m, h or d
    #[arg(long, value_name = "TIME", value_parser = duration::seconds)]
    keep_within: Option<u64>,
    /// Say what would go, and take nothing away
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(args: &PruneArgs, common: &Common) -> Outcome {
    let output = common.output();
    let began = Instant::now();
    let number = |it: Option<u32>| it.map_or(0, |it| usize::try_from(it).unwrap_or(usize::MAX));
    let keep = Keep {
        last: number(args.keep_last),
        daily: number(args.keep_daily),
        within_ms: args.keep_within.unwrap_or(0).saturating_mul(1000),
    };
    let (mode, words) = if args.dry_run {
        (PruneMode::Try, "would go")
    } else {
        (PruneMode::Remove, "gone")
    };
    let identities = read_identities(&common.identity)?;
    let place = args.place.open()?;
    let report = backup::prune(&place, &keep, &identities, mode);
    let report = report.map_err(|error| failure(&error))?;
    say_how_long(output, began);
    let names = |ids: &[SnapshotId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
    if output.form == Form::Json {
        output::json(&json!({
            "kept": names(&report.kept), "removed": names(&report.removed),
            "objects": report.objects, "bytes": report.bytes, "dryRun": args.dry_run,
            "milliseconds": began.elapsed().as_millis(),
        }))?;
        return Ok(Exit::Done);
    }
    for (ids, what) in [(&report.removed, words), (&report.kept, "stays")] {
        for id in ids {
            let time = utc::format(Moment::from_millis(id.created_ms()));
            output::line(&format!("{id}  {time}  {what}"))?;
        }
    }
    let (objects, bytes) = (report.objects, report.bytes);
    output::line(&format!("{words}: {objects} objects, {bytes} bytes"))?;
    Ok(Exit::Done)
}
