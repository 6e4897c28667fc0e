//! The changes to one DSU, and the places in it where something may stand.

use std::sync::Arc;

use dsu::{
    BrickMap, BrickSealer, DsuPath, EmbeddedContent, Entry, History, Manifest, ManifestError,
    Moment, Node, Resolution, SealerError,
};
use keyssi::{AnchorId, AnchorKind, KeySsi};

use crate::dsus::DsuError;
use crate::dsus::snapshot::{Snapshot, manifest_path};

/// The changes to one DSU.
pub(super) struct Changes {
    /// Where it is mounted, seen from the DSU that the draft is of; the first place it was reached
    /// by. The root for that DSU itself.
    pub(super) point: DsuPath,
    pub(super) ssi: KeySsi,
    pub(super) id: AnchorId,
    pub(super) history: History,
    /// The map that the changes are made on, for a merge of three.
    pub(super) base: BrickMap,
    pub(super) map: BrickMap,
    pub(super) manifest: Manifest,
    pub(super) is_changed: bool,
    /// `None` if the key can only read.
    sealer: Option<Arc<BrickSealer>>,
}

impl Changes {
    /// None yet to a DSU that is not there yet.
    pub(super) fn of_new(ssi: &KeySsi, id: AnchorId, map: BrickMap) -> Result<Self, DsuError> {
        Ok(Self {
            point: DsuPath::root(),
            ssi: ssi.clone(),
            id,
            history: History::default(),
            base: map.clone(),
            map,
            manifest: Manifest::default(),
            is_changed: true,
            sealer: sealer(ssi)?,
        })
    }

    /// None yet to a DSU as a snapshot shows it.
    pub(super) fn of(snapshot: &Snapshot, point: DsuPath) -> Result<Self, DsuError> {
        if !snapshot.is_newest() {
            return Err(DsuError::NotNewest {
                version: snapshot.version(),
                count: snapshot.history().len(),
            });
        }
        Ok(Self {
            point,
            ssi: snapshot.ssi().clone(),
            id: snapshot.id().clone(),
            history: snapshot.history().clone(),
            base: snapshot.map().clone(),
            map: snapshot.map().clone(),
            manifest: snapshot.manifest().clone(),
            is_changed: false,
            sealer: sealer(snapshot.ssi())?,
        })
    }

    /// Takes the key that another mount of the same DSU has, if that one can write and this one
    /// cannot.
    pub(super) fn take_key(&mut self, ssi: &KeySsi) -> Result<(), DsuError> {
        if self.sealer.is_none() {
            self.sealer = sealer(ssi)?;
            if self.sealer.is_some() {
                self.ssi = ssi.clone();
            }
        }
        Ok(())
    }

    /// What makes the bricks of this DSU.
    ///
    /// # Errors
    /// [`DsuError::Constant`], [`DsuError::HandedOver`], [`DsuError::NotWritable`].
    pub(super) fn sealer(&self) -> Result<Arc<BrickSealer>, DsuError> {
        let head = self.history.head();
        let error = if self.id.kind() == AnchorKind::Constant && !self.history.is_empty() {
            DsuError::Constant
        } else if head.is_some_and(|head| head.transferred_to().is_some()) {
            DsuError::HandedOver
        } else if let Some(sealer) = &self.sealer {
            return Ok(Arc::clone(sealer));
        } else {
            DsuError::NotWritable(self.ssi.kind())
        };
        Err(if self.point.is_root() {
            error
        } else {
            error.mounted(&self.point)
        })
    }

    pub(super) fn resolve(&self, path: &DsuPath) -> Result<Resolution, DsuError> {
        let resolved = self.manifest.resolve(path);
        resolved.map_err(|source| self.manifest_error(source))
    }

    pub(super) fn manifest_error(&self, source: ManifestError) -> DsuError {
        DsuError::Manifest {
            version: self.history.len().saturating_sub(1),
            source: Box::new(source),
        }
    }

    /// Refuses places that are not files or folders of this DSU: its root, the manifest, and those
    /// on or above a mount. `seen`: the path as the caller gave it.
    pub(super) fn check_place(&self, seen: &DsuPath, path: &DsuPath) -> Result<(), DsuError> {
        if path.is_root() || path.starts_with(&manifest_path()) {
            return Err(DsuError::Reserved(seen.clone()));
        }
        let mounts = self.manifest.mounts();
        if mounts.iter().any(|mount| mount.point().starts_with(path)) {
            return Err(DsuError::MountedBelow(seen.clone()));
        }
        Ok(())
    }

    /// Refuses a place to change: see [`Changes::check_place`] and [`Changes::sealer`].
    pub(super) fn check_change(&self, seen: &DsuPath, path: &DsuPath) -> Result<(), DsuError> {
        self.sealer()?;
        self.check_place(seen, path)
    }

    /// Refuses a file where none can stand, before its content is read and stored.
    pub(super) fn check_file(&self, seen: &DsuPath, path: &DsuPath) -> Result<(), DsuError> {
        self.check_change(seen, path)?;
        match self.map.lookup(path) {
            Some(Node::Folder(_)) => Err(DsuError::IsFolder(seen.clone())),
            Some(Node::File(_)) => Ok(()),
            None => self.check_way(path),
        }
    }

    /// Refuses a place below a file.
    pub(super) fn check_way(&self, path: &DsuPath) -> Result<(), DsuError> {
        let mut parent = path.parent();
        while let Some(folder) = parent {
            if matches!(self.map.lookup(&folder), Some(Node::File(_))) {
                return Err(DsuError::IsFile(folder));
            }
            parent = folder.parent();
        }
        Ok(())
    }

    /// Makes these bricks the content of a file. What is there already changes nothing.
    pub(super) fn write(
        &mut self,
        path: &DsuPath,
        entries: Vec<Entry>,
        now: Moment,
    ) -> Result<(), DsuError> {
        let is_same = match self.map.lookup(path) {
            Some(Node::File(file)) => file.embedded().is_none() && file.entries() == entries,
            _ => false,
        };
        if !is_same {
            self.map.write(path, entries, now)?;
            self.is_changed = true;
        }
        Ok(())
    }

    /// Puts the mounts into the map.
    pub(super) fn write_manifest(&mut self, now: Moment) -> Result<(), DsuError> {
        let text = EmbeddedContent::Text(self.manifest.to_json());
        self.map.embed(&manifest_path(), &text, now)?;
        self.is_changed = true;
        Ok(())
    }
}

/// `None` if the key can only read.
fn sealer(ssi: &KeySsi) -> Result<Option<Arc<BrickSealer>>, DsuError> {
    match BrickSealer::new(ssi) {
        Ok(sealer) => Ok(Some(Arc::new(sealer))),
        Err(SealerError::CannotWrite { .. }) => Ok(None),
        Err(other) => Err(DsuError::Sealer(other)),
    }
}
