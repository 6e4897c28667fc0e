//! One version of a DSU, with what is mounted in it.

mod fetch;
mod list;

use std::collections::HashMap;
use std::sync::Arc;

use dsu::{
    BrickMap, Content, DamagedVersion, DsuPath, History, Manifest, ManifestError, Moment, Mount,
    Node, Recovery, Resolution,
};
use keyssi::{AnchorId, AnchorValue, KeySsi, Timestamp};
use tokio::sync::Mutex;

use self::fetch::{as_of, chosen, opened};
use super::DsuError;
use super::read::FileReader;
use crate::{Client, ClientError};

pub(super) use self::fetch::fetch_one_map;
pub(crate) use self::fetch::{check_readable, fetch_map, manifest_path, read_manifest};
pub use self::list::Listing;

/// How deep mounts may lead into one another; a circle of mounts ends here.
pub(super) const MOUNT_DEPTH_MAX: usize = 16;

/// Which version of a DSU is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum At {
    /// The newest one.
    #[default]
    Latest,
    /// The version with this number, counted from 0.
    Version(usize),
    /// The newest one that was signed at this time or before.
    Time(Moment),
}

/// One version of one DSU. Cheap to clone; never changes.
///
/// Mounted DSUs are opened when a path leads into them: the newest version of each from the newest
/// version of this one, else the version that was the newest when this one was signed.
#[derive(Clone)]
pub struct Snapshot(Arc<Inner>);

struct Inner {
    client: Client,
    ssi: KeySsi,
    id: AnchorId,
    history: History,
    version: usize,
    /// Whether changes may be made on it.
    is_newest: bool,
    shown: Shown,
    map: BrickMap,
    manifest: Manifest,
    /// The anchors from the outermost DSU to this one.
    way: Vec<AnchorId>,
    mounted: Mutex<HashMap<DsuPath, Snapshot>>,
}

/// Which versions of mounted DSUs are shown.
#[derive(Clone)]
enum Shown {
    Newest,
    AsOf(Timestamp),
}

/// Which version a snapshot is of, and how it stands to the others.
struct Part {
    version: usize,
    is_newest: bool,
    shown: Shown,
}

/// Where a path leads to.
#[derive(Clone)]
pub struct Found {
    /// The DSU that holds it: the one asked, or one mounted in it.
    pub snapshot: Snapshot,
    /// The path inside that DSU.
    pub path: DsuPath,
    /// Where that DSU is mounted, seen from the one asked; the root for that one itself.
    pub point: DsuPath,
}

impl Snapshot {
    /// Opens a version of the DSU that `ssi` opens.
    ///
    /// # Errors
    /// [`DsuError`] says what is wrong with the key, the history, the map or the node.
    pub async fn open(client: &Client, ssi: &KeySsi, at: At) -> Result<Self, DsuError> {
        let (id, history) = opened(client, ssi).await?;
        let version = chosen(&id, &history, at)?;
        let is_newest = is_newest(&history, version);
        let shown = match at {
            At::Latest => Shown::Newest,
            At::Version(_) if is_newest => Shown::Newest,
            At::Version(_) => {
                let time = history.version(version).and_then(AnchorValue::timestamp);
                time.cloned().map_or(Shown::Newest, Shown::AsOf)
            }
            At::Time(time) => Shown::AsOf(Timestamp::from_millis(time.millis())),
        };
        let part = Part {
            version,
            is_newest,
            shown,
        };
        Self::of(client, ssi, vec![id], history, part).await
    }

    /// Opens the newest version whose brick map can be read, and says which newer ones cannot.
    /// A [`Draft`](super::Draft) of it is anchored after the damaged ones.
    ///
    /// # Errors
    /// As [`Snapshot::open`]. A node that cannot be asked is an error, and no reason to go back.
    ///
    /// **Source:** DSU specification §13.
    pub async fn recover(
        client: &Client,
        ssi: &KeySsi,
    ) -> Result<(Self, Vec<DamagedVersion>), DsuError> {
        let (id, history) = opened(client, ssi).await?;
        let mut recovery = Recovery::new(ssi, &history);
        while let Some((version, brick)) = recovery.wanted() {
            let bytes = match client.bricks().fetch(&brick.domain, &brick.hash).await {
                Ok(bytes) => Some(bytes),
                Err(ClientError::MissingBrick { .. } | ClientError::DamagedBrick { .. }) => None,
                Err(source) => {
                    return Err(DsuError::FetchMap {
                        version,
                        source: Box::new(source),
                    });
                }
            };
            if let Some((version, _)) = recovery.offer(bytes.as_deref()) {
                let damaged = recovery.damaged().to_vec();
                let (is_newest, shown) = (true, Shown::Newest);
                let part = Part {
                    version,
                    is_newest,
                    shown,
                };
                let opened = Self::of(client, ssi, vec![id], history.clone(), part);
                return Ok((opened.await?, damaged));
            }
        }
        Err(match history.latest_brick_map() {
            Some(_) => DsuError::NothingToRecover(history.len()),
            None => DsuError::NotAnchored(Box::new(id)),
        })
    }

    /// `way`: the anchors from the outermost DSU to this one.
    async fn of(
        client: &Client,
        ssi: &KeySsi,
        way: Vec<AnchorId>,
        history: History,
        part: Part,
    ) -> Result<Self, DsuError> {
        let Part {
            version,
            is_newest,
            shown,
        } = part;
        let id = way.last().cloned();
        let id = id.ok_or(DsuError::NoMap(version))?;
        let map = fetch_map(client, ssi, &history, version).await?;
        let manifest = read_manifest(client, &map, version).await?;
        Ok(Self(Arc::new(Inner {
            client: client.clone(),
            ssi: ssi.clone(),
            id,
            history,
            version,
            is_newest,
            shown,
            map,
            manifest,
            way,
            mounted: Mutex::default(),
        })))
    }

    /// True if changes may be made on it: it is the newest version, or the newest that could be
    /// recovered.
    #[must_use]
    pub fn is_newest(&self) -> bool {
        self.0.is_newest
    }

    /// The identifier that opened it.
    #[must_use]
    pub fn ssi(&self) -> &KeySsi {
        &self.0.ssi
    }

    /// Its anchor.
    #[must_use]
    pub fn id(&self) -> &AnchorId {
        &self.0.id
    }

    /// All versions of its anchor.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.0.history
    }

    /// The number of this version, counted from 0.
    #[must_use]
    pub fn version(&self) -> usize {
        self.0.version
    }

    /// The brick map of this version.
    #[must_use]
    pub fn map(&self) -> &BrickMap {
        &self.0.map
    }

    /// What is mounted in it.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.0.manifest
    }

    pub(super) fn client(&self) -> &Client {
        &self.0.client
    }

    /// Finds the DSU that holds a path. The path need not exist there.
    ///
    /// # Errors
    /// [`DsuError::Mounted`] if a DSU on the way cannot be opened.
    pub async fn locate(&self, path: &DsuPath) -> Result<Found, DsuError> {
        let mut found = Found {
            snapshot: self.clone(),
            path: path.clone(),
            point: DsuPath::root(),
        };
        loop {
            match found.snapshot.resolve(&found.path)? {
                Resolution::Own(path) => {
                    found.path = path;
                    return Ok(found);
                }
                Resolution::Mounted { point, ssi, rest } => {
                    let whole = point.under(&found.point);
                    let mounted = found.snapshot.mounted(&point, &ssi).await;
                    let snapshot = mounted.map_err(|error| error.mounted(&whole))?;
                    found = Found {
                        snapshot,
                        path: rest,
                        point: whole,
                    };
                }
            }
        }
    }

    fn resolve(&self, path: &DsuPath) -> Result<Resolution, DsuError> {
        let resolved = self.0.manifest.resolve(path);
        resolved.map_err(|source| self.manifest_error(source))
    }

    fn manifest_error(&self, source: ManifestError) -> DsuError {
        DsuError::Manifest {
            version: self.0.version,
            source: Box::new(source),
        }
    }

    /// The DSU that a line of the manifest mounts.
    async fn mount(&self, mount: &Mount) -> Result<Self, DsuError> {
        let ssi = mount.ssi().map_err(|source| self.manifest_error(source))?;
        self.mounted(mount.point(), &ssi).await
    }

    /// The DSU mounted at `point`, which the manifest names.
    async fn mounted(&self, point: &DsuPath, ssi: &KeySsi) -> Result<Self, DsuError> {
        if self.0.way.len() > MOUNT_DEPTH_MAX {
            return Err(DsuError::MountedTooDeep(MOUNT_DEPTH_MAX));
        }
        let mut mounted = self.0.mounted.lock().await;
        if let Some(snapshot) = mounted.get(point) {
            return Ok(snapshot.clone());
        }
        let client = &self.0.client;
        let (id, history) = opened(client, ssi).await?;
        let version = match &self.0.shown {
            Shown::Newest => chosen(&id, &history, At::Latest)?,
            Shown::AsOf(limit) => as_of(&id, &history, limit)?,
        };
        let is_newest = is_newest(&history, version);
        let shown = self.0.shown.clone();
        let part = Part {
            version,
            is_newest,
            shown,
        };
        let way = self.0.way.iter().cloned().chain([id]).collect();
        let snapshot = Self::of(client, ssi, way, history, part).await?;
        mounted.insert(point.clone(), snapshot.clone());
        Ok(snapshot)
    }

    /// How a file is to be read.
    ///
    /// # Errors
    /// [`DsuError::NotFound`], [`DsuError::IsFolder`], or its entry makes no sense.
    pub async fn content(&self, path: &DsuPath) -> Result<(Found, Content), DsuError> {
        let found = self.locate(path).await?;
        let snapshot = &found.snapshot.0;
        let content = match snapshot.map.lookup(&found.path) {
            Some(Node::File(file)) => file.content().map_err(|source| DsuError::Content {
                path: path.clone(),
                version: snapshot.version,
                source: Box::new(source),
            })?,
            Some(Node::Folder(_)) => return Err(DsuError::IsFolder(path.clone())),
            None if found.snapshot.leads_to_mount(&found.path) => {
                return Err(DsuError::IsFolder(path.clone()));
            }
            None => return Err(DsuError::NotFound(path.clone())),
        };
        Ok((found, content))
    }

    /// Reads a file, piece by piece.
    ///
    /// # Errors
    /// As [`Snapshot::content`]; errors of bricks come when their piece is reached.
    pub async fn read(&self, path: &DsuPath) -> Result<FileReader, DsuError> {
        let (found, content) = self.content(path).await?;
        let version = found.snapshot.version();
        Ok(FileReader::new(
            &self.0.client,
            vec![(path.clone(), version, content)],
        ))
    }

    /// Reads many files one after the other with their bricks asked for together, so that many
    /// small files do not take a round trip each.
    ///
    /// # Errors
    /// As [`Snapshot::read`].
    pub async fn read_many(&self, paths: &[DsuPath]) -> Result<FileReader, DsuError> {
        let mut files = Vec::with_capacity(paths.len());
        for path in paths {
            let (found, content) = self.content(path).await?;
            files.push((path.clone(), found.snapshot.version(), content));
        }
        Ok(FileReader::new(&self.0.client, files))
    }
}

fn is_newest(history: &History, version: usize) -> bool {
    history
        .latest_brick_map()
        .is_some_and(|(newest, _)| newest == version)
}
