//! Reading the content of files, brick by brick.

use std::collections::VecDeque;

use bytes::Bytes;
use dsu::{BrickRef, Content, DsuPath, Piece, PieceSource};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use keyssi::BrickHash;
use zeroize::Zeroizing;

use super::DsuError;
use crate::{Client, ClientError};

/// Reads one or more files in order. Memory: the bricks in flight and the one just opened.
pub struct FileReader {
    client: Client,
    files: Vec<(DsuPath, usize)>,
    total_bytes: Option<u64>,
    /// What is still to be read: the file's place in `files`, and the piece.
    pieces: VecDeque<(usize, Piece)>,
    /// Bricks asked for, in the order of the pieces; one that stands twice in a row comes once.
    fetching: Option<BoxStream<'static, (BrickHash, Result<Bytes, ClientError>)>>,
    last: Option<(BrickRef, Bytes)>,
}

impl FileReader {
    /// `files`: the path as the caller sees it, the version it is read from, and the plan.
    pub(super) fn new(client: &Client, files: Vec<(DsuPath, usize, Content)>) -> Self {
        let total_bytes = files
            .iter()
            .map(|(_, _, content)| content.total_bytes())
            .sum();
        let mut pieces = VecDeque::new();
        let mut names = Vec::with_capacity(files.len());
        for (index, (path, version, content)) in files.into_iter().enumerate() {
            names.push((path, version));
            pieces.extend(content.pieces().iter().map(|piece| (index, piece.clone())));
        }
        Self {
            client: client.clone(),
            files: names,
            total_bytes,
            pieces,
            fetching: None,
            last: None,
        }
    }

    /// Bytes of all files together, where the brick maps say so.
    #[must_use]
    pub const fn total_bytes(&self) -> Option<u64> {
        self.total_bytes
    }

    /// The next bytes, with the place of their file in the list that was asked for. Files come in
    /// order; a file without content gives nothing.
    ///
    /// # Errors
    /// [`DsuError::Brick`] or [`DsuError::FetchBrick`] names the file, the version and the brick.
    /// The next call goes on after it.
    ///
    /// # Cancellation
    /// Dropped in the middle, nothing is skipped: the next call gives what this one would have.
    pub async fn next(&mut self) -> Result<Option<(usize, Zeroizing<Vec<u8>>)>, DsuError> {
        let Some((index, piece)) = self.pieces.front().cloned() else {
            return Ok(None);
        };
        let opened = self.open(index, piece).await;
        self.pieces.pop_front();
        if opened.is_err() {
            // What is on its way belongs to other pieces now: ask again from the next one on.
            self.fetching = None;
            self.last = None;
        }
        opened.map(|bytes| Some((index, bytes)))
    }

    async fn open(&mut self, index: usize, piece: Piece) -> Result<Zeroizing<Vec<u8>>, DsuError> {
        let brick = match piece.source() {
            PieceSource::Inline(data) => return Ok(data.clone()),
            PieceSource::Brick { brick, .. } => brick.clone(),
        };
        let bytes = self.fetch(index, &brick).await?;
        let opened = tokio::task::spawn_blocking(move || piece.open(&bytes)).await;
        opened.map_err(DsuError::Task)?.map_err(|source| {
            let (path, version) = self.name(index);
            let (hash, source) = (brick.hash, Box::new(source));
            DsuError::Brick {
                path,
                version,
                hash,
                source,
            }
        })
    }

    /// All of it in memory: for small files.
    ///
    /// # Errors
    /// As [`FileReader::next`].
    pub async fn to_end(mut self) -> Result<Zeroizing<Vec<u8>>, DsuError> {
        let mut all = Zeroizing::new(Vec::new());
        while let Some((_, bytes)) = self.next().await? {
            all.extend_from_slice(&bytes);
        }
        Ok(all)
    }

    /// The bytes of the brick that the piece just taken is made of.
    async fn fetch(&mut self, index: usize, brick: &BrickRef) -> Result<Bytes, DsuError> {
        if let Some((last, bytes)) = &self.last
            && last == brick
        {
            return Ok(bytes.clone());
        }
        let mut answer = match &mut self.fetching {
            Some(fetching) => fetching.next().await,
            None => None,
        };
        if answer.is_none() {
            let mut fetching = self.ask(brick);
            answer = fetching.next().await;
            self.fetching = Some(fetching);
        }
        let failed = |reader: &Self, source| {
            let (path, version) = reader.name(index);
            DsuError::FetchBrick {
                path,
                version,
                hash: brick.hash,
                source: Box::new(source),
            }
        };
        match answer {
            Some((hash, Ok(bytes))) if hash == brick.hash => {
                self.last = Some((brick.clone(), bytes.clone()));
                Ok(bytes)
            }
            Some((_, Err(error))) => Err(failed(self, error)),
            // The stream answers every hash once, in order; this asks again rather than trust that.
            Some((_, Ok(_))) | None => {
                let fetched = self.client.bricks().fetch(&brick.domain, &brick.hash).await;
                fetched.map_err(|error| failed(self, error))
            }
        }
    }

    /// Asks for `first` and for every brick after it as long as they are in the same domain.
    fn ask(&self, first: &BrickRef) -> BoxStream<'static, (BrickHash, Result<Bytes, ClientError>)> {
        let mut hashes = vec![first.hash];
        for (_, piece) in self.pieces.iter().skip(1) {
            match piece.source() {
                PieceSource::Inline(_) => {}
                PieceSource::Brick { brick, .. } if brick.domain != first.domain => break,
                PieceSource::Brick { brick, .. } => {
                    if hashes.last() != Some(&brick.hash) {
                        hashes.push(brick.hash);
                    }
                }
            }
        }
        self.client
            .bricks()
            .fetch_many(&first.domain, hashes)
            .boxed()
    }

    fn name(&self, index: usize) -> (DsuPath, usize) {
        self.files
            .get(index)
            .cloned()
            .unwrap_or_else(|| (DsuPath::root(), 0))
    }
}
