//! Operations on a DSU that both sides can carry out.

use std::fmt;

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use client::dsus::Draft;
use dsu::{DsuPath, EmbeddedContent, Moment};
use keyssi::KeySsi;
use serde_json::{Value, json};

/// What is done to a DSU.
#[derive(Clone)]
pub(crate) enum Operation {
    /// A file, in bricks of so many bytes.
    Write(String, Vec<u8>, Option<usize>),
    /// More at the end of a file.
    Append(String, Vec<u8>, Option<usize>),
    /// A text kept in the brick map.
    EmbedText(String, String),
    /// Bytes kept in the brick map.
    EmbedBytes(String, Vec<u8>),
    /// More at the end of an embedded text.
    AppendText(String, String),
    CreateFolder(String),
    Delete(String),
    Rename(String, String),
    Copy(String, String),
    Mount(String, KeySsi),
    Unmount(String),
}

impl Operation {
    /// A file in bricks of the usual size.
    pub(crate) fn write(path: &str, bytes: impl Into<Vec<u8>>) -> Self {
        Self::Write(path.to_owned(), bytes.into(), None)
    }

    /// As the SDK process takes it.
    pub(crate) fn to_json(&self) -> Value {
        let sized = |op: &str, path: &str, bytes: &[u8], brick_bytes: &Option<usize>| json!({"op": op, "path": path, "bytes": STANDARD.encode(bytes), "brickBytes": brick_bytes});
        match self {
            Self::Write(path, bytes, size) => sized("write", path, bytes, size),
            Self::Append(path, bytes, size) => sized("append", path, bytes, size),
            Self::EmbedText(path, text) => json!({"op": "embedText", "path": path, "text": text}),
            Self::EmbedBytes(path, bytes) => sized("embedBytes", path, bytes, &None),
            Self::AppendText(path, text) => json!({"op": "appendText", "path": path, "text": text}),
            Self::CreateFolder(path) => json!({"op": "createFolder", "path": path}),
            Self::Delete(path) => json!({"op": "delete", "path": path}),
            Self::Rename(from, to) => json!({"op": "rename", "path": from, "to": to}),
            Self::Copy(from, to) => json!({"op": "copy", "path": from, "to": to}),
            Self::Mount(path, ssi) => {
                json!({"op": "mount", "path": path, "ssi": ssi.wrapped().as_str()})
            }
            Self::Unmount(path) => json!({"op": "unmount", "path": path}),
        }
    }

    /// Carries it out with our client. Takes and gives the draft, because the size of bricks is
    /// set on it as a whole.
    pub(crate) async fn apply(&self, draft: Draft, now: Moment) -> Result<Draft> {
        let size = match self {
            Self::Write(_, _, Some(size)) | Self::Append(_, _, Some(size)) => *size,
            _ => dsu::CHUNK_BYTES_DEFAULT,
        };
        let mut draft = draft.with_chunk_bytes(size);
        match self {
            Self::Write(place, bytes, _) => {
                draft.write(&path(place)?, bytes.as_slice(), now).await?;
            }
            Self::Append(place, bytes, _) => {
                draft.append(&path(place)?, bytes.as_slice(), now).await?;
            }
            Self::EmbedText(place, text) => {
                let text = EmbeddedContent::Text(text.clone().into());
                draft.embed(&path(place)?, &text, now).await?;
            }
            Self::EmbedBytes(place, bytes) => {
                let bytes = EmbeddedContent::Bytes(bytes.clone().into());
                draft.embed(&path(place)?, &bytes, now).await?;
            }
            Self::AppendText(place, text) => {
                draft.append(&path(place)?, text.as_bytes(), now).await?;
            }
            Self::CreateFolder(place) => draft.create_folder(&path(place)?, now).await?,
            Self::Delete(place) => draft.remove(&path(place)?, now).await?,
            Self::Rename(from, to) => draft.rename(&path(from)?, &path(to)?, now).await?,
            Self::Copy(from, to) => draft.copy(&path(from)?, &path(to)?, now).await?,
            Self::Mount(place, ssi) => draft.mount(&path(place)?, ssi, now).await?,
            Self::Unmount(place) => draft.unmount(&path(place)?, now).await?,
        }
        Ok(draft)
    }
}

/// Short: contents and identifiers are left out.
impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write(path, bytes, size) => {
                write!(f, "write {path} ({} bytes, bricks {size:?})", bytes.len())
            }
            Self::Append(path, bytes, size) => {
                write!(f, "append {path} ({} bytes, bricks {size:?})", bytes.len())
            }
            Self::EmbedText(path, _) => write!(f, "embed text {path}"),
            Self::EmbedBytes(path, _) => write!(f, "embed bytes {path}"),
            Self::AppendText(path, _) => write!(f, "append text {path}"),
            Self::CreateFolder(path) => write!(f, "create folder {path}"),
            Self::Delete(path) => write!(f, "delete {path}"),
            Self::Rename(from, to) => write!(f, "rename {from} to {to}"),
            Self::Copy(from, to) => write!(f, "copy {from} to {to}"),
            Self::Mount(path, _) => write!(f, "mount {path}"),
            Self::Unmount(path) => write!(f, "unmount {path}"),
        }
    }
}

/// The operations as the SDK process takes them.
pub(crate) fn to_json(operations: &[Operation]) -> Vec<Value> {
    operations.iter().map(Operation::to_json).collect()
}

pub(crate) fn path(text: &str) -> Result<DsuPath> {
    Ok(DsuPath::parse(text)?)
}
