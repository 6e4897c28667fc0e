//! What a client knows of its writes: an oracle outside the system under test.
//!
//! Each operation has a key and is *absent*, *pending* (it was sent and its answer is not known) or
//! *acknowledged*. The record is a file that the client syncs itself: a pending line is on disk
//! before the request is sent, so whatever happens to client or server, an operation that the
//! server may have carried out is never thought absent. An acknowledgement may reach the disk
//! later: until then the operation counts as pending, which claims less and is never wrong.
//!
//! ```text
//! pending <key> <note>
//! acknowledged <key>
//! absent <key>
//! ```

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// What is known of an operation that is in the record; one that is not in it is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It was found not to have happened.
    Absent,
    /// It may have happened.
    Pending,
    /// It has happened and must stay.
    Acknowledged,
}

/// One operation of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// What is known of it.
    pub state: State,
    /// What the writer wrote beside its key: all that is needed to check it.
    pub note: String,
    /// Place of its last pending line, from 0: later ones are newer.
    pub place: usize,
}

/// A record that is being written.
#[derive(Debug)]
pub struct Record {
    file: File,
    /// Lines that go to disk with the next pending one.
    late: Vec<u8>,
}

impl Record {
    /// Opens the record at `path` to write on, creating it if it is absent.
    ///
    /// # Errors
    /// When the file cannot be opened or its folder not be synced.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        if let Some(folder) = path.parent() {
            File::open(folder)?.sync_all()?;
        }
        let late = Vec::new();
        Ok(Self { file, late })
    }

    /// Says that an operation is about to be sent. On disk when this returns. Neither `key` nor
    /// `note` may hold a line break, and `key` no space.
    ///
    /// # Errors
    /// When the record cannot be written; the operation must then not be sent.
    pub fn pending(&mut self, key: &str, note: &str) -> io::Result<()> {
        self.late
            .extend_from_slice(format!("pending {key} {note}\n").as_bytes());
        self.flush()
    }

    /// Says that an operation was answered, or was found to have happened.
    pub fn acknowledge(&mut self, key: &str) {
        self.late
            .extend_from_slice(format!("acknowledged {key}\n").as_bytes());
    }

    /// Says that a pending operation was found not to have happened.
    pub fn absent(&mut self, key: &str) {
        self.late
            .extend_from_slice(format!("absent {key}\n").as_bytes());
    }

    /// Brings everything to disk.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        if !self.late.is_empty() {
            self.file.write_all(&self.late)?;
            self.late.clear();
            self.file.sync_data()?;
        }
        Ok(())
    }
}

/// The operations of the record at `path` by key; a torn last line counts as not written.
///
/// An operation that was acknowledged once stays acknowledged: sending it again takes nothing back.
///
/// # Errors
/// When the file cannot be read or holds a line that is none of a record.
pub fn read(path: &Path) -> io::Result<BTreeMap<String, Operation>> {
    let text = std::fs::read_to_string(path)?;
    let whole = text
        .rfind('\n')
        .map_or("", |end| text.get(..end).unwrap_or(""));
    let mut operations: BTreeMap<String, Operation> = BTreeMap::new();
    for (place, line) in whole.lines().enumerate() {
        let foreign = || io::Error::new(io::ErrorKind::InvalidData, format!("line `{line}`"));
        let (word, rest) = line.split_once(' ').ok_or_else(foreign)?;
        if word == "pending" {
            let (key, note) = rest.split_once(' ').ok_or_else(foreign)?;
            let note = note.to_owned();
            let state = match operations.get(key) {
                Some(known) if known.state == State::Acknowledged => State::Acknowledged,
                _ => State::Pending,
            };
            operations.insert(key.to_owned(), Operation { state, note, place });
            continue;
        }
        let operation = operations.get_mut(rest).ok_or_else(foreign)?;
        match word {
            "acknowledged" => operation.state = State::Acknowledged,
            "absent" if operation.state == State::Pending => operation.state = State::Absent,
            _ => return Err(foreign()),
        }
    }
    Ok(operations)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states(lines: &str) -> io::Result<Vec<(String, State)>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record");
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .unwrap();
        file.write_all(lines.as_bytes()).unwrap();
        let operations = read(&path)?;
        Ok(operations
            .into_iter()
            .map(|(key, it)| (key, it.state))
            .collect())
    }

    #[test]
    fn what_is_written_is_read_and_a_pending_line_is_on_disk_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record");
        let mut record = Record::open(&path).unwrap();
        record.pending("a", "10 bytes").unwrap();
        record.acknowledge("a");
        assert_eq!(read(&path).unwrap()["a"].state, State::Pending);
        record.pending("b", "").unwrap();
        let operations = read(&path).unwrap();
        assert_eq!(operations["a"].state, State::Acknowledged);
        assert_eq!(operations["a"].note, "10 bytes");
        assert_eq!(operations["b"].state, State::Pending);
        record.absent("b");
        record.flush().unwrap();
        assert_eq!(read(&path).unwrap()["b"].state, State::Absent);
    }

    #[test]
    fn an_acknowledgement_is_never_taken_back() {
        let again = "pending a 1\nacknowledged a\npending a 1\n";
        assert_eq!(
            states(again).unwrap(),
            [("a".to_owned(), State::Acknowledged)]
        );
        assert!(states("pending a 1\nacknowledged a\nabsent a\n").is_err());
    }

    #[test]
    fn a_torn_last_line_counts_as_not_written() {
        let torn = "pending a 1\nacknowledged a";
        assert_eq!(states(torn).unwrap(), [("a".to_owned(), State::Pending)]);
        assert_eq!(states("pend").unwrap(), []);
        assert!(states("acknowledged a\n").is_err());
    }
}
