//! Replays recorded exchanges of the reference server against a node.
//!
//! Each exchange must be answered as recorded, or as a row of
//! `deviations/transcripts.json` says; nothing may stay unanswered. See
//! [`compare`] for what counts as the same.

mod call;
mod compare;
mod exchange;
mod fact;
#[path = "../common/node.rs"]
mod node;
#[path = "../common/oracle.rs"]
mod oracle;
mod replay;
mod rule;
#[path = "../common/ssi.rs"]
mod ssi;
#[path = "../common/vectors.rs"]
mod vectors;
mod world;
#[path = "../common/write.rs"]
mod write;

use std::fmt::Write as _;
use std::io::{self, Write as _};

use anyhow::{Result, bail};

use crate::exchange::Exchange;
use crate::replay::{Locked, Report, replay};
use crate::rule::{Reason, Table};
use crate::vectors::folders;

#[test]
fn exchanges_are_answered_as_recorded_or_as_the_table_says() -> Result<()> {
    let table = Table::load()?;
    let mut failures = Vec::new();
    for folder in folders("transcripts") {
        let exchanges = Exchange::load_all(&folder.path)?;
        let report = replay(&exchanges, &table, Locked::Send)?;
        let name = folder.path.display().to_string();
        summarise(&name, &table, &report)?;
        if folder.checked_in {
            failures.extend(table_differences(&table, &report));
        }
        failures.extend(report.failures.iter().map(|it| format!("{name}: {it}")));
    }
    fail_with(&failures)
}

/// The recorded server refused some appends only because an earlier failure
/// had left a lock behind. A client of ours never meets that, so the versions
/// that follow differ. Without those appends the rest goes as recorded.
#[test]
fn without_the_appends_refused_for_a_lock_no_history_differs() -> Result<()> {
    let table = Table::load()?;
    let mut failures = Vec::new();
    for folder in folders("transcripts") {
        let exchanges = Exchange::load_all(&folder.path)?;
        let report = replay(&exchanges, &table, Locked::Skip)?;
        let differing = report.covered.get("append-after-lock");
        let differing = differing.into_iter().flatten();
        failures.extend(differing.map(|n| format!("[{n}] differs without the lock")));
        failures.extend(report.failures);
    }
    fail_with(&failures)
}

fn fail_with(failures: &[String]) -> Result<()> {
    if !failures.is_empty() {
        bail!("{} failures:\n{}", failures.len(), failures.join("\n"));
    }
    Ok(())
}

/// Rows of the table that cover other exchanges than they say.
fn table_differences(table: &Table, report: &Report) -> Vec<String> {
    let mut differences = Vec::new();
    for reason in reasons(table) {
        let covered = report.covered.get(&reason.id).cloned().unwrap_or_default();
        if covered != reason.occurs {
            let Reason { id, occurs, .. } = reason;
            differences.push(format!("rule {id} covers {covered:?}, not {occurs:?}"));
        }
    }
    differences
}

fn reasons(table: &Table) -> impl Iterator<Item = &Reason> {
    let headers = table.headers.iter().map(|it| &it.reason);
    headers.chain(table.answers.iter().map(|it| &it.reason))
}

/// Written past the test harness, which hides what a passing test prints.
fn summarise(folder: &str, table: &Table, report: &Report) -> Result<()> {
    let mut text = format!(
        "{folder}: {} replayed, {} answered as recorded\n",
        report.replayed, report.same
    );
    for reason in reasons(table) {
        let count = report.covered.get(&reason.id).map_or(0, Vec::len);
        writeln!(text, "  {count:>4} {}", reason.id)?;
    }
    Ok(io::stderr().write_all(text.as_bytes())?)
}
