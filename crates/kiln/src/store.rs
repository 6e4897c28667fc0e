//! `kiln store`: looks after the stores of a stopped node. `check` walks every brick and every
//! history.

mod migrate;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::json;

use crate::common::DataArgs;
use crate::output::{Form, Output};

/// Commands on the stores of a stopped node.
#[derive(Subcommand)]
pub(crate) enum StoreCommand {
    /// Read and hash every brick, replay every anchor, add up the counters, read control.db; change
    /// nothing
    #[command(
        after_help = "Exit codes: 0 all is well, 1 something is wrong (each finding is a \
        line on stdout), 3 a store could not be opened."
    )]
    Check(CheckArgs),
    /// Bring the stores to the newest formats, as the next start of the node would
    #[command(after_help = "Examples:\n  \
        kiln store migrate --data /var/lib/kiln --dry-run\n  \
        kiln store migrate --data /var/lib/kiln\n\n\
        Can be cut off at any moment and run again. Stores of a newer format are \
        refused, and nothing is changed then. Make a backup before: an older kiln does not read \
        the newer formats.\n\n\
        Exit codes: 0 done, 3 a store could not be opened or written.")]
    Migrate(migrate::MigrateArgs),
}

/// Options of `kiln store check`.
#[derive(Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    folder: DataArgs,
}

/// Carries out a command.
pub(crate) fn run(command: &StoreCommand, output: Output) -> anyhow::Result<ExitCode> {
    match command {
        StoreCommand::Check(args) => check(args, output),
        StoreCommand::Migrate(args) => migrate::run(args, output),
    }
}

fn check(args: &CheckArgs, output: Output) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(
        args.folder.data.is_dir(),
        "there is no folder {}; name the node's data folder with --data",
        args.folder.data.display()
    );
    let mut sections = Vec::new();
    let mut findings = Vec::new();
    // A service that runs apart has only its own store in the folder.
    if is_there(args, "bricks", &mut findings) {
        let _lock = node::lock_store(&args.folder.data, "bricks")?;
        let report = brickstore::check(&args.folder.data.join("bricks"))?;
        let mut seen = json!({ "sound": report.sound, "bytes": report.bytes });
        if let Some(seen) = seen.as_object_mut().filter(|_| report.quarantined > 0) {
            seen.insert("quarantined".to_owned(), report.quarantined.into());
        }
        sections.push(("bricks", seen));
        findings.extend(report.findings.iter().map(ToString::to_string));
    }
    if is_there(args, "anchors", &mut findings) {
        let _lock = node::lock_store(&args.folder.data, "anchors")?;
        let report = ledger::check(&args.folder.data.join("anchors"))?;
        let (sound, versions) = (report.sound, report.versions);
        let seen = json!({ "sound": sound, "versions": versions, "documents": report.documents });
        sections.push(("anchors", seen));
        findings.extend(report.findings.iter().map(ToString::to_string));
    }
    anyhow::ensure!(
        !sections.is_empty() || !findings.is_empty(),
        "{} holds no stores; name the node's data folder with --data",
        args.folder.data.display()
    );
    let control = node::check_control(&args.folder.data)
        .context("control.db cannot be looked at; run this as the user that the node runs as")?;
    let control = control.into_iter();
    findings.extend(control.map(|finding| format!("control.db: {finding}")));
    report(output, &sections, &findings).context("stdout cannot be written")?;
    Ok(if findings.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

/// Whether the folder holds this store. One that a process has held and that is gone is a finding.
fn is_there(args: &CheckArgs, store: &str, findings: &mut Vec<String>) -> bool {
    let is_there = args.folder.data.join(store).is_dir();
    if !is_there && args.folder.data.join(format!("{store}.lock")).exists() {
        findings.push(format!("the {store} store was here and is gone"));
    }
    is_there
}

fn report(
    output: Output,
    sections: &[(&str, serde_json::Value)],
    findings: &[String],
) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if output.form == Form::Json {
        let mut object = serde_json::Map::new();
        for (name, seen) in sections {
            object.insert((*name).to_owned(), seen.clone());
        }
        object.insert("findings".to_owned(), json!(findings));
        return writeln!(out, "{}", serde_json::Value::Object(object));
    }
    for finding in findings {
        writeln!(out, "wrong: {finding}")?;
    }
    for (name, seen) in sections {
        let counts = seen.as_object().into_iter().flatten();
        let text: Vec<_> = counts
            .map(|(what, count)| format!("{count} {what}"))
            .collect();
        writeln!(out, "{name}: {}", text.join(", "))?;
    }
    match findings.len() {
        0 => writeln!(out, "all is well"),
        count => writeln!(out, "{count} findings"),
    }
}
