//! Checkpoints: what a log says its tree was at one size.
//!
//! ```text
//! <origin>\n
//! <size, decimal>\n
//! <root, base64 of 32 bytes>\n
//! <extension line>\n               (any number, none in most logs)
//! ```
//!
//! What an extension line says is opaque here, but for the one that names a predecessor
//! ([`crate::Predecessor`]). The log's own signature and Ed25519 cosignatures cover all lines; the
//! ML-DSA cosignatures of C2SP cover the first three only.
//!
//! **Source:** `translog.md` §1 and §4; C2SP tlog-checkpoint.

use std::fmt;

use thiserror::Error;

use crate::{Hash, KeyName, NameError, text};

/// The identity of a log: the first line of its checkpoints and the name of its keys.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(KeyName);

impl Origin {
    /// Reads an origin: not empty, at most 255 bytes, no white space, no `+`, no control character.
    ///
    /// # Errors
    /// [`NameError`] says what stands in the way.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        KeyName::parse(text).map(Self)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The name that the log's keys bear, which is the origin itself.
    #[must_use]
    pub fn key_name(&self) -> &KeyName {
        &self.0
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A line of a checkpoint after the root: not empty, no control character. What it means is between
/// a log and its readers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtensionLine(pub(crate) String);

impl ExtensionLine {
    /// Reads a line, without its end.
    ///
    /// # Errors
    /// [`CheckpointError::Extension`] for an empty one, or one with a control character.
    pub fn parse(line: &str) -> Result<Self, CheckpointError> {
        if line.is_empty() || line.contains(|c: char| c.is_ascii_control()) {
            return Err(CheckpointError::Extension);
        }
        Ok(Self(line.to_owned()))
    }

    /// The text, without the end of the line.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Size and root of a log's tree. `Display` is the body that is signed: three lines, each ended, and
/// the extension lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: Origin,
    /// How many leaves.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Hash,
    /// What else the log says, in this order; empty for most logs.
    pub extensions: Vec<ExtensionLine>,
}

impl Checkpoint {
    /// A checkpoint without extension lines.
    #[must_use]
    pub fn new(origin: Origin, size: u64, root: Hash) -> Self {
        Self {
            origin,
            size,
            root,
            extensions: Vec::new(),
        }
    }

    /// Reads the body of a checkpoint, without signatures. Extension lines are kept as they are.
    ///
    /// # Errors
    /// [`CheckpointError`] names the line that is wrong.
    pub fn parse(body: &str) -> Result<Self, CheckpointError> {
        let body = body
            .strip_suffix('\n')
            .ok_or(CheckpointError::Unterminated)?;
        let mut lines = body.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next())
        else {
            return Err(CheckpointError::Lines);
        };
        Ok(Self {
            origin: Origin::parse(origin).map_err(CheckpointError::Origin)?,
            size: text::decimal(size).ok_or(CheckpointError::Size)?,
            root: text::base64_array(root).ok_or(CheckpointError::Root)?,
            extensions: lines.map(ExtensionLine::parse).collect::<Result<_, _>>()?,
        })
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = text::base64_text(&self.root);
        write!(f, "{}\n{}\n{root}\n", self.origin, self.size)?;
        let mut extensions = self.extensions.iter();
        extensions.try_for_each(|line| writeln!(f, "{}", line.as_str()))
    }
}

/// Why a text is no checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The last line does not end.
    #[error("the last line of the checkpoint does not end")]
    Unterminated,
    /// Fewer lines than three.
    #[error("a checkpoint has at least three lines")]
    Lines,
    /// The first line.
    #[error("the origin is not valid")]
    Origin(#[source] NameError),
    /// The second line.
    #[error("the size is not a decimal number without leading zeros")]
    Size,
    /// The third line.
    #[error("the root is not the base64 of 32 bytes")]
    Root,
    /// A line after the third.
    #[error("an extension line is empty or has a control character")]
    Extension,
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "nekdIrS4gFIXgm/I+oEshY3JUzSFW9DpNAu5yr3nPXI=";

    #[test]
    fn a_body_is_given_back_byte_for_byte() {
        for size in ["0", "1", "70000", "18446744073709551615"] {
            let body = format!("anchors.example/default\n{size}\n{ROOT}\n");
            let checkpoint = Checkpoint::parse(&body).unwrap();
            assert_eq!(checkpoint.origin.as_str(), "anchors.example/default");
            assert_eq!(checkpoint.size.to_string(), size);
            assert_eq!(checkpoint.to_string(), body);
        }
        let body = format!("o\n1\n{ROOT}\nmore\n of it, ünd +\n");
        let checkpoint = Checkpoint::parse(&body).unwrap();
        let lines = checkpoint.extensions.iter().map(ExtensionLine::as_str);
        assert_eq!(lines.collect::<Vec<_>>(), ["more", " of it, ünd +"]);
        assert_eq!(checkpoint.to_string(), body);
    }

    #[test]
    fn each_wrong_line_is_named() {
        let check = |body: &str, expected: CheckpointError| {
            assert_eq!(Checkpoint::parse(body), Err(expected), "{body:?}");
        };
        check("", CheckpointError::Unterminated);
        check(&format!("o\n1\n{ROOT}"), CheckpointError::Unterminated);
        check("o\n1\n", CheckpointError::Lines);
        for more in ["", "more\n", "\nmore", "m\tore", "more\r"] {
            let body = format!("o\n1\n{ROOT}\n{more}\n");
            check(&body, CheckpointError::Extension);
        }
        let origin = |error| CheckpointError::Origin(error);
        check(&format!("\n1\n{ROOT}\n"), origin(NameError::Empty));
        let forbidden = origin(NameError::Forbidden);
        for name in ["a b", "a+b", "a\u{a0}b", "a\tb", "a\rb", "a\u{7f}b"] {
            check(&format!("{name}\n1\n{ROOT}\n"), forbidden.clone());
        }
        let long = "o".repeat(256);
        check(&format!("{long}\n1\n{ROOT}\n"), origin(NameError::TooLong));
        for size in [
            "",
            "01",
            "00",
            "-1",
            "+1",
            "1 ",
            "1x",
            "18446744073709551616",
        ] {
            check(&format!("o\n{size}\n{ROOT}\n"), CheckpointError::Size);
        }
        let of_31_bytes = text::base64_text(&[7; 31]);
        let of_33_bytes = text::base64_text(&[7; 33]);
        // The last one but one sets an unused bit, the last one has a CR.
        for root in [
            "",
            &of_31_bytes,
            &of_33_bytes,
            ROOT.trim_end_matches('='),
            &ROOT.replace("XI=", "XJ="),
            &format!("{ROOT}\r"),
        ] {
            check(&format!("o\n1\n{root}\n"), CheckpointError::Root);
        }
    }
}
