//! Every recorded DSU is read by our crates alone, from the files: identifiers,
//! keys, signature chains, brick maps to the last byte, every file, every
//! listing, mounts, versionless documents, the damaged DSU, the Diff strategy.
//!
//! What the SDK itself could not read is well defined all the same (dsu §14):
//! a file node without bricks is an empty file, and a big file is the
//! concatenation of its bricks.
//!
//! The test runs over the folders of `KILN_EXTRA_VECTORS` too, where the counts
//! are whatever they are; a member, file or note that it does not know fails it
//! everywhere.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod edits;
mod facts;
mod listings;
mod mounts;
mod recovered;
mod scenario;
#[path = "../common/vectors.rs"]
mod vectors;
mod version;
mod versionless;
mod view;

use std::io::{self, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};

use crate::scenario::Scenario;
use crate::vectors::folders;
use crate::view::View;

/// What was checked, in numbers.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Counts {
    views: usize,
    versions: usize,
    file_entries: usize,
    /// Files with a recorded hash; the content is that.
    hashed: usize,
    /// Files that the SDK cannot read; the content is what §14 says.
    unreadable_by_the_sdk: usize,
    /// Of the hashed ones, those whose bricks were not shipped.
    filled: usize,
    /// Brick maps that were decrypted and serialised again.
    maps: usize,
    /// Bricks that were hashed.
    bricks: usize,
    /// Facts beside the views: listings, errors, keys, notes.
    facts: usize,
    documents: usize,
    documents_made_again: usize,
    recoveries: usize,
}

/// What the checked-in set holds.
fn checked_in() -> Counts {
    Counts {
        views: 25,
        versions: 56,
        file_entries: 187,
        hashed: 182,
        unreadable_by_the_sdk: 5,
        filled: 3,
        maps: 54,
        bricks: 155,
        facts: 62,
        documents: 2,
        documents_made_again: 2,
        recoveries: 1,
    }
}

#[test]
fn every_recorded_dsu_is_read() -> Result<()> {
    for folder in folders("dsu") {
        let mut counts = Counts::default();
        check_folder(&folder.path, &mut counts)
            .with_context(|| folder.path.display().to_string())?;
        // Written past the test harness, which hides what a passing test prints.
        writeln!(io::stderr(), "{}: {counts:?}", folder.path.display())?;
        ensure!(
            !folder.checked_in || counts == checked_in(),
            "the checked-in set holds {:?}",
            checked_in()
        );
    }
    Ok(())
}

fn check_folder(folder: &Path, counts: &mut Counts) -> Result<()> {
    let mut entries: Vec<_> = folder.read_dir()?.collect::<Result<_, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        check_entry(&entry.path(), &name, counts).with_context(|| name)?;
    }
    Ok(())
}

fn check_entry(path: &Path, name: &str, counts: &mut Counts) -> Result<()> {
    match name {
        // What a server stores and is asked: other tests have them.
        "at-rest-sample" | "http-sequences.json" => Ok(()),
        _ if path.join("dsu.json").is_file() => check_scenario(path, counts),
        _ if path.join("recovery.json").is_file() => {
            recovered::check(&path.join("recovery.json"), counts)
        }
        _ if path.join("versionless.json").is_file() => {
            versionless::check(&path.join("versionless.json"), counts)
        }
        _ => bail!("neither a DSU nor anything else that is known"),
    }
}

fn check_scenario(path: &Path, counts: &mut Counts) -> Result<()> {
    let scenario = Scenario::load(path)?;
    counts.bricks += scenario.bricks.len();
    let mut views = Vec::new();
    for index in 0..scenario.file.dsus.len() {
        let label = &scenario.file.dsus[index].label;
        let view = View::check(&scenario, index, counts).with_context(|| label.clone())?;
        views.push(view);
    }
    for view in &views {
        recovered::simulate(&scenario, view).context("recovery")?;
        mounts::read_through(&scenario, &views, view).context("mounts")?;
    }
    facts::check(&scenario, &views, counts)
}
