//! Which side counts at each path.

use std::collections::HashSet;

use indexmap::IndexMap;

use super::mounts::Mounts;
use super::{Change, LOG_PATH, Maps, PathConflict};
use crate::brick_map::{BrickMap, Depth, Node};
use crate::manifest::MANIFEST_PATH;
use crate::path::DsuPath;

/// Whose state of a path is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Ours,
    Theirs,
}

/// All files and folders of a map.
pub(super) type Tree<'a> = IndexMap<DsuPath, Node<'a>>;

/// What a merge does.
pub(super) struct Plan<'a> {
    pub(super) base: Tree<'a>,
    pub(super) ours: Tree<'a>,
    pub(super) theirs: Tree<'a>,
    /// Every path of the three trees.
    pub(super) sides: IndexMap<DsuPath, Side>,
    pub(super) conflicts: IndexMap<DsuPath, PathConflict>,
    /// The text of the manifest, if it has to be put together.
    pub(super) manifest: Option<String>,
    /// Both sides wrote the log, and both keep their lines.
    pub(super) joins_logs: bool,
}

impl<'a> Plan<'a> {
    pub(super) fn of(maps: Maps<'a>) -> Self {
        let mut plan = Self {
            base: tree(maps.base),
            ours: tree(maps.ours),
            theirs: tree(maps.theirs),
            sides: IndexMap::new(),
            conflicts: IndexMap::new(),
            manifest: None,
            joins_logs: false,
        };
        let mounts = Mounts::of(maps);
        let trees = [&plan.theirs, &plan.ours, &plan.base];
        let paths: Vec<DsuPath> = trees.iter().flat_map(|tree| tree.keys().cloned()).collect();
        for path in paths {
            if !plan.sides.contains_key(&path) {
                let side = plan.side(&path, maps, mounts.as_ref());
                plan.sides.insert(path, side);
            }
        }
        plan.check_ways();
        if let Some(mounts) = mounts {
            plan.check_mounts(&mounts);
        }
        plan
    }

    /// The node that the merged map has at `path`.
    pub(super) fn outcome(&self, path: &DsuPath) -> Option<Node<'a>> {
        let tree = match self.sides.get(path)? {
            Side::Ours => &self.ours,
            Side::Theirs => &self.theirs,
        };
        tree.get(path).copied()
    }

    /// The folders that have something in them after the merge.
    pub(super) fn needed_folders(&self) -> HashSet<DsuPath> {
        let mut needed = HashSet::new();
        for path in self.sides.keys() {
            if self.outcome(path).is_none() {
                continue;
            }
            let mut next = path.parent();
            while let Some(folder) = next {
                next = folder.parent();
                if !needed.insert(folder) {
                    break;
                }
            }
        }
        needed
    }

    /// Whose state of `path` counts. If neither does, a conflict is noted.
    fn side(&mut self, path: &DsuPath, maps: Maps<'_>, mounts: Option<&Mounts>) -> Side {
        let node = |tree: &Tree<'a>| tree.get(path).copied();
        let (base, ours, theirs) = (node(&self.base), node(&self.ours), node(&self.theirs));
        if is_same(ours, theirs) || is_same(base, ours) {
            return Side::Theirs;
        }
        if is_same(base, theirs) {
            return Side::Ours;
        }
        let has_bricks = |map: &BrickMap| map.bricks_at(path).is_some();
        if path.as_str() == LOG_PATH && has_bricks(maps.ours) && has_bricks(maps.theirs) {
            self.joins_logs = true;
        } else if let (MANIFEST_PATH, Some(mounts)) = (path.as_str(), mounts) {
            self.manifest = Some(mounts.text.clone());
            let conflicts = mounts.conflicts.iter();
            self.conflicts
                .extend(conflicts.map(|conflict| (conflict.path.clone(), conflict.clone())));
        } else {
            self.conflict(path, change(base, ours), change(base, theirs));
        }
        Side::Theirs
    }

    fn conflict(&mut self, path: &DsuPath, ours: Change, theirs: Change) {
        let conflict = PathConflict {
            path: path.clone(),
            ours,
            theirs,
        };
        self.conflicts.insert(path.clone(), conflict);
    }

    /// Finds what one side put below a path that the other made a file.
    fn check_ways(&mut self) {
        let is_file = |path: &DsuPath| matches!(self.outcome(path), Some(Node::File(_)));
        let mut found = Vec::new();
        for (path, side) in &self.sides {
            let Some(node) = self.outcome(path) else {
                continue;
            };
            let mut next = path.parent();
            while let Some(folder) = next {
                // Files below a file of the same map are what that map holds.
                let other = self.sides.get(&folder).is_some_and(|owner| owner != side);
                if other && is_file(&folder) && !self.conflicts.contains_key(&folder) {
                    found.push((path.clone(), *side, node));
                    break;
                }
                next = folder.parent();
            }
        }
        for (path, side, node) in found {
            let put = change(self.base.get(&path).copied(), Some(node));
            match side {
                Side::Ours => self.conflict(&path, put, Change::Deleted),
                Side::Theirs => self.conflict(&path, Change::Deleted, put),
            }
        }
    }

    /// Finds files that one side wrote where the other mounted a DSU.
    fn check_mounts(&mut self, mounts: &Mounts) {
        let mut found = Vec::new();
        for (path, side) in &self.sides {
            let (points, tree) = match side {
                Side::Ours => (&mounts.new_theirs, &self.ours),
                Side::Theirs => (&mounts.new_ours, &self.theirs),
            };
            let (base, node) = (self.base.get(path).copied(), tree.get(path).copied());
            let is_covered = points.iter().any(|point| path.starts_with(point));
            let is_file = matches!(node, Some(Node::File(_)));
            if is_covered && is_file && !is_same(base, node) {
                found.push((path.clone(), *side, change(base, node)));
            }
        }
        for (path, side, put) in found {
            match side {
                Side::Ours => self.conflict(&path, put, Change::Mounted),
                Side::Theirs => self.conflict(&path, Change::Mounted, put),
            }
        }
    }
}

fn tree(map: &BrickMap) -> Tree<'_> {
    // The root is a folder always.
    let listed = map.list(&DsuPath::root(), Depth::Recursive);
    let listed = listed.unwrap_or_default().into_iter();
    listed.map(|line| (line.path, line.node)).collect()
}

/// True if both are nothing, both folders, or files with the same content.
pub(super) fn is_same(left: Option<Node<'_>>, right: Option<Node<'_>>) -> bool {
    match (left, right) {
        (None, None) | (Some(Node::Folder(_)), Some(Node::Folder(_))) => true,
        (Some(Node::File(left)), Some(Node::File(right))) => left.same_content(&right),
        _ => false,
    }
}

/// What made `after` of `before`.
fn change(before: Option<Node<'_>>, after: Option<Node<'_>>) -> Change {
    match (before, after) {
        (_, None) => Change::Deleted,
        (_, Some(Node::Folder(_))) => Change::MadeFolder,
        (None, Some(Node::File(_))) => Change::Added,
        (Some(_), Some(Node::File(_))) => Change::Written,
    }
}
