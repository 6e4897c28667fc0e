//! The file of a keyring: what its bytes mean. No I/O and no cryptography but hashes.
//!
//! A text file of lines that end in a line feed. Line 1 is the header; every other line is one
//! key, encrypted on its own, so that a writer can add a key without reading any.
//!
//! ```text
//! kiln-keyring 1 SALT for RECIPIENT[,RECIPIENT…] SUM     made for recipients
//! kiln-keyring 1 SALT locked MESSAGE SUM                 made for a passphrase
//! entry TAG MESSAGE SUM                                  one key, zero or more lines
//!
//! SALT       32 hex digits: 16 random bytes of this keyring
//! RECIPIENT  age1…: a public key of age (X25519)
//! TAG        32 hex digits: the first 16 bytes of SHA-256( 16 bytes of SALT ‖ name )
//! MESSAGE    base64 with padding: one binary age file
//!              of the header: to the passphrase (scrypt); holds an AGE-SECRET-KEY-1… text
//!              of an entry: to the recipients, or to that secret key; holds
//!              {"name":…,"keyssi":…,"note":…,"added_ms":…} and spaces up to a multiple of 256 bytes
//! SUM        16 hex digits: the first 8 bytes of SHA-256( the line before the last space )
//! ```
//!
//! - A line whose SUM is wrong is damaged: it is named, and hides no other. If it is the last one
//!   and has no line feed, it is a write that did not finish; its key was never reported as saved.
//! - If a TAG stands twice (files that were put together by hand), the later line counts.
//! - TAG finds a name without reading; it can be used to test guesses of names.
//! - `awk '{print $3}' | base64 -d | age -d -i IDENTITY` opens one entry without this program.

use std::collections::HashMap;

use keyssi::base64;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::hex::{hex, unhex};

const MAGIC: &str = "kiln-keyring";
const FORMAT: &str = "1";
const SALT_BYTES: usize = 16;
const SUM_BYTES: usize = 8;

/// What finds a name in a keyring.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Tag(String);

/// The random bytes that make the tags of one keyring its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Salt([u8; SALT_BYTES]);

/// What opens the entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Protection {
    /// Public keys, as text.
    Recipients(Vec<String>),
    /// An age message to the passphrase that holds the secret key of the entries.
    Passphrase(Vec<u8>),
}

/// One line after the header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// A key.
    Entry {
        /// What finds it.
        tag: Tag,
        /// The age message.
        message: Vec<u8>,
    },
    /// A line that cannot be read, as it is.
    Damaged(Vec<u8>),
}

/// A whole keyring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Contents {
    pub(crate) salt: Salt,
    pub(crate) protection: Protection,
    /// All complete lines after the header; the first is line 2 of the file.
    pub(crate) lines: Vec<Line>,
    /// How many bytes at the end of the file are a write that did not finish.
    pub(crate) torn_bytes: usize,
    /// Whether the last line lacks only its line feed.
    pub(crate) lacks_line_feed: bool,
}

/// The bytes are not a keyring that can be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub(crate) enum FormatError {
    /// No header.
    #[error("the file is not a keyring")]
    NotAKeyring,
    /// Of a later version of the format.
    #[error("the keyring has format {0}, this program knows format {FORMAT}")]
    Newer(String),
    /// A header that was changed or cut off.
    #[error("the first line of the keyring is damaged")]
    DamagedHeader,
}

impl Salt {
    /// Takes random bytes.
    pub(crate) const fn new(bytes: [u8; SALT_BYTES]) -> Self {
        Self(bytes)
    }

    /// What finds `name`.
    pub(crate) fn tag(&self, name: &str) -> Tag {
        let mut hash = Sha256::new();
        hash.update(self.0);
        hash.update(name.as_bytes());
        Tag(hex(hash.finalize().get(..16).unwrap_or_default()))
    }
}

impl Contents {
    /// Reads a file.
    ///
    /// # Errors
    /// [`FormatError`] if the header cannot be used. Damage behind it is no error.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut lines = bytes.split(|&byte| byte == b'\n');
        let (salt, protection) = parse_header(lines.next().unwrap_or_default())?;
        let mut contents = Self {
            salt,
            protection,
            lines: lines.map(parse_line).collect(),
            torn_bytes: 0,
            lacks_line_feed: false,
        };
        // What follows the last line feed: nothing, a line without its end, or a torn write.
        match contents.lines.pop() {
            None => contents.lacks_line_feed = true,
            Some(Line::Damaged(rest)) => contents.torn_bytes = rest.len(),
            Some(entry) => {
                contents.lines.push(entry);
                contents.lacks_line_feed = true;
            }
        }
        Ok(contents)
    }

    /// The whole file, without a torn write.
    pub(crate) fn print(&self) -> Vec<u8> {
        let mut bytes = self.header().into_bytes();
        for line in &self.lines {
            match line {
                Line::Entry { tag, message } => {
                    bytes.extend_from_slice(entry_line(tag, message).as_bytes());
                }
                Line::Damaged(line) => {
                    bytes.extend_from_slice(line);
                    bytes.push(b'\n');
                }
            }
        }
        bytes
    }

    /// The place in `lines` of the entry of a tag; the last one counts.
    pub(crate) fn position(&self, wanted: &Tag) -> Option<usize> {
        let is_wanted = |line: &Line| matches!(line, Line::Entry { tag, .. } if tag == wanted);
        self.lines.iter().rposition(is_wanted)
    }

    /// The messages of all entries that count, with the number of their line.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (usize, &Tag, &[u8])> {
        let entries = || {
            self.lines
                .iter()
                .enumerate()
                .filter_map(|(index, line)| match line {
                    Line::Entry { tag, message } => Some((index + 2, tag, message.as_slice())),
                    Line::Damaged(_) => None,
                })
        };
        let last: HashMap<&Tag, usize> = entries().map(|(line, tag, _)| (tag, line)).collect();
        entries().filter(move |(line, tag, _)| last.get(tag) == Some(line))
    }

    /// The numbers of the damaged lines.
    pub(crate) fn damaged(&self) -> impl Iterator<Item = usize> {
        let lines = self.lines.iter().enumerate();
        lines
            .filter(|(_, line)| matches!(line, Line::Damaged(_)))
            .map(|(index, _)| index + 2)
    }

    fn header(&self) -> String {
        let salt = hex(&self.salt.0);
        let rest = match &self.protection {
            Protection::Recipients(recipients) => format!("for {}", recipients.join(",")),
            Protection::Passphrase(message) => format!("locked {}", base64::encode(message)),
        };
        sealed_line(format!("{MAGIC} {FORMAT} {salt} {rest}"))
    }
}

/// The line of an entry, with its line feed.
pub(crate) fn entry_line(tag: &Tag, message: &[u8]) -> String {
    sealed_line(format!("entry {} {}", tag.0, base64::encode(message)))
}

fn parse_header(line: &[u8]) -> Result<(Salt, Protection), FormatError> {
    let start = format!("{MAGIC} ");
    let rest = line
        .strip_prefix(start.as_bytes())
        .ok_or(FormatError::NotAKeyring)?;
    let format = rest.split(|&byte| byte == b' ').next().unwrap_or_default();
    if format != FORMAT.as_bytes() && !format.is_empty() && format.iter().all(u8::is_ascii_digit) {
        return Err(FormatError::Newer(
            String::from_utf8_lossy(format).into_owned(),
        ));
    }
    header_fields(line).ok_or(FormatError::DamagedHeader)
}

fn header_fields(line: &[u8]) -> Option<(Salt, Protection)> {
    let fields: Vec<&str> = checked(line)?.split(' ').collect();
    let [MAGIC, FORMAT, salt, kind, body] = fields[..] else {
        return None;
    };
    let protection = match kind {
        "for" => Protection::Recipients(body.split(',').map(str::to_owned).collect()),
        "locked" => Protection::Passphrase(base64::decode_canonical(body).ok()?),
        _ => return None,
    };
    Some((Salt(unhex(salt)?.try_into().ok()?), protection))
}

fn parse_line(line: &[u8]) -> Line {
    entry_fields(line).unwrap_or_else(|| Line::Damaged(line.to_vec()))
}

fn entry_fields(line: &[u8]) -> Option<Line> {
    let mut fields = checked(line)?.split(' ');
    let (word, tag, message) = (fields.next()?, fields.next()?, fields.next()?);
    if word != "entry" || fields.next().is_some() {
        return None;
    }
    let message = base64::decode_canonical(message).ok()?;
    Some(Line::Entry {
        tag: Tag(tag.to_owned()),
        message,
    })
}

/// The line before its sum, if the sum is right.
fn checked(line: &[u8]) -> Option<&str> {
    let (body, found) = std::str::from_utf8(line).ok()?.rsplit_once(' ')?;
    (sum(body) == found).then_some(body)
}

fn sealed_line(body: String) -> String {
    let sum = sum(&body);
    let mut line = body;
    line.push(' ');
    line.push_str(&sum);
    line.push('\n');
    line
}

fn sum(body: &str) -> String {
    let digest = Sha256::digest(body.as_bytes());
    hex(digest.get(..SUM_BYTES).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Contents {
        let salt = Salt::new([7; 16]);
        let entry = |name: &str| Line::Entry {
            tag: salt.tag(name),
            message: name.into(),
        };
        Contents {
            protection: Protection::Recipients(vec!["age1a".into(), "age1b".into()]),
            lines: vec![entry("one"), entry("two"), entry("three")],
            salt,
            torn_bytes: 0,
            lacks_line_feed: false,
        }
    }

    #[test]
    fn what_is_printed_is_read() {
        let mut contents = sample();
        assert_eq!(Contents::parse(&contents.print()), Ok(contents.clone()));
        contents.protection = Protection::Passphrase(vec![1, 2, 3]);
        contents.lines.clear();
        assert_eq!(Contents::parse(&contents.print()), Ok(contents));
    }

    #[test]
    fn a_write_cut_off_anywhere_loses_itself_only() {
        let whole = sample().print();
        let mut two = sample();
        two.lines.truncate(2);
        let kept = two.print().len();
        for length in kept..whole.len() {
            let contents = Contents::parse(&whole[..length]).unwrap();
            if length == whole.len() - 1 {
                assert_eq!(contents.lines, sample().lines);
                assert!(contents.lacks_line_feed);
            } else {
                assert_eq!(contents.lines, two.lines, "{length}");
                assert_eq!(contents.torn_bytes, length - kept);
            }
        }
    }

    #[test]
    fn a_changed_byte_is_found_and_hides_no_other_line() {
        let whole = sample().print();
        let header = sample().header().len();
        for place in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[place] ^= 1;
            match Contents::parse(&bytes) {
                Err(_) => assert!(place < header, "{place}"),
                Ok(contents) => {
                    assert!(place >= header, "{place}");
                    assert!(contents.entries().count() + 2 >= 3, "{place}");
                    let found = contents.damaged().count() > 0 || contents.torn_bytes > 0;
                    assert!(found || contents.lacks_line_feed, "{place}");
                }
            }
        }
    }

    #[test]
    fn other_files_and_later_formats_are_named() {
        for other in ["", "hello", "kiln-keyrings 1", "\n"] {
            assert_eq!(
                Contents::parse(other.as_bytes()),
                Err(FormatError::NotAKeyring)
            );
        }
        let newer = Contents::parse(b"kiln-keyring 2 whatever");
        assert_eq!(newer, Err(FormatError::Newer("2".into())));
        let cut = Contents::parse(b"kiln-keyring 1 0707");
        assert_eq!(cut, Err(FormatError::DamagedHeader));
    }

    #[test]
    fn of_two_lines_with_one_tag_the_later_counts() {
        let mut contents = sample();
        let tag = contents.salt.tag("one");
        contents.lines.push(Line::Entry {
            tag: tag.clone(),
            message: b"new".to_vec(),
        });
        assert_eq!(contents.position(&tag), Some(3));
        let lines: Vec<usize> = contents.entries().map(|(line, ..)| line).collect();
        assert_eq!(lines, [3, 4, 5]);
    }
}
