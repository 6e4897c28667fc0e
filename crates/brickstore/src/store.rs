//! The store: what callers ask of it.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use engine::{Committer, DomainIds, Engine, EngineError, EngineOptions, OpenError};
use keyssi::{BrickHash, Domain};
use tokio::sync::oneshot;

use crate::commit::{Commit, Job};
use crate::error::BrickStoreError;
use crate::keys;
use crate::shared::{Presence, Put, Shared, Totals};

/// A brick store in a folder of its own. Cheap to clone; all clones are the same store.
#[derive(Clone)]
pub struct BrickStore {
    shared: Arc<Shared>,
    committer: Arc<Committer<Job>>,
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
        let domains = DomainIds::load(&engine).map_err(damaged)?;
        let shared = Arc::new(Shared { engine, domains });
        let mut commit = Commit::new(Arc::clone(&shared));
        let committer =
            Committer::start("brick-committer", Job::weight, move |jobs| commit.run(jobs))
                .map_err(|source| OpenError::Folder {
                    path: path.to_owned(),
                    source,
                })?;
        Ok(Self {
            shared,
            committer: Arc::new(committer),
        })
    }

    /// Stores a brick under its hash, which the caller has computed over exactly these bytes.
    /// `now_ms` is the time in milliseconds since the epoch, kept for operators only.
    ///
    /// **Cancellation:** a put that has been queued is carried out even if the future is dropped.
    ///
    /// # Errors
    /// [`BrickStoreError::OutOfSpace`] and [`BrickStoreError::Unavailable`]; after either, the
    /// brick counts as not stored.
    pub async fn put(
        &self,
        domain: &Domain,
        hash: BrickHash,
        bytes: Bytes,
        now_ms: u64,
    ) -> Result<Put, BrickStoreError> {
        let puts = self.put_many(domain, vec![(hash, bytes)], now_ms).await?;
        let only = puts.first().copied();
        only.ok_or(BrickStoreError::Unavailable(None))
    }

    /// Stores bricks as [`BrickStore::put`] does one, all or none: they are one write with one
    /// sync. Gives what was done with each, in their order; one that stands twice is stored once.
    ///
    /// **Cancellation:** as of [`BrickStore::put`].
    ///
    /// # Errors
    /// As [`BrickStore::put`]; after any, all of them count as not stored.
    pub async fn put_many(
        &self,
        domain: &Domain,
        bricks: Vec<(BrickHash, Bytes)>,
        now_ms: u64,
    ) -> Result<Vec<Put>, BrickStoreError> {
        let mut puts = vec![Put::Existing; bricks.len()];
        let (places, bricks) = self.not_there(domain, bricks).await?;
        if bricks.is_empty() {
            return Ok(puts);
        }
        let (answer, answered) = oneshot::channel();
        let job = Job {
            domain: domain.clone(),
            bricks,
            now_ms,
            answer,
        };
        self.committer
            .submit(job)
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
    /// When the store cannot be read.
    pub async fn size(
        &self,
        domain: &Domain,
        hash: BrickHash,
    ) -> Result<Option<u64>, BrickStoreError> {
        let sizes = self.sizes(domain, vec![hash]).await?;
        Ok(sizes.into_iter().next().flatten())
    }

    /// The sizes of bricks in bytes, in the order asked for; `None` for each that is absent.
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

    /// The bytes of a brick, hashed since they came from disk; `None` when it is absent.
    ///
    /// # Errors
    /// [`BrickStoreError::HashMismatch`] and [`BrickStoreError::Corrupt`] for a damaged brick.
    pub async fn get(
        &self,
        domain: &Domain,
        hash: BrickHash,
    ) -> Result<Option<Vec<u8>>, BrickStoreError> {
        let Some(id) = self.shared.domains.find(domain) else {
            return Ok(None);
        };
        self.blocking(move |shared| {
            let key = keys::brick(id, &hash);
            let read = shared.engine.get_with(keys::BRICKS, &key, |stored| {
                let actual = BrickHash::of(stored);
                if actual == hash {
                    Ok(stored.to_vec())
                } else {
                    Err(BrickStoreError::HashMismatch {
                        expected: hash,
                        actual,
                    })
                }
            });
            let is_recorded = || shared.engine.get_with(keys::BRICK_META, &key, |_| ());
            match read?.transpose()? {
                Some(bytes) => Ok(Some(bytes)),
                None if is_recorded()?.is_none() => Ok(None),
                None => Err(BrickStoreError::Corrupt(EngineError::Corrupt {
                    detail: format!("brick {hash} is recorded, but its bytes are missing"),
                })),
            }
        })
        .await
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

    /// Whether reads and writes work now; `Err` says in words what does not.
    ///
    /// # Errors
    /// The reason, for people.
    pub fn readiness(&self) -> Result<(), &'static str> {
        self.shared.engine.readiness()
    }

    /// Runs a read on the runtime's blocking pool, whose size the binaries bound.
    async fn blocking<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Shared) -> Result<T, BrickStoreError> + Send + 'static,
    ) -> Result<T, BrickStoreError> {
        let shared = Arc::clone(&self.shared);
        tokio::task::spawn_blocking(move || act(&shared))
            .await
            .map_err(|_| BrickStoreError::Unavailable(None))?
    }
}
