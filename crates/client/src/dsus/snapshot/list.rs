//! What stands where in a snapshot, mounted DSUs included.

use dsu::{Depth, DsuPath, Manifest, Metadata, Moment, Node, NodeKind, Resolution};

use super::{Found, Snapshot};
use crate::dsus::DsuError;

/// A line of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The path, seen from the DSU asked.
    pub path: DsuPath,
    /// File or folder.
    pub kind: NodeKind,
    /// When it was made, if the brick map says so.
    pub created_at: Option<Moment>,
    /// When it was last written, if the brick map says so.
    pub updated_at: Option<Moment>,
    /// True for a folder on which another DSU is mounted.
    pub is_mount: bool,
}

impl Snapshot {
    /// What stands at a path.
    ///
    /// # Errors
    /// [`DsuError::NotFound`] if nothing does.
    pub async fn stat(&self, path: &DsuPath) -> Result<Listing, DsuError> {
        let found = self.locate(path).await?;
        let is_mount = !found.point.is_root() && found.path.is_root();
        match found.snapshot.0.map.lookup(&found.path) {
            Some(node) => Ok(Listing::new(
                path.clone(),
                node.kind(),
                node.metadata(),
                is_mount,
            )),
            None if found.snapshot.leads_to_mount(&found.path) => Ok(mount_parent(path)),
            None => Err(DsuError::NotFound(path.clone())),
        }
    }

    /// Lists what stands below a folder, mounted DSUs included.
    ///
    /// # Errors
    /// [`DsuError::NotFound`], [`DsuError::IsFile`], or a mounted DSU cannot be opened.
    pub async fn list(&self, path: &DsuPath, depth: Depth) -> Result<Vec<Listing>, DsuError> {
        let found = self.locate(path).await?;
        let mut lines = found.own_lines(path, depth)?;
        for mount in found.snapshot.0.manifest.mounts() {
            let Some(below) = mount.point().strip(&found.path) else {
                continue;
            };
            // Other software mounts inside what another mount hides: no path leads there.
            if !found.snapshot.leads_to(mount.point(), mount.point()) {
                continue;
            }
            let point = below.under(path);
            add_way(&mut lines, path, &point, depth);
            if depth == Depth::Recursive {
                let inner = found.snapshot.mount(&mount).await;
                let inner = inner.map_err(|error| error.mounted(&point))?;
                if found.snapshot.0.way.contains(inner.id()) {
                    continue;
                }
                let listed = Box::pin(inner.list(&DsuPath::root(), depth)).await;
                for line in listed.map_err(|error| error.mounted(&point))? {
                    let inside = line.path.under(mount.point());
                    if found.snapshot.leads_to(&inside, mount.point()) {
                        let path = line.path.under(&point);
                        lines.push(Listing { path, ..line });
                    }
                }
            }
        }
        lines.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(lines)
    }

    /// True if the path is one of the DSU mounted at `point`.
    fn leads_to(&self, path: &DsuPath, point: &DsuPath) -> bool {
        let resolved = self.0.manifest.resolve(path);
        matches!(resolved, Ok(Resolution::Mounted { point: found, .. }) if found == *point)
    }

    /// True if a mount point lies below the path.
    pub(super) fn leads_to_mount(&self, path: &DsuPath) -> bool {
        mounts(&self.0.manifest).any(|point| point.starts_with(path))
    }
}

impl Found {
    /// The lines that the DSU itself has, under the path as the caller sees it.
    fn own_lines(&self, seen: &DsuPath, depth: Depth) -> Result<Vec<Listing>, DsuError> {
        let map = &self.snapshot.0.map;
        match map.lookup(&self.path) {
            Some(Node::Folder(_)) => {}
            Some(Node::File(_)) => return Err(DsuError::IsFile(seen.clone())),
            None if self.snapshot.leads_to_mount(&self.path) => return Ok(Vec::new()),
            None => return Err(DsuError::NotFound(seen.clone())),
        }
        let listed = map
            .list(&self.path, depth)
            .map_err(|_| DsuError::NotFound(seen.clone()))?;
        let points: Vec<_> = mounts(&self.snapshot.0.manifest).collect();
        let lines = listed.into_iter().filter_map(|line| {
            // What a mount hides is not listed.
            let is_hidden = |point: &DsuPath| line.path != *point && line.path.starts_with(point);
            if points.iter().any(is_hidden) {
                return None;
            }
            let path = line.path.strip(&self.path)?.under(seen);
            Some(Listing::new(path, line.kind(), line.metadata(), false))
        });
        Ok(lines.collect())
    }
}

impl Listing {
    fn new(path: DsuPath, kind: NodeKind, metadata: Metadata<'_>, is_mount: bool) -> Self {
        Self {
            path,
            kind,
            created_at: metadata.created_at(),
            updated_at: metadata.updated_at(),
            is_mount,
        }
    }
}

/// Adds the mount point and the folders on the way to it, which need not be in the map.
fn add_way(lines: &mut Vec<Listing>, folder: &DsuPath, point: &DsuPath, depth: Depth) {
    let mut places = vec![point.clone()];
    while let Some(parent) = places.last().and_then(DsuPath::parent) {
        if parent == *folder {
            break;
        }
        places.push(parent);
    }
    if depth == Depth::Here {
        places = places.split_off(places.len() - 1);
    }
    for place in places {
        if !lines.iter().any(|line| line.path == place) {
            lines.push(mount_parent(&place));
        }
    }
    if let Some(line) = lines.iter_mut().find(|line| line.path == *point) {
        line.is_mount = true;
    }
}

/// A folder that is only there because something is mounted on or below it.
fn mount_parent(path: &DsuPath) -> Listing {
    Listing::new(path.clone(), NodeKind::Folder, Metadata::default(), false)
}

fn mounts(manifest: &Manifest) -> impl Iterator<Item = DsuPath> {
    manifest
        .mounts()
        .into_iter()
        .map(|mount| mount.point().clone())
}
