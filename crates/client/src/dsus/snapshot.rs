//! One version of a DSU, with what is mounted in it.

use std::collections::HashMap;
use std::sync::Arc;

use dsu::{
    BrickMap, Content, Depth, DsuPath, History, MANIFEST_PATH, Manifest, ManifestError, Metadata,
    Moment, Mount, Node, NodeKind, Resolution, diff_strategy, open_map,
};
use keyssi::{AnchorId, KeySsi, SsiKind};
use tokio::sync::Mutex;

use super::DsuError;
use super::history::history;
use super::read::FileReader;
use crate::Client;

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
    at: At,
    map: BrickMap,
    manifest: Manifest,
    depth: usize,
    mounted: Mutex<HashMap<DsuPath, Snapshot>>,
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
    /// Opens a version of the DSU that `ssi` opens.
    ///
    /// # Errors
    /// [`DsuError`] says what is wrong with the key, the history, the map or the node.
    pub async fn open(client: &Client, ssi: &KeySsi, at: At) -> Result<Self, DsuError> {
        let (id, history) = opened(client, ssi).await?;
        Self::of(client, ssi, id, history, at, 0).await
    }

    /// Opens the newest version whose brick map can be read, and says which newer ones cannot.
    /// A [`Draft`](super::Draft) of it is anchored after the damaged ones.
    ///
    /// # Errors
    /// As [`Snapshot::open`]; that of the newest version if none can be read.
    ///
    /// **Source:** DSU specification §13.
    pub async fn recover(
        client: &Client,
        ssi: &KeySsi,
    ) -> Result<(Self, Vec<(usize, DsuError)>), DsuError> {
        let (id, history) = opened(client, ssi).await?;
        let mut damaged = Vec::new();
        for version in (0..history.len()).rev() {
            let at = At::Version(version);
            match Self::of(client, ssi, id.clone(), history.clone(), at, 0).await {
                Ok(snapshot) => return Ok((snapshot, damaged)),
                Err(error) => damaged.push((version, error)),
            }
        }
        Err(match damaged.into_iter().next() {
            Some((_, newest)) => newest,
            None => DsuError::NotAnchored(Box::new(id)),
        })
    }

    async fn of(
        client: &Client,
        ssi: &KeySsi,
        id: AnchorId,
        history: History,
        at: At,
        depth: usize,
    ) -> Result<Self, DsuError> {
        let version = chosen(&id, &history, at)?;
        let map = fetch_map(client, ssi, &history, version).await?;
        let manifest = read_manifest(client, &map, version).await?;
        let at = match at {
            At::Version(number) if number + 1 == history.len() => At::Latest,
            At::Version(number) => history.time(number).map_or(At::Latest, At::Time),
            other => other,
        };
        Ok(Self(Arc::new(Inner {
            client: client.clone(),
            ssi: ssi.clone(),
            id,
            history,
            version,
            at,
            map,
            manifest,
            depth,
            mounted: Mutex::default(),
        })))
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
        let depth = self.0.depth + 1;
        if depth > MOUNT_DEPTH_MAX {
            return Err(DsuError::MountedTooDeep(MOUNT_DEPTH_MAX));
        }
        let mut mounted = self.0.mounted.lock().await;
        if let Some(snapshot) = mounted.get(point) {
            return Ok(snapshot.clone());
        }
        let (id, history) = opened(&self.0.client, ssi).await?;
        let snapshot = Self::of(&self.0.client, ssi, id, history, self.0.at, depth).await?;
        mounted.insert(point.clone(), snapshot.clone());
        Ok(snapshot)
    }

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
            let point = below.under(path);
            add_way(&mut lines, path, &point, depth);
            if depth == Depth::Recursive {
                let inner = found.snapshot.mount(&mount).await;
                let inner = inner.map_err(|error| error.mounted(&point))?;
                let listed = Box::pin(inner.list(&DsuPath::root(), depth)).await;
                let listed = listed.map_err(|error| error.mounted(&point))?;
                lines.extend(listed.into_iter().map(|line| Listing {
                    path: line.path.under(&point),
                    ..line
                }));
            }
        }
        lines.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(lines)
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

    /// True if a mount point lies below the path.
    fn leads_to_mount(&self, path: &DsuPath) -> bool {
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

/// The anchor of an identifier that can read, and its history.
async fn opened(client: &Client, ssi: &KeySsi) -> Result<(AnchorId, History), DsuError> {
    check_readable(ssi)?;
    let id = AnchorId::of(ssi).map_err(DsuError::Key)?;
    let history = history(client, &id).await?;
    Ok((id, history))
}

/// Refuses identifiers that open no bricks.
pub(super) fn check_readable(ssi: &KeySsi) -> Result<(), DsuError> {
    match ssi.kind() {
        SsiKind::Seed | SsiKind::SRead | SsiKind::Const | SsiKind::Array | SsiKind::Wallet => {
            Ok(())
        }
        kind => Err(DsuError::NotReadable(kind)),
    }
}

fn chosen(id: &AnchorId, history: &History, at: At) -> Result<usize, DsuError> {
    let count = history.len();
    // The newest value may hand the anchor over and have no brick map.
    let (newest, _) = history
        .latest_brick_map()
        .ok_or_else(|| DsuError::NotAnchored(Box::new(id.clone())))?;
    match at {
        At::Latest => Ok(newest),
        At::Version(asked) if asked < count => Ok(asked),
        At::Version(asked) => Err(DsuError::NoSuchVersion { asked, count }),
        // A constant DSU has one version, and that without a time.
        At::Time(_) if history.time(newest).is_none() => Ok(newest),
        At::Time(time) => history
            .at_time(time)
            .ok_or_else(|| DsuError::NothingAtTime(time.http_date())),
    }
}

/// Fetches and opens the brick map of a version; one that holds only the changes of its session is
/// replayed over those before it (§6).
pub(super) async fn fetch_map(
    client: &Client,
    ssi: &KeySsi,
    history: &History,
    version: usize,
) -> Result<BrickMap, DsuError> {
    let map = fetch_one_map(client, ssi, history, version).await?;
    if !diff_strategy::is_diff(&map) {
        return Ok(map);
    }
    let mut maps = Vec::with_capacity(version + 1);
    for earlier in 0..version {
        maps.push(fetch_one_map(client, ssi, history, earlier).await?);
    }
    maps.push(map);
    diff_strategy::replay(&maps).map_err(DsuError::Replay)
}

pub(super) async fn fetch_one_map(
    client: &Client,
    ssi: &KeySsi,
    history: &History,
    version: usize,
) -> Result<BrickMap, DsuError> {
    let brick = history.brick_map(version).ok_or(DsuError::NoMap(version))?;
    let bytes = client
        .bricks()
        .fetch(&brick.domain, &brick.hash)
        .await
        .map_err(|source| DsuError::FetchMap {
            version,
            source: Box::new(source),
        })?;
    open_map(ssi, &brick.hash, &bytes).map_err(|source| DsuError::Map {
        version,
        hash: brick.hash,
        source: Box::new(source),
    })
}

/// The mounts of a brick map: from the map itself, or from an ordinary file in older DSUs.
pub(super) async fn read_manifest(
    client: &Client,
    map: &BrickMap,
    version: usize,
) -> Result<Manifest, DsuError> {
    let content = map.manifest_content().map_err(|source| DsuError::Content {
        path: manifest_path(),
        version,
        source: Box::new(source),
    })?;
    let Some(content) = content else {
        return Ok(Manifest::default());
    };
    let text = FileReader::new(client, vec![(manifest_path(), version, content)])
        .to_end()
        .await?;
    Manifest::parse(&text).map_err(|source| DsuError::Manifest {
        version,
        source: Box::new(source),
    })
}

/// Where the mounts of a DSU stand.
pub(super) fn manifest_path() -> DsuPath {
    DsuPath::root()
        .join(MANIFEST_PATH)
        .unwrap_or_else(|_| DsuPath::root())
}
