//! `kiln dsu put`.

use std::path::Path;

use clap::Args;
use serde_json::{Map, json};

use super::arguments::{parse_path, refuse_two_from_stdin};
use super::draft::Changes;
use super::source::Sources;
use crate::common::Common;
use crate::context::{self, key, now};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::count;
use crate::secret_input::KEY_FORMS;

pub(super) const HELP: &str = "\
Examples:
  kiln dsu put @record report.pdf              stored as /report.pdf
  kiln dsu put @record report.pdf /2026/       as /2026/report.pdf
  kiln dsu put @record report.pdf /a.pdf       as /a.pdf
  kiln dsu put @record scans                   a folder, as /scans
  kiln dsu put @record scans/.                 what is in it, in the root of the DSU
  kiln dsu put @record a.txt b.txt --to /notes/
  pg_dump clinic | kiln dsu put @record - /clinic.sql

The last argument is the target if it begins with / (--to says it without doubt). A target that
ends with / takes the sources under their own names. Files that are unchanged are not sent, and
without a change there is no new version. Nothing is removed.";

/// Options of `kiln dsu put`.
#[derive(Args)]
pub(crate) struct PutArgs {
    #[arg(value_name = "KEY", help = KEY_FORMS)]
    key: String,
    /// Files and folders to store, or - for stdin; the last one is the target if it begins with /
    #[arg(value_name = "SOURCE", required = true)]
    sources: Vec<String>,
    /// Where in the DSU they are stored [default: / with their own names]
    #[arg(long, value_name = "TARGET")]
    to: Option<String>,
}

pub(super) fn run(args: &PutArgs, common: &Common) -> Outcome {
    let (sources, target) = split(args)?;
    let from_stdin = sources.iter().chain([&args.key]).map(String::as_str);
    refuse_two_from_stdin(from_stdin)?;
    let found = Sources::find(sources, target)?;
    let place = parse_path(target).map_err(|error| {
        Failure::new(Exit::Usage, error).next("give the target as in /folder/name")
    })?;
    let key = key(&args.key, common)?;
    context::run(common, async |context| {
        let mut changes = Changes::open(context, &key, &place).await?;
        let written = found.write(&mut changes, now(), context).await?;
        let facts = format!("{}, {} bytes", count(written.files, "file"), written.bytes);
        let mut members = Map::new();
        members.insert("files".to_owned(), json!(written.files));
        members.insert("bytes".to_owned(), json!(written.bytes));
        changes.commit(context, &facts, members).await
    })
}

/// The sources and the target.
fn split(args: &PutArgs) -> Result<(&[String], &str), Failure> {
    if let Some(target) = &args.to {
        return Ok((&args.sources, target));
    }
    match args.sources.split_last() {
        Some((last, sources)) if last.starts_with('/') && !sources.is_empty() => {
            if Path::new(last).exists() && last != "/" {
                let message = format!("{last} is a path of this machine too");
                return Err(Failure::new(Exit::Usage, message)
                    .next("say the target in the DSU with --to, as --to /"));
            }
            Ok((sources, last))
        }
        _ => Ok((&args.sources, "/")),
    }
}
