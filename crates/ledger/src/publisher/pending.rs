//! What the store knows of roots that are to be published.
//!
//! The checkpoint of a root is stored before the transaction is sent: the log may have grown and be
//! signed anew when it lands, and a proof needs the checkpoint whose root is on the chain.

use std::ops::ControlFlow;
use std::time::Duration;

use engine::DomainId;
use translog::{Hash, SignedNote};

use crate::commit::Record;
use crate::error::LedgerError;
use crate::keys::{self, LogRecord};
use crate::log::Log;
use crate::shared::{Shared, corrupt};

/// A checkpoint whose root was sent to a chain, or was about to be.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) size: u64,
    /// Newest block when it was stored: its batch is in a later one.
    pub(super) block: u64,
    pub(super) note: String,
}

impl Log {
    /// Keeps a checkpoint that is to be published.
    pub(super) async fn keep_pending(&self, pending: &Pending) -> Result<(), LedgerError> {
        let (size, value) = (
            pending.size,
            keys::encode_numbered(pending.block, &pending.note),
        );
        self.write(move |domain| vec![record(domain, size, Some(value.clone()))])
            .await
    }

    /// All that are kept, by size.
    pub(super) async fn pending(&self) -> Result<Vec<Pending>, LedgerError> {
        let read = self.read(|shared, domain| Ok(shared.pending(domain)?));
        Ok(read.await?.unwrap_or_default())
    }

    /// The sizes of all that are kept.
    pub(crate) async fn pending_sizes(&self) -> Result<Vec<u64>, LedgerError> {
        let pending = self.pending().await?.into_iter();
        Ok(pending.map(|it| it.size).collect())
    }

    /// Forgets those up to a size, which is published.
    pub(super) async fn forget_pending(&self, size: u64) -> Result<(), LedgerError> {
        let pending = self.pending().await?.into_iter();
        let sizes: Vec<_> = pending
            .map(|it| it.size)
            .filter(|pending| *pending <= size)
            .collect();
        if sizes.is_empty() {
            return Ok(());
        }
        self.write(move |domain| {
            let forgotten = sizes.iter().map(|size| record(domain, *size, None));
            forgotten.collect()
        })
        .await
    }

    /// The root of the first `size` leaves; `None` when fewer are in a signed checkpoint.
    pub(super) async fn root_at(&self, size: u64) -> Result<Option<Hash>, LedgerError> {
        let read = self.read(move |shared, domain| {
            if size == 0 || size > shared.signed_size(domain)? {
                return Ok(None);
            }
            let tiles = shared.tile_set(domain, &translog::edge_tiles(size))?;
            let root = tiles.root(size);
            Ok(Some(root.map_err(|missing| corrupt(missing.to_string()))?))
        });
        read.await.map(Option::flatten)
    }

    /// How old the entry at a place is by the clock of the node.
    pub(super) async fn age_of(&self, place: u64) -> Result<Option<Duration>, LedgerError> {
        let read = self.read(move |shared, domain| shared.age(domain, place));
        read.await.map(Option::flatten)
    }
}

impl Pending {
    /// The checkpoint, if it has this root.
    pub(super) fn note_of(&self, root: &Hash) -> Option<String> {
        let note = SignedNote::parse(&self.note).ok()?;
        let checkpoint = note.checkpoint().ok()?;
        (checkpoint.size == self.size && checkpoint.root == *root).then(|| self.note.clone())
    }
}

impl Shared {
    fn pending(&self, domain: DomainId) -> Result<Vec<Pending>, engine::EngineError> {
        let key = |size| keys::log(domain, LogRecord::Pending(size));
        let mut pending = Vec::new();
        self.engine
            .range(keys::LOG, &key(0), &key(u64::MAX), |key, value| {
                let size = key.last_chunk::<8>().map(|size| u64::from_be_bytes(*size));
                let stored = keys::decode_numbered(value);
                let (Some(size), Some((block, note))) = (size, stored) else {
                    return Err(corrupt("a checkpoint to be published".to_owned()));
                };
                pending.push(Pending {
                    size,
                    block,
                    note: note.to_owned(),
                });
                Ok(ControlFlow::Continue(()))
            })?;
        Ok(pending)
    }
}

fn record(domain: DomainId, size: u64, value: Option<Vec<u8>>) -> Record {
    Record {
        family: keys::LOG,
        key: keys::log(domain, LogRecord::Pending(size)),
        value,
    }
}
