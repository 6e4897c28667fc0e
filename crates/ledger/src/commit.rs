//! What the committer does: applies changes whose ground is still the head that they were judged
//! against, and turns the others back.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use engine::rocksdb::WriteBatch;
use engine::{DomainId, EngineError, META};
use keyssi::Domain;
use tokio::sync::oneshot;

use crate::error::LedgerError;
use crate::keys::{self, StoredHead};
use crate::shared::Shared;

/// One thing to write, and where the answer goes.
pub(crate) struct Job {
    pub(crate) work: Work,
    pub(crate) answer: oneshot::Sender<Result<Outcome, LedgerError>>,
}

pub(crate) enum Work {
    /// Changes to anchors: all or none.
    Anchors(Vec<Change>),
    /// A versionless document: the last writer wins.
    Document { key: [u8; 32], bytes: Bytes },
}

/// New entries of one anchor.
pub(crate) struct Change {
    pub(crate) domain: Domain,
    pub(crate) anchor: String,
    /// Versions that the anchor had when the entries were judged.
    pub(crate) ground: u64,
    pub(crate) values: Vec<String>,
    pub(crate) head: StoredHead,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Written,
    /// A head is not the one that the change was judged against: judge again.
    Changed,
}

impl Job {
    pub(crate) fn weight(&self) -> usize {
        match &self.work {
            Work::Anchors(changes) => changes
                .iter()
                .flat_map(|change| &change.values)
                .map(String::len)
                .sum(),
            Work::Document { bytes, .. } => bytes.len(),
        }
    }
}

/// A batch as it grows, and what is true once it is written.
#[derive(Default)]
struct Building {
    batch: WriteBatch,
    allotted: HashMap<Domain, DomainId>,
    versions: HashMap<Vec<u8>, u64>,
    totals: BTreeMap<DomainId, u64>,
    is_empty: bool,
}

/// Commits a batch and answers every job in it. `opening` is the opening of the database that the
/// shared state was read from.
pub(crate) fn run(shared: &Arc<Shared>, opening: &mut u64, jobs: Vec<Job>) {
    let mut building = Building {
        is_empty: true,
        ..Building::default()
    };
    let recovered = recover(shared, opening);
    let mut added = Vec::with_capacity(jobs.len());
    for job in jobs {
        let outcome = match &recovered {
            Err(error) => Err(error.clone().into()),
            Ok(()) => building.add(shared, &job.work),
        };
        match outcome {
            Ok(Outcome::Written) => added.push(job.answer),
            // A head inside this very batch is judged again too: if the batch fails, so did it.
            other => drop(job.answer.send(other)),
        }
    }
    let written = building.write(shared);
    for answer in added {
        // A sender that hung up does not undo the write.
        let _ = answer.send(
            written
                .clone()
                .map(|()| Outcome::Written)
                .map_err(Into::into),
        );
    }
}

/// Brings the database back after a full disk, and what is known of it up to date: what was in
/// flight when the disk filled up may have been written after all.
fn recover(shared: &Shared, opening: &mut u64) -> Result<(), EngineError> {
    shared.engine.recover()?;
    if shared.engine.openings() != *opening {
        shared.domains.reload(&shared.engine)?;
        *opening = shared.engine.openings();
    }
    Ok(())
}

impl Building {
    fn add(&mut self, shared: &Shared, work: &Work) -> Result<Outcome, LedgerError> {
        match work {
            Work::Document { key, bytes } => {
                shared
                    .engine
                    .put(&mut self.batch, keys::DOCUMENTS, key, bytes)?;
            }
            Work::Anchors(changes) => {
                for change in changes {
                    if self.versions_now(shared, change)? != change.ground {
                        return Ok(Outcome::Changed);
                    }
                }
                // All that can fail comes before the first entry is put: other jobs of the batch
                // are written even if this one is refused.
                let mut ids = Vec::with_capacity(changes.len());
                for change in changes {
                    ids.push(self.prepare(shared, change)?);
                }
                for (change, id) in changes.iter().zip(ids) {
                    self.add_change(shared, change, id)?;
                }
            }
        }
        self.is_empty = false;
        Ok(Outcome::Written)
    }

    /// Versions that the anchor has, counting what this batch already holds.
    fn versions_now(&self, shared: &Shared, change: &Change) -> Result<u64, LedgerError> {
        let known = shared.domains.find(&change.domain);
        let Some(id) = known.or_else(|| self.allotted.get(&change.domain).copied()) else {
            return Ok(0);
        };
        let key = keys::head(id, &change.anchor);
        if let Some(versions) = self.versions.get(&key) {
            return Ok(*versions);
        }
        Ok(shared
            .stored_head(id, &change.anchor)?
            .map_or(0, |head| head.versions))
    }

    /// The domain's id; its counter is read if the change will add to it.
    fn prepare(&mut self, shared: &Shared, change: &Change) -> Result<DomainId, LedgerError> {
        let id = shared.domains.find_or_allot(
            &change.domain,
            &shared.engine,
            &mut self.batch,
            &mut self.allotted,
        )?;
        if change.ground == 0 && !self.totals.contains_key(&id) {
            self.totals.insert(id, shared.total(id)?);
        }
        Ok(id)
    }

    fn add_change(
        &mut self,
        shared: &Shared,
        change: &Change,
        id: DomainId,
    ) -> Result<(), LedgerError> {
        let engine = &shared.engine;
        for (version, value) in (change.ground..).zip(&change.values) {
            let key = keys::version(id, &change.anchor, version);
            engine.put(&mut self.batch, keys::ANCHORS, &key, value.as_bytes())?;
        }
        let key = keys::head(id, &change.anchor);
        engine.put(&mut self.batch, keys::HEADS, &key, &change.head.encode())?;
        self.versions.insert(key, change.head.versions);
        if change.ground == 0 {
            *self.totals.entry(id).or_default() += 1;
        }
        Ok(())
    }

    fn write(mut self, shared: &Shared) -> Result<(), EngineError> {
        if self.is_empty {
            return Ok(());
        }
        for (id, total) in &self.totals {
            shared.engine.put(
                &mut self.batch,
                META,
                &keys::totals(*id),
                &total.to_be_bytes(),
            )?;
        }
        shared.engine.write(self.batch)?;
        shared.domains.adopt(self.allotted);
        Ok(())
    }
}
