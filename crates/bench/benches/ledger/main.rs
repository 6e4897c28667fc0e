//! `make bench-ledger`: what anchors cost, with the log and without it, as proofs, and on a chain;
//! beside the figures of the specification. Nothing is asserted.

mod anchors;
mod appends;
mod gas;
mod machine;
mod proofs;
mod reference;
mod table;

use std::io::{self, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result};

/// On the disk of the build: a folder in memory would have no syncs to measure.
const FOLDER: &str = env!("CARGO_TARGET_TMPDIR");

#[tokio::main]
async fn main() -> Result<()> {
    let folder = Path::new(FOLDER);
    std::fs::create_dir_all(folder).context("no folder for the measurements")?;
    say(&machine::describe(folder))?;
    appends::measure(folder).await.context("appends")?;
    proofs::measure(folder).await.context("proofs")?;
    gas::measure().await.context("gas")?;
    say(reference::SOURCES)?;
    say(&format!(
        "load     {} at the end; with more than the cores can do, times measure the neighbours: CPU \
         times, bytes and gas hold",
        machine::load()
    ))
}

/// A paragraph of the report.
fn say(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}\n", text.trim_end())?;
    Ok(out.flush()?)
}

/// What is being done, for who waits.
fn progress(text: &str) {
    // Whoever closed stderr does not want to know.
    let _ = writeln!(io::stderr(), "... {text}");
}
