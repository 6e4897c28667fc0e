//! What readers and the committer share.

use std::sync::atomic::{AtomicU64, Ordering};

use engine::{DomainId, DomainIds, Engine, EngineError, META};
use keyssi::BrickHash;

use crate::error::BrickStoreError;
use crate::keys::{self, BrickRecord};
use crate::quota::Account;

/// What a put did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// The brick was written and synced.
    Stored,
    /// The brick was there already; nothing was written.
    Existing,
}

/// Bricks of a domain or an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Number of bricks.
    pub bricks: u64,
    /// Their bytes together, as they were sent.
    pub bytes: u64,
}

/// How a brick that is to be put lies in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    Absent,
    /// There, with exactly the bytes of the put.
    Sound,
    /// Recorded, but in quarantine, or its bytes are others, missing, or unreadable.
    Damaged,
}

/// State that readers and the committer share.
pub(crate) struct Shared {
    pub(crate) engine: Engine,
    pub(crate) domains: DomainIds,
    /// Bricks in quarantine. While there are none, which is nearly always, nobody looks for one.
    quarantined: AtomicU64,
    /// What clients wait for at the moment; the scrub gives way to it.
    busy: AtomicU64,
}

/// One thing that a client waits for, from its making to its end.
pub(crate) struct Busy<'a>(&'a AtomicU64);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Shared {
    pub(crate) fn new(engine: Engine) -> Result<Self, EngineError> {
        let domains = DomainIds::load(&engine)?;
        let shared = Self {
            engine,
            domains,
            quarantined: AtomicU64::new(0),
            busy: AtomicU64::new(0),
        };
        shared.count_quarantined()?;
        Ok(shared)
    }

    pub(crate) fn busy(&self) -> Busy<'_> {
        self.busy.fetch_add(1, Ordering::Relaxed);
        Busy(&self.busy)
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Relaxed) > 0
    }

    /// Reads again what is kept in memory: after a reopening, a batch may be there whose writer was
    /// told otherwise.
    pub(crate) fn reload(&self) -> Result<(), EngineError> {
        self.domains.reload(&self.engine)?;
        self.count_quarantined()
    }

    fn count_quarantined(&self) -> Result<(), EngineError> {
        let mut count = 0;
        self.engine.scan(META, keys::QUARANTINE_PREFIX, |_, _| {
            count += 1;
            Ok(())
        })?;
        self.quarantined.store(count, Ordering::SeqCst);
        Ok(())
    }

    /// Number of bricks in quarantine.
    pub(crate) fn quarantined(&self) -> u64 {
        self.quarantined.load(Ordering::SeqCst)
    }

    /// Takes up what a batch that is written did to the quarantine. Only the committer calls it.
    pub(crate) fn quarantine_changed(&self, entered: u64, left: u64) {
        let now = (self.quarantined() + entered).saturating_sub(left);
        self.quarantined.store(now, Ordering::SeqCst);
    }

    /// When a brick was put into quarantine, in milliseconds since the epoch; `None` if it is not
    /// there.
    pub(crate) fn in_quarantine(
        &self,
        key: &[u8; keys::KEY_BYTES],
    ) -> Result<Option<u64>, EngineError> {
        if self.quarantined() == 0 {
            return Ok(None);
        }
        self.engine.get_with(META, &keys::quarantine(key), |value| {
            // A record that cannot be read keeps its brick in quarantine.
            keys::decode_quarantine(value).map_or(0, |(found_ms, _)| found_ms)
        })
    }

    /// Refuses a brick that is in quarantine.
    pub(crate) fn require_free(
        &self,
        domain: DomainId,
        hash: BrickHash,
    ) -> Result<(), BrickStoreError> {
        match self.in_quarantine(&keys::brick(domain, &hash))? {
            None => Ok(()),
            Some(found_ms) => Err(BrickStoreError::Quarantined { hash, found_ms }),
        }
    }

    /// Compares what is stored with what is put. To acknowledge a brick whose stored bytes are
    /// damaged would be a promise already broken.
    pub(crate) fn presence(
        &self,
        domain: DomainId,
        hash: &BrickHash,
        bytes: &[u8],
    ) -> Result<Presence, EngineError> {
        let key = keys::brick(domain, hash);
        match self.engine.get_with(keys::BRICK_META, &key, |_| ()) {
            Ok(Some(())) => {}
            Ok(None) => return Ok(Presence::Absent),
            Err(EngineError::Corrupt { .. }) => return Ok(Presence::Damaged),
            Err(error) => return Err(error),
        }
        if self.in_quarantine(&key)?.is_some() {
            return Ok(Presence::Damaged);
        }
        match self
            .engine
            .get_with(keys::BRICKS, &key, |stored| stored == bytes)
        {
            Ok(Some(true)) => Ok(Presence::Sound),
            Ok(Some(false) | None) | Err(EngineError::Corrupt { .. }) => Ok(Presence::Damaged),
            Err(error) => Err(error),
        }
    }

    /// The account of a brick that is there; `None` if it has none, or its record is damaged.
    pub(crate) fn account_of(&self, key: &[u8]) -> Result<Option<Account>, EngineError> {
        match self
            .engine
            .get_with(keys::BRICK_META, key, BrickRecord::decode)
        {
            Ok(record) => Ok(record.flatten().and_then(|record| record.account)),
            Err(EngineError::Corrupt { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The recorded size of a brick in bytes; `None` when it is absent.
    pub(crate) fn size(
        &self,
        domain: DomainId,
        hash: &BrickHash,
    ) -> Result<Option<u64>, BrickStoreError> {
        let key = keys::brick(domain, hash);
        let found = self
            .engine
            .get_with(keys::BRICK_META, &key, BrickRecord::decode)?;
        match found {
            None => Ok(None),
            Some(Some(record)) => Ok(Some(record.bytes)),
            Some(None) => Err(BrickStoreError::Corrupt(EngineError::Corrupt {
                detail: format!("size record of brick {hash}"),
            })),
        }
    }

    /// Bricks and bytes of a domain, as they stand on disk.
    pub(crate) fn totals(&self, domain: DomainId) -> Result<Totals, BrickStoreError> {
        self.counters(&keys::totals(domain))
    }

    /// Bricks and bytes of an account, as they stand on disk.
    pub(crate) fn usage(&self, account: &Account) -> Result<Totals, BrickStoreError> {
        self.counters(&keys::usage(account))
    }

    fn counters(&self, key: &[u8]) -> Result<Totals, BrickStoreError> {
        match self.engine.get_with(META, key, keys::decode_totals)? {
            None => Ok(Totals::default()),
            Some(Some(totals)) => Ok(totals),
            Some(None) => Err(BrickStoreError::Corrupt(EngineError::Corrupt {
                detail: format!("the counters {}", key.escape_ascii()),
            })),
        }
    }
}
