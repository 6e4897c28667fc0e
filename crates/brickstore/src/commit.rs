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

/// What a brick takes in a batch beside its own bytes, at most: its key twice, its size and time,
/// and what RocksDB writes around them.
const RECORD_BYTES: usize = 2 * keys::KEY_BYTES + 64;
/// Room in a batch for the counters and a new domain.
const BATCH_EXTRA_BYTES: usize = 1024;

/// Bricks of one put on their way to disk, all or none.
pub(crate) struct Job {
    pub(crate) domain: Domain,
    pub(crate) bricks: Vec<(BrickHash, Bytes)>,
    pub(crate) now_ms: u64,
    /// What was done with each, in their order.
    pub(crate) answer: oneshot::Sender<Result<Vec<Put>, BrickStoreError>>,
}

impl Job {
    pub(crate) fn weight(&self) -> usize {
        let weigh = |(_, bytes): &(BrickHash, Bytes)| bytes.len() + RECORD_BYTES;
        self.bricks.iter().map(weigh).sum()
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
        let bytes: usize = jobs.iter().map(Job::weight).sum();
        let mut building = Building {
            // Without it the batch would grow by doubling.
            batch: WriteBatch::with_capacity_bytes(bytes + BATCH_EXTRA_BYTES),
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
                Ok(puts) => added.push((job, puts)),
                Err(error) => drop(job.answer.send(Err(error))),
            }
        }
        match self.write(building) {
            Ok(()) => {
                for (job, puts) in added {
                    // A sender that hung up does not undo the write.
                    let _ = job.answer.send(Ok(puts));
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

    fn add(&mut self, job: &Job, building: &mut Building) -> Result<Vec<Put>, BrickStoreError> {
        let id = self.shared.domains.find_or_allot(
            &job.domain,
            &self.shared.engine,
            &mut building.batch,
            &mut building.allotted,
        )?;
        // All that can fail comes before the first of them is in the batch.
        let mut presences = Vec::with_capacity(job.bricks.len());
        for (hash, bytes) in &job.bricks {
            presences.push(self.shared.presence(id, hash, bytes)?);
        }
        let mut puts = Vec::with_capacity(job.bricks.len());
        for ((hash, bytes), presence) in job.bricks.iter().zip(presences) {
            let key = keys::brick(id, hash);
            if presence == Presence::Sound || building.written.contains(&key) {
                puts.push(Put::Existing);
                continue;
            }
            if presence == Presence::Absent {
                self.count(id, bytes.len() as u64, building)?;
            }
            let meta = keys::encode_pair(bytes.len() as u64, job.now_ms);
            let engine = &self.shared.engine;
            engine.put(&mut building.batch, keys::BRICKS, &key, bytes)?;
            engine.put(&mut building.batch, keys::BRICK_META, &key, &meta)?;
            building.written.insert(key);
            puts.push(Put::Stored);
        }
        Ok(puts)
    }

    /// Counts a new brick.
    fn count(
        &self,
        id: DomainId,
        bytes: u64,
        building: &mut Building,
    ) -> Result<(), BrickStoreError> {
        let known = building.totals.get(&id).or_else(|| self.totals.get(&id));
        let before = known.copied().map_or_else(|| self.shared.totals(id), Ok)?;
        let after = Totals {
            bricks: before.bricks + 1,
            bytes: before.bytes + bytes,
        };
        building.totals.insert(id, after);
        Ok(())
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
