//! Writing an archive.

use std::collections::HashSet;
use std::io::{self, Write};

use dsu::DsuPath;
use futures_util::StreamExt as _;
use keyssi::{AnchorId, BrickHash, KeySsi};
use thiserror::Error;

use super::LIMITS;
use super::gather::{GatheredDsu, Group, Place, gather, mounted};
use crate::dsus::DsuError;
use crate::{Client, ClientError};

/// Whether mounted DSUs belong to an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mounts {
    /// Those of all versions that the key opens, and what is mounted in them.
    #[default]
    Include,
    /// None: the archive holds one DSU.
    LeaveOut,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exported {
    /// The DSUs; the one asked for first.
    pub dsus: Vec<ExportedDsu>,
    /// Distinct bricks, brick maps included.
    pub bricks: usize,
    /// Bytes of the archive.
    pub bytes: u64,
    /// Where something is mounted whose bricks its key does not open (`vs`, for one); it is not in
    /// the archive.
    pub unopened: Vec<DsuPath>,
}

/// A DSU in the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExportedDsu {
    /// Its anchor.
    pub anchor: AnchorId,
    /// Where it is mounted; the root for the DSU asked for.
    pub point: DsuPath,
    /// How many versions it has.
    pub versions: usize,
}

/// Why an export ended early. What was written until then is no archive.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The DSU or one of its bricks cannot be had; path, version and brick are named.
    #[error(transparent)]
    Dsu(#[from] DsuError),
    /// The archive cannot be written.
    #[error("the archive cannot be written")]
    Output(#[source] io::Error),
    /// The DSU has more bricks than a manifest can name, or a brick of more than 64 MiB.
    #[error("an archive cannot hold a block of {bytes} bytes, which is over {}", LIMITS.block_bytes_max)]
    TooLarge {
        /// The size of the manifest or the brick.
        bytes: usize,
    },
}

/// Writes a DSU with all its versions to `output`, brick by brick as they come; it is flushed at the
/// end.
///
/// Memory: the names of all bricks with their paths, the manifest, and the bricks in flight.
///
/// # Errors
/// [`ExportError`]. A brick that is missing or damaged ends the export.
pub async fn export(
    client: &Client,
    ssi: &KeySsi,
    mounts: Mounts,
    output: &mut impl Write,
) -> Result<Exported, ExportError> {
    let gathered = gather(client, ssi, mounts).await?;
    let block = gathered.manifest().to_block();
    let root = car::dag_cbor_cid(&block);
    let mut writer = Writer {
        client,
        output,
        written: HashSet::new(),
        bytes: 0,
    };
    writer.write(&car::header(&[root]))?;
    writer.block(&root, &block)?;
    for dsu in &gathered.dsus {
        for group in &dsu.groups {
            writer.bricks(dsu, group).await?;
        }
    }
    writer.output.flush().map_err(ExportError::Output)?;
    let (bricks, bytes) = (writer.written.len(), writer.bytes);
    let dsus = gathered.dsus.into_iter().map(|dsu| ExportedDsu {
        versions: dsu.history.len(),
        anchor: dsu.anchor,
        point: dsu.point,
    });
    Ok(Exported {
        dsus: dsus.collect(),
        bricks,
        bytes,
        unopened: gathered.unopened,
    })
}

struct Writer<'a, W> {
    client: &'a Client,
    output: &'a mut W,
    written: HashSet<BrickHash>,
    bytes: u64,
}

impl<W: Write> Writer<'_, W> {
    /// The bricks of a group that no other DSU has brought yet, in order.
    async fn bricks(&mut self, dsu: &GatheredDsu, group: &Group) -> Result<(), ExportError> {
        let bricks = group.bricks.iter();
        let due: Vec<_> = bricks
            .filter(|(hash, _)| self.written.insert(*hash))
            .collect();
        let hashes = due.iter().map(|(hash, _)| *hash).collect();
        let mut fetched = self.client.bricks().fetch_many(&group.domain, hashes);
        for (hash, place) in due {
            let bytes = match fetched.next().await {
                Some((_, bytes)) => bytes,
                // The stream answers every hash; this asks again rather than trust that.
                None => self.client.bricks().fetch(&group.domain, hash).await,
            };
            let bytes = bytes.map_err(|error| named(error, dsu, hash, place))?;
            self.block(&car::brick_cid(hash), &bytes)?;
        }
        Ok(())
    }

    fn block(&mut self, cid: &car::Cid, data: &[u8]) -> Result<(), ExportError> {
        let bytes = data.len();
        if bytes > LIMITS.block_bytes_max {
            return Err(ExportError::TooLarge { bytes });
        }
        self.write(&car::section_prefix(cid, bytes))?;
        self.write(data)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), ExportError> {
        self.output.write_all(bytes).map_err(ExportError::Output)?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }
}

/// The error with the path, the version and the mount point.
fn named(error: ClientError, dsu: &GatheredDsu, hash: &BrickHash, place: &Place) -> DsuError {
    let (version, source) = (place.version, Box::new(error));
    let error = match &place.path {
        None => DsuError::FetchMap { version, source },
        Some(path) => DsuError::FetchBrick {
            path: path.as_ref().clone(),
            version,
            hash: *hash,
            source,
        },
    };
    mounted(error, &dsu.point)
}
