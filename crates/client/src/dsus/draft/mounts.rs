//! Mounts seen from a draft: making them, taking them away, writing through them.

use dsu::{Depth, DsuPath, EmbeddedContent, ManifestError, Moment, Node, NodeKind, Resolution};
use futures_util::future::BoxFuture;
use keyssi::KeySsi;

use super::Draft;
use crate::dsus::DsuError;
use crate::dsus::snapshot::{At, Snapshot, check_readable, manifest_path, read_manifest};

impl Draft {
    /// Mounts a DSU. Who can read this DSU can then do with the mounted one what `ssi` allows.
    ///
    /// # Errors
    /// [`DsuError::MountedAlready`], [`DsuError::MountedBelow`], [`DsuError::NotEmpty`],
    /// [`DsuError::IsFile`].
    ///
    /// **Source:** DSU specification §8, §14-14.
    pub async fn mount(
        &mut self,
        path: &DsuPath,
        ssi: &KeySsi,
        now: Moment,
    ) -> Result<(), DsuError> {
        check_readable(ssi)?;
        let (draft, inner) = self.at(path).await?;
        if inner.is_root() {
            return Err(DsuError::MountedAlready(path.clone()));
        }
        draft.own_place(path, &inner)?;
        match draft.map.lookup(&inner) {
            Some(Node::File(_)) => return Err(DsuError::IsFile(path.clone())),
            Some(Node::Folder(_)) => {
                let listed = draft.map.list(&inner, Depth::Recursive).unwrap_or_default();
                if listed.iter().any(|line| line.kind() == NodeKind::File) {
                    return Err(DsuError::NotEmpty(path.clone()));
                }
            }
            None => {}
        }
        draft
            .manifest
            .mount(&inner, ssi)
            .map_err(|source| draft.manifest_error(source))?;
        draft.write_manifest(now)
    }

    /// Takes a mount away. The DSU that was mounted stays as it is.
    ///
    /// # Errors
    /// [`DsuError::NotMounted`] if nothing is mounted there.
    pub async fn unmount(&mut self, path: &DsuPath, now: Moment) -> Result<(), DsuError> {
        let holder = self.holder(path).await?;
        let Some((draft, inner)) = holder else {
            return Err(DsuError::NotMounted(path.clone()));
        };
        draft
            .manifest
            .unmount(&inner)
            .map_err(|source| draft.manifest_error(source))?;
        draft.mounted.retain(|(point, _)| *point != inner);
        draft.write_manifest(now)
    }

    /// The draft that holds a path, and the path inside it. Opens mounted DSUs on the way.
    pub(super) fn at<'a>(
        &'a mut self,
        path: &DsuPath,
    ) -> BoxFuture<'a, Result<(&'a mut Draft, DsuPath), DsuError>> {
        let path = path.clone();
        Box::pin(async move {
            match self.resolve(&path)? {
                Resolution::Own(path) => Ok((self, path)),
                Resolution::Mounted { point, ssi, rest } => {
                    let inner = self.open_mounted(&point, &ssi).await?;
                    inner.at(&rest).await.map_err(|error| error.mounted(&point))
                }
            }
        })
    }

    /// The draft in whose manifest `path` is a mount point.
    fn holder<'a>(
        &'a mut self,
        path: &DsuPath,
    ) -> BoxFuture<'a, Result<Option<(&'a mut Draft, DsuPath)>, DsuError>> {
        let path = path.clone();
        Box::pin(async move {
            match self.resolve(&path)? {
                Resolution::Own(_) => Ok(None),
                Resolution::Mounted { point, rest, .. } if rest.is_root() => {
                    Ok(Some((self, point)))
                }
                Resolution::Mounted { point, ssi, rest } => {
                    let inner = self.open_mounted(&point, &ssi).await?;
                    inner
                        .holder(&rest)
                        .await
                        .map_err(|error| error.mounted(&point))
                }
            }
        })
    }

    async fn open_mounted(
        &mut self,
        point: &DsuPath,
        ssi: &KeySsi,
    ) -> Result<&mut Draft, DsuError> {
        let known = self
            .mounted
            .iter()
            .position(|(mounted, _)| mounted == point);
        let index = if let Some(index) = known {
            index
        } else {
            let opened = Snapshot::open(&self.client, ssi, At::Latest).await;
            let draft = opened.and_then(|snapshot| Draft::edit(&snapshot));
            let draft = draft.map_err(|error| error.mounted(point))?;
            self.mounted
                .push((point.clone(), draft.with_chunk_bytes(self.chunk_bytes)));
            self.mounted.len() - 1
        };
        match self.mounted.get_mut(index) {
            Some((_, draft)) => Ok(draft),
            None => Err(DsuError::NotMounted(point.clone())),
        }
    }

    fn resolve(&self, path: &DsuPath) -> Result<Resolution, DsuError> {
        let resolved = self.manifest.resolve(path);
        resolved.map_err(|source| self.manifest_error(source))
    }

    fn manifest_error(&self, source: ManifestError) -> DsuError {
        DsuError::Manifest {
            version: self.history.len().saturating_sub(1),
            source: Box::new(source),
        }
    }

    fn write_manifest(&mut self, now: Moment) -> Result<(), DsuError> {
        let text = EmbeddedContent::Text(self.manifest.to_json());
        self.map.embed(&manifest_path(), &text, now)?;
        self.is_changed = true;
        Ok(())
    }

    pub(super) async fn reload_manifest(&mut self) -> Result<(), DsuError> {
        let version = self.history.len().saturating_sub(1);
        self.manifest = read_manifest(&self.client, &self.map, version).await?;
        Ok(())
    }
}
