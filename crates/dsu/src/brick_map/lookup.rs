//! What lies at a path.
//!
//! **Source:** dsu specification §3.3 (`embedded` first, then `items`), §3.1
//! (tombstones).

use std::fmt;

use keyssi::json::{JsText, Json, Object};
use thiserror::Error;
use zeroize::Zeroizing;

use super::{
    BrickMap, CONTENT, CREATED_AT, DELETED_AT, EMBEDDED, HASH_LINKS, ITEMS, METADATA, UPDATED_AT,
};
use crate::entry::Entry;
use crate::moment::Moment;
use crate::path::DsuPath;

/// A folder or a file.
#[derive(Debug, Clone, Copy)]
pub enum Node<'a> {
    /// A folder.
    Folder(FolderNode<'a>),
    /// A file.
    File(FileNode<'a>),
}

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeKind {
    /// A folder.
    Folder,
    /// A file.
    File,
}

/// A folder. One that only embedded files imply has no node of its own (the
/// SDK does not list such folders) and no times.
#[derive(Clone, Copy)]
pub struct FolderNode<'a>(pub(super) Option<&'a Object>);

/// A file: a list of bricks, or content inside the map.
#[derive(Clone, Copy)]
pub struct FileNode<'a>(pub(super) Body<'a>);

#[derive(Clone, Copy)]
pub(super) enum Body<'a> {
    Items(&'a Object),
    Embedded(&'a Object),
}

/// Times of a node, as far as they are recorded and are dates.
#[derive(Clone, Copy, Default)]
pub struct Metadata<'a>(Option<&'a Object>);

/// Content of a file that is kept inside the map.
#[derive(Clone, PartialEq, Eq)]
pub enum EmbeddedContent {
    /// Written from a string; stored as JSON text.
    Text(Zeroizing<String>),
    /// Written from bytes; stored as `{"type":"Buffer","data":[…]}`.
    Bytes(Zeroizing<Vec<u8>>),
}

/// Embedded content that is neither a text nor bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the embedded content is neither a Unicode text nor bytes")]
pub struct UnreadableEmbedded;

impl BrickMap {
    /// What lies at `path`; `None` if nothing does or it was deleted.
    #[must_use]
    pub fn lookup(&self, path: &DsuPath) -> Option<Node<'_>> {
        if let Some(file) = self.embedded_at(path) {
            return Some(Node::File(FileNode(Body::Embedded(file))));
        }
        match self.item(path) {
            Some(node) if node.has(ITEMS) => Some(Node::Folder(FolderNode(Some(node)))),
            Some(node) => Some(Node::File(FileNode(Body::Items(node)))),
            None if self.implies(path) => Some(Node::Folder(FolderNode(None))),
            None => None,
        }
    }

    /// The file at `path`, if there is one.
    #[must_use]
    pub fn file(&self, path: &DsuPath) -> Option<FileNode<'_>> {
        match self.lookup(path)? {
            Node::File(file) => Some(file),
            Node::Folder(_) => None,
        }
    }

    /// True if the content of the file at `path` is kept inside the map.
    #[must_use]
    pub fn is_embedded(&self, path: &DsuPath) -> bool {
        self.embedded_at(path).is_some()
    }

    /// The embedded file at `path`.
    fn embedded_at(&self, path: &DsuPath) -> Option<&Object> {
        let embedded = self.embedded()?;
        embedded_keys(path).find_map(|key| embedded.get(&key)?.as_object())
    }

    pub(super) fn embedded(&self) -> Option<&Object> {
        self.root.get(EMBEDDED)?.as_object()
    }

    /// The node at `path` in `items`, if neither it nor a folder on the way was
    /// deleted.
    pub(super) fn item(&self, path: &DsuPath) -> Option<&Object> {
        let mut node = &self.root;
        for name in path.segments() {
            node = node.get(ITEMS)?.as_object()?.get(name)?.as_object()?;
            if is_deleted(node) {
                return None;
            }
        }
        Some(node)
    }

    /// True if an embedded file lies below `path`.
    pub(super) fn implies(&self, path: &DsuPath) -> bool {
        let folder = JsText::new(path.as_str().trim_start_matches('/'));
        let mut embedded = self.embedded().into_iter().flatten();
        embedded.any(|(key, _)| {
            let key = key.printed().trim_start_matches('/');
            let below = key.strip_prefix(folder.printed());
            below.is_some_and(|below| below.starts_with('/') && below != "/")
        })
    }
}

/// The keys under which an embedded file may stand: the first is the rule, the
/// others come from paths that the SDK did not normalise.
pub(super) fn embedded_keys(path: &DsuPath) -> impl Iterator<Item = String> {
    let text = path.as_str();
    let bare = text.strip_prefix('/').unwrap_or(text);
    [
        text.to_owned(),
        bare.to_owned(),
        format!("{text}/"),
        format!("{bare}/"),
    ]
    .into_iter()
}

/// The path of a key of `embedded`.
pub(super) fn embedded_path(key: &JsText) -> Option<DsuPath> {
    DsuPath::parse(&key.decoded()?).ok()
}

/// True for a tombstone.
pub(super) fn is_deleted(node: &Object) -> bool {
    let metadata = node.get(METADATA).and_then(Json::as_object);
    metadata.is_some_and(|metadata| metadata.has(DELETED_AT))
}

impl<'a> Node<'a> {
    /// What it is.
    #[must_use]
    pub const fn kind(&self) -> NodeKind {
        match self {
            Self::Folder(_) => NodeKind::Folder,
            Self::File(_) => NodeKind::File,
        }
    }

    /// Its times.
    #[must_use]
    pub fn metadata(&self) -> Metadata<'a> {
        match self {
            Self::Folder(folder) => folder.metadata(),
            Self::File(file) => file.metadata(),
        }
    }
}

impl<'a> FolderNode<'a> {
    /// Its times.
    #[must_use]
    pub fn metadata(&self) -> Metadata<'a> {
        self.0.map_or_else(Metadata::default, Metadata::of)
    }

    /// True if it has no node of its own: embedded files lie below its path.
    #[must_use]
    pub const fn is_implied(&self) -> bool {
        self.0.is_none()
    }
}

impl<'a> FileNode<'a> {
    /// Its times.
    #[must_use]
    pub fn metadata(&self) -> Metadata<'a> {
        match self.0 {
            Body::Items(node) | Body::Embedded(node) => Metadata::of(node),
        }
    }

    /// The bricks, in order; none for an embedded file.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        let Body::Items(node) = self.0 else {
            return Vec::new();
        };
        let list = node.get(HASH_LINKS).and_then(Json::as_list);
        let objects = list.unwrap_or_default().iter().filter_map(Json::as_object);
        objects.cloned().map(Entry::from_object).collect()
    }

    /// The content, if it is kept inside the map.
    #[must_use]
    pub fn embedded(&self) -> Option<Result<EmbeddedContent, UnreadableEmbedded>> {
        match self.0 {
            Body::Items(_) => None,
            Body::Embedded(file) => {
                let content = file.get(CONTENT).and_then(EmbeddedContent::from_json);
                Some(content.ok_or(UnreadableEmbedded))
            }
        }
    }
}

impl fmt::Debug for FolderNode<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FolderNode")
    }
}

impl fmt::Debug for FileNode<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FileNode")
    }
}

impl<'a> Metadata<'a> {
    pub(super) fn of(node: &'a Object) -> Self {
        Self(node.get(METADATA).and_then(Json::as_object))
    }

    pub(super) const fn from_object(metadata: &'a Object) -> Self {
        Self(Some(metadata))
    }

    /// When the node was made.
    #[must_use]
    pub fn created_at(&self) -> Option<Moment> {
        Moment::parse_http_date(&self.created_at_text()?)
    }

    /// When it was last written.
    #[must_use]
    pub fn updated_at(&self) -> Option<Moment> {
        Moment::parse_http_date(&self.text(UPDATED_AT)?)
    }

    /// As it stands.
    pub(super) fn created_at_text(self) -> Option<String> {
        self.text(CREATED_AT)
    }

    fn text(self, member: &str) -> Option<String> {
        self.0?.get(member)?.as_text()
    }
}

impl fmt::Debug for Metadata<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metadata")
            .field("created_at", &self.created_at())
            .field("updated_at", &self.updated_at())
            .finish()
    }
}

impl EmbeddedContent {
    /// The content of a file.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }

    pub(super) fn to_json(&self) -> Json {
        match self {
            Self::Text(text) => Json::from(text.as_str()),
            Self::Bytes(bytes) => {
                let numbers = bytes.iter().map(|byte| Json::Number(f64::from(*byte)));
                let mut buffer = Object::new();
                buffer.set("type", "Buffer");
                buffer.set("data", Json::List(numbers.collect()));
                Json::Object(buffer)
            }
        }
    }

    pub(super) fn from_json(content: &Json) -> Option<Self> {
        if let Json::Text(text) = content {
            return text.decoded().map(|text| Self::Text(Zeroizing::new(text)));
        }
        let buffer = content.as_object()?;
        if buffer.get("type")?.as_text()? != "Buffer" {
            return None;
        }
        let data = buffer.get("data")?.as_list()?;
        let bytes: Option<Vec<u8>> = data.iter().map(byte).collect();
        bytes.map(|bytes| Self::Bytes(Zeroizing::new(bytes)))
    }
}

impl fmt::Debug for EmbeddedContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EmbeddedContent({} bytes)", self.as_bytes().len())
    }
}

/// A number that is a byte.
fn byte(value: &Json) -> Option<u8> {
    let Json::Number(number) = value else {
        return None;
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "what does not fit differs below"
    )]
    let byte = *number as u8;
    ((f64::from(byte) - number).abs() <= 0.0).then_some(byte)
}
