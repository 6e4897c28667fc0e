//! What belongs into an archive: the histories, and every brick that a version refers to.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use dsu::{BrickMap, BrickRef, DsuPath, History, diff_strategy, open_map};
use futures_util::StreamExt as _;
use keyssi::{AnchorId, AnchorValueKind, BrickHash, Domain, KeySsi};

use super::export::Mounts;
use super::manifest::{ArchiveManifest, ArchivedDsu, DomainBricks};
use crate::Client;
use crate::dsus::{self, DsuError, check_readable, fetch_map, read_manifest};

/// All that goes into an archive, by name.
pub(super) struct Gathered {
    pub(super) dsus: Vec<GatheredDsu>,
    /// Mount points of DSUs that the key in the manifest does not open.
    pub(super) unopened: Vec<DsuPath>,
}

/// One DSU.
pub(super) struct GatheredDsu {
    pub(super) anchor: AnchorId,
    /// Where it is mounted, seen from the DSU that is exported.
    pub(super) point: DsuPath,
    pub(super) history: History,
    pub(super) groups: Vec<Group>,
}

/// Bricks of one domain, and what each was first needed for.
pub(super) struct Group {
    pub(super) domain: Domain,
    pub(super) bricks: Vec<(BrickHash, Place)>,
}

/// What a brick is needed for.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) version: usize,
    /// The file; `None` for the brick map.
    pub(super) path: Option<Arc<DsuPath>>,
}

/// Fetches every history and every brick map that can be reached from `ssi`.
pub(super) async fn gather(
    client: &Client,
    ssi: &KeySsi,
    mounts: Mounts,
) -> Result<Gathered, DsuError> {
    check_readable(ssi)?;
    let mut gathered = Gathered {
        dsus: Vec::new(),
        unopened: Vec::new(),
    };
    // A DSU may be mounted many times, in itself too.
    let mut anchors = HashSet::new();
    let mut waiting = VecDeque::from([(ssi.clone(), DsuPath::root())]);
    while let Some((ssi, point)) = waiting.pop_front() {
        let inside = |error| mounted(error, &point);
        if check_readable(&ssi).is_err() {
            gathered.unopened.push(point);
            continue;
        }
        let anchor = AnchorId::of(&ssi).map_err(|error| inside(DsuError::Key(error)))?;
        if !anchors.insert(anchor.clone()) {
            continue;
        }
        let mut dsu = GatheredDsu::new(client, anchor, point.clone())
            .await
            .map_err(inside)?;
        let found = dsu.bricks(client, &ssi, mounts).await.map_err(inside)?;
        waiting.extend(found);
        gathered.dsus.push(dsu);
    }
    Ok(gathered)
}

impl Gathered {
    pub(super) fn manifest(&self) -> ArchiveManifest {
        let dsus = self.dsus.iter().map(GatheredDsu::archived).collect();
        ArchiveManifest { dsus }
    }
}

impl GatheredDsu {
    async fn new(client: &Client, anchor: AnchorId, point: DsuPath) -> Result<Self, DsuError> {
        let history = dsus::history(client, &anchor).await?;
        if history.is_empty() {
            return Err(DsuError::NotAnchored(Box::new(anchor)));
        }
        Ok(Self {
            anchor,
            point,
            history,
            groups: Vec::new(),
        })
    }

    fn archived(&self) -> ArchivedDsu {
        let values = self.history.values().iter();
        let group = |group: &Group| DomainBricks {
            domain: group.domain.clone(),
            hashes: group.bricks.iter().map(|(hash, _)| *hash).collect(),
        };
        ArchivedDsu {
            anchor: self.anchor.clone(),
            values: values.map(|value| value.as_str().to_owned()).collect(),
            bricks: self.groups.iter().map(group).collect(),
        }
    }

    /// Goes through all versions; returns what is mounted in any of them.
    async fn bricks(
        &mut self,
        client: &Client,
        ssi: &KeySsi,
        mounts: Mounts,
    ) -> Result<Vec<(KeySsi, DsuPath)>, DsuError> {
        let maps = self.maps()?;
        let mut seen = HashSet::new();
        let mut inner = Vec::new();
        let mut rest = maps.as_slice();
        while let Some((_, first)) = rest.first() {
            let run = rest
                .iter()
                .take_while(|(_, map)| map.domain == first.domain)
                .count();
            let (now, later) = rest.split_at(run);
            rest = later;
            let hashes = now.iter().map(|(_, map)| map.hash).collect();
            let mut fetched = client.bricks().fetch_many(&first.domain, hashes);
            for (version, brick) in now {
                let version = *version;
                let bytes = match fetched.next().await {
                    Some((_, bytes)) => bytes,
                    // The stream answers every hash; this asks again rather than trust that.
                    None => client.bricks().fetch(&brick.domain, &brick.hash).await,
                };
                let bytes = bytes.map_err(|source| DsuError::FetchMap {
                    version,
                    source: Box::new(source),
                })?;
                let map = open_map(ssi, &brick.hash, &bytes).map_err(|source| DsuError::Map {
                    version,
                    hash: brick.hash,
                    source: Box::new(source),
                })?;
                self.add(&mut seen, brick, Place::map(version));
                // The files of a version of the Diff strategy stand in the changes up to it.
                let map = if diff_strategy::is_diff(&map) {
                    fetch_map(client, ssi, &self.history, version).await?
                } else {
                    map
                };
                self.files(&mut seen, &map, version)?;
                if mounts == Mounts::Include {
                    inner.extend(self.mounts(client, &map, version).await?);
                }
            }
        }
        Ok(inner)
    }

    /// The versions with brick maps.
    fn maps(&self) -> Result<Vec<(usize, BrickRef)>, DsuError> {
        let mut maps = Vec::with_capacity(self.history.len());
        for (version, value) in self.history.values().iter().enumerate() {
            match self.history.brick_map(version) {
                Some(brick) => maps.push((version, brick)),
                None if value.kind() == AnchorValueKind::Transfer => {}
                None => return Err(DsuError::NoMap(version)),
            }
        }
        Ok(maps)
    }

    fn files(
        &mut self,
        seen: &mut HashSet<BrickRef>,
        map: &BrickMap,
        version: usize,
    ) -> Result<(), DsuError> {
        for (path, file) in map.files() {
            let content = file.content().map_err(|source| DsuError::Content {
                path: path.clone(),
                version,
                source: Box::new(source),
            })?;
            let path = Arc::new(path);
            for brick in content.pieces().iter().filter_map(|piece| piece.brick()) {
                let path = Some(Arc::clone(&path));
                self.add(seen, brick, Place { version, path });
            }
        }
        Ok(())
    }

    async fn mounts(
        &self,
        client: &Client,
        map: &BrickMap,
        version: usize,
    ) -> Result<Vec<(KeySsi, DsuPath)>, DsuError> {
        let manifest = read_manifest(client, map, version).await?;
        let mut mounted = Vec::new();
        for mount in manifest.mounts() {
            let ssi = mount.ssi().map_err(|source| DsuError::Manifest {
                version,
                source: Box::new(source),
            })?;
            mounted.push((ssi, mount.point().under(&self.point)));
        }
        Ok(mounted)
    }

    fn add(&mut self, seen: &mut HashSet<BrickRef>, brick: &BrickRef, place: Place) {
        if !seen.insert(brick.clone()) {
            return;
        }
        let entry = (brick.hash, place);
        let mut groups = self.groups.iter_mut();
        match groups.find(|group| group.domain == brick.domain) {
            Some(group) => group.bricks.push(entry),
            None => self.groups.push(Group {
                domain: brick.domain.clone(),
                bricks: vec![entry],
            }),
        }
    }
}

/// The error of a DSU that is mounted at `point`, if that is not the root.
pub(super) fn mounted(error: DsuError, point: &DsuPath) -> DsuError {
    if point.is_root() {
        return error;
    }
    error.mounted(point)
}

impl Place {
    const fn map(version: usize) -> Self {
        let path = None;
        Self { version, path }
    }
}
