//! What was taken of a folder, so that a later pass looks only at what is new or was skipped.
//!
//! ```text
//! {"format":1,"source":"/srv/apihub/external-volume"}
//! a <size> <modified> <versions> domains/default/anchors/4K8K…
//! d <size> <modified> <SHA-256, base58> versionlessdsu/2Ab/2Abc…
//! ```
//! Bricks are not in it: a brick that the store has under its name needs no second witness. A line is
//! written after what it tells of is durable; it is not synced, because a line that is lost only
//! means that a file is read again. A torn last line is dropped. What a line says is believed only as
//! far as the store still has it.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::source::Mark;

const FORMAT: u32 = 1;
/// Longest journal line that is read: a path of a file, and numbers.
const LINE_BYTES_MAX: usize = 8 << 10;

/// The journal of one source, open.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    anchors: HashMap<Key, (Mark, u64)>,
    documents: HashMap<Key, (Mark, String)>,
}

/// A path, shortened: millions of them are kept in memory.
type Key = [u8; 16];

/// The journal cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the journal {} cannot be used", path.display())]
pub struct JournalError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

impl Journal {
    /// Opens the journal of `source` in the folder `folder`, or begins it.
    ///
    /// # Errors
    /// When it cannot be read or written, or is of a newer format.
    pub(crate) fn open(folder: &Path, source: &Path) -> Result<Self, JournalError> {
        let digest = Sha256::digest(source.as_os_str().as_encoded_bytes());
        let name = keyssi::base58::encode(digest.get(..8).unwrap_or_default());
        let path = folder.join(format!("apihub-{name}.journal"));
        let opened = Self::open_file(&path, source);
        opened.map_err(|source| JournalError { path, source })
    }

    fn open_file(path: &Path, source: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        let whole = text.iter().rposition(|byte| *byte == b'\n');
        let whole = whole.map_or(0, |end| end + 1);
        file.set_len(whole as u64)?;
        file.seek(SeekFrom::End(0))?;
        text.truncate(whole);
        let mut journal = Self {
            file,
            anchors: HashMap::new(),
            documents: HashMap::new(),
        };
        let mut lines = text.split(|byte| *byte == b'\n');
        let head = lines.next().unwrap_or_default();
        if head.is_empty() {
            let head = serde_json::json!({ "format": FORMAT, "source": source.to_string_lossy() });
            writeln!(journal.file, "{head}")?;
            journal.file.sync_all()?;
            return Ok(journal);
        }
        let head: serde_json::Value = serde_json::from_slice(head)?;
        if head.get("format") != Some(&FORMAT.into()) {
            let what = "it is of another format; a newer kiln wrote it";
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        for line in lines.filter(|line| line.len() <= LINE_BYTES_MAX) {
            journal.take(line);
        }
        Ok(journal)
    }

    /// A line that cannot be read only means that a file is read again.
    fn take(&mut self, line: &[u8]) -> Option<()> {
        let text = std::str::from_utf8(line).ok()?;
        let mut fields = text.splitn(5, ' ');
        let kind = fields.next()?;
        let mark = Mark {
            size: fields.next()?.parse().ok()?,
            modified_ns: fields.next()?.parse().ok()?,
        };
        let (extra, path) = (fields.next()?, fields.next()?);
        match kind {
            "a" => drop(self.anchors.insert(key(path), (mark, extra.parse().ok()?))),
            "d" => drop(self.documents.insert(key(path), (mark, extra.to_owned()))),
            _ => {}
        }
        Some(())
    }

    /// How many versions of the anchor were taken from the file, if it is as it was then.
    pub(crate) fn anchor(&self, path: &str, mark: Mark) -> Option<u64> {
        let (seen, versions) = self.anchors.get(&key(path))?;
        (*seen == mark).then_some(*versions)
    }

    /// Notes that all of an anchor's file was taken.
    pub(crate) fn took_anchor(&mut self, path: &str, mark: Mark, versions: u64) -> io::Result<()> {
        self.anchors.insert(key(path), (mark, versions));
        self.append('a', mark, &versions.to_string(), path)
    }

    /// The digest of the document that was last taken from the file, and whether the file is as it
    /// was then.
    pub(crate) fn document(&self, path: &str, mark: Mark) -> Option<(&str, bool)> {
        let (seen, digest) = self.documents.get(&key(path))?;
        Some((digest, *seen == mark))
    }

    /// Notes that a document was taken.
    pub(crate) fn took_document(&mut self, path: &str, mark: Mark, digest: &str) -> io::Result<()> {
        self.documents.insert(key(path), (mark, digest.to_owned()));
        self.append('d', mark, digest, path)
    }

    fn append(&mut self, kind: char, mark: Mark, extra: &str, path: &str) -> io::Result<()> {
        if path.contains('\n') {
            return Ok(());
        }
        let Mark { size, modified_ns } = mark;
        // One write a line, so that a kill leaves whole lines.
        let line = format!("{kind} {size} {modified_ns} {extra} {path}\n");
        self.file.write_all(line.as_bytes())
    }
}

fn key(path: &str) -> Key {
    let digest = Sha256::digest(path.as_bytes());
    let mut key = [0; 16];
    for (place, byte) in key.iter_mut().zip(digest.iter()) {
        *place = *byte;
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: Mark = Mark {
        size: 7,
        modified_ns: 1_700_000_000_123_456_789,
    };

    #[test]
    fn what_was_noted_is_known_again_and_a_torn_line_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let source = Path::new("/somewhere/external volume");
        let open = || Journal::open(folder.path(), source).unwrap();
        let mut journal = open();
        journal.took_anchor("anchors/a", MARK, 3).unwrap();
        journal.took_document("documents/a b", MARK, "abc").unwrap();
        drop(journal);
        let path = fs::read_dir(folder.path()).unwrap().next().unwrap();
        let path = path.unwrap().path();
        let mut file = File::options().append(true).open(&path).unwrap();
        file.write_all(b"a 9 9 9 anchors/b").unwrap();
        let mut journal = open();
        assert_eq!(journal.anchor("anchors/a", MARK), Some(3));
        let grown = Mark { size: 8, ..MARK };
        assert_eq!(journal.anchor("anchors/a", grown), None);
        assert_eq!(journal.anchor("anchors/b", MARK), None);
        assert_eq!(journal.document("documents/a b", MARK), Some(("abc", true)));
        assert_eq!(
            journal.document("documents/a b", grown),
            Some(("abc", false))
        );
        journal.took_anchor("anchors/b", MARK, 1).unwrap();
        drop(journal);
        assert_eq!(open().anchor("anchors/b", MARK), Some(1));
    }

    #[test]
    fn a_journal_of_another_format_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let source = Path::new("/x");
        drop(Journal::open(folder.path(), source).unwrap());
        let path = fs::read_dir(folder.path()).unwrap().next().unwrap();
        let path = path.unwrap().path();
        let mut file = File::options().write(true).open(&path).unwrap();
        file.write_all(b"{\"format\":2}\n").unwrap();
        assert!(Journal::open(folder.path(), source).is_err());
    }
}
