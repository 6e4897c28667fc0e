//! Files kept inside the brick map.
//!
//! **Source:** dsu specification §3.3.

use keyssi::json::{Json, Object};
use zeroize::Zeroizing;

use super::lookup::embedded_keys;
use super::{BrickMap, CONTENT, CREATED_AT, EditError, EmbeddedContent, METADATA, UPDATED_AT};
use crate::moment::Moment;
use crate::path::DsuPath;

impl BrickMap {
    /// Makes the content of the file at `path` `content`, kept inside the map.
    /// An ordinary file at that path stays in the map, hidden, as the SDK leaves
    /// it; folders are not made.
    ///
    /// # Errors
    /// [`EditError`] if a folder is there, or a file on the way.
    pub fn embed(
        &mut self,
        path: &DsuPath,
        content: &EmbeddedContent,
        now: Moment,
    ) -> Result<(), EditError> {
        self.check_file_place(path)?;
        self.put_embedded(path, content.to_json(), now);
        Ok(())
    }

    /// Adds `content` to the end of the embedded file at `path`; one that is not
    /// there is made. Text stays text if what is added is Unicode, else the
    /// content becomes bytes.
    ///
    /// # Errors
    /// [`EditError`] as for [`BrickMap::embed`], or if the content that is there
    /// cannot be read.
    pub fn append_embedded(
        &mut self,
        path: &DsuPath,
        content: &EmbeddedContent,
        now: Moment,
    ) -> Result<(), EditError> {
        let before = self.file(path).and_then(|file| file.embedded());
        match before.transpose() {
            Err(_) => Err(EditError::Unreadable(path.clone())),
            Ok(None) => self.embed(path, content, now),
            Ok(Some(before)) => self.embed(path, &joined(&before, content), now),
        }
    }

    /// Sets the content of an embedded file; the place was checked.
    pub(crate) fn put_embedded(&mut self, path: &DsuPath, content: Json, now: Moment) {
        let stamp = self.stamp(now);
        let embedded = self.embedded_mut();
        let key = embedded_keys(path).find(|key| embedded.has(key));
        if let Some(file) = key.and_then(|key| embedded.get_mut(&key)?.as_object_mut()) {
            file.set(CONTENT, content);
            stamp.put(file, UPDATED_AT);
            return;
        }
        let mut file = Object::new();
        file.set(CONTENT, content);
        file.set(METADATA, Object::new());
        stamp.put(&mut file, CREATED_AT);
        embedded.set(path.as_str(), file);
    }
}

/// `before`, then `added`.
fn joined(before: &EmbeddedContent, added: &EmbeddedContent) -> EmbeddedContent {
    if let (EmbeddedContent::Text(text), Ok(added)) =
        (before, std::str::from_utf8(added.as_bytes()))
    {
        let mut text = text.clone();
        text.push_str(added);
        return EmbeddedContent::Text(text);
    }
    let bytes = [before.as_bytes(), added.as_bytes()].concat();
    EmbeddedContent::Bytes(Zeroizing::new(bytes))
}
