//! The extension line by which a log says that it continues another one, which ended.
//!
//! ```text
//! kiln/continues <origin> <size> <root> <kept>
//!
//! origin  of the log that ended
//! size    of its newest checkpoint that the operator could find
//! root    of that checkpoint, base64 of 32 bytes
//! kept    so many of its first entries are the first entries of this log
//! ```
//! It stands in every checkpoint of the log that bears it, always the same. Between `kept` and
//! `size` are entries that the operator has lost.
//!
//! **Source:** `docs/ledger.md`, "A new log that names the old one".

use std::fmt;

use thiserror::Error;

use crate::{Checkpoint, ExtensionLine, Hash, Origin, text};

/// The first word of the line.
const WORD: &str = "kiln/continues";

/// The log that a log continues. `Display` is the extension line, without its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Predecessor {
    /// Its name.
    pub origin: Origin,
    /// How many entries its newest known checkpoint covers; at least one.
    pub size: u64,
    /// The root of that checkpoint.
    pub root: Hash,
    /// How many of its first entries are the first ones of the log that continues it; at most `size`.
    pub kept: u64,
}

/// Why what a checkpoint says of a predecessor is of no use.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PredecessorError {
    /// The line has another form, or numbers that cannot be.
    #[error("the line that names the log's predecessor is malformed")]
    Malformed,
    /// More than one such line.
    #[error("the checkpoint names more than one predecessor")]
    Several,
    /// A log that continues itself.
    #[error("the log names itself as its predecessor")]
    Itself,
}

impl Predecessor {
    /// Reads an extension line; `None` when it is of another kind.
    ///
    /// # Errors
    /// [`PredecessorError::Malformed`].
    pub fn parse(line: &ExtensionLine) -> Result<Option<Self>, PredecessorError> {
        let mut words = line.as_str().split(' ');
        if words.next() != Some(WORD) {
            return Ok(None);
        }
        let (Some(origin), Some(size), Some(root), Some(kept), None) = (
            words.next(),
            words.next(),
            words.next(),
            words.next(),
            words.next(),
        ) else {
            return Err(PredecessorError::Malformed);
        };
        let (Ok(origin), Some(size), Some(root), Some(kept)) = (
            Origin::parse(origin),
            text::decimal(size),
            text::base64_array(root),
            text::decimal(kept),
        ) else {
            return Err(PredecessorError::Malformed);
        };
        if size == 0 || kept > size {
            return Err(PredecessorError::Malformed);
        }
        Ok(Some(Self {
            origin,
            size,
            root,
            kept,
        }))
    }

    /// The extension line.
    #[must_use]
    pub fn line(&self) -> ExtensionLine {
        // An origin holds no control character.
        ExtensionLine(self.to_string())
    }
}

impl fmt::Display for Predecessor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            origin, size, kept, ..
        } = self;
        let root = text::base64_text(&self.root);
        write!(f, "{WORD} {origin} {size} {root} {kept}")
    }
}

impl Checkpoint {
    /// The log that this one continues; `None` for most logs.
    ///
    /// # Errors
    /// [`PredecessorError`] when the line that says so is of no use.
    pub fn predecessor(&self) -> Result<Option<Predecessor>, PredecessorError> {
        let mut found = None;
        for line in &self.extensions {
            let Some(predecessor) = Predecessor::parse(line)? else {
                continue;
            };
            if predecessor.origin == self.origin {
                return Err(PredecessorError::Itself);
            }
            if found.replace(predecessor).is_some() {
                return Err(PredecessorError::Several);
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LogKey, NoteError, SignedNote, WitnessKey, verify_note};

    const ROOT: &str = "nekdIrS4gFIXgm/I+oEshY3JUzSFW9DpNAu5yr3nPXI=";

    fn checkpoint(lines: &[&str]) -> Checkpoint {
        let lines = lines.iter().map(|line| ExtensionLine::parse(line).unwrap());
        Checkpoint {
            extensions: lines.collect(),
            ..Checkpoint::new(Origin::parse("log.example/b").unwrap(), 3, [1; 32])
        }
    }

    #[test]
    fn a_predecessor_is_given_back_byte_for_byte() {
        for (size, kept) in [("5", "3"), ("1", "0"), ("18446744073709551615", "2")] {
            let line = format!("kiln/continues log.example/a {size} {ROOT} {kept}");
            let other = "other.example/line 5";
            let checkpoint = checkpoint(&[other, &line]);
            let predecessor = checkpoint.predecessor().unwrap().unwrap();
            assert_eq!(predecessor.origin.as_str(), "log.example/a");
            assert_eq!(predecessor.kept.to_string(), kept);
            assert_eq!(predecessor.line().as_str(), line);
            let again = Checkpoint::parse(&checkpoint.to_string()).unwrap();
            assert_eq!(again, checkpoint);
        }
        assert_eq!(checkpoint(&[]).predecessor(), Ok(None));
        let other = checkpoint(&["kiln/continued x", "kiln/continues-not x"]);
        assert_eq!(other.predecessor(), Ok(None));
    }

    #[test]
    fn a_line_that_cannot_be_is_refused() {
        let refused = |lines: &[&str]| checkpoint(lines).predecessor().unwrap_err();
        let good = format!("kiln/continues log.example/a 5 {ROOT} 3");
        for wrong in [
            "kiln/continues".to_owned(),
            "kiln/continues ".to_owned(),
            good.replace(" 5 ", " 05 "),
            good.replace(" 5 ", " 0 "),
            good.replace(" 5 ", "  5 "),
            good.replace(" 3", " 6"),
            good.replace(" 3", ""),
            good.replace("XI=", "XJ="),
            good.replace("log.example/a", "log+a"),
            format!("{good} "),
            format!("{good} more"),
        ] {
            assert_eq!(refused(&[&wrong]), PredecessorError::Malformed, "{wrong:?}");
        }
        assert_eq!(refused(&[&good, &good]), PredecessorError::Several);
        let own = good.replace("example/a", "example/b");
        assert_eq!(refused(&[&own]), PredecessorError::Itself);
    }

    #[test]
    fn signature_and_cosignature_cover_the_line() {
        let good = checkpoint(&[&format!("kiln/continues log.example/a 5 {ROOT} 3")]);
        let log = LogKey::from_seed(&good.origin, &[1; 32]);
        let name = crate::KeyName::parse("witness.example").unwrap();
        let witness = WitnessKey::from_seed(&name, &[2; 32]);
        let mut note = SignedNote::new(&good, log.sign(&good));
        note.add(witness.cosign(&good, 7)).unwrap();
        let note = SignedNote::parse(&note.to_string()).unwrap();
        let keys = [log.verifier().clone(), witness.verifier().clone()];
        let verified = verify_note(&note, &keys).unwrap();
        assert_eq!(verified.checkpoint, good);
        assert_eq!((verified.log.len(), verified.cosigned.len()), (1, 1));
        let line = format!("{}\n", good.extensions[0].as_str());
        let text = note.to_string();
        for changed in [text.replace(&line, ""), text.replace(" 3\n", " 4\n")] {
            let note = SignedNote::parse(&changed).unwrap();
            for key in &keys {
                let refused = verify_note(&note, std::slice::from_ref(key));
                assert!(matches!(refused, Err(NoteError::BadSignature(_))));
            }
        }
    }
}
