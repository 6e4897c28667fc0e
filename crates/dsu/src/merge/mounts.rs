//! Merging manifests per mount point.
//!
//! **Source:** dsu specification §8.

use keyssi::json::{Json, Object};

use super::{Change, Maps, PathConflict};
use crate::brick_map::{BrickMap, MergedText};
use crate::manifest::MANIFEST_PATH;
use crate::path::DsuPath;

const MOUNTS: &str = "mounts";

/// What both sides did to the mounts.
pub(super) struct Mounts {
    /// Mount points that we set.
    pub(super) new_ours: Vec<DsuPath>,
    /// Mount points that they set.
    pub(super) new_theirs: Vec<DsuPath>,
    /// Mount points that both changed, differently.
    pub(super) conflicts: Vec<PathConflict>,
    /// Their manifest with our changes in it.
    pub(super) text: String,
}

impl Mounts {
    /// `None` if a manifest cannot be read from the map alone: it is an ordinary
    /// file, or not what a manifest is.
    pub(super) fn of(maps: Maps<'_>) -> Option<Self> {
        let [base, ours, theirs] = [maps.base, maps.ours, maps.theirs].map(manifest);
        let ((_, base), (_, ours), (mut merged, theirs)) = (base?, ours?, theirs?);
        let mut mounts = theirs.clone();
        let mut result = Self {
            new_ours: changed(&base, &ours),
            new_theirs: changed(&base, &theirs),
            conflicts: Vec::new(),
            text: String::new(),
        };
        let gone = names(&base).into_iter().filter(|name| !ours.has(name));
        for name in names(&ours).into_iter().chain(gone) {
            let (before, mine, other) = (base.get(&name), ours.get(&name), theirs.get(&name));
            if mine == other || mine == before {
                continue;
            }
            if other != before {
                result.conflicts.push(PathConflict {
                    path: DsuPath::parse(&name).ok()?,
                    ours: change(mine),
                    theirs: change(other),
                });
                continue;
            }
            match mine {
                Some(identifier) => mounts.set(&name, identifier.clone()),
                None => {
                    mounts.remove(&name);
                }
            }
        }
        // One mount inside another would be hidden by it, or hide it.
        for point in &result.new_ours {
            let is_near = |other: &&DsuPath| {
                *other != point && (other.starts_with(point) || point.starts_with(other))
            };
            if result.new_theirs.iter().any(|other| is_near(&other)) {
                result.conflicts.push(PathConflict {
                    path: point.clone(),
                    ours: Change::Mounted,
                    theirs: Change::Mounted,
                });
            }
        }
        merged.set(MOUNTS, mounts);
        result.text = merged.print();
        Some(result)
    }
}

/// The manifest of a map, and its mounts; one without any if there is none.
fn manifest(map: &BrickMap) -> Option<(Object, Object)> {
    let path = DsuPath::parse(MANIFEST_PATH).ok()?;
    let text = match map.text_at(&path) {
        MergedText::Absent => "{}".to_owned(),
        MergedText::Here(text) => text,
        MergedText::Elsewhere => return None,
    };
    let Json::Object(manifest) = Json::parse(&text)? else {
        return None;
    };
    let mounts = match manifest.get(MOUNTS) {
        None => Object::new(),
        Some(mounts) => mounts.as_object()?.clone(),
    };
    Some((manifest, mounts))
}

/// The mount points of `after` that `before` has not, or with another DSU.
fn changed(before: &Object, after: &Object) -> Vec<DsuPath> {
    let new = names(after).into_iter();
    new.filter(|name| before.get(name) != after.get(name))
        .filter_map(|name| DsuPath::parse(&name).ok())
        .collect()
}

fn names(mounts: &Object) -> Vec<String> {
    mounts.iter().filter_map(|(key, _)| key.decoded()).collect()
}

const fn change(mount: Option<&Json>) -> Change {
    match mount {
        Some(_) => Change::Mounted,
        None => Change::Unmounted,
    }
}
