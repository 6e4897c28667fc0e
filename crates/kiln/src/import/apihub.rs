//! `kiln import apihub`.

use std::path::{Path, PathBuf};

use clap::Args;
use import::{
    ApiHubFolder, ApiHubOptions, BrokenHistory, Look, SourceError, Translated, import_apihub,
    translate,
};
use keyssi::Domain;
use serde_json::{Value, json};

use super::{Place, Shown, failure, target, tell};
use crate::common::Common;
use crate::exit::{Exit, Failure, Outcome};
use crate::local_file;
use crate::output::Output;

pub(super) const HELP: &str = "\
Examples:
  kiln import apihub /opt/apihub --data kiln-data --report report.ndjson
  kiln --node http://127.0.0.1:8080 import apihub /opt/apihub
  kiln import apihub /opt/apihub --data kiln-data --all     look at everything again

DIR is the folder of the installation, or its external-volume. It is only read. Every brick is hashed,
every entry of an anchor judged as if a wallet had sent it; what is not sound is left out and named, with
the reason, in the report (a line of JSON for each, the numbers last). The configuration becomes a
kiln.toml beside the data folder, unless there is one.

It can be stopped or killed at any point and started again. While the ApiHub runs, start it as often
as you like: only what is new, has changed or was left out is looked at. Then stop the ApiHub, run it a
last time, and start the node. See docs/import.md.

Exit codes: 0 all was taken; 1 something was left out, or lacks something; 3 a store or the folder
cannot be used; 14 the disk is full: make room and run it again.";

/// Options of `kiln import apihub`.
#[derive(Args)]
pub(crate) struct ApiHubArgs {
    /// The ApiHub's folder, or its external-volume
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    #[command(flatten)]
    place: Place,
    /// Write every finding to this file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Where the configuration goes [default: kiln.toml beside the data folder]
    #[arg(long, value_name = "FILE", requires = "data")]
    config_out: Option<PathBuf>,
    /// Take this domain although the configuration does not name it; can be repeated
    #[arg(long, value_name = "NAME")]
    domain: Vec<Domain>,
    /// Of a history with an entry that breaks the rules, take what is before it
    #[arg(long)]
    beginnings: bool,
    /// Look at all files again, not only at what is new or was left out
    #[arg(long)]
    all: bool,
}

pub(super) async fn run(args: &ApiHubArgs, common: &Common) -> Outcome {
    let output = common.output();
    let folder = ApiHubFolder::open(&args.dir).map_err(wrong_folder)?;
    let found = match folder.config() {
        Some(_) => "its data and its configuration",
        None => "its data, no configuration",
    };
    output.say(&format!(
        "an ApiHub's folder at {}: {found}",
        folder.volume().display()
    ));
    let opened = target::open(&args.place, common)?;
    let place = config_place(args, opened.data.as_deref());
    // Before the work: a configuration that makes no sense stops it early.
    let translated = match &opened.data {
        Some(data) => Some(translate(&folder, data, &args.domain).map_err(wrong_folder)?),
        None => None,
    };
    let options = ApiHubOptions {
        domains: &args.domain,
        broken: if args.beginnings {
            BrokenHistory::TakeBeginning
        } else {
            BrokenHistory::LeaveOut
        },
        look: if args.all { Look::AtAll } else { Look::AtNew },
        report: args.report.as_deref(),
    };
    let shown = Shown::begin("importing", output);
    let taken = import_apihub(
        &folder,
        &opened.target,
        &opened.memory,
        &options,
        &|finding| shown.finding(finding),
        &|step| shown.step(step),
    )
    .await;
    shown.end();
    let summary = taken.map_err(failure)?;
    let mut more = vec![("source", json!(folder.volume()))];
    if let (Some(translated), Some(place)) = (&translated, place) {
        more.extend(configure(translated, &place, output)?);
    }
    tell(&summary, &more, output)
}

/// Where the configuration goes; nowhere for a node that runs, unless it is named.
fn config_place(args: &ApiHubArgs, data: Option<&Path>) -> Option<PathBuf> {
    let beside = || Some(data?.parent()?.join("kiln.toml"));
    args.config_out.clone().or_else(beside)
}

/// Writes the configuration unless there is one.
fn configure(
    translated: &Translated,
    place: &Path,
    output: Output,
) -> Result<Vec<(&'static str, Value)>, Failure> {
    for remark in &translated.remarks {
        output.say(&format!("not translated: {remark}"));
    }
    let mut more = vec![("not_translated", json!(translated.remarks))];
    if place.exists() {
        output.say(&format!("{} is there already and stays", place.display()));
        return Ok(more);
    }
    local_file::create_private(place, translated.toml.as_bytes())?;
    output.say(&format!(
        "configuration: {}; next: kiln serve --config {}",
        place.display(),
        place.display()
    ));
    more.push(("config", json!(place)));
    Ok(more)
}

fn wrong_folder(error: SourceError) -> Failure {
    let next = match &error {
        SourceError::NotAnApiHub(_) => "name the folder that holds external-volume",
        SourceError::Config(_) => "mend the file, or take a copy of the folder without config",
        _ => "check the folder and its permissions",
    };
    let exit = match &error {
        SourceError::NotAnApiHub(_) => Exit::Usage,
        _ => Exit::Local,
    };
    Failure::new(exit, "the ApiHub's folder cannot be used")
        .because(error)
        .next(next)
}
