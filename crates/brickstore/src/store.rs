//! The store: what callers ask of it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use engine::{Committer, Engine, EngineError, EngineOptions, Figures, META, OpenError};
use keyssi::{BrickHash, Domain};
use tokio::sync::oneshot;

use crate::commit::{Commit, Job, Note, NoteJob, PutJob};
use crate::error::BrickStoreError;
use crate::keys;
use crate::quota::{Account, PutTerms};
use crate::shared::{Presence, Put, Shared, Totals};

/// A brick store in a folder of its own. Cheap to clone; all clones are the same store.
#[derive(Clone)]
pub struct BrickStore {
    pub(crate) shared: Arc<Shared>,
    pub(crate) committer: Arc<Committer<Job>>,
}

impl BrickStore {
    /// Opens the store in `path`, creating it if it is absent.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(path: &Path, options: EngineOptions) -> Result<Self, OpenError> {
        let damaged = |error: EngineError| OpenError::Damaged {
            path: path.to_owned(),
            detail: error.to_string(),
        };
        let engine = Engine::open(path, keys::FAMILIES, keys::FORMAT, options)?;
        let shared = Arc::new(Shared::new(engine).map_err(damaged)?);
        let mut commit = Commit::new(Arc::clone(&shared));
        let stats = Arc::clone(shared.engine.stats());
        let committer = Committer::start("brick-committer", stats, Job::weight, move |jobs| {
            commit.run(jobs);
        })
        .map_err(|source| OpenError::Folder {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            shared,
            committer: Arc::new(committer),
        })
    }

    /// Stores a brick under its hash, which the caller has computed over exactly these bytes, if
    /// it is there already or fits into the quotas of `terms`.
    ///
    /// **Cancellation:** a put that has been queued is carried out even if the future is dropped.
    ///
    /// # Errors
    /// [`BrickStoreError::QuotaExceeded`], [`BrickStoreError::OutOfSpace`] and
    /// [`BrickStoreError::Unavailable`]; after any, the brick counts as not stored.
    pub async fn put(
        &self,
        domain: &Domain,
        hash: BrickHash,
        bytes: Bytes,
        terms: PutTerms,
    ) -> Result<Put, BrickStoreError> {
        let puts = self.put_many(domain, vec![(hash, bytes)], terms).await?;
        let only = puts.first().copied();
        only.ok_or(BrickStoreError::Unavailable(None))
    }

    /// Stores bricks as [`BrickStore::put`] does one, all or none: they are one write with one
    /// sync, and those that are not there yet must fit into the quotas together. Gives what was done
    /// with each, in their order; one that stands twice is stored once, and counts once.
    ///
    /// **Cancellation:** as of [`BrickStore::put`].
    ///
    /// # Errors
    /// As [`BrickStore::put`]; after any, all of them count as not stored.
    pub async fn put_many(
        &self,
        domain: &Domain,
        bricks: Vec<(BrickHash, Bytes)>,
        terms: PutTerms,
    ) -> Result<Vec<Put>, BrickStoreError> {
        let _busy = self.shared.busy();
        let mut puts = vec![Put::Existing; bricks.len()];
        let (places, bricks) = self.not_there(domain, bricks).await?;
        if bricks.is_empty() {
            return Ok(puts);
        }
        let (answer, answered) = oneshot::channel();
        let job = PutJob {
            domain: domain.clone(),
            bricks,
            terms,
            answer,
        };
        self.committer
            .submit(Job::Put(job))
            .await
            .map_err(|_| BrickStoreError::Unavailable(None))?;
        let done = answered
            .await
            .map_err(|_| BrickStoreError::Unavailable(None))??;
        for (place, done) in places.into_iter().zip(done) {
            if let Some(put) = puts.get_mut(place) {
                *put = done;
            }
        }
        Ok(puts)
    }

    /// Those of `bricks` that are not there as they should be, each with its place.
    async fn not_there(
        &self,
        domain: &Domain,
        bricks: Vec<(BrickHash, Bytes)>,
    ) -> Result<(Vec<usize>, Vec<(BrickHash, Bytes)>), BrickStoreError> {
        let Some(id) = self.shared.domains.find(domain) else {
            return Ok(bricks.into_iter().enumerate().unzip());
        };
        self.blocking(move |shared| {
            let (mut places, mut missing) = (Vec::new(), Vec::new());
            for (place, (hash, bytes)) in bricks.into_iter().enumerate() {
                if shared.presence(id, &hash, &bytes)? != Presence::Sound {
                    places.push(place);
                    missing.push((hash, bytes));
                }
            }
            Ok((places, missing))
        })
        .await
    }

    /// The size of a brick in bytes; `None` when it is absent.
    ///
    /// # Errors
    /// [`BrickStoreError::Quarantined`], and when the store cannot be read.
    pub async fn size(
        &self,
        domain: &Domain,
        hash: BrickHash,
    ) -> Result<Option<u64>, BrickStoreError> {
        let Some(id) = self.shared.domains.find(domain) else {
            return Ok(None);
        };
        self.blocking(move |shared| {
            shared.require_free(id, hash)?;
            shared.size(id, &hash)
        })
        .await
    }

    /// Which of these bricks are there, in the order asked for. One in quarantine counts as not
    /// there: to whoever has it, it is one to be sent.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn which_are_there(
        &self,
        domain: &Domain,
        hashes: Vec<BrickHash>,
    ) -> Result<Vec<bool>, BrickStoreError> {
        let Some(id) = self.shared.domains.find(domain) else {
            return Ok(vec![false; hashes.len()]);
        };
        self.blocking(move |shared| {
            let mut found = Vec::with_capacity(hashes.len());
            for hash in &hashes {
                let key = keys::brick(id, hash);
                let is_there = shared.engine.get_with(keys::BRICK_META, &key, |_| ())?;
                found.push(is_there.is_some() && shared.in_quarantine(&key)?.is_none());
            }
            Ok(found)
        })
        .await
    }

    /// The sizes of bricks in bytes, in the order asked for; `None` for each that is absent. One in
    /// quarantine has its size: only [`BrickStore::get`] refuses it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn sizes(
        &self,
        domain: &Domain,
        hashes: Vec<BrickHash>,
    ) -> Result<Vec<Option<u64>>, BrickStoreError> {
        let Some(id) = self.shared.domains.find(domain) else {
            return Ok(vec![None; hashes.len()]);
        };
        self.blocking(move |shared| hashes.iter().map(|hash| shared.size(id, hash)).collect())
            .await
    }

    /// The bytes of a brick, hashed since they came from disk; `None` when it is absent. One that is
    /// damaged is put into quarantine.
    ///
    /// # Errors
    /// [`BrickStoreError::HashMismatch`] and [`BrickStoreError::Corrupt`] for a damaged brick,
    /// [`BrickStoreError::Quarantined`] for one that was found damaged before.
    pub async fn get(
        &self,
        domain: &Domain,
        hash: BrickHash,
        now_ms: u64,
    ) -> Result<Option<Vec<u8>>, BrickStoreError> {
        let Some(id) = self.shared.domains.find(domain) else {
            return Ok(None);
        };
        let got = self
            .blocking(move |shared| {
                shared.require_free(id, hash)?;
                read(shared, keys::brick(id, &hash), hash)
            })
            .await;
        if let Err(BrickStoreError::HashMismatch { .. } | BrickStoreError::Corrupt(_)) = got {
            let key = keys::brick(id, &hash);
            let (answer, _nobody_waits) = oneshot::channel();
            let note = Note::Suspect { key, now_ms };
            // Should it be lost, the next reader or the scrub finds the damage again.
            let _ = self
                .committer
                .submit(Job::Note(NoteJob { note, answer }))
                .await;
        }
        got
    }

    /// Bricks and bytes of a domain.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn totals(&self, domain: &Domain) -> Result<Totals, BrickStoreError> {
        let Some(id) = self.shared.domains.find(domain) else {
            return Ok(Totals::default());
        };
        self.blocking(move |shared| shared.totals(id)).await
    }

    /// Bricks and bytes that count to an account.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn usage(&self, account: Account) -> Result<Totals, BrickStoreError> {
        self.blocking(move |shared| shared.usage(&account)).await
    }

    /// Every account that has stored something, with its bricks and bytes, by name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn usages(&self) -> Result<Vec<(Account, Totals)>, BrickStoreError> {
        self.blocking(|shared| {
            let mut usages = Vec::new();
            shared.engine.scan(META, keys::USAGE_PREFIX, |key, value| {
                let name = key.get(keys::USAGE_PREFIX.len()..);
                let account = name.and_then(Account::from_record);
                // What is none of ours is for the check to report.
                usages.extend(account.zip(keys::decode_totals(value)));
                Ok(())
            })?;
            Ok(usages)
        })
        .await
    }

    /// Bricks and bytes of a domain, on the calling thread, which waits for the disk if it must.
    ///
    /// # Errors
    /// As [`BrickStore::totals`].
    pub fn totals_now(&self, domain: &Domain) -> Result<Totals, BrickStoreError> {
        let id = self.shared.domains.find(domain);
        id.map_or_else(|| Ok(Totals::default()), |id| self.shared.totals(id))
    }

    /// What the store does and how it stands, on the calling thread.
    #[must_use]
    pub fn figures(&self) -> Figures {
        self.shared.engine.figures()
    }

    /// How long ago the last write was; `None` when there was none since the store was opened.
    #[must_use]
    pub fn since_last_write(&self) -> Option<Duration> {
        self.shared.engine.stats().since_last_write()
    }

    /// Makes a copy of the store at `path`, which must not exist, on the same volume: everything
    /// that was acknowledged before the call, and no half of a batch. See [`engine::Engine::freeze`].
    ///
    /// # Errors
    /// [`BrickStoreError::OutOfSpace`] and [`BrickStoreError::Unavailable`]; what was begun may be
    /// left at `path`.
    pub async fn freeze(&self, path: &Path) -> Result<(), BrickStoreError> {
        let path = path.to_owned();
        self.blocking(move |shared| Ok(shared.engine.freeze(&path)?))
            .await
    }

    /// Whether reads and writes work now; `Err` says in words what does not.
    ///
    /// # Errors
    /// The reason, for people.
    pub fn readiness(&self) -> Result<(), &'static str> {
        self.shared.engine.readiness()
    }

    /// Runs a read on the runtime's blocking pool, whose size the binaries bound.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Shared) -> Result<T, BrickStoreError> + Send + 'static,
    ) -> Result<T, BrickStoreError> {
        let shared = Arc::clone(&self.shared);
        let act = move || {
            let _busy = shared.busy();
            act(&shared)
        };
        tokio::task::spawn_blocking(act)
            .await
            .map_err(|_| BrickStoreError::Unavailable(None))?
    }
}

/// Reads and hashes a brick.
fn read(
    shared: &Shared,
    key: [u8; keys::KEY_BYTES],
    hash: BrickHash,
) -> Result<Option<Vec<u8>>, BrickStoreError> {
    let checked = |stored: &[u8]| {
        let actual = BrickHash::of(stored);
        if actual == hash {
            Ok(stored.to_vec())
        } else {
            Err(BrickStoreError::HashMismatch {
                expected: hash,
                actual,
            })
        }
    };
    let stored = || {
        let read = shared.engine.get_with(keys::BRICKS, &key, checked)?;
        read.transpose()
    };
    if let Some(bytes) = stored()? {
        return Ok(Some(bytes));
    }
    let recorded = shared.engine.get_with(keys::BRICK_META, &key, |_| ())?;
    if recorded.is_none() {
        return Ok(None);
    }
    // It may have been stored between the two looks.
    stored()?.map(Some).ok_or_else(|| {
        BrickStoreError::Corrupt(EngineError::Corrupt {
            detail: format!("brick {hash} is recorded, but its bytes are missing"),
        })
    })
}
