//! What replaying the Diff strategy needs: the log of a map, and its nodes put
//! over those of another.

use keyssi::json::{Json, Object};

use super::tree::metadata_of;
use super::{
    BrickMap, EMBEDDED, EditError, EmbeddedContent, ITEMS, METADATA, PREVIOUS, UPDATED_AT,
};
use crate::brick_map::lookup::is_deleted;
use crate::moment::Moment;
use crate::path::DsuPath;

impl BrickMap {
    /// The operations of a version written with the Diff strategy.
    pub(crate) fn log(&self) -> &[Json] {
        let metadata = self.root.get(METADATA).and_then(Json::as_object);
        let log = metadata.and_then(|metadata| metadata.get("log")?.as_list());
        log.unwrap_or_default()
    }

    /// Puts the nodes and embedded files of `map` over those here. What
    /// `continued`, the map that its writer went on from, held and `map` does
    /// not, goes.
    pub(crate) fn overlay(&mut self, map: &Self, continued: Option<&Self>) {
        for member in [ITEMS, EMBEDDED] {
            let Some(source) = map.root.get(member).and_then(Json::as_object) else {
                continue;
            };
            let before = continued.and_then(|map| map.root.get(member)?.as_object());
            let make = || Json::Object(Object::new());
            let target = self.root.get_or_set(member, make).make_object();
            overlay_members(target, source, before);
        }
    }

    /// Takes over the root's times of `last`.
    pub(crate) fn finish_as(&mut self, last: &Self) {
        let metadata = last.root.get(METADATA).and_then(Json::as_object);
        for member in [UPDATED_AT, PREVIOUS] {
            if let Some(value) = metadata.and_then(|metadata| metadata.get(member)) {
                metadata_of(&mut self.root).set(member, value.clone());
            }
        }
    }

    /// [`BrickMap::embed`] of content as it stands in JSON.
    pub(crate) fn embed_json(
        &mut self,
        path: &DsuPath,
        content: &Json,
        now: Moment,
    ) -> Result<(), EditError> {
        self.check_file_place(path)?;
        self.put_embedded(path, content.clone(), now);
        Ok(())
    }

    /// [`BrickMap::append_embedded`] of content as it stands in JSON.
    pub(crate) fn append_embedded_json(
        &mut self,
        path: &DsuPath,
        content: &Json,
        now: Moment,
    ) -> Result<(), EditError> {
        let content = EmbeddedContent::from_json(content);
        let content = content.ok_or_else(|| EditError::Unreadable(path.clone()))?;
        self.append_embedded(path, &content, now)
    }
}

fn overlay_members(target: &mut Object, source: &Object, before: Option<&Object>) {
    for (key, _) in before.into_iter().flatten() {
        let gone = key.decoded().filter(|name| !source.has(name));
        if let Some(name) = gone {
            target.remove(&name);
        }
    }
    for (key, value) in source {
        let (Some(name), Some(node)) = (key.decoded(), value.as_object()) else {
            continue;
        };
        let below = node.get(ITEMS).and_then(Json::as_object);
        let there = target.get_mut(&name).and_then(Json::as_object_mut);
        match (below, there) {
            (Some(below), Some(there)) if !is_deleted(node) && there.has(ITEMS) => {
                let before = before.and_then(|before| before.get(&name)?.as_object());
                let before = before.and_then(|before| before.get(ITEMS)?.as_object());
                if let Some(metadata) = node.get(METADATA) {
                    there.set(METADATA, metadata.clone());
                }
                if let Some(items) = there.get_mut(ITEMS).and_then(Json::as_object_mut) {
                    overlay_members(items, below, before);
                }
            }
            _ => target.insert(key.clone(), value.clone()),
        }
    }
}
