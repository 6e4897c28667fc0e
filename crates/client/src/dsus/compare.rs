//! What differs between two DSUs, or two versions of one.

use std::collections::{BTreeMap, BTreeSet};

use dsu::{Depth, DsuPath, NodeKind};
use sha2::{Digest, Sha256};

use super::DsuError;
use super::snapshot::{Snapshot, manifest_path};

/// A path that is not the same on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Difference {
    /// Only the second one has it.
    Added(DsuPath),
    /// Only the first one has it.
    Removed(DsuPath),
    /// Both have a file there, with other content.
    Changed(DsuPath),
    /// A file on one side and a folder on the other.
    KindChanged(DsuPath),
}

impl Difference {
    /// The path.
    #[must_use]
    pub const fn path(&self) -> &DsuPath {
        match self {
            Self::Added(path)
            | Self::Removed(path)
            | Self::Changed(path)
            | Self::KindChanged(path) => path,
        }
    }
}

/// Compares two snapshots by paths and content, mounted DSUs included, in the order of the paths.
/// Times, keys and the way content is cut do not count. Content is fetched only where the brick
/// maps do not show already that it is the same.
///
/// # Errors
/// [`DsuError`] if a part of one side cannot be read.
pub async fn compare(one: &Snapshot, other: &Snapshot) -> Result<Vec<Difference>, DsuError> {
    let (before, after) = (kinds(one).await?, kinds(other).await?);
    let mut differences = Vec::new();
    for (path, kind) in &before {
        match after.get(path) {
            None => differences.push(Difference::Removed(path.clone())),
            Some(other_kind) if other_kind != kind => {
                differences.push(Difference::KindChanged(path.clone()));
            }
            Some(NodeKind::File) if !same_content(one, other, path).await? => {
                differences.push(Difference::Changed(path.clone()));
            }
            Some(_) => {}
        }
    }
    let added = after.keys().filter(|path| !before.contains_key(*path));
    differences.extend(added.cloned().map(Difference::Added));
    differences.sort_by(|left, right| left.path().cmp(right.path()));
    Ok(differences)
}

async fn kinds(snapshot: &Snapshot) -> Result<BTreeMap<DsuPath, NodeKind>, DsuError> {
    let lines = snapshot.list(&DsuPath::root(), Depth::Recursive).await?;
    // Manifests name keys, which differ between copies; what they mount is compared itself.
    let points = lines
        .iter()
        .filter(|line| line.is_mount)
        .map(|line| &line.path);
    let root = DsuPath::root();
    let manifests: BTreeSet<DsuPath> = points
        .chain([&root])
        .map(|point| manifest_path().under(point))
        .collect();
    let lines = lines
        .into_iter()
        .filter(|line| !manifests.contains(&line.path));
    Ok(lines.map(|line| (line.path, line.kind)).collect())
}

async fn same_content(one: &Snapshot, other: &Snapshot, path: &DsuPath) -> Result<bool, DsuError> {
    let (_, before) = one.content(path).await?;
    let (_, after) = other.content(path).await?;
    if before == after {
        return Ok(true);
    }
    if let (Some(left), Some(right)) = (before.total_bytes(), after.total_bytes())
        && left != right
    {
        return Ok(false);
    }
    Ok(digest(one, path).await? == digest(other, path).await?)
}

/// The SHA-256 of a file's whole content.
async fn digest(snapshot: &Snapshot, path: &DsuPath) -> Result<[u8; 32], DsuError> {
    let mut reader = snapshot.read(path).await?;
    let mut hasher = Sha256::new();
    while let Some((_, bytes)) = reader.next().await? {
        hasher.update(&bytes);
    }
    Ok(hasher.finalize().into())
}
