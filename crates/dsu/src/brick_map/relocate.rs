//! Renaming and copying: entries are cloned, bricks are shared, nothing is
//! encrypted again.
//!
//! **Source:** dsu specification §3.2.

use keyssi::json::{JsText, Json, Object};

use super::lookup::{embedded_keys, embedded_path};
use super::{BrickMap, CONTENT, CREATED_AT, Depth, EditError, HASH_LINKS, ITEMS, Node, NodeKind};
use crate::moment::Moment;
use crate::path::{DsuPath, SEGMENTS_MAX};

/// What is to be put at the destination.
enum Cargo {
    File(Option<Json>),
    Embedded(Option<Json>),
    Folder(Option<Json>, Vec<(DsuPath, Json)>),
}

impl BrickMap {
    /// Copies a file or folder. An existing file is replaced by a file, an empty
    /// folder by a folder.
    ///
    /// # Errors
    /// [`EditError`] if the source is not there, the destination is of the other
    /// kind, is a folder with something in it, or lies in the source.
    pub fn copy(&mut self, from: &DsuPath, to: &DsuPath, now: Moment) -> Result<(), EditError> {
        let cargo = self.cargo(from, to)?;
        let stamp = self.stamp(now);
        match cargo {
            Cargo::File(entries) => {
                self.remove_embedded(to);
                let node = self.file_mut(to, &stamp);
                node.set(HASH_LINKS, entries.unwrap_or(Json::List(Vec::new())));
                stamp.put(node, CREATED_AT);
            }
            Cargo::Embedded(content) => {
                self.put_embedded(to, content.unwrap_or(Json::Null), now);
            }
            Cargo::Folder(items, embedded) => {
                if let Some(items) = items {
                    let node = self.folder_mut(to, &stamp);
                    node.set(ITEMS, items);
                    stamp.put(node, CREATED_AT);
                }
                for (path, file) in embedded {
                    self.embedded_mut().set(path.as_str(), file);
                }
            }
        }
        Ok(())
    }

    /// Renames a file or folder: copies it, then deletes the source.
    ///
    /// # Errors
    /// [`EditError`] as for [`BrickMap::copy`].
    pub fn rename(&mut self, from: &DsuPath, to: &DsuPath, now: Moment) -> Result<(), EditError> {
        self.copy(from, to, now)?;
        self.delete(from, now)
    }

    /// Checks a copy and clones what it puts at the destination.
    fn cargo(&self, from: &DsuPath, to: &DsuPath) -> Result<Cargo, EditError> {
        if to.starts_with(from) {
            return Err(EditError::IntoItself {
                from: from.clone(),
                to: to.clone(),
            });
        }
        let source = self
            .lookup(from)
            .ok_or_else(|| EditError::NotFound(from.clone()))?;
        self.check_way(to)?;
        match (source.kind(), self.lookup(to)) {
            (NodeKind::File, Some(Node::Folder(_))) => return Err(EditError::IsFolder(to.clone())),
            (NodeKind::Folder, Some(Node::File(_))) => return Err(EditError::IsFile(to.clone())),
            (NodeKind::Folder, Some(Node::Folder(_))) => {
                let inside = self.list(to, Depth::Here);
                if inside.is_ok_and(|inside| !inside.is_empty()) {
                    return Err(EditError::Exists(to.clone()));
                }
            }
            _ => {}
        }
        if source.kind() == NodeKind::Folder {
            return self.folder_cargo(from, to);
        }
        let embedded = self.embedded();
        let content = embedded_keys(from).find_map(|key| embedded?.get(&key)?.as_object());
        Ok(match content {
            Some(file) => Cargo::Embedded(file.get(CONTENT).cloned()),
            None => Cargo::File(
                self.item(from)
                    .and_then(|node| node.get(HASH_LINKS))
                    .cloned(),
            ),
        })
    }

    fn folder_cargo(&self, from: &DsuPath, to: &DsuPath) -> Result<Cargo, EditError> {
        let too_deep = || EditError::TooDeep(to.clone());
        let items = self.item(from).and_then(|node| node.get(ITEMS));
        let levels = items.and_then(Json::as_object).map_or(0, levels_below);
        if to.segments().count() + levels > SEGMENTS_MAX {
            return Err(too_deep());
        }
        let below = |key: &JsText| {
            let rest = embedded_path(key)?.strip(from)?;
            Some(to.join(rest.as_str()))
        };
        let mut embedded = Vec::new();
        for (key, file) in self.embedded().into_iter().flatten() {
            if let Some(path) = below(key) {
                embedded.push((path.map_err(|_| too_deep())?, file.clone()));
            }
        }
        Ok(Cargo::Folder(items.cloned(), embedded))
    }
}

/// How many segments the longest path below a folder adds.
fn levels_below(items: &Object) -> usize {
    let children = items.iter().map(|(_, node)| node.as_object());
    let levels = children.map(|node| {
        let items = node.and_then(|node| node.get(ITEMS)?.as_object());
        1 + items.map_or(0, levels_below)
    });
    levels.max().unwrap_or(0)
}
