//! Storing an archive on a node.
//!
//! The order makes it safe to stop anywhere and to begin again: nothing is written before all of
//! the archive is checked and every anchor that exists is seen to fit; then bricks, of which those
//! that are there are not sent; then anchors, those of mounted DSUs before what mounts them.

use std::collections::HashSet;

use bytes::Bytes;
use dsu::{History, HistoryFault};
use keyssi::{AnchorId, BrickHash, Domain};
use thiserror::Error;

use super::check::{Archive, ArchiveError};
use crate::{Client, ClientError, Event};

/// Bricks asked for at once, and bytes sent at once: enough that round trips do not count.
const ASK_BRICKS: usize = 1000;
const SEND_BYTES: usize = 8 << 20;

/// What an import did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Imported {
    /// The DSUs, in the order of the manifest.
    pub dsus: Vec<ImportedDsu>,
    /// Bricks that were sent.
    pub bricks_stored: usize,
    /// Bricks that were there before.
    pub bricks_present: usize,
}

/// What an import did to one anchor.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportedDsu {
    /// The anchor.
    pub anchor: AnchorId,
    /// Versions that the node had before; it may have more than the archive.
    pub versions_before: usize,
    /// Versions that were anchored.
    pub versions_added: usize,
}

/// Why an import ended early. What was stored until then does no harm; the import can be repeated.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The node does not do what it should.
    #[error(transparent)]
    Node(#[from] ClientError),
    /// The archive cannot be read any more.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The node has another history under the same anchor. Nothing was written.
    #[error("the node has another version {version} of {} than the archive", .anchor.plain())]
    Conflict {
        /// The anchor.
        anchor: Box<AnchorId>,
        /// The first version that differs, counted from 0.
        version: usize,
    },
    /// The node's own history does not hold. Nothing was written.
    #[error("the history of {} that the node shows is not genuine: version {} does not hold", .anchor.plain(), .source.version)]
    Forged {
        /// The anchor.
        anchor: Box<AnchorId>,
        /// What is wrong with it.
        #[source]
        source: Box<HistoryFault>,
    },
    /// A task of this process ended early.
    #[error("a task of this process ended early")]
    Task(#[source] tokio::task::JoinError),
}

/// Stores all bricks of an archive and anchors all versions that the node lacks.
///
/// Cancellation: what was stored stays; importing again goes on from there.
///
/// # Errors
/// [`ImportError`]; [`ClientError::UnknownDomain`] if the node does not serve a domain of the
/// archive.
pub async fn import(client: &Client, archive: &Archive) -> Result<Imported, ImportError> {
    let manifest = archive.manifest();
    for dsu in &manifest.dsus {
        client.services(dsu.anchor.domain()).await?;
        for group in &dsu.bricks {
            client.services(&group.domain).await?;
        }
    }
    let mut dsus = Vec::with_capacity(manifest.dsus.len());
    for (dsu, history) in manifest.dsus.iter().zip(archive.histories()) {
        dsus.push(ImportedDsu {
            versions_before: versions_before(client, &dsu.anchor, history).await?,
            anchor: dsu.anchor.clone(),
            versions_added: 0,
        });
    }
    let mut imported = Imported {
        dsus,
        bricks_stored: 0,
        bricks_present: 0,
    };
    // DSUs may share bricks.
    let mut seen = HashSet::new();
    for group in manifest.dsus.iter().flat_map(|dsu| &dsu.bricks) {
        let hashes = group.hashes.iter().copied();
        let hashes: Vec<_> = hashes
            .filter(|hash| seen.insert((&group.domain, *hash)))
            .collect();
        for hashes in hashes.chunks(ASK_BRICKS) {
            store(client, archive, &group.domain, hashes, &mut imported).await?;
        }
    }
    let histories = archive.histories().iter();
    for (dsu, history) in imported.dsus.iter_mut().zip(histories).rev() {
        for value in history.values().iter().skip(dsu.versions_before) {
            let anchors = client.anchors();
            match dsu.versions_before + dsu.versions_added {
                0 => anchors.create(&dsu.anchor, value).await?,
                _ => anchors.append(&dsu.anchor, value).await?,
            }
            dsu.versions_added += 1;
        }
    }
    Ok(imported)
}

/// How many versions the node has; they and those of the archive must be the same as far as both
/// go.
async fn versions_before(
    client: &Client,
    id: &AnchorId,
    archived: &History,
) -> Result<usize, ImportError> {
    let values = client.anchors().versions(id).await?;
    let anchor = || Box::new(id.clone());
    let shown = History::check(id, &values).map_err(|fault| ImportError::Forged {
        anchor: anchor(),
        source: Box::new(fault),
    })?;
    let pairs = shown.values().iter().zip(archived.values());
    match { pairs }.position(|(shown, archived)| shown != archived) {
        None => Ok(shown.len()),
        Some(version) => Err(ImportError::Conflict {
            anchor: anchor(),
            version,
        }),
    }
}

/// Sends the bricks that are not there, a few at a time.
async fn store(
    client: &Client,
    archive: &Archive,
    domain: &Domain,
    hashes: &[BrickHash],
    imported: &mut Imported,
) -> Result<(), ImportError> {
    let present = client.bricks().have_many(domain, hashes).await?;
    let mut batch = Vec::new();
    let mut batch_bytes = 0;
    for (hash, present) in hashes.iter().zip(present) {
        let bytes = archive.brick_bytes(hash).unwrap_or_default();
        if present {
            imported.bricks_present += 1;
            let (hash, bytes) = (*hash, bytes as u64);
            client.emit(&Event::BrickSkipped { hash, bytes });
            continue;
        }
        if batch_bytes + bytes > SEND_BYTES {
            send(client, archive, domain, &mut batch, imported).await?;
            batch_bytes = 0;
        }
        batch_bytes += bytes;
        batch.push(*hash);
    }
    send(client, archive, domain, &mut batch, imported).await
}

/// Reads these bricks and stores them.
async fn send(
    client: &Client,
    archive: &Archive,
    domain: &Domain,
    batch: &mut Vec<BrickHash>,
    imported: &mut Imported,
) -> Result<(), ImportError> {
    if batch.is_empty() {
        return Ok(());
    }
    let (archive, hashes) = (archive.clone(), std::mem::take(batch));
    let read = tokio::task::spawn_blocking(move || read(&archive, &hashes)).await;
    let bricks = read.map_err(ImportError::Task)??;
    imported.bricks_stored += client.bricks().put_many(domain, bricks).await?.len();
    Ok(())
}

fn read(archive: &Archive, hashes: &[BrickHash]) -> Result<Vec<(BrickHash, Bytes)>, ArchiveError> {
    let brick = |hash: &BrickHash| {
        let bytes = archive.brick(hash)?;
        let bytes = bytes.ok_or(ArchiveError::Changed { hash: *hash })?;
        Ok((*hash, bytes))
    };
    hashes.iter().map(brick).collect()
}
