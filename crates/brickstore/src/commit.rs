//! What the committer does with a batch of puts.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use engine::rocksdb::WriteBatch;
use engine::{DomainId, EngineError, META};
use keyssi::{BrickHash, Domain};
use tokio::sync::oneshot;

use crate::error::BrickStoreError;
use crate::keys;
use crate::shared::{Presence, Put, Shared, Totals};

/// One put on its way to disk.
pub(crate) struct Job {
    pub(crate) domain: Domain,
    pub(crate) hash: BrickHash,
    pub(crate) bytes: Bytes,
    pub(crate) now_ms: u64,
    pub(crate) answer: oneshot::Sender<Result<Put, BrickStoreError>>,
}

impl Job {
    pub(crate) fn weight(&self) -> usize {
        self.bytes.len() + keys::KEY_BYTES
    }
}

/// The committer's own state: the counters as they stand on disk.
pub(crate) struct Commit {
    shared: Arc<Shared>,
    totals: HashMap<DomainId, Totals>,
    /// The opening of the database that `totals` was read from.
    opening: u64,
}

/// A batch as it grows.
struct Building {
    batch: WriteBatch,
    allotted: HashMap<Domain, DomainId>,
    totals: BTreeMap<DomainId, Totals>,
    written: HashSet<[u8; keys::KEY_BYTES]>,
}

impl Commit {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let opening = shared.engine.openings();
        Self {
            shared,
            totals: HashMap::new(),
            opening,
        }
    }

    /// Commits a batch and answers every job in it.
    pub(crate) fn run(&mut self, jobs: Vec<Job>) {
        let mut building = Building {
            batch: WriteBatch::default(),
            allotted: HashMap::new(),
            totals: BTreeMap::new(),
            written: HashSet::new(),
        };
        if let Err(error) = self.recover() {
            return answer_all(jobs, &error);
        }
        let mut added = Vec::with_capacity(jobs.len());
        for job in jobs {
            match self.add(&job, &mut building) {
                Ok(put) => added.push((job, put)),
                Err(error) => drop(job.answer.send(Err(error))),
            }
        }
        match self.write(building) {
            Ok(()) => {
                for (job, put) in added {
                    // A sender that hung up does not undo the write.
                    let _ = job.answer.send(Ok(put));
                }
            }
            Err(error) => answer_all(added.into_iter().map(|(job, _)| job), &error),
        }
    }

    /// Brings the database back after a full disk, and what is known of it up to date: what was in
    /// flight when the disk filled up may have been written after all.
    fn recover(&mut self) -> Result<(), EngineError> {
        self.shared.engine.recover()?;
        if self.shared.engine.openings() != self.opening {
            self.shared.domains.reload(&self.shared.engine)?;
            self.totals.clear();
            self.opening = self.shared.engine.openings();
        }
        Ok(())
    }

    fn add(&mut self, job: &Job, building: &mut Building) -> Result<Put, BrickStoreError> {
        let engine = &self.shared.engine;
        let id = self.shared.domains.find_or_allot(
            &job.domain,
            engine,
            &mut building.batch,
            &mut building.allotted,
        )?;
        let key = keys::brick(id, &job.hash);
        let presence = if building.written.contains(&key) {
            Presence::Sound
        } else {
            self.shared.presence(id, &job.hash, &job.bytes)?
        };
        if presence == Presence::Sound {
            return Ok(Put::Existing);
        }
        if presence == Presence::Absent {
            let known = building
                .totals
                .get(&id)
                .or_else(|| self.totals.get(&id))
                .copied();
            let before = known.map_or_else(|| self.shared.totals(id), Ok)?;
            let after = Totals {
                bricks: before.bricks + 1,
                bytes: before.bytes + job.bytes.len() as u64,
            };
            building.totals.insert(id, after);
        }
        let meta = keys::encode_pair(job.bytes.len() as u64, job.now_ms);
        engine.put(&mut building.batch, keys::BRICKS, &key, &job.bytes)?;
        engine.put(&mut building.batch, keys::BRICK_META, &key, &meta)?;
        building.written.insert(key);
        Ok(Put::Stored)
    }

    fn write(&mut self, mut building: Building) -> Result<(), EngineError> {
        if building.written.is_empty() {
            return Ok(());
        }
        for (id, totals) in &building.totals {
            let value = keys::encode_pair(totals.bricks, totals.bytes);
            self.shared
                .engine
                .put(&mut building.batch, META, &keys::totals(*id), &value)?;
        }
        self.shared.engine.write(building.batch)?;
        self.shared.domains.adopt(building.allotted);
        self.totals.extend(building.totals);
        Ok(())
    }
}

fn answer_all(jobs: impl IntoIterator<Item = Job>, error: &EngineError) {
    for job in jobs {
        let _ = job.answer.send(Err(error.clone().into()));
    }
}
