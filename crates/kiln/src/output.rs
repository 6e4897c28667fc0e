//! Where a command speaks: data on stdout, talk on stderr.
//!
//! Text from outside may hold control characters that move a terminal's cursor or change what it
//! shows; [`printable`] makes them visible.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write as _};

use serde_json::Value;

use crate::exit::Failure;

/// The form of the data on stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Text for people.
    Text,
    /// JSON, one value.
    Json,
}

/// How much is said on stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Talk {
    /// Remarks, warnings and errors.
    All,
    /// Warnings and errors only.
    Quiet,
}

/// The two voices of a command.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    pub(crate) form: Form,
    pub(crate) talk: Talk,
}

impl Output {
    /// Writes the data in the form that was asked for: the value, or pairs of words in a table.
    pub(crate) fn table(self, value: &Value, rows: &[(&str, String)]) -> Result<(), Failure> {
        match self.form {
            Form::Json => json(value),
            Form::Text => {
                let width = rows.iter().map(|(word, _)| word.chars().count()).max();
                let width = width.unwrap_or_default() + 2;
                rows.iter()
                    .try_for_each(|(word, text)| line(&format!("{word:width$}{}", printable(text))))
            }
        }
    }

    /// A remark on stderr, unless `--quiet`. A closed stderr is nobody's loss.
    pub(crate) fn say(self, text: &str) {
        if self.talk == Talk::All {
            let _ = writeln!(io::stderr(), "{}", printable(text));
        }
    }
}

/// Writes one line of text to stdout as it is.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.write_all(b"\n"))
        .and_then(|()| stdout.flush())
        .map_err(Failure::stdout)
}

/// Writes a line that holds foreign text: on a terminal its control characters are escaped,
/// elsewhere it stays as it is.
pub(crate) fn foreign_line(text: &str) -> Result<(), Failure> {
    if io::stdout().is_terminal() {
        return line(&printable(text));
    }
    line(text)
}

/// A warning on stderr, with `--quiet` too.
pub(crate) fn warn(text: &str) {
    let _ = writeln!(io::stderr(), "warning: {}", printable(text));
}

/// A number of things in words: `1 file`, `2 files`.
pub(crate) fn count(number: u64, thing: &str) -> String {
    match number {
        1 => format!("1 {thing}"),
        _ => format!("{number} {thing}s"),
    }
}

/// Writes one JSON value to stdout: indented on a terminal, else on one line.
pub(crate) fn json(value: &Value) -> Result<(), Failure> {
    if io::stdout().is_terminal() {
        return line(&format!("{value:#}"));
    }
    line(&value.to_string())
}

/// The text with every control character written as an escape, and every character that changes
/// the direction of writing too.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unprintable) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_unprintable(character) {
            let _ = write!(escaped, "{}", character.escape_unicode());
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_become_visible_and_nothing_else_changes() {
        let cases = [
            ("plain Ünïcode 名", "plain Ünïcode 名"),
            ("a\u{1b}[2Jb", "a\\u{1b}[2Jb"),
            ("a\nb\tc", "a\\u{a}b\\u{9}c"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("txt.\u{202e}exe", "txt.\\u{202e}exe"),
            ("", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(printable(text), expected, "{text:?}");
        }
    }
}
