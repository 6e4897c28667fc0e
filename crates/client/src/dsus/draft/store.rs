//! Content cut into bricks.

use std::collections::VecDeque;
use std::sync::Arc;

use dsu::{CHUNK_BYTES_DEFAULT, DsuPath, Entry, SealError, SealedBrick};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use super::Draft;
use crate::dsus::DsuError;

impl Draft {
    /// Cuts content into bricks and stores them, several at a time. Memory: `parallel` chunks being
    /// encrypted and the batches in flight, whatever the size of the content.
    ///
    /// `first_offset`: from where the bytes are counted, see [`dsu::BrickSealer::seal`].
    pub(super) async fn store(
        &mut self,
        at: usize,
        path: &DsuPath,
        mut input: impl AsyncRead + Unpin + Send,
        first_offset: u64,
    ) -> Result<(Vec<Entry>, u64), DsuError> {
        let parallel = self.client.options().parallel.max(1);
        let sealer = self.changes(at).sealer()?;
        let mut sealing = VecDeque::new();
        let mut entries = Vec::new();
        let mut read = 0_u64;
        loop {
            let chunk = read_chunk(&mut input, self.chunk_bytes, path).await?;
            let bytes = chunk.len();
            // Content of no bytes is one empty brick; nothing follows a last brick that is full.
            if bytes == 0 && read > 0 {
                break;
            }
            let (sealer, offset) = (Arc::clone(&sealer), first_offset.wrapping_add(read));
            sealing.push_back(tokio::task::spawn_blocking(move || {
                sealer.seal(offset, &chunk)
            }));
            read += bytes as u64;
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
        Ok((entries, read))
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
    let mut chunk = Zeroizing::new(Vec::with_capacity(bytes_max.min(CHUNK_BYTES_DEFAULT)));
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
