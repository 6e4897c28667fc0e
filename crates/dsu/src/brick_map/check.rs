//! The shape of a brick map, checked once when it is read.

use keyssi::json::{JsText, Json, Object};

use super::{BrickMapError, EMBEDDED, HASH_LINKS, ITEMS, METADATA};
use crate::path::{DsuPath, SEGMENTS_MAX, is_name};

/// Checks a whole map and gives its root.
pub(super) fn root(value: Json) -> Result<Object, BrickMapError> {
    let top = DsuPath::root();
    let Json::Object(root) = value else {
        return Err(malformed(&top, "not an object"));
    };
    let Some(items) = root.get(ITEMS) else {
        return Err(malformed(&top, "no items"));
    };
    is_object(root.get(METADATA), &top, "metadata is not an object")?;
    folder(items, &top, 0)?;
    if let Some(embedded) = root.get(EMBEDDED) {
        files_inside(embedded, &top)?;
    }
    Ok(root)
}

fn folder(items: &Json, path: &DsuPath, depth: usize) -> Result<(), BrickMapError> {
    let Some(items) = items.as_object() else {
        return Err(malformed(path, "items is not an object"));
    };
    for (name, value) in items {
        let Some(name) = name.decoded().filter(|name| is_name(name)) else {
            return Err(bad_name(path, name));
        };
        let path = path.child(&name);
        let Some(node) = value.as_object() else {
            return Err(malformed(&path, "not an object"));
        };
        is_object(node.get(METADATA), &path, "metadata is not an object")?;
        match node.get(ITEMS) {
            Some(_) if depth + 1 == SEGMENTS_MAX => {
                return Err(malformed(&path, "nested too deep"));
            }
            Some(items) => folder(items, &path, depth + 1)?,
            None => entries(node.get(HASH_LINKS), &path)?,
        }
    }
    Ok(())
}

fn entries(list: Option<&Json>, path: &DsuPath) -> Result<(), BrickMapError> {
    let Some(list) = list else {
        return Err(malformed(path, "neither items nor hashLinks"));
    };
    match list.as_list() {
        Some(list) if list.iter().all(|entry| entry.as_object().is_some()) => Ok(()),
        _ => Err(malformed(path, "hashLinks is not a list of objects")),
    }
}

fn files_inside(embedded: &Json, top: &DsuPath) -> Result<(), BrickMapError> {
    let Some(embedded) = embedded.as_object() else {
        return Err(malformed(top, "embedded is not an object"));
    };
    for (key, value) in embedded {
        // The SDK stores the path as it was given: a `/` may be missing in
        // front, or follow at the end.
        let plain = key.decoded().ok_or_else(|| bad_name(top, key))?;
        let path = DsuPath::parse(&plain).map_err(|_| bad_name(top, key))?;
        let bare = plain.strip_prefix('/').unwrap_or(&plain);
        let bare = bare.strip_suffix('/').unwrap_or(bare);
        if path.is_root() || !bare.split('/').all(is_name) {
            return Err(bad_name(top, key));
        }
        let Some(file) = value.as_object() else {
            return Err(malformed(&path, "not an object"));
        };
        is_object(file.get(METADATA), &path, "metadata is not an object")?;
    }
    Ok(())
}

fn is_object(
    value: Option<&Json>,
    path: &DsuPath,
    problem: &'static str,
) -> Result<(), BrickMapError> {
    match value {
        Some(value) if value.as_object().is_none() => Err(malformed(path, problem)),
        _ => Ok(()),
    }
}

fn malformed(path: &DsuPath, problem: &'static str) -> BrickMapError {
    let path = path.clone();
    BrickMapError::Malformed { path, problem }
}

fn bad_name(folder: &DsuPath, name: &JsText) -> BrickMapError {
    BrickMapError::BadName {
        folder: folder.clone(),
        name: name.printed().to_owned(),
    }
}
