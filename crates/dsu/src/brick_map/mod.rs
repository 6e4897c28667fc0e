//! The brick map: the root document of one version of a DSU.
//!
//! It is kept as the JSON that it is, so that what we do not know survives and
//! the text of an edited map is the one that the SDK would have written.
//!
//! **Source:** dsu specification §3, §5 and §14.

mod check;
mod edit;
mod embed;
mod graft;
mod list;
mod lookup;
mod overlay;
mod relocate;
mod tree;

use std::fmt;

use keyssi::json::{Json, Object};
use thiserror::Error;

pub(crate) use edit::BrickPlace;
pub use edit::EditError;
pub(crate) use graft::{MergedText, is_newer};
pub use list::{Depth, ListError, Listed, StoredIn};
pub use lookup::{
    EmbeddedContent, FileNode, FolderNode, Metadata, Node, NodeKind, UnreadableEmbedded,
};

use crate::moment::Moment;
use crate::path::{DsuPath, SEGMENTS_MAX};

/// Longest text that [`BrickMap::parse`] reads: 64 MiB, as much as a brick.
pub const JSON_BYTES_MAX: usize = 64 << 20;

/// Levels of JSON: two per folder, and room for members that we do not know.
const JSON_DEPTH_MAX: usize = 2 * SEGMENTS_MAX + 64;

const ITEMS: &str = "items";
const HASH_LINKS: &str = "hashLinks";
const METADATA: &str = "metadata";
const EMBEDDED: &str = "embedded";
const CONTENT: &str = "content";
const CREATED_AT: &str = "createdAt";
const UPDATED_AT: &str = "updatedAt";
const DELETED_AT: &str = "deletedAt";
const PREVIOUS: &str = "prevDiffHashLink";

/// The files and folders of one version. Equal if the JSON texts are.
///
/// `Debug` shows nothing of it: it holds keys, names and contents.
#[derive(Clone, PartialEq)]
pub struct BrickMap {
    root: Object,
}

/// Whether a map records times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timing {
    /// The rule: seed and wallet DSUs.
    Stamped,
    /// `const` and `array` DSUs: every `metadata` is `{}`.
    TimeFree,
}

/// The text is not a brick map.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BrickMapError {
    /// Longer than [`JSON_BYTES_MAX`].
    #[error("the brick map is longer than {JSON_BYTES_MAX} bytes")]
    TooLong,
    /// Not UTF-8, not JSON, or nested too deep.
    #[error("the brick map is not JSON")]
    NotJson,
    /// Something is not where or what it has to be.
    #[error("the brick map is malformed at {path}: {problem}")]
    Malformed {
        /// Where.
        path: DsuPath,
        /// What is wrong.
        problem: &'static str,
    },
    /// A name that cannot be part of a path: empty, `..`, with `/` or `\`, or
    /// not Unicode.
    #[error("the brick map holds the name {name:?} in {folder}")]
    BadName {
        /// The folder that holds it.
        folder: DsuPath,
        /// The name as it stands in the JSON.
        name: String,
    },
}

impl BrickMap {
    /// The map of a DSU without files.
    #[must_use]
    pub fn new(timing: Timing, now: Moment) -> Self {
        let mut metadata = Object::new();
        if timing == Timing::Stamped {
            metadata.set(CREATED_AT, now.http_date().as_str());
        }
        let mut root = Object::new();
        root.set("v", Json::Number(1.0));
        root.set(ITEMS, Object::new());
        root.set(METADATA, metadata);
        root.set(EMBEDDED, Object::new());
        Self { root }
    }

    /// Reads the JSON text of a brick map. Missing `v`, `embedded` and
    /// `metadata` are accepted, members that we do not know are kept.
    ///
    /// # Errors
    /// [`BrickMapError`] if it is not JSON, not a brick map, or holds a name
    /// that could not be reached by a path.
    pub fn parse(json: &[u8]) -> Result<Self, BrickMapError> {
        if json.len() > JSON_BYTES_MAX {
            return Err(BrickMapError::TooLong);
        }
        let text = std::str::from_utf8(json).map_err(|_| BrickMapError::NotJson)?;
        let Some(value) = Json::parse_nested(text, JSON_DEPTH_MAX) else {
            return Err(BrickMapError::NotJson);
        };
        check::root(value).map(|root| Self { root })
    }

    /// The text that is stored: as `JSON.stringify` writes it.
    #[must_use]
    pub fn to_json(&self) -> String {
        self.root.print()
    }

    /// Whether the map records times: it does if its root has a `createdAt`.
    #[must_use]
    pub fn timing(&self) -> Timing {
        match self.metadata().created_at_text() {
            Some(text) if !text.is_empty() => Timing::Stamped,
            _ => Timing::TimeFree,
        }
    }

    /// Identifier of the anchor value that the version was built on, as it
    /// stands. It is there to inform: the chain of anchor values is what counts.
    #[must_use]
    pub fn previous_value(&self) -> Option<String> {
        let metadata = self.root.get(METADATA)?.as_object()?;
        metadata.get(PREVIOUS)?.as_text()
    }

    /// The times of the version itself.
    #[must_use]
    pub fn metadata(&self) -> Metadata<'_> {
        Metadata::of(&self.root)
    }
}

impl fmt::Debug for BrickMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BrickMap").finish_non_exhaustive()
    }
}
