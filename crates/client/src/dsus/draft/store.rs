//! Content cut into bricks, and the places where it may stand.

use std::collections::VecDeque;
use std::sync::Arc;

use dsu::{DsuPath, Entry, Moment, Node, SealError, SealedBrick};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use super::Draft;
use crate::dsus::DsuError;
use crate::dsus::snapshot::manifest_path;

impl Draft {
    pub(super) async fn write_own(
        &mut self,
        path: &DsuPath,
        inner: &DsuPath,
        input: impl AsyncRead + Unpin + Send,
        now: Moment,
    ) -> Result<u64, DsuError> {
        self.own_file(path, inner)?;
        let (entries, bytes) = self.store(path, input).await?;
        let is_same = match self.map.lookup(inner) {
            Some(Node::File(file)) => file.embedded().is_none() && file.entries() == entries,
            _ => false,
        };
        if !is_same {
            self.map.write(inner, entries, now)?;
            self.is_changed = true;
        }
        Ok(bytes)
    }

    /// Refuses places that are not the draft's own to change: its root, mounts below, the manifest.
    pub(super) fn own_place(&self, path: &DsuPath, inner: &DsuPath) -> Result<(), DsuError> {
        if inner.is_root() || *inner == manifest_path() {
            return Err(DsuError::Reserved(path.clone()));
        }
        if self
            .manifest
            .mounts()
            .iter()
            .any(|mount| mount.point().starts_with(inner))
        {
            return Err(DsuError::MountedBelow(path.clone()));
        }
        Ok(())
    }

    /// Refuses a file where none can stand, before its content is read and stored.
    pub(super) fn own_file(&self, path: &DsuPath, inner: &DsuPath) -> Result<(), DsuError> {
        self.own_place(path, inner)?;
        match self.map.lookup(inner) {
            Some(Node::Folder(_)) => return Err(DsuError::IsFolder(path.clone())),
            Some(Node::File(_)) => return Ok(()),
            None => {}
        }
        let mut parent = inner.parent();
        while let Some(folder) = parent {
            if matches!(self.map.lookup(&folder), Some(Node::File(_))) {
                return Err(DsuError::IsFile(folder));
            }
            parent = folder.parent();
        }
        Ok(())
    }

    /// Cuts content into bricks and stores them, several at a time. Memory: `parallel` chunks being
    /// encrypted and the batches in flight, whatever the size of the content.
    pub(super) async fn store(
        &mut self,
        path: &DsuPath,
        mut input: impl AsyncRead + Unpin + Send,
    ) -> Result<(Vec<Entry>, u64), DsuError> {
        let parallel = self.client.options().parallel.max(1);
        let mut sealing = VecDeque::new();
        let mut entries = Vec::new();
        let mut offset = 0_u64;
        loop {
            let chunk = read_chunk(&mut input, self.chunk_bytes, path).await?;
            let bytes = chunk.len();
            // Content of no bytes is one empty brick; nothing follows a last brick that is full.
            if bytes == 0 && offset > 0 {
                break;
            }
            let sealer = Arc::clone(&self.sealer);
            sealing.push_back(tokio::task::spawn_blocking(move || {
                sealer.seal(offset, &chunk)
            }));
            offset += bytes as u64;
            if sealing.len() >= parallel {
                self.upload_next(&mut sealing, &mut entries).await?;
            }
            if bytes < self.chunk_bytes {
                break;
            }
        }
        while !sealing.is_empty() {
            self.upload_next(&mut sealing, &mut entries).await?;
        }
        Ok((entries, offset))
    }

    async fn upload_next(
        &mut self,
        sealing: &mut VecDeque<JoinHandle<Result<SealedBrick, SealError>>>,
        entries: &mut Vec<Entry>,
    ) -> Result<(), DsuError> {
        if let Some(sealed) = sealing.pop_front() {
            let brick = sealed.await.map_err(DsuError::Task)??;
            entries.push(brick.entry.clone());
            self.uploads.push(brick).await?;
        }
        Ok(())
    }
}

/// A whole chunk, or what is left of the input.
async fn read_chunk(
    input: &mut (impl AsyncRead + Unpin),
    bytes_max: usize,
    path: &DsuPath,
) -> Result<Zeroizing<Vec<u8>>, DsuError> {
    let mut chunk = Zeroizing::new(Vec::with_capacity(bytes_max));
    let mut limited = input.take(bytes_max as u64);
    read_to_end(&mut limited, &mut chunk, path).await?;
    Ok(chunk)
}

pub(super) async fn read_to_end(
    mut input: impl AsyncRead + Unpin,
    buffer: &mut Vec<u8>,
    path: &DsuPath,
) -> Result<(), DsuError> {
    let read = input.read_to_end(buffer).await;
    read.map(drop).map_err(|source| DsuError::Input {
        path: path.clone(),
        source,
    })
}
