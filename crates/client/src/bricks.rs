//! Bricks: storing at a majority of a domain's storages, fetching from any of them.
//!
//! Whatever comes is checked against its name before it is given out. A storage that fails, lies
//! or lacks a brick is reported as an event, and the others are asked. Storing and asking are safe
//! to repeat: a brick never changes under its name.
//!
//! **Source:** `http-api.md` §2; the batch routes are Kiln's own.

mod batch;
mod fetch;
mod fetch_many;
mod put;
mod states;
mod storage;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use keyssi::{BrickHash, Domain};

use storage::Storage;

use crate::client::Client;
use crate::endpoint::NodeUrl;
use crate::error::ClientError;

pub(crate) use states::StorageStates;

/// A brick as it came, or why it did not.
pub type Fetched = (BrickHash, Result<Bytes, ClientError>);

/// The brick storages of one client. Cheap to clone.
#[derive(Debug, Clone)]
pub struct BrickStores {
    client: Client,
}

/// Where a brick was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PutReport {
    /// The brick.
    pub hash: BrickHash,
    /// What the storages that have it now say.
    pub outcome: PutOutcome,
    /// The storages that have it now: a majority.
    pub stored_by: Vec<NodeUrl>,
    /// The others. Why is told by events.
    pub failed: Vec<NodeUrl>,
}

/// What a put did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutOutcome {
    /// Some storage stored the brick, or does not say whether it had it before.
    Stored,
    /// Every storage that answered had the brick before.
    Present,
}

impl BrickStores {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Stores a brick at a majority of the storages of its domain; all of them are asked.
    ///
    /// Cancellation: what was stored stays; storing again is safe.
    ///
    /// # Errors
    /// [`ClientError::NoMajority`], or the error itself of the only storage.
    pub async fn put(
        &self,
        domain: &Domain,
        hash: &BrickHash,
        bytes: Bytes,
    ) -> Result<PutReport, ClientError> {
        let mut reports = self.put_many(domain, vec![(*hash, bytes)]).await?;
        reports.pop().ok_or_else(|| self.unknown(domain))
    }

    /// Stores bricks as [`BrickStores::put`] does each of them, in as few calls as the storages
    /// allow; one report for each, in order.
    ///
    /// Memory: nothing is copied; the bricks are held until all are stored.
    ///
    /// Cancellation: what was stored stays; storing again is safe.
    ///
    /// # Errors
    /// That of the first brick which is not stored; others may be.
    pub async fn put_many(
        &self,
        domain: &Domain,
        bricks: Vec<(BrickHash, Bytes)>,
    ) -> Result<Vec<PutReport>, ClientError> {
        let storages = self.storages(domain).await?;
        put::all(&self.client, &storages, bricks).await
    }

    /// Says of each brick whether a majority of the storages of its domain has it.
    ///
    /// # Errors
    /// That of the first storage which does not answer, when no majority answers.
    pub async fn have_many(
        &self,
        domain: &Domain,
        hashes: &[BrickHash],
    ) -> Result<Vec<bool>, ClientError> {
        let storages = self.storages(domain).await?;
        put::have(&self.client, &storages, hashes).await
    }

    /// Fetches a brick from any of the storages of its domain. Its bytes hash to its name.
    ///
    /// # Errors
    /// What may pass before what will not: a storage that did not answer may have the brick;
    /// [`ClientError::DamagedBrick`] when a storage gave other bytes and no other gave the right
    /// ones; [`ClientError::MissingBrick`] when all storages say that they do not have it.
    pub async fn fetch(&self, domain: &Domain, hash: &BrickHash) -> Result<Bytes, ClientError> {
        let storages = self.storages(domain).await?;
        fetch::one(&self.client, domain, storages, *hash).await
    }

    /// Fetches bricks as [`BrickStores::fetch`] does each of them, in as few calls as the storages
    /// allow. The stream gives them in the order asked for, repetitions included, and goes on
    /// after a brick that cannot be had.
    ///
    /// Memory: at most `parallel` bricks are in flight or wait to be taken. Bricks are fetched
    /// ahead in a task of its own, which ends when the stream is dropped.
    #[must_use]
    pub fn fetch_many(
        &self,
        domain: &Domain,
        hashes: Vec<BrickHash>,
    ) -> BoxStream<'static, Fetched> {
        fetch_many::stream(self.clone(), domain.clone(), hashes)
    }

    fn parallel(&self) -> usize {
        self.client.options().parallel.max(1)
    }

    async fn storages(&self, domain: &Domain) -> Result<Vec<Storage>, ClientError> {
        let services = self.client.services(domain).await?;
        Ok(Storage::all(&self.client, domain, &services.brick_storages))
    }

    /// For a domain without storages, which BDNS never gives.
    fn unknown(&self, domain: &Domain) -> ClientError {
        ClientError::UnknownDomain {
            domain: domain.clone(),
            url: self.client.node().url().into(),
        }
    }
}

/// More than half.
fn majority(storages: usize) -> usize {
    storages / 2 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_send<T: Send>(_: impl FnOnce(&'static BrickStores, &'static Domain) -> T) {}

    #[test]
    fn calls_can_be_spawned() {
        const HASH: BrickHash = BrickHash::from_bytes([0; 32]);
        is_send(|stores, domain| stores.put_many(domain, Vec::new()));
        is_send(|stores, domain| stores.put(domain, &HASH, Bytes::new()));
        is_send(|stores, domain| stores.have_many(domain, &[]));
        is_send(|stores, domain| stores.fetch(domain, &HASH));
        is_send(|stores, domain| stores.fetch_many(domain, Vec::new()));
    }
}
