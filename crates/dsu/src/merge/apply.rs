//! Carrying out a merge without conflicts, on a copy of their map.

use keyssi::json::Json;

use super::plan::{Plan, Side, Tree, is_same};
use super::{LOG_PATH, Maps};
use crate::brick_map::{BrickMap, Node, is_newer};
use crate::manifest::MANIFEST_PATH;
use crate::moment::Moment;
use crate::path::DsuPath;

pub(super) fn apply(plan: &Plan<'_>, maps: Maps<'_>, now: Moment) -> BrickMap {
    let mut result = maps.theirs.clone();
    bury(&mut result, plan, maps.ours, now);
    for (path, node) in &plan.ours {
        if plan.sides.get(path) != Some(&Side::Ours) && !is_made_real(plan, path) {
            continue;
        }
        match node {
            Node::Folder(_) => result.graft_folder(path, maps.ours, now),
            Node::File(_) => result.graft_file(path, maps.ours, now),
        }
    }
    for (path, theirs) in &plan.theirs {
        let ours = plan.ours.get(path).copied();
        let is_shared = ours.is_some() && is_same(ours, Some(*theirs));
        if is_shared || (plan.joins_logs && path.as_str() == LOG_PATH) {
            take_newer_times(&mut result, path, maps);
        }
    }
    if plan.joins_logs {
        join_logs(&mut result, maps);
    }
    if let (Some(text), Ok(path)) = (&plan.manifest, DsuPath::parse(MANIFEST_PATH)) {
        result.put_embedded(&path, Json::from(text.as_str()), now);
    }
    result
}

/// True for a folder that only embedded files implied, until we made it.
fn is_made_real(plan: &Plan<'_>, path: &DsuPath) -> bool {
    let is_real = |tree: &Tree<'_>| match tree.get(path) {
        Some(Node::Folder(folder)) => !folder.is_implied(),
        _ => false,
    };
    let stays = matches!(plan.outcome(path), Some(Node::Folder(_)));
    stays && is_real(&plan.ours) && !is_real(&plan.theirs) && !is_real(&plan.base)
}

/// Deletes what we deleted: files first, then the folders that nothing is left
/// in.
fn bury(result: &mut BrickMap, plan: &Plan<'_>, ours: &BrickMap, now: Moment) {
    let needed = plan.needed_folders();
    let gone =
        |path: &DsuPath| plan.sides.get(path) == Some(&Side::Ours) && !plan.ours.contains_key(path);
    for (path, node) in &plan.theirs {
        if matches!(node, Node::File(_)) && gone(path) {
            result.bury(path, ours, now);
        }
    }
    for (path, node) in &plan.theirs {
        if matches!(node, Node::Folder(_)) && gone(path) && !needed.contains(path) {
            result.bury(path, ours, now);
        }
    }
}

/// The times of a node that both sides have: those of the side that changed
/// them, the newer ones if both did.
fn take_newer_times(result: &mut BrickMap, path: &DsuPath, maps: Maps<'_>) {
    let (ours, theirs) = (maps.ours.metadata_at(path), maps.theirs.metadata_at(path));
    let (Some(ours), Some(theirs)) = (ours, theirs) else {
        return;
    };
    let base = maps.base.metadata_at(path);
    let takes_ours = base != Some(ours) && (base == Some(theirs) || is_newer(ours, theirs));
    if takes_ours && ours != theirs {
        result.set_metadata_at(path, ours.clone());
    }
}

/// Adds to their log what we added to the log of the base.
fn join_logs(result: &mut BrickMap, maps: Maps<'_>) {
    let Ok(path) = DsuPath::parse(LOG_PATH) else {
        return;
    };
    let bricks = |map: &BrickMap| map.bricks_at(&path).unwrap_or_default().to_vec();
    let (base, ours, mut joined) = (bricks(maps.base), bricks(maps.ours), bricks(maps.theirs));
    let added = match ours.strip_prefix(base.as_slice()) {
        Some(added) => added.to_vec(),
        None => ours,
    };
    let missing: Vec<Json> = added
        .into_iter()
        .filter(|brick| !joined.contains(brick))
        .collect();
    joined.extend(missing);
    result.set_bricks(&path, joined);
}
