//! Opening everything in an archive with a key: no network, no node.

use std::collections::{HashMap, HashSet, VecDeque};

use bytes::Bytes;
use dsu::{
    BrickMap, ContentError, DsuPath, Manifest, ManifestError, OpenError, OpenMapError, Piece,
    PieceSource, ReplayError, diff_strategy, open_map,
};
use keyssi::{AnchorId, AnchorValueKind, BrickHash, KeySsi, UseError};
use thiserror::Error;
use zeroize::Zeroizing;

use super::check::{Archive, ArchiveError};
use crate::dsus::{check_readable, manifest_path};

/// What a verification with a key saw.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct ArchiveVerified {
    /// DSUs that were opened: that of the key, and those mounted in it.
    pub dsus: usize,
    /// Versions whose brick map was opened, or that hand the DSU over.
    pub versions: usize,
    /// Files over all versions.
    pub files: usize,
    /// Distinct pieces of files that were decrypted.
    pub pieces: usize,
    /// Where something is mounted that is not in the archive, or that its key does not open.
    pub unopened: Vec<DsuPath>,
    /// What is missing or wrong; empty: all is well.
    pub faults: Vec<ArchiveFault>,
}

/// Something missing or wrong in an archive whose bricks are all what their names say.
#[derive(Debug)]
#[non_exhaustive]
pub struct ArchiveFault {
    /// Where the DSU is mounted; the root for the DSU of the key.
    pub point: DsuPath,
    /// The version, counted from 0.
    pub version: usize,
    /// The file; `None` for the brick map.
    pub path: Option<DsuPath>,
    /// The brick.
    pub brick: Option<BrickHash>,
    /// What is wrong.
    pub kind: FaultKind,
}

/// What is wrong.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FaultKind {
    /// The archive does not hold the brick.
    #[error("the brick is not in the archive")]
    Missing,
    /// The version's anchor value names no brick that could be there.
    #[error("the anchor value names no brick map")]
    NoMap,
    /// The brick map does not open.
    #[error("the brick map cannot be opened")]
    Map(#[source] OpenMapError),
    /// The changes of the versions do not add up.
    #[error("the changes of the versions do not add up to a brick map")]
    Replay(#[source] ReplayError),
    /// The brick map says of the file what makes no sense.
    #[error("the file's entry in the brick map makes no sense")]
    Content(#[source] ContentError),
    /// The brick is not what the brick map says.
    #[error("the brick cannot be opened")]
    Brick(#[source] OpenError),
    /// The mounts cannot be read.
    #[error("the manifest with the mounts cannot be read")]
    Mounts(#[source] ManifestError),
}

/// Why nothing could be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The key cannot read a DSU.
    #[error("a key of type {0} cannot open a DSU")]
    NotReadable(keyssi::SsiKind),
    /// The key is not usable.
    #[error("the key cannot be used")]
    Key(#[source] UseError),
    /// The archive holds no DSU of this key.
    #[error("the archive holds no DSU of this key ({})", .0.plain())]
    NotThere(Box<AnchorId>),
    /// The file cannot be read any more.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

impl Archive {
    /// Opens every brick map and every file of the DSU of `ssi`, and of the DSUs mounted in it that
    /// the archive holds. Blocking.
    ///
    /// # Errors
    /// Only if nothing could be opened at all; everything else is an [`ArchiveFault`].
    pub fn verify(&self, ssi: &KeySsi) -> Result<ArchiveVerified, VerifyError> {
        check_readable(ssi).map_err(|_| VerifyError::NotReadable(ssi.kind()))?;
        let id = AnchorId::of(ssi).map_err(VerifyError::Key)?;
        if self.place_of(&id).is_none() {
            return Err(VerifyError::NotThere(Box::new(id)));
        }
        let mut walk = Walk {
            archive: self,
            verified: ArchiveVerified::default(),
            judged: HashMap::new(),
            last: None,
            waiting: VecDeque::from([(ssi.clone(), DsuPath::root())]),
            entered: HashSet::new(),
        };
        while let Some((ssi, point)) = walk.waiting.pop_front() {
            walk.enter(&ssi, point)?;
        }
        Ok(walk.verified)
    }

    fn place_of(&self, id: &AnchorId) -> Option<usize> {
        let mut dsus = self.manifest().dsus.iter();
        dsus.position(|archived| archived.anchor == *id)
    }
}

struct Walk<'a> {
    archive: &'a Archive,
    verified: ArchiveVerified,
    /// Pieces that were opened already, by brick and first byte; versions share most of them.
    judged: HashMap<(BrickHash, usize), Piece>,
    /// The brick read last: the slices of a container come one after the other.
    last: Option<(BrickHash, Bytes)>,
    waiting: VecDeque<(KeySsi, DsuPath)>,
    entered: HashSet<AnchorId>,
}

/// The version that is looked at.
#[derive(Clone, Copy)]
struct At<'a> {
    point: &'a DsuPath,
    version: usize,
}

impl Walk<'_> {
    fn enter(&mut self, ssi: &KeySsi, point: DsuPath) -> Result<(), ArchiveError> {
        let id = match AnchorId::of(ssi) {
            Ok(id) if check_readable(ssi).is_ok() => id,
            _ => {
                self.verified.unopened.push(point);
                return Ok(());
            }
        };
        let place = self.archive.place_of(&id);
        let Some(history) = place.and_then(|place| self.archive.histories().get(place)) else {
            self.verified.unopened.push(point);
            return Ok(());
        };
        if !self.entered.insert(id) {
            return Ok(());
        }
        self.verified.dsus += 1;
        let mut maps = Vec::new();
        for (version, value) in history.values().iter().enumerate() {
            let at = At {
                point: &point,
                version,
            };
            match history.brick_map(version) {
                Some(brick) => self.version(ssi, at, &brick.hash, &mut maps)?,
                None if value.kind() == AnchorValueKind::Transfer => self.verified.versions += 1,
                None => self.fault(at, None, None, FaultKind::NoMap),
            }
        }
        Ok(())
    }

    /// `maps`: those of the versions before, for a DSU of the Diff strategy.
    fn version(
        &mut self,
        ssi: &KeySsi,
        at: At<'_>,
        hash: &BrickHash,
        maps: &mut Vec<BrickMap>,
    ) -> Result<(), ArchiveError> {
        let Some(bytes) = self.archive.brick(hash)? else {
            self.fault(at, None, Some(*hash), FaultKind::Missing);
            return Ok(());
        };
        match open_map(ssi, hash, &bytes) {
            Ok(map) => {
                self.verified.versions += 1;
                // Only what a replay begins with is kept of complete maps.
                if !maps.iter().chain([&map]).any(diff_strategy::is_diff) {
                    maps.clear();
                }
                maps.push(map.clone());
                // The files of such a version stand in the changes up to it.
                let whole = if diff_strategy::is_diff(&map) {
                    diff_strategy::replay(maps)
                } else {
                    Ok(map)
                };
                match whole {
                    Ok(map) => {
                        self.files(at, &map)?;
                        self.mounts(at, &map)
                    }
                    Err(source) => {
                        self.fault(at, None, Some(*hash), FaultKind::Replay(source));
                        Ok(())
                    }
                }
            }
            Err(source) => {
                self.fault(at, None, Some(*hash), FaultKind::Map(source));
                Ok(())
            }
        }
    }

    fn files(&mut self, at: At<'_>, map: &BrickMap) -> Result<(), ArchiveError> {
        for (path, file) in map.files() {
            self.verified.files += 1;
            let content = match file.content() {
                Ok(content) => content,
                Err(source) => {
                    self.fault(at, Some(path), None, FaultKind::Content(source));
                    continue;
                }
            };
            for piece in content.pieces() {
                let PieceSource::Brick { brick, slice } = piece.source() else {
                    continue;
                };
                let place = (brick.hash, slice.map_or(0, |slice| slice.offset));
                if self.judged.get(&place) == Some(piece) {
                    continue;
                }
                self.judged.insert(place, piece.clone());
                match self.open(piece, &brick.hash)? {
                    Ok(_) => self.verified.pieces += 1,
                    Err(kind) => self.fault(at, Some(path.clone()), Some(brick.hash), kind),
                }
            }
        }
        Ok(())
    }

    /// What is mounted in this version is looked at later.
    fn mounts(&mut self, at: At<'_>, map: &BrickMap) -> Result<(), ArchiveError> {
        // A manifest that cannot be read as a file has been reported as one.
        let Ok(Some(content)) = map.manifest_content() else {
            return Ok(());
        };
        let mut text = Zeroizing::new(Vec::new());
        for piece in content.pieces() {
            let part = match piece.source() {
                PieceSource::Inline(part) => part.clone(),
                PieceSource::Brick { brick, .. } => match self.open(piece, &brick.hash)? {
                    Ok(part) => part,
                    Err(_) => return Ok(()),
                },
            };
            text.extend_from_slice(&part);
        }
        let mounts = Manifest::parse(&text).and_then(|manifest| {
            let mounts = manifest.mounts().into_iter();
            mounts
                .map(|mount| Ok((mount.ssi()?, mount.point().under(at.point))))
                .collect::<Result<Vec<_>, _>>()
        });
        match mounts {
            Ok(mounts) => self.waiting.extend(mounts),
            Err(source) => {
                let path = Some(manifest_path());
                self.fault(at, path, None, FaultKind::Mounts(source));
            }
        }
        Ok(())
    }

    fn open(
        &mut self,
        piece: &Piece,
        hash: &BrickHash,
    ) -> Result<Result<Zeroizing<Vec<u8>>, FaultKind>, ArchiveError> {
        let bytes = match &self.last {
            Some((last, bytes)) if last == hash => bytes.clone(),
            _ => match self.archive.brick(hash)? {
                Some(bytes) => bytes,
                None => return Ok(Err(FaultKind::Missing)),
            },
        };
        self.last = Some((*hash, bytes.clone()));
        Ok(piece.open(&bytes).map_err(FaultKind::Brick))
    }

    fn fault(
        &mut self,
        at: At<'_>,
        path: Option<DsuPath>,
        brick: Option<BrickHash>,
        kind: FaultKind,
    ) {
        self.verified.faults.push(ArchiveFault {
            point: at.point.clone(),
            version: at.version,
            path,
            brick,
            kind,
        });
    }
}
