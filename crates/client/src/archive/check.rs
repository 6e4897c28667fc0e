//! Opening an archive: everything in it is checked before anything is used, without a key.
//!
//! The file is read from end to end once. After that, bricks are read from their places, and
//! hashed again, because the file may change meanwhile.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use car::{CarError, CarEvent, CarParser, Cid};
use dsu::{History, HistoryFault};
use keyssi::{AnchorId, BrickHash};
use thiserror::Error;

use super::LIMITS;
use super::manifest::{ArchiveManifest, ManifestFault};

/// How much of the file is read at a time.
const READ_BYTES: usize = 1 << 20;
/// Bytes of the header with the root that a manifest has.
const HEAD_BYTES: usize = 59;

/// Why an archive is not accepted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The file cannot be read.
    #[error("the archive cannot be read")]
    Read(#[source] io::Error),
    /// It is no CAR file, or a damaged or cut one.
    #[error("the archive is damaged at block {block}")]
    Car {
        /// The block, from 0, which is the manifest.
        block: usize,
        /// What is wrong.
        #[source]
        source: CarError,
    },
    /// A header without a root, or with several.
    #[error("the archive has {0} roots instead of one, the manifest")]
    Roots(usize),
    /// A header that says the same as the canonical one in other bytes.
    #[error("the archive's header is not encoded canonically")]
    NotCanonical,
    /// The first block is not the one that the header names.
    #[error("the archive does not begin with its root, the manifest")]
    NoManifest,
    /// The manifest says nothing that can be understood.
    #[error("the archive's manifest cannot be read")]
    Manifest(#[source] ManifestFault),
    /// An anchor value that is forged, damaged or out of order.
    #[error("the archive's history of {} is not genuine: version {} does not hold", .anchor.plain(), .source.version)]
    Forged {
        /// The anchor.
        anchor: Box<AnchorId>,
        /// What is wrong.
        #[source]
        source: Box<HistoryFault>,
    },
    /// A brick map that the manifest does not link.
    #[error("the archive lacks the brick map {hash} of version {version} of {}", .anchor.plain())]
    NoMap {
        /// The anchor.
        anchor: Box<AnchorId>,
        /// The version, counted from 0.
        version: usize,
        /// The brick.
        hash: BrickHash,
    },
    /// The archive ends, or goes on with another brick, where a linked one is due.
    #[error("the archive lacks brick {hash} at block {block}")]
    Missing {
        /// The block, from 0, which is the manifest.
        block: usize,
        /// The brick that is due there.
        hash: BrickHash,
    },
    /// More blocks than the manifest links.
    #[error("the archive holds block {cid} beyond those that its manifest links")]
    Unlinked {
        /// The block.
        cid: Box<Cid>,
    },
    /// The file changed after it was checked.
    #[error("the archive changed while it was read: brick {hash} is not there any more")]
    Changed {
        /// The brick.
        hash: BrickHash,
    },
}

/// An archive that holds together: a sound CAR file, every linked brick in it and nothing else,
/// every history genuine, every brick map of every version there.
#[derive(Debug, Clone)]
pub struct Archive(Arc<Checked>);

#[derive(Debug)]
struct Checked {
    file: File,
    manifest: ArchiveManifest,
    histories: Vec<History>,
    places: HashMap<BrickHash, Place>,
    bytes: u64,
}

/// Where the bytes of a brick are.
#[derive(Debug, Clone, Copy)]
struct Place {
    offset: u64,
    bytes: usize,
}

impl Archive {
    /// Reads and checks a whole file from its beginning. Blocking.
    ///
    /// Memory: the manifest, 50 bytes or so for each brick, and one brick.
    ///
    /// # Errors
    /// [`ArchiveError`] says what is wrong and where.
    pub fn open(file: File) -> Result<Self, ArchiveError> {
        let mut scan = Scan::new();
        let mut reader = &file;
        loop {
            let mut chunk = BytesMut::zeroed(READ_BYTES);
            let count = match reader.read(&mut chunk) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(ArchiveError::Read(error)),
            };
            chunk.truncate(count);
            scan.push(chunk.freeze())?;
        }
        scan.finish(file)
    }

    /// What it says that it holds; all of it is there.
    #[must_use]
    pub fn manifest(&self) -> &ArchiveManifest {
        &self.0.manifest
    }

    /// The checked histories, in the order of the DSUs in the manifest.
    #[must_use]
    pub fn histories(&self) -> &[History] {
        &self.0.histories
    }

    /// Distinct bricks, brick maps included.
    #[must_use]
    pub fn bricks(&self) -> usize {
        self.0.places.len()
    }

    /// The size of the file.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.bytes
    }

    /// The size of a brick; `None` if it is not in the archive.
    #[must_use]
    pub fn brick_bytes(&self, hash: &BrickHash) -> Option<usize> {
        self.0.places.get(hash).map(|place| place.bytes)
    }

    /// Reads a brick, which hashes to its name; `None` if it is not in the archive. Blocking.
    ///
    /// # Errors
    /// [`ArchiveError::Read`], or [`ArchiveError::Changed`].
    pub fn brick(&self, hash: &BrickHash) -> Result<Option<Bytes>, ArchiveError> {
        let Some(place) = self.0.places.get(hash) else {
            return Ok(None);
        };
        let mut bytes = vec![0; place.bytes];
        match self.0.file.read_exact_at(&mut bytes, place.offset) {
            Ok(()) if BrickHash::of(&bytes) == *hash => Ok(Some(bytes.into())),
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
                Err(ArchiveError::Read(error))
            }
            _ => Err(ArchiveError::Changed { hash: *hash }),
        }
    }
}

/// A pass over an archive, as far as it has come.
struct Scan {
    parser: CarParser,
    /// The first bytes of the file, as many as a header with one root takes.
    head: Vec<u8>,
    root: Option<Cid>,
    /// The manifest and its histories, once they have come.
    found: Option<(ArchiveManifest, Vec<History>)>,
    /// Bricks that are due, the next one last.
    due: Vec<BrickHash>,
    places: HashMap<BrickHash, Place>,
    /// Blocks and bytes that were taken.
    blocks: usize,
    offset: u64,
}

impl Scan {
    fn new() -> Self {
        Self {
            parser: CarParser::new(LIMITS),
            head: Vec::with_capacity(HEAD_BYTES),
            root: None,
            found: None,
            due: Vec::new(),
            places: HashMap::new(),
            blocks: 0,
            offset: 0,
        }
    }

    fn push(&mut self, bytes: Bytes) -> Result<(), ArchiveError> {
        let rest = HEAD_BYTES - self.head.len();
        self.head.extend(bytes.iter().take(rest));
        self.parser.push(bytes);
        let damaged = |block| move |source| ArchiveError::Car { block, source };
        while let Some(event) = self.parser.next().map_err(damaged(self.blocks))? {
            match event {
                CarEvent::Header { roots } => self.header(&roots)?,
                CarEvent::Block { cid, data } => self.block(cid, &data)?,
            }
        }
        Ok(())
    }

    fn finish(self, file: File) -> Result<Archive, ArchiveError> {
        let block = self.blocks;
        self.parser
            .finish()
            .map_err(|source| ArchiveError::Car { block, source })?;
        let (manifest, histories) = self.found.ok_or(ArchiveError::NoManifest)?;
        if let Some(hash) = self.due.last().copied() {
            return Err(ArchiveError::Missing { block, hash });
        }
        Ok(Archive(Arc::new(Checked {
            file,
            manifest,
            histories,
            places: self.places,
            bytes: self.offset,
        })))
    }

    fn header(&mut self, roots: &[Cid]) -> Result<(), ArchiveError> {
        let [root] = roots else {
            return Err(ArchiveError::Roots(roots.len()));
        };
        let canonical = car::header(roots);
        if !self.head.starts_with(&canonical) {
            return Err(ArchiveError::NotCanonical);
        }
        self.root = Some(*root);
        self.offset = canonical.len() as u64;
        Ok(())
    }

    fn block(&mut self, cid: Cid, data: &[u8]) -> Result<(), ArchiveError> {
        if self.found.is_none() {
            self.manifest(&cid, data)?;
        } else {
            let block = self.blocks;
            let Some(hash) = self.due.pop() else {
                let cid = Box::new(cid);
                return Err(ArchiveError::Unlinked { cid });
            };
            if car::brick_cid(&hash) != cid {
                return Err(ArchiveError::Missing { block, hash });
            }
            let bytes = data.len();
            let offset = self.offset + (car::section_bytes(&cid, bytes) - bytes) as u64;
            self.places.insert(hash, Place { offset, bytes });
        }
        self.offset += car::section_bytes(&cid, data.len()) as u64;
        self.blocks += 1;
        Ok(())
    }

    fn manifest(&mut self, cid: &Cid, data: &[u8]) -> Result<(), ArchiveError> {
        if self.root != Some(*cid) || car::dag_cbor_cid(data) != *cid {
            return Err(ArchiveError::NoManifest);
        }
        let manifest = ArchiveManifest::parse(data).map_err(ArchiveError::Manifest)?;
        let histories = histories(&manifest)?;
        self.due = manifest.blocks().collect();
        self.due.reverse();
        self.found = Some((manifest, histories));
        Ok(())
    }
}

/// The signature chains, checked, and the brick map of every version among the linked bricks.
fn histories(manifest: &ArchiveManifest) -> Result<Vec<History>, ArchiveError> {
    let mut histories = Vec::with_capacity(manifest.dsus.len());
    for archived in &manifest.dsus {
        let anchor = || Box::new(archived.anchor.clone());
        let history = History::check(&archived.anchor, &archived.values).map_err(|fault| {
            ArchiveError::Forged {
                anchor: anchor(),
                source: Box::new(fault),
            }
        })?;
        let linked = archived.linked();
        for version in 0..history.len() {
            let Some(map) = history.brick_map(version) else {
                continue;
            };
            if !linked.contains(&(&map.domain, map.hash)) {
                let (anchor, hash) = (anchor(), map.hash);
                return Err(ArchiveError::NoMap {
                    anchor,
                    version,
                    hash,
                });
            }
        }
        histories.push(history);
    }
    Ok(histories)
}
