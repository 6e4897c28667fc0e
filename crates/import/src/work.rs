//! What the parts of an import share.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::ImportError;
use crate::finding::Finding;
use crate::journal::Journal;
use crate::report::{Report, Summary};
use crate::source::ApiHubFolder;
use crate::target::Target;

/// What to do with a history whose beginning is sound and whose end is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BrokenHistory {
    /// None of it is taken: an old version would be shown as the newest, and once somebody writes
    /// on it, what was left out can never be taken any more.
    #[default]
    LeaveOut,
    /// The longest beginning that keeps the rules is taken.
    TakeBeginning,
}

/// Which files are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Look {
    /// Those that are new, have changed, or were not taken.
    #[default]
    AtNew,
    /// All, as if nothing was taken yet.
    AtAll,
}

/// How far an import has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// What was looked at.
    pub files: u64,
    /// Its bytes.
    pub bytes: u64,
}

/// What the parts of an import share.
pub(crate) struct Work<'a> {
    pub(crate) folder: &'a ApiHubFolder,
    pub(crate) target: &'a Target,
    pub(crate) broken: BrokenHistory,
    pub(crate) look: Look,
    pub(crate) progress: &'a (dyn Fn(Step) + Sync),
    pub(crate) report: Mutex<Report<'a>>,
    pub(crate) journal: Mutex<Journal>,
}

impl Work<'_> {
    /// Notes a finding.
    pub(crate) fn note(&self, finding: &Finding) -> Result<(), ImportError> {
        let noted = lock(&self.report).add(finding);
        noted.map_err(|error| ImportError::write("the report", error))
    }

    /// Adds to the numbers.
    pub(crate) fn count(&self, add: impl FnOnce(&mut Summary)) {
        add(lock(&self.report).numbers());
    }

    /// Uses the journal.
    pub(crate) fn journal(
        &self,
        note: impl FnOnce(&mut Journal) -> io::Result<()>,
    ) -> Result<(), ImportError> {
        let noted = note(&mut lock(&self.journal));
        noted.map_err(|error| ImportError::write("the journal", error))
    }

    /// Tells that files were looked at.
    pub(crate) fn step(&self, files: u64, bytes: u64) {
        (self.progress)(Step { files, bytes });
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
