//! A brick map without what must differ between two writers: keys, hashes, identifiers, times.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use dsu::BrickMap;
use serde_json::{Map, Value, json};

/// Where the mounts stand.
const MANIFEST: &str = "/manifest";

/// What both writers must agree on: every node, tombstones too, with the number of its bricks and
/// whether each has a key, and which times it has.
pub(crate) fn shape(map: &BrickMap) -> Result<Value> {
    let root: Value = serde_json::from_str(&map.to_json())?;
    let mut embedded = Map::new();
    for (place, file) in root["embedded"].as_object().into_iter().flatten() {
        let content = if place == MANIFEST {
            mount_points(file)?
        } else {
            file["content"].clone()
        };
        let shape = json!({"content": content, "metadata": names(&file["metadata"])});
        embedded.insert(place.clone(), shape);
    }
    Ok(json!({"root": node(&root), "embedded": embedded}))
}

/// The paths whose node or content differs between two versions, embedded files included.
pub(crate) fn touched(before: Option<&BrickMap>, after: &BrickMap) -> Result<BTreeSet<String>> {
    let before = match before {
        Some(map) => nodes(map)?,
        None => BTreeMap::new(),
    };
    let after = nodes(after)?;
    let places = before.keys().chain(after.keys());
    Ok(places
        .filter(|place| before.get(*place) != after.get(*place))
        .cloned()
        .collect())
}

/// Every path with its content in the map, and whether it is a tombstone.
fn nodes(map: &BrickMap) -> Result<BTreeMap<String, String>> {
    let root: Value = serde_json::from_str(&map.to_json())?;
    let mut nodes = BTreeMap::new();
    let mut open = vec![(String::new(), &root)];
    while let Some((place, node)) = open.pop() {
        for (name, child) in node["items"].as_object().into_iter().flatten() {
            let place = format!("{place}/{name}");
            let is_deleted = child["metadata"].get("deletedAt").is_some();
            let content = format!("{} {is_deleted}", child["hashLinks"]);
            nodes.insert(place.clone(), content);
            open.push((place, child));
        }
    }
    for (place, file) in root["embedded"].as_object().into_iter().flatten() {
        nodes.insert(place.clone(), file["content"].to_string());
    }
    Ok(nodes)
}

fn node(value: &Value) -> Value {
    let metadata = names(&value["metadata"]);
    if let Some(items) = value["items"].as_object() {
        let items = items
            .iter()
            .map(|(name, child)| (name.clone(), node(child)));
        return json!({"items": items.collect::<Map<_, _>>(), "metadata": metadata});
    }
    let bricks = value["hashLinks"].as_array().into_iter().flatten();
    let bricks: Vec<Value> = bricks.map(names).collect();
    json!({"bricks": bricks, "metadata": metadata})
}

/// The names of the members.
fn names(value: &Value) -> Value {
    let members = value.as_object().into_iter().flatten();
    let names: BTreeSet<&str> = members.map(|(name, _)| name.as_str()).collect();
    json!(names)
}

fn mount_points(file: &Value) -> Result<Value> {
    let text = file["content"]
        .as_str()
        .context("the manifest is no text")?;
    let manifest: Value = serde_json::from_str(text)?;
    Ok(names(&manifest["mounts"]))
}
