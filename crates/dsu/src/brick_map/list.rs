//! What lies below a path.
//!
//! **Source:** dsu specification §7. Embedded files are found by the segments
//! of their paths, not by a prefix of the text (§14-7).

use std::collections::HashSet;

use keyssi::json::{Json, Object};
use thiserror::Error;

use super::lookup::{Body, embedded_path, is_deleted};
use super::{BrickMap, FileNode, FolderNode, ITEMS, Metadata, Node, NodeKind};
use crate::path::DsuPath;

/// How far a listing goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// What lies in the folder itself.
    Here,
    /// All that lies below it.
    Recursive,
}

/// Where a node is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoredIn {
    /// In the tree of `items`.
    Items,
    /// In `embedded`; a folder: only in the paths of embedded files.
    Embedded,
}

/// One line of a listing.
#[derive(Debug, Clone)]
pub struct Listed<'a> {
    /// Absolute.
    pub path: DsuPath,
    /// The file or folder.
    pub node: Node<'a>,
    /// Where it is stored.
    pub stored_in: StoredIn,
}

/// There is no folder to list.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ListError {
    /// Nothing lies there, or it was deleted.
    #[error("there is nothing at {0}")]
    NotFound(DsuPath),
    /// A file lies there.
    #[error("{0} is a file")]
    IsFile(DsuPath),
}

impl Listed<'_> {
    /// File or folder.
    #[must_use]
    pub const fn kind(&self) -> NodeKind {
        self.node.kind()
    }

    /// Its times.
    #[must_use]
    pub fn metadata(&self) -> Metadata<'_> {
        self.node.metadata()
    }
}

impl BrickMap {
    /// Files and folders below `folder`, in stored order: a folder comes before
    /// what it holds, embedded files and the folders that only they imply come
    /// last. Tombstones are left out.
    ///
    /// # Errors
    /// [`ListError`] if `folder` is not a folder.
    pub fn list(&self, folder: &DsuPath, depth: Depth) -> Result<Vec<Listed<'_>>, ListError> {
        let node = match self.lookup(folder) {
            Some(Node::Folder(FolderNode(node))) => node,
            Some(Node::File(_)) => return Err(ListError::IsFile(folder.clone())),
            None => return Err(ListError::NotFound(folder.clone())),
        };
        let inside = self.embedded_below(folder);
        let hidden: HashSet<&DsuPath> = inside.iter().map(|(path, _)| path).collect();
        let mut listed = Vec::new();
        if let Some(node) = node {
            list_items(node, folder, depth, &mut listed);
        }
        // An embedded file is what is read at its path.
        listed.retain(|line: &Listed<'_>| !hidden.contains(&line.path));
        let mut seen: HashSet<DsuPath> = listed.iter().map(|line| line.path.clone()).collect();
        for (path, file) in &inside {
            for implied in folders_between(folder, path) {
                let is_wanted =
                    depth == Depth::Recursive || implied.parent().as_ref() == Some(folder);
                if is_wanted && seen.insert(implied.clone()) {
                    listed.push(Listed {
                        path: implied,
                        node: Node::Folder(FolderNode(None)),
                        stored_in: StoredIn::Embedded,
                    });
                }
            }
            if depth == Depth::Recursive || path.parent().as_ref() == Some(folder) {
                listed.push(Listed {
                    path: path.clone(),
                    node: Node::File(*file),
                    stored_in: StoredIn::Embedded,
                });
            }
        }
        Ok(listed)
    }

    /// All files, in stored order.
    #[must_use]
    pub fn files(&self) -> Vec<(DsuPath, FileNode<'_>)> {
        let listed = self.list(&DsuPath::root(), Depth::Recursive);
        let files = listed.unwrap_or_default().into_iter();
        files
            .filter_map(|line| match line.node {
                Node::File(file) => Some((line.path, file)),
                Node::Folder(_) => None,
            })
            .collect()
    }

    /// The embedded files below `folder`, in stored order.
    fn embedded_below(&self, folder: &DsuPath) -> Vec<(DsuPath, FileNode<'_>)> {
        let embedded = self.embedded().into_iter().flatten();
        embedded
            .filter_map(|(key, file)| {
                let path = embedded_path(key).filter(|path| path.starts_with(folder))?;
                Some((path, FileNode(Body::Embedded(file.as_object()?))))
            })
            .collect()
    }
}

fn list_items<'a>(folder: &'a Object, path: &DsuPath, depth: Depth, listed: &mut Vec<Listed<'a>>) {
    let items = folder.get(ITEMS).and_then(Json::as_object);
    for (name, value) in items.into_iter().flatten() {
        let (Some(name), Some(node)) = (name.decoded(), value.as_object()) else {
            continue;
        };
        if is_deleted(node) {
            continue;
        }
        let path = path.child(&name);
        let is_folder = node.has(ITEMS);
        listed.push(Listed {
            path: path.clone(),
            node: if is_folder {
                Node::Folder(FolderNode(Some(node)))
            } else {
                Node::File(FileNode(Body::Items(node)))
            },
            stored_in: StoredIn::Items,
        });
        if is_folder && depth == Depth::Recursive {
            list_items(node, &path, depth, listed);
        }
    }
}

/// The folders between `folder` and what lies at `path` below it, outermost
/// first.
fn folders_between(folder: &DsuPath, path: &DsuPath) -> Vec<DsuPath> {
    let mut between = Vec::new();
    let mut next = path.parent();
    while let Some(parent) = next.filter(|parent| parent != folder) {
        next = parent.parent();
        between.push(parent);
    }
    between.reverse();
    between
}
