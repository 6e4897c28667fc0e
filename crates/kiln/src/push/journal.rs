//! The journal of a push: what was begun, what is stored, and which runs came to their end.
//!
//! ```text
//! {"job":{"format":1,"node":"http://…","domain":"default","per":"folder"}}
//! {"started":{}}
//! {"begun":{"item":"patient-1","key":"patient-1","anchor":"…","content":"<SHA-256>"}}
//! {"stored":{"item":"patient-1","anchor":"…","content":"<SHA-256>","version":0}}
//! {"finished":{}}
//! ```
//!
//! A *job* is what lies between two `finished` lines: one run, and the killed runs before it that
//! it carries on. So the numbers of a report do not depend on how often the job was killed.

use std::collections::HashMap;
use std::path::Path;

use keyssi::AnchorId;
use serde::{Deserialize, Serialize};

use super::lines::{self, LineFile};
use crate::exit::{Exit, Failure};

/// The format that this program writes.
const FORMAT: u32 = 1;

/// A line of the journal.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Job(Job),
    Started {},
    Begun(Begun),
    Stored(Stored),
    Finished {},
}

/// What a journal is for: its first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Job {
    format: u32,
    node: String,
    domain: String,
    per: String,
}

/// An item of which something may have been sent.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Begun {
    /// The item.
    pub(super) item: String,
    /// The name of its key where keys are kept.
    pub(super) key: String,
    /// The anchor of its key, wrapped.
    pub(super) anchor: String,
    /// The fingerprint of what is stored.
    pub(super) content: String,
}

/// An item that is anchored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Stored {
    /// The item.
    pub(super) item: String,
    /// Its anchor, wrapped.
    pub(super) anchor: String,
    /// The fingerprint of what is stored.
    pub(super) content: String,
    /// The number of the version that holds it, counted from 0.
    pub(super) version: usize,
}

/// What the journal knows of an item.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    /// Every time it was begun, each anchor and content once, in order.
    pub(super) begun: Vec<Begun>,
    /// How it was last stored, and in which job.
    pub(super) stored: Option<(Stored, u64)>,
}

/// The journal, open.
pub(super) struct Journal {
    file: LineFile,
    items: HashMap<String, Known>,
    /// The number of this job, from 0.
    job: u64,
    /// How often this job was started, this time included.
    starts: u64,
}

impl Job {
    /// A job that sends `per` folder, file or line to a domain of a node.
    pub(super) fn new(node: &str, domain: &str, per: &str) -> Self {
        let [node, domain, per] = [node, domain, per].map(str::to_owned);
        let format = FORMAT;
        Self {
            format,
            node,
            domain,
            per,
        }
    }
}

impl Journal {
    /// Opens the journal at `path`, or begins it, and notes that the job starts.
    ///
    /// # Errors
    /// [`Exit::Conflict`] if it is in use or is that of another job, else that of the file.
    pub(super) fn open(path: &Path, job: &Job) -> Result<Self, Failure> {
        let (mut found, mut items, mut number, mut starts) = (None, HashMap::new(), 0, 0);
        let mut file = LineFile::open(path, |line_number, line| {
            if found.is_none() && !matches!(line, Line::Job(_)) {
                return Err(lines::damaged(path, line_number));
            }
            match line {
                Line::Job(its) => {
                    check(path, &its, job)?;
                    found = Some(its);
                }
                Line::Started {} => starts += 1,
                Line::Finished {} => (number, starts) = (number + 1, 0),
                Line::Begun(begun) => known(&mut items, &begun.item.clone()).begun.push(begun),
                Line::Stored(stored) => {
                    let item = stored.item.clone();
                    known(&mut items, &item).stored = Some((stored, number));
                }
            }
            Ok(())
        })?;
        if found.is_none() {
            file.append(&Line::Job(job.clone()))?;
        }
        file.append(&Line::Started {})?;
        let (job, starts) = (number, starts + 1);
        Ok(Self {
            file,
            items,
            job,
            starts,
        })
    }

    /// Where it lies.
    pub(super) fn path(&self) -> &Path {
        self.file.path()
    }

    /// How often this job was started, this time included.
    pub(super) fn starts(&self) -> u64 {
        self.starts
    }

    /// What is known of an item.
    pub(super) fn known(&self, item: &str) -> Known {
        self.items.get(item).cloned().unwrap_or_default()
    }

    /// Whether an item was stored in this job, by this run or by one that was killed.
    pub(super) fn is_of_this_job(&self, known: &Known) -> bool {
        matches!(known.stored, Some((_, job)) if job == self.job)
    }

    /// Notes that an item is about to be sent. On disk when it returns.
    pub(super) fn begin(&mut self, begun: Begun) -> Result<(), Failure> {
        let line = Line::Begun(begun);
        self.file.append(&line)?;
        if let Line::Begun(begun) = line {
            known(&mut self.items, &begun.item.clone())
                .begun
                .push(begun);
        }
        Ok(())
    }

    /// Notes that an item is anchored. On disk when it returns.
    pub(super) fn store(&mut self, stored: Stored) -> Result<(), Failure> {
        let line = Line::Stored(stored);
        self.file.append(&line)?;
        if let Line::Stored(stored) = line {
            let item = stored.item.clone();
            known(&mut self.items, &item).stored = Some((stored, self.job));
        }
        Ok(())
    }

    /// Notes that every item was dealt with: the next run is another job.
    pub(super) fn finish(&mut self) -> Result<(), Failure> {
        self.file.append(&Line::Finished {})
    }
}

impl Begun {
    /// The anchor. `None` if the journal was changed by hand.
    pub(super) fn anchor(&self) -> Option<AnchorId> {
        AnchorId::parse_wrapped(&self.anchor).ok()
    }
}

fn known<'a>(items: &'a mut HashMap<String, Known>, item: &str) -> &'a mut Known {
    items.entry(item.to_owned()).or_default()
}

fn check(path: &Path, found: &Job, wanted: &Job) -> Result<(), Failure> {
    if found.format > FORMAT {
        let message = format!("{} was written by a newer kiln", path.display());
        return Err(Failure::new(Exit::Local, message).next("use that one"));
    }
    if found == wanted {
        return Ok(());
    }
    let Job {
        node, domain, per, ..
    } = found;
    let message = format!(
        "{} is the journal of another push: per {per}, to domain {domain} of {node}",
        path.display()
    );
    Err(Failure::new(Exit::Conflict, message).next("name another file with --journal"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> Job {
        Job::new("http://127.0.0.1:8080/", "default", "folder")
    }

    fn begun(item: &str) -> Begun {
        let [key, anchor, content] = ["key", "anchor", "content"].map(str::to_owned);
        Begun {
            item: item.to_owned(),
            key,
            anchor,
            content,
        }
    }

    fn stored(item: &str, version: usize) -> Stored {
        let [anchor, content] = ["anchor", "content"].map(str::to_owned);
        Stored {
            item: item.to_owned(),
            anchor,
            content,
            version,
        }
    }

    #[test]
    fn a_killed_job_goes_on_and_a_finished_one_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut journal = Journal::open(&path, &job()).unwrap();
        journal.begin(begun("one")).unwrap();
        journal.store(stored("one", 0)).unwrap();
        journal.begin(begun("two")).unwrap();
        drop(journal);

        let mut journal = Journal::open(&path, &job()).unwrap();
        assert_eq!(journal.starts(), 2);
        assert!(journal.is_of_this_job(&journal.known("one")));
        let two = journal.known("two");
        assert!(two.begun.len() == 1 && two.stored.is_none());
        assert!(journal.known("three").begun.is_empty());
        journal.finish().unwrap();
        drop(journal);

        let journal = Journal::open(&path, &job()).unwrap();
        assert_eq!(journal.starts(), 1);
        let one = journal.known("one");
        assert!(!journal.is_of_this_job(&one));
        assert_eq!(one.stored.unwrap().0.version, 0);
    }

    #[test]
    fn the_journal_of_another_job_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        drop(Journal::open(&path, &job()).unwrap());
        for other in [
            Job::new("http://127.0.0.1:9999/", "default", "folder"),
            Job::new("http://127.0.0.1:8080/", "vault", "folder"),
            Job::new("http://127.0.0.1:8080/", "default", "file"),
        ] {
            let message = Journal::open(&path, &other).err().unwrap().to_string();
            assert!(message.contains("another push: per folder"), "{message}");
        }
    }
}
