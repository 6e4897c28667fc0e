//! Changing a brick map.
//!
//! Every edit leaves the JSON that the SDK's operation leaves when it is
//! committed, member order and metadata included, if call and commit fall into
//! the same second (the SDK stamps `createdAt` at the commit, `updatedAt` at the
//! call; here both are `now`). An edit that fails changes nothing.
//!
//! Where the SDK is wrong (§14), we differ:
//! - An embedded file is deleted and renamed by its own path; the SDK does
//!   nothing or says that it is not there.
//! - Deleting a folder deletes the embedded files below it, not every one whose
//!   path starts with the same characters. Renaming or copying a folder takes
//!   its embedded files along; the SDK drops them on rename.
//! - In a map without times, what is deleted or renamed is removed; the SDK
//!   leaves an unreadable file.
//! - A path below a file, a file in place of a folder, a folder in place of a
//!   file, or over a folder with something in it: an error. The SDK throws, or
//!   writes to the wrong node, or makes a node that is both.
//! - Deleting what is not there, copying a tombstone, making what is there, and
//!   renaming a path onto or into itself: errors. The SDK does nothing, or
//!   empties the file.
//! - A tombstone of the other kind is replaced by a new node.
//! - Writing bricks to an embedded path makes it an ordinary file. (The SDK
//!   embeds again: call [`BrickMap::embed`] for that.)
//! - The same brick may stand twice in a file.
//! - Names like `constructor` are names like any other; only `__proto__`, which
//!   the SDK would lose, is refused.
//!
//! The paths `/manifest` and `/dsu-metadata-log` are not special here.
//!
//! **Source:** dsu specification §3.1 to §3.3, §5, §14.

use keyssi::AnchorValue;
use keyssi::json::{Json, Object};
use thiserror::Error;

use super::tree::metadata_of;
use super::{
    BrickMap, CREATED_AT, DELETED_AT, HASH_LINKS, ITEMS, Node, PREVIOUS, Timing, UPDATED_AT,
};
use crate::entry::Entry;
use crate::moment::Moment;
use crate::path::DsuPath;

/// Why a map was not changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EditError {
    /// Nothing lies there, or it was deleted.
    #[error("there is nothing at {0}")]
    NotFound(DsuPath),
    /// A file is needed, a folder is there.
    #[error("{0} is a folder")]
    IsFolder(DsuPath),
    /// A folder is needed, a file is there.
    #[error("{0} is a file")]
    IsFile(DsuPath),
    /// The content of the file is kept inside the map.
    #[error("{0} is kept inside the brick map")]
    IsEmbedded(DsuPath),
    /// Something is there already.
    #[error("{0} exists")]
    Exists(DsuPath),
    /// A name on the way would be lost by the SDK.
    #[error("{0} holds a reserved name")]
    ReservedName(DsuPath),
    /// The destination is the source or lies in it.
    #[error("{from} cannot be put into itself, as {to}")]
    IntoItself {
        /// The source.
        from: DsuPath,
        /// The destination.
        to: DsuPath,
    },
    /// What would lie below this path has too long a way.
    #[error("{0} would be nested too deep")]
    TooDeep(DsuPath),
    /// Embedded content that is neither text nor bytes cannot be appended to.
    #[error("the content of {0} is neither text nor bytes")]
    Unreadable(DsuPath),
}

impl BrickMap {
    /// Makes the content of the file at `path` the bricks `entries`. Missing
    /// folders are made.
    ///
    /// # Errors
    /// [`EditError`] if a folder is there, or a file on the way.
    pub fn write(
        &mut self,
        path: &DsuPath,
        entries: Vec<Entry>,
        now: Moment,
    ) -> Result<(), EditError> {
        self.check_file_place(path)?;
        self.remove_embedded(path);
        let stamp = self.stamp(now);
        let node = self.file_mut(path, &stamp);
        let entries = entries.into_iter().map(Entry::into_json);
        node.set(HASH_LINKS, Json::List(entries.collect()));
        stamp.put(node, UPDATED_AT);
        Ok(())
    }

    /// Adds bricks to the end of the file at `path`; a file that is not there is
    /// made.
    ///
    /// # Errors
    /// [`EditError`] as for [`BrickMap::write`], or if the file is embedded.
    pub fn append(
        &mut self,
        path: &DsuPath,
        entries: Vec<Entry>,
        now: Moment,
    ) -> Result<(), EditError> {
        self.check_file_place(path)?;
        if self.is_embedded(path) {
            return Err(EditError::IsEmbedded(path.clone()));
        }
        let stamp = self.stamp(now);
        let node = self.file_mut(path, &stamp);
        if let Some(Json::List(list)) = node.get_mut(HASH_LINKS) {
            list.extend(entries.into_iter().map(Entry::into_json));
        }
        stamp.put(node, UPDATED_AT);
        Ok(())
    }

    /// Makes an empty file, without bricks.
    ///
    /// # Errors
    /// [`EditError`] if something is there, or a file on the way.
    pub fn create_file(&mut self, path: &DsuPath, now: Moment) -> Result<(), EditError> {
        if self.lookup(path).is_some() {
            return Err(EditError::Exists(path.clone()));
        }
        self.check_file_place(path)?;
        let stamp = self.stamp(now);
        stamp.put(self.file_mut(path, &stamp), CREATED_AT);
        Ok(())
    }

    /// Makes an empty folder, and the missing ones on the way.
    ///
    /// # Errors
    /// [`EditError`] if something is there, or a file on the way.
    pub fn create_folder(&mut self, path: &DsuPath, now: Moment) -> Result<(), EditError> {
        match self.lookup(path) {
            Some(Node::Folder(folder)) if folder.is_implied() => {}
            None => {}
            Some(_) => return Err(EditError::Exists(path.clone())),
        }
        self.check_way(path)?;
        let stamp = self.stamp(now);
        stamp.put(self.folder_mut(path, &stamp), CREATED_AT);
        Ok(())
    }

    /// Deletes the file or folder at `path`, with all that lies below it. A
    /// tombstone stays, unless the map records no times.
    ///
    /// # Errors
    /// [`EditError`] if nothing is there, or `path` is the root.
    pub fn delete(&mut self, path: &DsuPath, now: Moment) -> Result<(), EditError> {
        if path.is_root() {
            return Err(EditError::IsFolder(path.clone()));
        }
        let was_embedded = self.remove_embedded(path);
        if self.item(path).is_none() {
            return if was_embedded {
                Ok(())
            } else {
                Err(EditError::NotFound(path.clone()))
            };
        }
        if self.timing() == Timing::TimeFree {
            self.remove_item(path);
            return Ok(());
        }
        let stamp = self.stamp(now);
        if let Some(node) = self.existing_mut(path) {
            stamp.put(node, DELETED_AT);
            if node.has(ITEMS) {
                node.set(ITEMS, Object::new());
            } else {
                node.set(HASH_LINKS, Json::List(Vec::new()));
            }
        }
        Ok(())
    }

    /// Sets the root's times as at a commit. `previous` is the anchor value that
    /// this version is built on, `None` for the first version.
    pub fn finish(&mut self, previous: Option<&AnchorValue>, now: Moment) {
        self.stamp(now).put(&mut self.root, UPDATED_AT);
        let metadata = metadata_of(&mut self.root);
        match previous {
            Some(value) => metadata.set(PREVIOUS, value.as_str()),
            None => {
                metadata.remove(PREVIOUS);
            }
        }
    }

    /// Checks that a file can be put at `path`.
    pub(super) fn check_file_place(&self, path: &DsuPath) -> Result<(), EditError> {
        self.check_way(path)?;
        match self.lookup(path) {
            Some(Node::Folder(_)) => Err(EditError::IsFolder(path.clone())),
            _ => Ok(()),
        }
    }

    /// Replaces the first or last brick of a file, if it has any.
    pub(crate) fn replace_brick(
        &mut self,
        path: &DsuPath,
        place: BrickPlace,
        entry: Entry,
        now: Moment,
    ) -> Result<(), EditError> {
        self.append(path, Vec::new(), now)?;
        let node = self.existing_mut(path);
        let list = node.and_then(|node| node.get_mut(HASH_LINKS));
        if let Some(Json::List(list)) = list {
            let slot = match place {
                BrickPlace::First => list.first_mut(),
                BrickPlace::Last => list.last_mut(),
            };
            if let Some(slot) = slot {
                *slot = entry.into_json();
            }
        }
        Ok(())
    }
}

/// Which brick of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BrickPlace {
    First,
    Last,
}
