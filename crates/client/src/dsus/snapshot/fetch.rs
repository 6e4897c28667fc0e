//! Histories, brick maps and manifests, fetched and checked.

use dsu::{BrickMap, DsuPath, History, MANIFEST_PATH, Manifest, diff_strategy, open_map};
use keyssi::{AnchorId, AnchorKind, KeySsi, SsiKind, Timestamp};

use super::At;
use crate::Client;
use crate::dsus::DsuError;
use crate::dsus::history::history;
use crate::dsus::read::FileReader;

/// The anchor of an identifier that can read, and its history.
pub(super) async fn opened(client: &Client, ssi: &KeySsi) -> Result<(AnchorId, History), DsuError> {
    check_readable(ssi)?;
    let id = AnchorId::of(ssi).map_err(DsuError::Key)?;
    let history = history(client, &id).await?;
    Ok((id, history))
}

/// Refuses identifiers that open no bricks.
pub(crate) fn check_readable(ssi: &KeySsi) -> Result<(), DsuError> {
    match ssi.kind() {
        SsiKind::Seed | SsiKind::SRead | SsiKind::Const | SsiKind::Array | SsiKind::Wallet => {
            Ok(())
        }
        kind => Err(DsuError::NotReadable(kind)),
    }
}

/// The version that is meant.
pub(super) fn chosen(id: &AnchorId, history: &History, at: At) -> Result<usize, DsuError> {
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
        At::Time(_) if id.kind() == AnchorKind::Constant => Ok(newest),
        At::Time(time) => history
            .at_time(time)
            .and_then(|version| history.with_map(version))
            .ok_or_else(|| DsuError::NothingAtTime(time.http_date())),
    }
}

/// The version of a mounted DSU that an older version of the outer one shows: that of the same
/// time, or its first one if the clocks say that it came later.
pub(super) fn as_of(
    id: &AnchorId,
    history: &History,
    limit: &Timestamp,
) -> Result<usize, DsuError> {
    let past = history
        .at(limit)
        .filter(|_| id.kind() == AnchorKind::Signed);
    let first = || (0..history.len()).find(|version| history.brick_map(*version).is_some());
    past.and_then(|version| history.with_map(version))
        .or_else(first)
        .ok_or_else(|| DsuError::NotAnchored(Box::new(id.clone())))
}

/// Fetches and opens the brick map of a version; one that holds only the changes of its session is
/// replayed over those before it (§6).
pub(crate) async fn fetch_map(
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

pub(in crate::dsus) async fn fetch_one_map(
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
pub(crate) async fn read_manifest(
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
pub(crate) fn manifest_path() -> DsuPath {
    DsuPath::root()
        .join(MANIFEST_PATH)
        .unwrap_or_else(|_| DsuPath::root())
}
