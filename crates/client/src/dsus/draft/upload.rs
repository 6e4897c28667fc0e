//! Bricks on their way to the nodes: gathered into batches, a few batches at a time.

use bytes::Bytes;
use dsu::SealedBrick;
use keyssi::{BrickHash, Domain};
use tokio::task::JoinSet;

use crate::dsus::DsuError;
use crate::{Client, ClientError, Event};

/// A batch is sent when it has this many bytes. Large enough that a batch's sync is shared by many
/// small bricks, small enough that the batches in flight stay a few bricks each.
const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// Batches in flight at once: one being stored, one on the wire, one being gathered.
const BATCHES_MAX: usize = 3;

/// Uploads bricks in the background; [`Uploads::finish`] waits for all of them.
pub(super) struct Uploads {
    client: Client,
    domain: Option<Domain>,
    batch: Vec<(BrickHash, Bytes)>,
    batch_bytes: usize,
    sending: JoinSet<Result<(), ClientError>>,
}

impl Uploads {
    pub(super) fn new(client: &Client) -> Self {
        Self {
            client: client.clone(),
            domain: None,
            batch: Vec::new(),
            batch_bytes: 0,
            sending: JoinSet::new(),
        }
    }

    /// Takes a brick. Waits while too many are in flight; an error may be of an earlier brick.
    pub(super) async fn push(&mut self, brick: SealedBrick) -> Result<(), DsuError> {
        if self
            .domain
            .as_ref()
            .is_some_and(|domain| *domain != brick.domain)
        {
            self.send().await?;
        }
        self.domain = Some(brick.domain);
        self.batch_bytes += brick.bytes.len();
        self.batch.push((brick.hash, Bytes::from(brick.bytes)));
        if self.batch_bytes >= BATCH_BYTES {
            self.send().await?;
        }
        Ok(())
    }

    /// Waits until every brick is stored.
    pub(super) async fn finish(&mut self) -> Result<(), DsuError> {
        self.send().await?;
        while !self.sending.is_empty() {
            self.one_sent().await?;
        }
        Ok(())
    }

    async fn send(&mut self) -> Result<(), DsuError> {
        let Some(domain) = self.domain.clone() else {
            return Ok(());
        };
        if self.batch.is_empty() {
            return Ok(());
        }
        while self.sending.len() >= BATCHES_MAX {
            self.one_sent().await?;
        }
        self.batch_bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        let client = self.client.clone();
        self.sending
            .spawn(async move { store(&client, &domain, batch).await });
        Ok(())
    }

    async fn one_sent(&mut self) -> Result<(), DsuError> {
        match self.sending.join_next().await {
            Some(Ok(sent)) => Ok(sent?),
            Some(Err(ended)) => Err(DsuError::Task(ended)),
            None => Ok(()),
        }
    }
}

/// Asks which of the bricks are there, and stores the others: an upload that was cut off goes on
/// where it was, because the same content of the same DSU makes the same bricks.
async fn store(
    client: &Client,
    domain: &Domain,
    batch: Vec<(BrickHash, Bytes)>,
) -> Result<(), ClientError> {
    let hashes: Vec<_> = batch.iter().map(|(hash, _)| *hash).collect();
    let present = client.bricks().have_many(domain, &hashes).await?;
    let mut absent = Vec::with_capacity(batch.len());
    for ((hash, bytes), present) in batch.into_iter().zip(present) {
        if present {
            let bytes = bytes.len() as u64;
            client.emit(&Event::BrickSkipped { hash, bytes });
        } else {
            absent.push((hash, bytes));
        }
    }
    if absent.is_empty() {
        return Ok(());
    }
    client.bricks().put_many(domain, absent).await.map(|_| ())
}
