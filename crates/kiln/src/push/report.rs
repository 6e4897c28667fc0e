//! What became of the items: counted, as JSON, and as a table for people.

use std::io;
use std::path::Path;

use serde_json::{Value, json};

use crate::exit::Failure;
use crate::local_file;
use crate::output::{self, Output};

/// Failures that are named one by one on stderr; the report holds all.
const NAMED_MAX: usize = 20;

/// What became of one item.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// The item.
    pub(super) item: String,
    /// The name of its key; `None` if it got none.
    pub(super) key: Option<String>,
    /// Its anchor, wrapped; `None` if it got none.
    pub(super) anchor: Option<String>,
    /// The size of its content; `None` if that could not be read.
    pub(super) bytes: Option<u64>,
    /// What became of it.
    pub(super) fate: Fate,
}

/// What became of one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is anchored, by this job; the number of the version.
    Stored(usize),
    /// There was nothing to do, and why.
    Skipped(String),
    /// It is not stored, and why.
    Failed(String),
}

/// What became of all items.
#[derive(Debug)]
pub(super) struct Report {
    /// Where the items came from.
    pub(super) source: String,
    /// Where they went.
    pub(super) node: String,
    pub(super) domain: String,
    /// How often the job was started until it came to its end.
    pub(super) starts: u64,
    /// Every item, in the order of the source.
    pub(super) lines: Vec<Line>,
}

impl Report {
    /// How many items were stored, skipped, and failed.
    pub(super) fn counts(&self) -> [usize; 3] {
        let mut counts = [0; 3];
        for line in &self.lines {
            let [stored, skipped, failed] = &mut counts;
            match line.fate {
                Fate::Stored(_) => *stored += 1,
                Fate::Skipped(_) => *skipped += 1,
                Fate::Failed(_) => *failed += 1,
            }
        }
        counts
    }

    /// The report as one JSON value.
    pub(super) fn to_json(&self) -> Value {
        let [stored, skipped, failed] = self.counts();
        json!({
            "source": self.source,
            "node": self.node,
            "domain": self.domain,
            "starts": self.starts,
            "total": self.lines.len(),
            "stored": stored,
            "skipped": skipped,
            "failed": failed,
            "bytes": self.lines.iter().filter_map(Line::stored_bytes).sum::<u64>(),
            "items": self.lines.iter().map(Line::to_json).collect::<Vec<_>>(),
        })
    }

    /// Writes the report to a file, in the place of an older one.
    ///
    /// # Errors
    /// That of writing.
    pub(super) fn write(&self, path: &Path) -> Result<(), Failure> {
        let text = format!("{:#}\n", self.to_json());
        local_file::replace_private(path, text.as_bytes())
            .map_err(|error| Failure::io(format!("{} cannot be written", path.display()), error))
    }

    /// The table for people: what failed and why, then the numbers.
    pub(super) fn tell(&self, output: Output) {
        let [stored, skipped, failed] = self.counts();
        let mut named = 0;
        for line in &self.lines {
            if let Fate::Failed(why) = &line.fate {
                named += 1;
                if named <= NAMED_MAX {
                    output::warn(&format!("{}: {why}", line.item));
                }
            }
        }
        if named > NAMED_MAX {
            let more = named - NAMED_MAX;
            output::warn(&format!("{more} more failed; --report FILE names them all"));
        }
        output.say(&format!("stored   {stored:>9}"));
        output.say(&format!("skipped  {skipped:>9}"));
        output.say(&format!("failed   {failed:>9}"));
        output.say(&format!("of       {:>9}", self.lines.len()));
    }
}

/// Looks whether a report can be written there, and makes its folder, before the work begins.
///
/// # Errors
/// [`Failure`] of [`crate::exit::Exit::Local`] if it cannot.
pub(super) fn check_place(path: &Path) -> Result<(), Failure> {
    let failed = |error| Failure::io(format!("{} cannot be written", path.display()), error);
    if path.is_dir() {
        return Err(failed(io::ErrorKind::IsADirectory.into()));
    }
    local_file::create_folder_of(path).map_err(failed)
}

impl Line {
    fn stored_bytes(&self) -> Option<u64> {
        matches!(self.fate, Fate::Stored(_)).then_some(self.bytes)?
    }

    fn to_json(&self) -> Value {
        let (outcome, version, why) = match &self.fate {
            Fate::Stored(version) => ("stored", Some(version), None),
            Fate::Skipped(why) => ("skipped", None, Some(why)),
            Fate::Failed(why) => ("failed", None, Some(why)),
        };
        json!({
            "item": self.item,
            "outcome": outcome,
            "version": version,
            "why": why,
            "bytes": self.bytes,
            "key": self.key,
            "anchor_id": self.anchor,
        })
    }
}
