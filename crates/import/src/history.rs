//! The file of an anchor: one wrapped value a line.
//!
//! **Source:** dsu specification §15; defects D10 and D13.

use causes::with_causes;
use keyssi::{AnchorId, AnchorValue, EntryError};

use crate::finding::Reason;

/// What a file holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct AnchorFile {
    /// The values up to the first line that is none.
    pub(crate) values: Vec<AnchorValue>,
    /// Lines that hold something, a torn one not included.
    pub(crate) entries: usize,
    /// What is wrong with the line after the values.
    pub(crate) fault: Option<Fault>,
    /// Bytes after the last line that are no value: what a crash left of a line.
    pub(crate) torn_bytes: usize,
}

/// What is wrong with an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Its version, from 0.
    pub(crate) version: usize,
    pub(crate) reason: Reason,
    pub(crate) detail: String,
}

impl AnchorFile {
    /// Reads the lines of a file. Line feeds alone and with carriage returns end them, and empty
    /// lines are none. A last line without its end counts when it is a value. Zeros at the end are
    /// what some file systems leave of a write that a power cut came into.
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let mut file = Self::default();
        let end = bytes.iter().rposition(|byte| *byte != 0);
        let text = bytes.get(..end.map_or(0, |end| end + 1)).unwrap_or(bytes);
        file.torn_bytes = bytes.len() - text.len();
        let mut lines = text.split(|byte| *byte == b'\n').peekable();
        while let Some(line) = lines.next() {
            let line = trimmed(line);
            if line.is_empty() {
                continue;
            }
            let is_last = lines.peek().is_none();
            match value(line) {
                Err(_) if is_last => file.torn_bytes += line.len(),
                Ok(value) => {
                    file.entries += 1;
                    if file.fault.is_none() {
                        file.values.push(value);
                    }
                }
                Err((reason, detail)) => {
                    let version = file.entries;
                    file.entries += 1;
                    file.fault.get_or_insert(Fault {
                        version,
                        reason,
                        detail: format!("entry {version}: {detail}"),
                    });
                }
            }
        }
        file
    }
}

impl Fault {
    /// What the rules say against an entry. A second entry that would do as a first one means that
    /// two created the anchor.
    pub(crate) fn of_rule(
        id: &AnchorId,
        history: &[AnchorValue],
        version: usize,
        rule: &EntryError,
    ) -> Self {
        let value = history.get(version);
        let is_first = value.is_some_and(|value| keyssi::create(id, value).is_ok());
        if version > 0 && is_first {
            return Self {
                version,
                reason: Reason::Forked,
                detail: format!("entry {version} is a first entry too"),
            };
        }
        Self {
            version,
            reason: Reason::BreaksRules,
            detail: format!("entry {version}: {}", with_causes(rule)),
        }
    }
}

fn value(line: &[u8]) -> Result<AnchorValue, (Reason, String)> {
    let text = std::str::from_utf8(line).map_err(|_| (Reason::NotAValue, "not text".to_owned()))?;
    AnchorValue::parse_wrapped(text).map_err(|error| {
        let reason = match AnchorValue::parse_stored(text) {
            Ok(_) => Reason::NotCanonical,
            Err(_) => Reason::NotAValue,
        };
        (reason, with_causes(&error))
    })
}

fn trimmed(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line).trim_ascii()
}

#[cfg(test)]
mod tests {
    use keyssi::Domain;
    use testkit::owner::{FIRST_MS, Owner};

    use super::*;

    fn history(count: u64) -> Vec<String> {
        let domain: Domain = "default".parse().unwrap();
        let mut owner = Owner::new(&domain, &[7; 32]).unwrap();
        let mut values = Vec::new();
        for version in 0..count {
            let hash = keyssi::BrickHash::of(&version.to_be_bytes()).to_string();
            let value = owner.sign(&hash, FIRST_MS + version).unwrap();
            owner.follow(Some(&value)).unwrap();
            values.push(value);
        }
        values
    }

    /// How many values, entries and torn bytes there are, and what is wrong at which version.
    fn seen(text: &[u8]) -> (usize, usize, usize, Option<(usize, Reason)>) {
        let file = AnchorFile::read(text);
        let fault = file.fault.map(|it| (it.version, it.reason));
        (file.values.len(), file.entries, file.torn_bytes, fault)
    }

    #[test]
    fn lines_end_in_many_ways_and_a_torn_one_is_told_apart() {
        let values = history(3);
        let [a, b, c] = [&values[0], &values[1], &values[2]];
        let torn = &c[..c.len() / 2];
        let cases = [
            (format!("{a}\n{b}\n"), (2, 2, 0, None)),
            (format!("{a}\r\n{b}\r\n"), (2, 2, 0, None)),
            (format!("\n{a}\n\n{b} \n\n"), (2, 2, 0, None)),
            (format!("{a}\n{b}"), (2, 2, 0, None)),
            (format!("{a}\n{b}\n{torn}"), (2, 2, torn.len(), None)),
            (format!("{a}\n{b}\n\0\0\0\0"), (2, 2, 4, None)),
            (torn.to_owned(), (0, 0, torn.len(), None)),
            (String::new(), (0, 0, 0, None)),
            (
                format!("{a}\n{torn}\n{c}\n"),
                (1, 3, 0, Some((1, Reason::NotAValue))),
            ),
            (
                format!("{a}\n{torn}{b}\n{c}\n"),
                (1, 3, 0, Some((1, Reason::NotAValue))),
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(seen(text.as_bytes()), expected, "{text:?}");
        }
        let not_text = [a.as_bytes(), b"\n\xff\xfe\n"].concat();
        assert_eq!(seen(&not_text), (1, 2, 0, Some((1, Reason::NotAValue))));
    }

    #[test]
    fn a_value_in_another_form_is_not_canonical() {
        let a = &history(1)[0];
        let plain = AnchorValue::parse_wrapped(a).unwrap().plain().to_owned();
        let text = format!("{plain}\n");
        let expected = (0, 1, 0, Some((0, Reason::NotCanonical)));
        assert_eq!(seen(text.as_bytes()), expected);
    }
}
