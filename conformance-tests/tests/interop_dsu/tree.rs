//! The files and folders of one version, however it was read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use client::dsus::Snapshot;
use dsu::{Depth, DsuPath, Node, NodeKind};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Every file with its content's size and hash, and every folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tree {
    pub(crate) files: BTreeMap<String, (u64, String)>,
    pub(crate) folders: BTreeSet<String>,
}

/// The size and the hash of a content.
pub(crate) fn digest(bytes: &[u8]) -> (u64, String) {
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    (bytes.len() as u64, hex)
}

impl Tree {
    /// As our client reads it. Folders that are there only for a mount or an embedded file are left
    /// out: the SDK does not list them.
    pub(crate) async fn of_snapshot(snapshot: &Snapshot) -> Result<Self> {
        let mut tree = Self::default();
        let mut places = Vec::new();
        for line in snapshot.list(&DsuPath::root(), Depth::Recursive).await? {
            if line.kind == NodeKind::File {
                places.push(line.path);
                continue;
            }
            let found = snapshot.locate(&line.path).await?;
            let node = found.snapshot.map().lookup(&found.path);
            let is_listed = matches!(node, Some(Node::Folder(folder)) if !folder.is_implied());
            if is_listed && !line.is_mount {
                tree.folders.insert(line.path.to_string());
            }
        }
        let mut contents = vec![Vec::new(); places.len()];
        let mut reader = snapshot.read_many(&places).await?;
        while let Some((index, bytes)) = reader.next().await? {
            contents[index].extend_from_slice(&bytes);
        }
        let lines = places.iter().zip(&contents);
        tree.files = lines
            .map(|(place, bytes)| (place.to_string(), digest(bytes)))
            .collect();
        Ok(tree)
    }

    /// As the SDK process tells it.
    pub(crate) fn of_json(value: &Value) -> Result<Self> {
        let mut tree = Self::default();
        for (place, file) in value["files"].as_object().context("no files")? {
            let size = file["bytes"].as_u64().context("no size")?;
            let hash = file["sha256"].as_str().context("no hash")?.to_owned();
            tree.files.insert(place.clone(), (size, hash));
        }
        for folder in value["folders"].as_array().context("no folders")? {
            let folder = folder.as_str().context("a folder is no text")?;
            tree.folders.insert(folder.to_owned());
        }
        Ok(tree)
    }
}
