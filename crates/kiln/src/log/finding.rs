//! What is wrong with a log, and where.

use serde_json::{Value, json};

use crate::exit::{Exit, Failure};

/// The first thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    /// Which kind of thing.
    pub(super) kind: Kind,
    /// The entry at which it shows; of tiles the first entry below it, of checkpoints their size.
    pub(super) index: Option<u64>,
    /// The file, if it is about one.
    pub(super) path: Option<String>,
    /// In words.
    pub(super) text: String,
}

/// Kinds of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The checkpoint is not signed as it has to be.
    Signature,
    /// An entry is not the one that the checkpoint vouches for.
    Entry,
    /// A bundle of entries is cut off or has too much.
    Bundle,
    /// A tile is not the one that the checkpoint vouches for.
    Tile,
    /// A file that the checkpoint says there is, is not there.
    Missing,
    /// What opens an entry does not open it.
    Opening,
    /// An entry that the checkpoint vouches for breaks a rule.
    Rule,
    /// The root in the checkpoint is not that of the entries.
    Checkpoint,
    /// Two signed checkpoints contradict each other.
    Fork,
    /// The checkpoint is older than one that was seen before.
    Rollback,
}

impl Kind {
    /// The word for it in JSON.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::Entry => "entry",
            Self::Bundle => "bundle",
            Self::Tile => "tile",
            Self::Missing => "missing",
            Self::Opening => "opening",
            Self::Rule => "rule",
            Self::Checkpoint => "checkpoint",
            Self::Fork => "fork",
            Self::Rollback => "rollback",
        }
    }

    /// What the command ends with.
    pub(super) const fn exit(self) -> Exit {
        match self {
            Self::Signature => Exit::Negative,
            Self::Entry | Self::Bundle | Self::Tile | Self::Missing | Self::Opening => {
                Exit::LogDamaged
            }
            Self::Rule => Exit::Forged,
            Self::Checkpoint | Self::Fork => Exit::LogForked,
            Self::Rollback => Exit::Rollback,
        }
    }

    /// Whether two checkpoints show it, which then are evidence.
    pub(super) const fn is_between_checkpoints(self) -> bool {
        matches!(self, Self::Checkpoint | Self::Fork | Self::Rollback)
    }
}

impl Finding {
    /// A finding without place.
    pub(super) fn new(kind: Kind, text: impl Into<String>) -> Self {
        Self {
            kind,
            index: None,
            path: None,
            text: text.into(),
        }
    }

    /// With the entry.
    #[must_use]
    pub(super) fn at(mut self, index: u64) -> Self {
        self.index = Some(index);
        self
    }

    /// With the file.
    #[must_use]
    pub(super) fn file(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        json!({
            "kind": self.kind.word(),
            "index": self.index,
            "path": self.path,
            "text": self.text,
        })
    }

    /// For people, in one line.
    pub(super) fn words(&self) -> String {
        let file = self.path.as_deref().map(|path| format!(" ({path})"));
        let place = match (self.kind, self.index) {
            (_, None) => String::new(),
            (Kind::Checkpoint | Kind::Fork | Kind::Rollback, Some(size)) => {
                format!("checkpoint of size {size}: ")
            }
            (Kind::Tile, Some(index)) => format!("tile above entry {index}: "),
            (_, Some(index)) => format!("entry {index}: "),
        };
        format!("{place}{}{}", self.text, file.unwrap_or_default())
    }
}

/// Why a walk over a log ended early.
#[derive(Debug)]
pub(super) enum Stop {
    /// Something is wrong with the log.
    Found(Box<Finding>),
    /// It could not be read.
    Failed(Box<Failure>),
}

impl From<Finding> for Stop {
    fn from(finding: Finding) -> Self {
        Self::Found(Box::new(finding))
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(Box::new(failure))
    }
}
