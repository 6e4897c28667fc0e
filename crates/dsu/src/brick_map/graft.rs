//! Nodes taken over from one map into another, as they are: for merging.

use keyssi::json::{Json, Object};

use super::lookup::{Body, embedded_keys};
use super::tree::metadata_of;
use super::{BrickMap, CONTENT, EMBEDDED, FileNode, HASH_LINKS, ITEMS, METADATA, Metadata};
use crate::moment::Moment;
use crate::path::DsuPath;

/// What a file that is usually embedded holds.
pub(crate) enum MergedText {
    /// There is no such file.
    Absent,
    /// Its text.
    Here(String),
    /// It is an ordinary file, or not text.
    Elsewhere,
}

impl FileNode<'_> {
    /// True if both files hold the same bricks, or the same embedded content.
    /// Equal bytes in different bricks are not the same.
    #[must_use]
    pub fn same_content(&self, other: &FileNode<'_>) -> bool {
        match (self.0, other.0) {
            (Body::Items(left), Body::Items(right)) => {
                left.get(HASH_LINKS) == right.get(HASH_LINKS)
            }
            (Body::Embedded(left), Body::Embedded(right)) => {
                left.get(CONTENT) == right.get(CONTENT)
            }
            _ => false,
        }
    }
}

impl BrickMap {
    /// Makes the file at `path` what it is in `source`. Nothing live but an
    /// emptied folder may be in its place.
    pub(crate) fn graft_file(&mut self, path: &DsuPath, source: &Self, now: Moment) {
        if let Some(node) = source.item(path) {
            let stamp = self.stamp(now);
            *self.file_mut(path, &stamp) = node.clone();
        }
        self.remove_embedded(path);
        if let Some((key, file)) = source.embedded_entry(path) {
            let file = file.clone();
            self.embedded_mut().set(&key, file);
        }
    }

    /// Makes `path` the folder that it is in `source`, with its times there. A
    /// file in its place goes.
    pub(crate) fn graft_folder(&mut self, path: &DsuPath, source: &Self, now: Moment) {
        if self.file(path).is_some() {
            self.bury(path, source, now);
        }
        // A folder that embedded files imply comes with them.
        let Some(node) = source.item(path) else {
            return;
        };
        let stamp = self.stamp(now);
        let folder = self.folder_mut(path, &stamp);
        if let Some(metadata) = node.get(METADATA) {
            folder.set(METADATA, metadata.clone());
        }
    }

    /// Deletes what lies at `path`, if anything does: with the tombstone that
    /// `source` has, or one of `now`.
    pub(crate) fn bury(&mut self, path: &DsuPath, source: &Self, now: Moment) {
        let was_item = self.item(path).is_some();
        // What is not there need not go.
        let _ = self.delete(path, now);
        let tombstone = source.stored(path).and_then(|node| node.get(METADATA));
        if let (true, Some(tombstone)) = (was_item, tombstone)
            && let Some(node) = self.existing_mut(path)
        {
            node.set(METADATA, tombstone.clone());
        }
    }

    /// The metadata of the node that is read at `path`, if it has one.
    pub(crate) fn metadata_at(&self, path: &DsuPath) -> Option<&Object> {
        let node = match self.embedded_entry(path) {
            Some((_, file)) => Some(file),
            None => self.item(path),
        };
        node?.get(METADATA)?.as_object()
    }

    /// Sets what [`BrickMap::metadata_at`] reads.
    pub(crate) fn set_metadata_at(&mut self, path: &DsuPath, metadata: Object) {
        let key = self.embedded_entry(path).map(|(key, _)| key);
        let node = match key {
            Some(key) => self
                .embedded_mut()
                .get_mut(&key)
                .and_then(Json::as_object_mut),
            None => self.existing_mut(path),
        };
        if let Some(node) = node {
            *metadata_of(node) = metadata;
        }
    }

    /// Sets the bricks of the file at `path`, and nothing else of it.
    pub(crate) fn set_bricks(&mut self, path: &DsuPath, bricks: Vec<Json>) {
        if let Some(node) = self.existing_mut(path) {
            node.set(HASH_LINKS, Json::List(bricks));
        }
    }

    /// The bricks of the ordinary file at `path`.
    pub(crate) fn bricks_at(&self, path: &DsuPath) -> Option<&[Json]> {
        if self.is_embedded(path) {
            return None;
        }
        self.item(path)?.get(HASH_LINKS)?.as_list()
    }

    /// The text of the embedded file at `path`.
    pub(crate) fn text_at(&self, path: &DsuPath) -> MergedText {
        match self.embedded_entry(path) {
            None if self.item(path).is_none() => MergedText::Absent,
            None => MergedText::Elsewhere,
            Some((_, file)) => match file.get(CONTENT).and_then(Json::as_text) {
                Some(text) => MergedText::Here(text),
                None => MergedText::Elsewhere,
            },
        }
    }

    /// The node at `path` as it is stored, tombstones included.
    fn stored(&self, path: &DsuPath) -> Option<&Object> {
        let mut node = &self.root;
        for name in path.segments() {
            node = node.get(ITEMS)?.as_object()?.get(name)?.as_object()?;
        }
        Some(node)
    }

    fn embedded_entry(&self, path: &DsuPath) -> Option<(String, &Object)> {
        let embedded = self.root.get(EMBEDDED)?.as_object()?;
        embedded_keys(path).find_map(|key| {
            let file = embedded.get(&key)?.as_object()?;
            Some((key, file))
        })
    }
}

/// Which of two metadata objects counts if both changed: the newer.
pub(crate) fn is_newer(left: &Object, right: &Object) -> bool {
    let time = |object: &Object| {
        let metadata = Metadata::from_object(object);
        metadata.updated_at().max(metadata.created_at())
    };
    time(left) > time(right)
}
