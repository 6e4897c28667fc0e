//! A file of JSON lines that only grows: what the journal and the key file of a push are kept in.
//!
//! A line is on disk when [`LineFile::append`] returns. A crash leaves at most a last line that is
//! cut off; it was never reported as written, and the next opening drops it. Anything else that is
//! no line of ours is refused and left as it is: the file may be somebody's own. The file is locked
//! as long as the value lives, so that two pushes cannot mix their lines.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::exit::{Exit, Failure};
use crate::local_file;

/// Longest line that is read: an identifier has at most 16 KiB, a name some kilobytes.
const LINE_BYTES_MAX: usize = 128 * 1024;

/// A file of JSON lines, open for appending.
pub(super) struct LineFile {
    path: PathBuf,
    file: File,
    /// Length of the whole lines; what a failed write leaves behind it is cut off.
    bytes: u64,
}

impl LineFile {
    /// Opens a file, made private (mode 0600) if it is new, and gives each of its lines to `take`
    /// with its number, from 1. A last line without its line feed counts if it is whole.
    ///
    /// # Errors
    /// [`Exit::Conflict`] if another process has it open, [`Exit::Local`] for a damaged line, and
    /// whatever `take` refuses.
    pub(super) fn open<T: DeserializeOwned>(
        path: &Path,
        mut take: impl FnMut(u64, T) -> Result<(), Failure>,
    ) -> Result<Self, Failure> {
        let mut this = Self::create(path)?;
        let (whole, lacks_line_feed) = read_lines(path, &this.file, &mut take)?;
        this.bytes = whole;
        let failed = |error| cannot_write(path, error);
        this.file.set_len(whole).map_err(failed)?;
        this.file.seek(SeekFrom::End(0)).map_err(failed)?;
        if lacks_line_feed {
            this.write(b"\n")?;
        }
        Ok(this)
    }

    fn create(path: &Path) -> Result<Self, Failure> {
        let failed = |error| cannot_write(path, error);
        local_file::create_folder_of(path).map_err(failed)?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let message = format!("another process is using {}", path.display());
                let next = "wait for the other push to end, or name another file";
                return Err(Failure::new(Exit::Conflict, message).next(next));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        local_file::sync_folder(path).map_err(failed)?;
        let path = path.to_owned();
        let bytes = 0;
        Ok(Self { path, file, bytes })
    }

    /// Adds a line and returns when it is on disk.
    ///
    /// # Errors
    /// That of the failed write, and [`Exit::Local`] for a line that could not be read again; the
    /// line is not there then.
    pub(super) fn append(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let mut line = Zeroizing::new(Vec::with_capacity(1024));
        serde_json::to_writer(&mut *line, value).map_err(|error| {
            let message = format!("a line of {} cannot be written", self.path.display());
            Failure::new(Exit::Local, message)
                .because(error)
                .next("report this as a fault of kiln")
        })?;
        line.push(b'\n');
        if line.len() > LINE_BYTES_MAX {
            let path = self.path.display();
            let message = format!("a line of {path} would have more than {LINE_BYTES_MAX} bytes");
            return Err(Failure::new(Exit::Local, message).next("give the item a shorter name"));
        }
        self.write(&line)
    }

    fn write(&mut self, line: &[u8]) -> Result<(), Failure> {
        let written = self
            .file
            .write_all(line)
            .and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // What was not reported as written should not be there by half.
            let _ = self.file.set_len(self.bytes);
            let _ = self.file.seek(SeekFrom::End(0));
            return Err(cannot_write(&self.path, error));
        }
        self.bytes += u64::try_from(line.len()).unwrap_or(u64::MAX);
        Ok(())
    }

    /// Where it lies.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// Reads the lines of a file that somebody else may be adding to, as [`LineFile::open`] does.
///
/// # Errors
/// [`Exit::Local`] if it cannot be read or a line is damaged, and whatever `take` refuses.
pub(super) fn read<T: DeserializeOwned>(
    path: &Path,
    mut take: impl FnMut(u64, T) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let file = File::open(path).map_err(|error| cannot_read(path, error))?;
    read_lines(path, &file, &mut take).map(drop)
}

/// Gives the bytes of the whole lines, and whether the last one lacks its line feed.
fn read_lines<T: DeserializeOwned>(
    path: &Path,
    file: &File,
    take: &mut impl FnMut(u64, T) -> Result<(), Failure>,
) -> Result<(u64, bool), Failure> {
    let mut reader = BufReader::new(file);
    let (mut number, mut whole, mut lacks_line_feed) = (0, 0, false);
    let mut line = Zeroizing::new(Vec::new());
    while read_line(&mut reader, &mut line).map_err(|error| cannot_read(path, error))? {
        number += 1;
        let ends = line.last() == Some(&b'\n');
        if !line.trim_ascii().is_empty() {
            match serde_json::from_slice(&line) {
                Ok(value) => take(number, value)?,
                // Cut off by a crash: never reported as written. A piece of one of our lines ends
                // too early and has no other fault.
                Err(error) if !ends && error.is_eof() && line.first() == Some(&b'{') => break,
                Err(_) => return Err(damaged(path, number)),
            }
        }
        lacks_line_feed = !ends;
        whole += u64::try_from(line.len()).unwrap_or(u64::MAX);
    }
    Ok((whole, lacks_line_feed))
}

/// Reads the next line with its line feed; false at the end.
fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let limit = u64::try_from(LINE_BYTES_MAX).unwrap_or(u64::MAX);
    let bytes = io::Read::take(reader, limit).read_until(b'\n', line)?;
    if bytes == LINE_BYTES_MAX && line.last() != Some(&b'\n') {
        return Err(io::Error::other(format!(
            "a line has more than {LINE_BYTES_MAX} bytes"
        )));
    }
    Ok(bytes > 0)
}

/// A line that is not what this program writes.
pub(super) fn damaged(path: &Path, number: u64) -> Failure {
    let message = format!("line {number} of {} is damaged", path.display());
    Failure::new(Exit::Local, message).next("restore the file from a backup, or name another one")
}

fn cannot_read(path: &Path, error: io::Error) -> Failure {
    Failure::io(format!("{} cannot be read", path.display()), error)
}

fn cannot_write(path: &Path, error: io::Error) -> Failure {
    Failure::io(format!("{} cannot be written", path.display()), error)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use serde_json::{Value, json};

    use super::*;

    fn open(path: &Path) -> Result<(LineFile, Vec<Value>), Failure> {
        let mut lines = Vec::new();
        let file = LineFile::open(path, |_, line: Value| {
            lines.push(line);
            Ok(())
        })?;
        Ok((file, lines))
    }

    #[test]
    fn wherever_a_write_stops_the_lines_before_it_are_read_and_the_file_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/journal");
        let all = [json!({"a": 1}), json!({"b": "zwei\n"}), json!({"c": [3]})];
        let mut file = open(&path).unwrap().0;
        for line in &all {
            file.append(line).unwrap();
        }
        drop(file);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let bytes = fs::read(&path).unwrap();
        for cut in 0..=bytes.len() {
            let torn = folder.path().join(cut.to_string());
            fs::copy(&path, &torn).unwrap();
            File::options()
                .write(true)
                .open(&torn)
                .unwrap()
                .set_len(cut as u64)
                .unwrap();
            let (mut file, lines) = open(&torn).unwrap();
            // A line that lacks its line feed only is whole.
            let whole = (0..=all.len())
                .rfind(|&count| {
                    let ends: usize = all[..count].iter().map(|it| it.to_string().len() + 1).sum();
                    ends.saturating_sub(1) <= cut
                })
                .unwrap();
            assert_eq!(lines, all[..whole], "cut after {cut} bytes");
            file.append(&json!("next")).unwrap();
            drop(file);
            let (_, lines) = open(&torn).unwrap();
            assert_eq!(lines.len(), whole + 1, "cut after {cut} bytes");
        }
    }

    #[test]
    fn a_file_of_somebody_else_is_refused_and_stays_as_it_is() {
        #[derive(serde::Deserialize)]
        struct Named {
            #[expect(dead_code, reason = "it must be there, and nobody reads it")]
            name: String,
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own");
        for content in [
            "abc",
            "{\"other\":1}",
            "{abc",
            "[1,",
            "\"name",
            "{\"name\":\"x\"}\nabc",
        ] {
            local_file::replace_private(&path, content.as_bytes()).unwrap();
            let message = LineFile::open(&path, |_, _: Named| Ok(()))
                .err()
                .unwrap()
                .to_string();
            assert!(message.contains("is damaged"), "{content}: {message}");
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
    }

    #[test]
    fn a_line_that_could_not_be_read_again_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut file = open(&path).unwrap().0;
        // Two quotation marks and a line feed stand around the text.
        let longest = json!("x".repeat(LINE_BYTES_MAX - 3));
        file.append(&longest).unwrap();
        let failure = file.append(&json!("x".repeat(LINE_BYTES_MAX - 2)));
        let message = failure.unwrap_err().to_string();
        assert!(message.contains("would have more than"), "{message}");
        drop(file);
        assert_eq!(open(&path).unwrap().1, [longest]);
    }

    #[test]
    fn a_damaged_line_in_the_middle_and_a_second_user_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut file = open(&path).unwrap().0;
        file.append(&json!(1)).unwrap();
        let message = open(&path).err().unwrap().to_string();
        assert!(message.contains("another process is using"), "{message}");
        file.write(b"{\"x\n").unwrap();
        file.append(&json!(2)).unwrap();
        drop(file);
        let message = open(&path).err().unwrap().to_string();
        assert!(message.contains("line 2 of"), "{message}");
    }
}
