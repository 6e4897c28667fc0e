//! Mounts: other DSUs that appear as folders.
//!
//! `/manifest` holds `{"mounts":{"/abs/path":"<identifier>"}}`. A path belongs
//! to the first mount, in stored order, at or above it; inside the mounted DSU
//! the rest of the path is resolved again with that DSU's own manifest. The
//! identifiers are keys: `Debug` shows the mount points only.
//!
//! Where the reference is careless (dsu §14-14) a new mount is refused here: at
//! a mount, below one (it belongs into the manifest of the mounted DSU), and
//! above one.
//!
//! **Source:** dsu specification §8, §13.

use std::fmt;

use keyssi::json::{JsText, Json, Object};
use keyssi::{KeySsi, SsiError, SsiKind};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::brick_map::BrickMap;
use crate::content::{Content, ContentError};
use crate::path::DsuPath;

/// Where a DSU keeps its mounts.
pub const MANIFEST_PATH: &str = "/manifest";

/// The name of that file in the root folder.
pub(crate) const MANIFEST_NAME: &str = "manifest";
const MOUNTS: &str = "mounts";

/// The mounts of one DSU, in stored order. Unknown members are kept.
#[derive(Clone, PartialEq)]
pub struct Manifest {
    root: Object,
    keys: MountKeys,
}

/// One mounted DSU.
#[derive(Clone, PartialEq, Eq)]
pub struct Mount {
    point: DsuPath,
    identifier: Zeroizing<String>,
}

/// What a path of a DSU names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// A path of this DSU itself.
    Own(DsuPath),
    /// A path inside a mounted DSU.
    Mounted {
        /// Where it is mounted.
        point: DsuPath,
        /// What opens it.
        ssi: KeySsi,
        /// The path inside it, to be resolved there again.
        rest: DsuPath,
    },
}

/// The manifest cannot be read, or not changed as asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// Not a JSON object whose `mounts`, if any, are texts.
    #[error("the manifest is not JSON of the form {{\"mounts\":{{path: identifier}}}}")]
    Malformed,
    /// What is mounted somewhere is no identifier.
    #[error("the mount at {point} holds no identifier")]
    BadIdentifier {
        /// Where.
        point: DsuPath,
        /// Why.
        #[source]
        source: SsiError,
    },
    /// The type of the identifier opens no DSU.
    #[error("an identifier of type '{kind}' cannot be mounted")]
    NotMountable {
        /// The type.
        kind: SsiKind,
    },
    /// The root of a DSU is the DSU itself.
    #[error("nothing can be mounted at the root of a DSU")]
    Root,
    /// The path is taken, lies inside a mounted DSU or above one.
    #[error("a DSU is mounted at {point} already")]
    Occupied {
        /// The mount that is in the way.
        point: DsuPath,
    },
    /// There is no mount at this path.
    #[error("nothing is mounted at {point}")]
    NotMounted {
        /// The path.
        point: DsuPath,
    },
}

/// How mount points are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MountKeys {
    /// `/a/b`
    Absolute,
    /// `a/b`, in versionless documents.
    Relative,
}

impl Default for Manifest {
    fn default() -> Self {
        Self::empty(MountKeys::Absolute)
    }
}

impl Manifest {
    /// Reads the content of `/manifest`. An empty one has no mounts.
    ///
    /// # Errors
    /// [`ManifestError::Malformed`] if it is something else. A mount that holds
    /// no identifier is an error only when it is used.
    pub fn parse(json: &[u8]) -> Result<Self, ManifestError> {
        Self::parse_with(json, MountKeys::Absolute)
    }

    /// The manifest of a versionless document.
    pub(crate) fn parse_relative(json: &[u8]) -> Result<Self, ManifestError> {
        Self::parse_with(json, MountKeys::Relative)
    }

    /// The JSON text, as it is to be stored. Secret: it holds keys.
    #[must_use]
    pub fn to_json(&self) -> Zeroizing<String> {
        Zeroizing::new(Json::Object(self.root.clone()).print())
    }

    /// All mounts, in stored order.
    #[must_use]
    pub fn mounts(&self) -> Vec<Mount> {
        self.stored().map(|(_, mount)| mount).collect()
    }

    /// True if nothing is mounted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.stored().next().is_none()
    }

    /// Whose path this is.
    ///
    /// # Errors
    /// [`ManifestError::BadIdentifier`] if the mount there cannot be opened.
    pub fn resolve(&self, path: &DsuPath) -> Result<Resolution, ManifestError> {
        for (_, mount) in self.stored() {
            if let Some(rest) = path.strip(&mount.point) {
                let ssi = mount.ssi()?;
                let point = mount.point;
                return Ok(Resolution::Mounted { point, ssi, rest });
            }
        }
        Ok(Resolution::Own(path.clone()))
    }

    /// Mounts a DSU. Whether files are in the way is for the caller to say.
    ///
    /// # Errors
    /// [`ManifestError`] if the path is the root, taken, inside or above a
    /// mount, or if the identifier opens no DSU.
    pub fn mount(&mut self, point: &DsuPath, ssi: &KeySsi) -> Result<(), ManifestError> {
        let kind = ssi.kind();
        if !is_mountable(kind) {
            return Err(ManifestError::NotMountable { kind });
        }
        if *point == DsuPath::root() {
            return Err(ManifestError::Root);
        }
        let is_near =
            |mount: &Mount| point.starts_with(&mount.point) || mount.point.starts_with(point);
        if let Some((_, mount)) = self.stored().find(|(_, mount)| is_near(mount)) {
            return Err(ManifestError::Occupied { point: mount.point });
        }
        let key = match self.keys {
            MountKeys::Absolute => point.as_str(),
            MountKeys::Relative => point.as_str().trim_start_matches('/'),
        };
        let identifier = ssi.wrapped();
        if let Some(mounts) = self.root.get_mut(MOUNTS).and_then(Json::as_object_mut) {
            mounts.set(key, identifier.as_str());
        } else {
            let mut mounts = Object::new();
            mounts.set(key, identifier.as_str());
            self.root.set(MOUNTS, mounts);
        }
        Ok(())
    }

    /// Takes a mount away. The mounted DSU itself is not touched.
    ///
    /// # Errors
    /// [`ManifestError::NotMounted`] if there is none at this path.
    pub fn unmount(&mut self, point: &DsuPath) -> Result<(), ManifestError> {
        let mut stored = self.stored();
        let found = stored.find_map(|(key, mount)| (mount.point == *point).then_some(key));
        let key = found.ok_or_else(|| ManifestError::NotMounted {
            point: point.clone(),
        })?;
        drop(stored);
        if let Some(mounts) = self.root.get_mut(MOUNTS).and_then(Json::as_object_mut) {
            mounts.retain(|name| *name != key);
        }
        Ok(())
    }

    fn empty(keys: MountKeys) -> Self {
        let mut root = Object::new();
        root.set(MOUNTS, Object::new());
        Self { root, keys }
    }

    fn parse_with(json: &[u8], keys: MountKeys) -> Result<Self, ManifestError> {
        if json.is_empty() {
            return Ok(Self::empty(keys));
        }
        // The reference decodes the bytes in the same tolerant way.
        let text = Zeroizing::new(String::from_utf8_lossy(json).into_owned());
        let Some(Json::Object(root)) = Json::parse(&text) else {
            return Err(ManifestError::Malformed);
        };
        match root.get(MOUNTS) {
            None => {}
            Some(Json::Object(mounts)) => {
                let is_read = |(key, value): (&JsText, &Json)| {
                    point_of(key).is_some() && value.as_text().is_some()
                };
                if !mounts.iter().all(is_read) {
                    return Err(ManifestError::Malformed);
                }
            }
            Some(_) => return Err(ManifestError::Malformed),
        }
        Ok(Self { root, keys })
    }

    /// The mounts with the keys that they are stored under, which need not be
    /// in normal form.
    fn stored(&self) -> impl Iterator<Item = (JsText, Mount)> {
        let mounts = self.root.get(MOUNTS).and_then(Json::as_object);
        let members = mounts.into_iter().flat_map(Object::iter);
        members.filter_map(|(key, value)| {
            let point = point_of(key)?;
            let identifier = Zeroizing::new(value.as_text()?);
            Some((key.clone(), Mount { point, identifier }))
        })
    }
}

impl Mount {
    /// Where it is mounted, as a path of the outer DSU.
    #[must_use]
    pub const fn point(&self) -> &DsuPath {
        &self.point
    }

    /// What opens it. A `seed` can be written through the outer DSU, an `sread`
    /// only be read.
    ///
    /// # Errors
    /// [`ManifestError::BadIdentifier`] if the manifest holds something else.
    pub fn ssi(&self) -> Result<KeySsi, ManifestError> {
        KeySsi::parse_stored(&self.identifier).map_err(|source| ManifestError::BadIdentifier {
            point: self.point.clone(),
            source,
        })
    }
}

impl BrickMap {
    /// The content of `/manifest`: embedded text as a rule, an ordinary file in
    /// old DSUs. `None` if the DSU has no mounts.
    ///
    /// # Errors
    /// [`ContentError`] if the file's entries cannot be read.
    pub fn manifest_content(&self) -> Result<Option<Content>, ContentError> {
        let path = DsuPath::root().child(MANIFEST_NAME);
        self.file(&path).map(|file| file.content()).transpose()
    }
}

impl fmt::Debug for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let points = self.stored().map(|(_, mount)| mount.point);
        f.debug_struct("Manifest")
            .field("points", &points.collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mount")
            .field("point", &self.point)
            .finish_non_exhaustive()
    }
}

fn point_of(key: &JsText) -> Option<DsuPath> {
    DsuPath::parse(&key.decoded()?).ok()
}

/// The types that a DSU can be loaded with (dsu §9).
const fn is_mountable(kind: SsiKind) -> bool {
    matches!(
        kind,
        SsiKind::Seed
            | SsiKind::SRead
            | SsiKind::Const
            | SsiKind::Array
            | SsiKind::Wallet
            | SsiKind::Versionless
    )
}

#[cfg(test)]
mod tests;
