//! What was not taken as it lies there, and why.

use std::fmt;

use serde::Serialize;

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// A file below `brick-storage`, or a brick that something names.
    Brick,
    /// A file below `anchors`, or a DSU of another node.
    Anchor,
    /// A file below `versionlessdsu`.
    Document,
    /// A folder below `domains`.
    Domain,
}

/// Why. The words are in every report and never change their meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Reason {
    /// The content is an error text that an `ApiHub` stored as a brick (defect D4).
    Poisoned,
    /// The bytes are not those of the name: cut off, or altered (D3, D7).
    TornOrAltered,
    /// A file without content.
    Empty,
    /// The file's name is none that an `ApiHub` gives.
    ForeignName,
    /// Larger than is stored here.
    TooLarge,
    /// A symbolic link; none is followed.
    Symlink,
    /// A folder where a file should be, a pipe, a device, a socket.
    NotAFile,
    /// The operating system does not give it.
    Unreadable,
    /// It changed while it was read; the next pass takes it.
    Changing,
    /// The folder of a domain that the configuration of the `ApiHub` does not name.
    UnknownDomain,
    /// The domain's anchors are kept by a ledger elsewhere.
    LedgerElsewhere,
    /// The anchor is one of another domain than the folder it lies in.
    WrongDomain,
    /// The last line is cut off (D13); what is before it was taken.
    TornTail,
    /// A line is no anchor value.
    NotAValue,
    /// A line is an anchor value in a form that no server stores.
    NotCanonical,
    /// An entry may not stand where it stands: type, time or signature.
    BreaksRules,
    /// Two first entries (D10), so it is not known which history is the anchor's.
    Forked,
    /// This node has another history of the anchor, or another document.
    DiffersHere,
    /// The anchor was taken, and versions of it name a brick map that is not here.
    BrickMapMissing,
    /// The node refuses it.
    Refused,
    /// An anchor id alone does not say which bricks belong to it; a key that reads does.
    NoReadKey,
    /// The other node does not have it, or not all of it.
    Incomplete,
    /// The other node shows a history that does not hold.
    Forged,
}

/// What became of the thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "effect")]
pub enum Effect {
    /// Nothing of it was taken.
    Skipped,
    /// The first entries of an anchor are here, the others were left out.
    Partly {
        /// Entries that are here.
        taken: u64,
        /// Entries that were left out, a torn one included.
        left_out: u64,
    },
    /// It was taken; something about it should be known.
    Taken,
}

/// One thing that was not taken as it lies there: a line of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is about.
    pub subject: Subject,
    /// The file, from the folder `external-volume` on; for another node, the anchor.
    pub path: String,
    /// Why.
    pub reason: Reason,
    /// The particulars, for people.
    pub detail: String,
    /// What became of it.
    #[serde(flatten)]
    pub effect: Effect,
}

impl Finding {
    /// Something of which nothing was taken.
    pub(crate) fn skipped(
        subject: Subject,
        path: impl Into<String>,
        reason: Reason,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            subject,
            path: path.into(),
            reason,
            detail: detail.into(),
            effect: Effect::Skipped,
        }
    }
}

impl fmt::Display for Reason {
    /// The word of the report.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl fmt::Display for Subject {
    /// The word of the report.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}
