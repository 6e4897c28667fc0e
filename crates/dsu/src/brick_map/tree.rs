//! Walking `items` to change them.

use keyssi::json::{Json, Object};

use super::lookup::embedded_path;
use super::{
    BrickMap, CREATED_AT, DELETED_AT, EMBEDDED, EditError, HASH_LINKS, ITEMS, METADATA, Node,
    Timing,
};
use crate::moment::Moment;
use crate::path::DsuPath;

/// A name that the SDK loses: it is no ordinary member of a JavaScript object.
const RESERVED: &str = "__proto__";

/// The date to stamp; `None` in a map that records no times.
pub(super) struct Stamp(Option<String>);

impl Stamp {
    /// Sets `member` of the metadata of `node`.
    pub(super) fn put(&self, node: &mut Object, member: &str) {
        if let Some(date) = &self.0 {
            metadata_of(node).set(member, date.as_str());
        }
    }

    pub(super) fn new_file(&self) -> Object {
        let mut node = Object::new();
        node.set(HASH_LINKS, Json::List(Vec::new()));
        node.set(METADATA, Object::new());
        self.put(&mut node, CREATED_AT);
        node
    }

    pub(super) fn new_folder(&self) -> Object {
        let mut node = Object::new();
        node.set(METADATA, Object::new());
        node.set(ITEMS, Object::new());
        self.put(&mut node, CREATED_AT);
        node
    }
}

impl BrickMap {
    pub(super) fn stamp(&self, now: Moment) -> Stamp {
        Stamp((self.timing() == Timing::Stamped).then(|| now.http_date()))
    }

    /// Checks that a node can be put at `path`: all folders on the way are
    /// folders or not there.
    pub(super) fn check_way(&self, path: &DsuPath) -> Result<(), EditError> {
        if path.segments().any(|name| name == RESERVED) {
            return Err(EditError::ReservedName(path.clone()));
        }
        let mut next = path.parent();
        while let Some(folder) = next {
            if matches!(self.lookup(&folder), Some(Node::File(_))) {
                return Err(EditError::IsFile(folder));
            }
            next = folder.parent();
        }
        Ok(())
    }

    /// The file node at `path`, made if it is not there, brought back if it was
    /// deleted. The way to it was checked; no live folder is there.
    pub(super) fn file_mut(&mut self, path: &DsuPath, stamp: &Stamp) -> &mut Object {
        let node = self.node_mut(path, stamp, || stamp.new_file());
        if node.has(ITEMS) {
            *node = stamp.new_file();
        }
        node
    }

    /// The folder node at `path`, made or brought back as in
    /// [`BrickMap::file_mut`]. No live file is there.
    pub(super) fn folder_mut(&mut self, path: &DsuPath, stamp: &Stamp) -> &mut Object {
        let node = self.node_mut(path, stamp, || stamp.new_folder());
        if !node.has(ITEMS) {
            *node = stamp.new_folder();
        }
        node
    }

    /// The node at `path`. Folders on the way are made, tombstones on the way
    /// and at the end become live.
    fn node_mut(
        &mut self,
        path: &DsuPath,
        stamp: &Stamp,
        make: impl FnOnce() -> Object,
    ) -> &mut Object {
        let mut node = &mut self.root;
        revive(node);
        if let Some(folder) = path.parent() {
            for name in folder.segments() {
                node = child(node, name, || stamp.new_folder());
                if !node.has(ITEMS) {
                    *node = stamp.new_folder();
                }
                revive(node);
            }
        }
        if let Some(name) = path.name() {
            node = child(node, name, make);
            revive(node);
        }
        node
    }

    /// The node at `path` as it is; nothing is made.
    pub(super) fn existing_mut(&mut self, path: &DsuPath) -> Option<&mut Object> {
        let mut node = &mut self.root;
        for name in path.segments() {
            let items = node.get_mut(ITEMS)?.as_object_mut()?;
            node = items.get_mut(name)?.as_object_mut()?;
        }
        Some(node)
    }

    /// Removes the node at `path` without a trace.
    pub(super) fn remove_item(&mut self, path: &DsuPath) {
        let (Some(folder), Some(name)) = (path.parent(), path.name()) else {
            return;
        };
        let folder = self.existing_mut(&folder);
        let items = folder.and_then(|folder| folder.get_mut(ITEMS)?.as_object_mut());
        if let Some(items) = items {
            items.remove(name);
        }
    }

    pub(super) fn embedded_mut(&mut self) -> &mut Object {
        let make = || Json::Object(Object::new());
        self.root.get_or_set(EMBEDDED, make).make_object()
    }

    /// Removes the embedded files at `path` and below it; true if there were
    /// any.
    pub(super) fn remove_embedded(&mut self, path: &DsuPath) -> bool {
        if !self.is_embedded(path) && !self.implies(path) {
            return false;
        }
        let is_outside = |file: DsuPath| !file.starts_with(path);
        self.embedded_mut()
            .retain(|key| embedded_path(key).is_none_or(is_outside));
        true
    }
}

/// The metadata of a node, made if missing.
pub(super) fn metadata_of(node: &mut Object) -> &mut Object {
    let make = || Json::Object(Object::new());
    node.get_or_set(METADATA, make).make_object()
}

/// Makes a tombstone live.
pub(super) fn revive(node: &mut Object) {
    if let Some(metadata) = node.get_mut(METADATA).and_then(Json::as_object_mut) {
        metadata.remove(DELETED_AT);
    }
}

/// The member `name` of the items of `folder`, made if it is not there.
fn child<'a>(folder: &'a mut Object, name: &str, make: impl FnOnce() -> Object) -> &'a mut Object {
    let items = folder.get_or_set(ITEMS, || Json::Object(Object::new()));
    let child = items.make_object().get_or_set(name, || make().into());
    child.make_object()
}
