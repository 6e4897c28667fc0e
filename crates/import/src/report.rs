//! The report: a line of JSON for each finding, and last the numbers.
//!
//! ```text
//! {"subject":"brick","path":"domains/default/brick-storage/22/22W3…","reason":"poisoned",
//!  "detail":"…","effect":"skipped"}
//! {"summary":{"bricks":{"found":…,"stored":…,"present":…,"skipped":…,"bytes_stored":…},…}}
//! ```
//! It grows beside its place and gets its name when it is whole: a report that is there is complete.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::finding::{Effect, Finding, Subject};

/// How many of one kind were found, and what became of them:
/// `found = stored + present + skipped`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// All that are there.
    pub found: u64,
    /// Stored by this run; for anchors, those that got entries.
    pub stored: u64,
    /// Here before this run, as they are there.
    pub present: u64,
    /// Not here, for the reasons that the report names.
    pub skipped: u64,
}

/// The numbers of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Summary {
    /// Brick files; a brick that lies there twice counts twice.
    pub bricks: Counts,
    /// Bytes of bricks that were stored.
    pub brick_bytes_stored: u64,
    /// Anchor files.
    pub anchors: Counts,
    /// Entries of anchors that were stored.
    pub versions_stored: u64,
    /// Anchors of which the first entries were taken and others left out.
    pub anchors_partly: u64,
    /// Versionless documents.
    pub documents: Counts,
    /// Findings by reason; all lines of the report are in it.
    pub reasons: BTreeMap<String, u64>,
}

/// Where findings go.
pub(crate) struct Report<'a> {
    file: Option<Growing>,
    summary: Summary,
    tell: &'a (dyn Fn(&Finding) + Sync),
}

/// A file that has its name when it is whole.
struct Growing {
    out: BufWriter<File>,
    path: PathBuf,
    temporary: PathBuf,
}

impl Summary {
    /// Findings of all kinds.
    #[must_use]
    pub fn findings(&self) -> u64 {
        self.reasons.values().sum()
    }

    /// The counts of one kind.
    pub(crate) fn of(&mut self, subject: Subject) -> &mut Counts {
        match subject {
            Subject::Anchor => &mut self.anchors,
            Subject::Document => &mut self.documents,
            Subject::Brick | Subject::Domain => &mut self.bricks,
        }
    }
}

impl<'a> Report<'a> {
    /// Begins a report, in a file if one is named.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub(crate) fn begin(
        path: Option<&Path>,
        tell: &'a (dyn Fn(&Finding) + Sync),
    ) -> io::Result<Self> {
        let file = path.map(Growing::begin).transpose()?;
        let summary = Summary::default();
        Ok(Self {
            file,
            summary,
            tell,
        })
    }

    /// Notes a finding. One that is skipped counts as found.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn add(&mut self, finding: &Finding) -> io::Result<()> {
        let counts = self.summary.of(finding.subject);
        match finding.effect {
            Effect::Skipped if finding.subject != Subject::Domain => {
                counts.found += 1;
                counts.skipped += 1;
            }
            Effect::Partly { .. } => self.summary.anchors_partly += 1,
            Effect::Skipped | Effect::Taken => {}
        }
        let of_reason = self.summary.reasons.entry(finding.reason.to_string());
        *of_reason.or_default() += 1;
        if let Some(file) = &mut self.file {
            serde_json::to_writer(&mut file.out, finding)?;
            file.out.write_all(b"\n")?;
        }
        (self.tell)(finding);
        Ok(())
    }

    /// The numbers, to add to them.
    pub(crate) fn numbers(&mut self) -> &mut Summary {
        &mut self.summary
    }

    /// Writes the numbers, and gives the file its name.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn end(self) -> io::Result<Summary> {
        if let Some(mut file) = self.file {
            let line = serde_json::json!({ "summary": self.summary });
            writeln!(file.out, "{line}")?;
            file.end()?;
        }
        Ok(self.summary)
    }
}

impl Growing {
    fn begin(path: &Path) -> io::Result<Self> {
        let path = path.to_owned();
        let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(".tmp");
        let temporary = path.with_file_name(hidden);
        let file = File::options()
            .create(true)
            .write(true)
            .truncate(true)
            .open(&temporary)?;
        let out = BufWriter::new(file);
        Ok(Self {
            out,
            path,
            temporary,
        })
    }

    fn end(self) -> io::Result<()> {
        let file = self
            .out
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        std::fs::rename(&self.temporary, &self.path)
    }
}
