//! Mounts seen from a draft: making them, taking them away, writing through them.

use dsu::{Depth, DsuPath, Moment, Node, NodeKind, Resolution};
use keyssi::{AnchorId, KeySsi};

use super::Draft;
use super::changes::Changes;
use crate::dsus::DsuError;
use crate::dsus::snapshot::{At, MOUNT_DEPTH_MAX, Snapshot, check_readable};

/// What a path leads to: the DSUs on the way, as places in the draft, the last of which holds the
/// path; and the path inside that one.
type Way = (Vec<usize>, DsuPath);

impl Draft {
    /// Mounts a DSU. Who can read this DSU can then do with the mounted one what `ssi` allows.
    ///
    /// # Errors
    /// [`DsuError::MountedAlready`], [`DsuError::MountedBelow`], [`DsuError::NotEmpty`],
    /// [`DsuError::IsFile`], [`DsuError::MountCircle`].
    ///
    /// **Source:** DSU specification §8, §14-14.
    pub async fn mount(
        &mut self,
        path: &DsuPath,
        ssi: &KeySsi,
        now: Moment,
    ) -> Result<(), DsuError> {
        check_readable(ssi)?;
        let id = AnchorId::of(ssi).map_err(DsuError::Key)?;
        let (way, inner) = self.way(path).await?;
        if way.len() > 1 && inner.is_root() {
            return Err(DsuError::MountedAlready(path.clone()));
        }
        if way.iter().any(|at| self.changes(*at).id == id) {
            return Err(DsuError::MountCircle(path.clone()));
        }
        let changes = self.changes_mut(way.last().copied().unwrap_or(0));
        changes.check_change(path, &inner)?;
        changes.check_way(&inner)?;
        match changes.map.lookup(&inner) {
            Some(Node::File(_)) => return Err(DsuError::IsFile(path.clone())),
            Some(Node::Folder(_)) => {
                let listed = changes
                    .map
                    .list(&inner, Depth::Recursive)
                    .unwrap_or_default();
                if listed.iter().any(|line| line.kind() == NodeKind::File) {
                    return Err(DsuError::NotEmpty(path.clone()));
                }
            }
            None => {}
        }
        let mounted = changes.manifest.mount(&inner, ssi);
        mounted.map_err(|source| changes.manifest_error(source))?;
        changes.write_manifest(now)
    }

    /// Takes a mount away. The DSU that was mounted stays as it is; what was written through the
    /// mount before is anchored with the draft.
    ///
    /// # Errors
    /// [`DsuError::NotMounted`] if nothing is mounted there.
    pub async fn unmount(&mut self, path: &DsuPath, now: Moment) -> Result<(), DsuError> {
        let (at, inner) = self.holder(path).await?;
        let changes = self.changes_mut(at);
        changes.sealer()?;
        let unmounted = changes.manifest.unmount(&inner);
        unmounted.map_err(|source| changes.manifest_error(source))?;
        changes.write_manifest(now)
    }

    /// The DSU that holds a path, as its place in the draft, and the path inside it.
    pub(super) async fn locate(&mut self, path: &DsuPath) -> Result<(usize, DsuPath), DsuError> {
        let (way, inner) = self.way(path).await?;
        Ok((way.last().copied().unwrap_or(0), inner))
    }

    async fn way(&mut self, path: &DsuPath) -> Result<Way, DsuError> {
        let mut way = vec![0];
        let (mut at, mut path, mut whole) = (0, path.clone(), DsuPath::root());
        while way.len() <= MOUNT_DEPTH_MAX {
            match self.resolve(at, &path)? {
                Resolution::Own(inner) => return Ok((way, inner)),
                Resolution::Mounted { point, ssi, rest } => {
                    whole = point.under(&whole);
                    at = self.open(&whole, &ssi).await?;
                    way.push(at);
                    path = rest;
                }
            }
        }
        Err(DsuError::MountedTooDeep(MOUNT_DEPTH_MAX))
    }

    /// The DSU in whose manifest a path is a mount point, and that point. The manifest is asked
    /// before it is followed: other software can mount a DSU inside what another mount hides.
    async fn holder(&mut self, path: &DsuPath) -> Result<(usize, DsuPath), DsuError> {
        let (mut at, mut inner, mut whole) = (0, path.clone(), DsuPath::root());
        for _ in 0..=MOUNT_DEPTH_MAX {
            let mounts = self.changes(at).manifest.mounts();
            if mounts.iter().any(|mount| *mount.point() == inner) {
                return Ok((at, inner));
            }
            match self.resolve(at, &inner)? {
                Resolution::Own(_) => return Err(DsuError::NotMounted(path.clone())),
                Resolution::Mounted { point, ssi, rest } => {
                    whole = point.under(&whole);
                    at = self.open(&whole, &ssi).await?;
                    inner = rest;
                }
            }
        }
        Err(DsuError::MountedTooDeep(MOUNT_DEPTH_MAX))
    }

    fn resolve(&self, at: usize, path: &DsuPath) -> Result<Resolution, DsuError> {
        let changes = self.changes(at);
        changes
            .resolve(path)
            .map_err(|error| error.mounted(&changes.point))
    }

    /// The place of the DSU that is mounted at `point`.
    async fn open(&mut self, point: &DsuPath, ssi: &KeySsi) -> Result<usize, DsuError> {
        let id = AnchorId::of(ssi).map_err(|error| DsuError::Key(error).mounted(point))?;
        if let Some(at) = self.dsus.iter().position(|changes| changes.id == id) {
            self.changes_mut(at).take_key(ssi)?;
            return Ok(at);
        }
        let opened = Snapshot::open(&self.client, ssi, At::Latest).await;
        let changes = opened.and_then(|snapshot| Changes::of(&snapshot, point.clone()));
        self.dsus
            .push(changes.map_err(|error| error.mounted(point))?);
        Ok(self.dsus.len() - 1)
    }
}
