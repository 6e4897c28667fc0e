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

/// Bricks of one domain that are sent together.
type Batch = (Domain, Vec<(BrickHash, Bytes)>);

/// Uploads bricks in the background; [`Uploads::finish`] waits for all of them.
///
/// A batch that could not be stored is kept and tried again: no version is anchored before every
/// brick that was pushed is stored.
pub(super) struct Uploads {
    client: Client,
    domain: Option<Domain>,
    batch: Vec<(BrickHash, Bytes)>,
    batch_bytes: usize,
    sending: JoinSet<Result<(), (Batch, ClientError)>>,
    failed: Vec<Batch>,
    /// A sending task ended early, and its bricks with it.
    is_lost: bool,
}

impl Uploads {
    pub(super) fn new(client: &Client) -> Self {
        Self {
            client: client.clone(),
            domain: None,
            batch: Vec::new(),
            batch_bytes: 0,
            sending: JoinSet::new(),
            failed: Vec::new(),
            is_lost: false,
        }
    }

    /// Takes a brick. Waits while too many are in flight; an error may be of an earlier brick,
    /// which is kept, while this one is not.
    pub(super) async fn push(&mut self, brick: SealedBrick) -> Result<(), DsuError> {
        self.send_failed().await?;
        let is_other = |domain: &Domain| *domain != brick.domain;
        if self.batch_bytes >= BATCH_BYTES || self.domain.as_ref().is_some_and(is_other) {
            self.send().await?;
        }
        self.domain = Some(brick.domain);
        self.batch_bytes += brick.bytes.len();
        self.batch.push((brick.hash, Bytes::from(brick.bytes)));
        Ok(())
    }

    /// Waits until every brick is stored.
    pub(super) async fn finish(&mut self) -> Result<(), DsuError> {
        self.send_failed().await?;
        self.send().await?;
        while !self.sending.is_empty() {
            self.one_sent().await?;
        }
        Ok(())
    }

    /// Tries again what could not be stored before.
    async fn send_failed(&mut self) -> Result<(), DsuError> {
        if self.is_lost {
            return Err(DsuError::BricksLost);
        }
        while let Some((domain, batch)) = self.failed.last() {
            store(&self.client, domain, batch).await?;
            self.failed.pop();
        }
        Ok(())
    }

    async fn send(&mut self) -> Result<(), DsuError> {
        while self.sending.len() >= BATCHES_MAX {
            self.one_sent().await?;
        }
        let Some(domain) = self.domain.clone().filter(|_| !self.batch.is_empty()) else {
            return Ok(());
        };
        self.batch_bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        let client = self.client.clone();
        self.sending.spawn(async move {
            let sent = store(&client, &domain, &batch).await;
            sent.map_err(|error| ((domain, batch), error))
        });
        Ok(())
    }

    async fn one_sent(&mut self) -> Result<(), DsuError> {
        match self.sending.join_next().await {
            Some(Ok(Ok(()))) | None => Ok(()),
            Some(Ok(Err((batch, error)))) => {
                self.failed.push(batch);
                Err(error.into())
            }
            Some(Err(ended)) => {
                // Its bricks are gone with it: nothing more can be promised.
                self.is_lost = true;
                Err(DsuError::Task(ended))
            }
        }
    }
}

/// Asks which of the bricks are there, and stores the others: an upload that was cut off goes on
/// where it was, because the same content of the same DSU makes the same bricks.
async fn store(
    client: &Client,
    domain: &Domain,
    batch: &[(BrickHash, Bytes)],
) -> Result<(), ClientError> {
    let hashes: Vec<_> = batch.iter().map(|(hash, _)| *hash).collect();
    let present = client.bricks().have_many(domain, &hashes).await?;
    let mut absent = Vec::with_capacity(batch.len());
    for ((hash, bytes), present) in batch.iter().zip(present) {
        if present {
            let (hash, bytes) = (*hash, bytes.len() as u64);
            client.emit(&Event::BrickSkipped { hash, bytes });
        } else {
            absent.push((*hash, bytes.clone()));
        }
    }
    if absent.is_empty() {
        return Ok(());
    }
    client.bricks().put_many(domain, absent).await.map(drop)
}
