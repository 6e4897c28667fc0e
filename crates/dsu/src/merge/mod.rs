//! Three-way merge of brick maps.
//!
//! Each path is looked at in three maps: the version that both writers started
//! from, and what each made of it. A change on one side is taken; the same
//! change on both sides is one; two different changes are a conflict.
//!
//! - A file is its list of bricks, or its embedded content.
//! - Deleting against writing is a conflict, and so are two different files or a
//!   file and a folder at one path.
//! - Folders are merged by what they hold. One that one side deleted stays if
//!   the other put something new into it.
//! - Times are never a conflict: the newer ones count.
//! - `/manifest` is merged per mount point. A mount over what the other side
//!   wrote is a conflict.
//! - `/dsu-metadata-log` keeps the lines of both, theirs first.
//!
//! The SDK merges whole top-level items and loses changes (dsu §14-1, §14-2).
//!
//! **Source:** dsu specification §10, §14.

mod apply;
mod mounts;
mod plan;

use std::fmt;

use thiserror::Error;

use crate::brick_map::BrickMap;
use crate::moment::Moment;
use crate::path::DsuPath;
use plan::Plan;

/// The log that the SDK keeps in each DSU.
const LOG_PATH: &str = "/dsu-metadata-log";

/// The three maps of a merge.
#[derive(Clone, Copy)]
struct Maps<'a> {
    base: &'a BrickMap,
    ours: &'a BrickMap,
    theirs: &'a BrickMap,
}

/// What one side did to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Put a file where nothing was.
    Added,
    /// Wrote a file that was there, or put one in place of a folder.
    Written,
    /// Deleted it, or a folder that it lay in.
    Deleted,
    /// Made a folder.
    MadeFolder,
    /// Mounted a DSU there.
    Mounted,
    /// Took a mount away.
    Unmounted,
}

/// A path that both sides changed, differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathConflict {
    /// The path.
    pub path: DsuPath,
    /// What we did.
    pub ours: Change,
    /// What they did.
    pub theirs: Change,
}

/// The paths that could not be merged.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("both sides changed {}", listed(.0))]
pub struct MergeConflicts(pub Vec<PathConflict>);

/// The map that holds what `ours` and `theirs` each changed since `base`. It is
/// `theirs` with our changes in it, so the new version is built on theirs: call
/// [`BrickMap::finish`] with their anchor value next. `now` is the time of
/// tombstones and of the manifest where merging makes them.
///
/// # Errors
/// [`MergeConflicts`] with every path that both sides changed differently.
pub fn merge(
    base: &BrickMap,
    ours: &BrickMap,
    theirs: &BrickMap,
    now: Moment,
) -> Result<BrickMap, MergeConflicts> {
    let maps = Maps { base, ours, theirs };
    let plan = Plan::of(maps);
    if plan.conflicts.is_empty() {
        Ok(apply::apply(&plan, maps, now))
    } else {
        Err(MergeConflicts(plan.conflicts.into_values().collect()))
    }
}

impl fmt::Display for PathConflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, ours, theirs } = self;
        write!(f, "{path}: we {ours}, they {theirs}")
    }
}

/// The first few paths.
fn listed(conflicts: &[PathConflict]) -> String {
    const SHOWN_MAX: usize = 3;
    let shown = conflicts.iter().take(SHOWN_MAX);
    let shown: Vec<&str> = shown.map(|conflict| conflict.path.as_str()).collect();
    let shown = shown.join(", ");
    match conflicts.len().checked_sub(SHOWN_MAX) {
        Some(more @ 1..) => format!("{shown} and {more} more"),
        _ => shown,
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Added => "added it",
            Self::Written => "wrote it",
            Self::Deleted => "deleted it",
            Self::MadeFolder => "made it a folder",
            Self::Mounted => "mounted a DSU there",
            Self::Unmounted => "took its mount away",
        })
    }
}
