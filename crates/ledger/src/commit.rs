//! What the committer does: applies changes whose ground is still the head that they were judged
//! against, and turns the others back.

use std::collections::{BTreeMap, HashMap, HashSet, hash_map};
use std::sync::Arc;

use bytes::Bytes;
use engine::rocksdb::WriteBatch;
use engine::{DomainId, EngineError, META};
use keyssi::Domain;
use tokio::sync::oneshot;
use translog::{Op, Opening, Salt, Tree};

use crate::error::LedgerError;
use crate::keys::{self, OutboxRecord, StoredHead};
use crate::leaf::{self, Leaf};
use crate::quota::{self, AnchorQuota};
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
    /// How far the scrub is.
    Scrub(Vec<u8>),
    /// Records of the store as a whole.
    Store(Vec<Record>),
    /// Records of a log or an outbox, which one task of the process writes.
    Records {
        domain: Domain,
        records: Box<dyn Fn(DomainId) -> Vec<Record> + Send>,
    },
}

/// A record to be written, or removed when it has no value.
pub(crate) struct Record {
    pub(crate) family: &'static str,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Option<Vec<u8>>,
}

/// New entries of one anchor.
pub(crate) struct Change {
    pub(crate) domain: Domain,
    /// The wrapped anchor id.
    pub(crate) anchor: String,
    /// The plain anchor id, to which the log commits.
    pub(crate) plain: String,
    /// Versions that the anchor had when the entries were judged.
    pub(crate) ground: u64,
    pub(crate) values: Vec<NewValue>,
    pub(crate) head: StoredHead,
    /// Whether the entries are to be carried on to another ledger.
    pub(crate) carry: bool,
    /// What the domain may hold.
    pub(crate) quota: AnchorQuota,
}

/// One new value.
pub(crate) struct NewValue {
    pub(crate) wrapped: String,
    /// To which the log commits.
    pub(crate) plain: String,
    pub(crate) op: Op,
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
                .map(|value| value.wrapped.len())
                .sum(),
            Work::Document { bytes, .. } => bytes.len(),
            // Notes and the outbox's little records.
            Work::Records { .. } | Work::Scrub(_) | Work::Store(_) => 1 << 10,
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
    trees: HashMap<DomainId, Tree>,
    /// The domains whose tree got a leaf. The tree of another one was only looked at, by a change that
    /// was refused.
    grown: HashSet<DomainId>,
    is_empty: bool,
}

/// The committer's own state.
pub(crate) struct Commits {
    shared: Arc<Shared>,
    /// The opening of the database that the shared state and the trees were read from.
    opening: u64,
    /// The trees of the logs written to so far. Nobody else has them: readers use what is stored.
    trees: HashMap<DomainId, Tree>,
}

impl Commits {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            opening: shared.engine.openings(),
            shared,
            trees: HashMap::new(),
        }
    }

    /// Commits a batch and answers every job in it.
    pub(crate) fn run(&mut self, jobs: Vec<Job>) {
        let recovered = self.recover();
        let shared = &*self.shared;
        let mut building = Building {
            is_empty: true,
            ..Building::default()
        };
        let mut added = Vec::with_capacity(jobs.len());
        for job in jobs {
            let outcome = match &recovered {
                Err(error) => Err(error.clone().into()),
                Ok(()) => building.add(shared, &self.trees, &job.work),
            };
            match outcome {
                Ok(Outcome::Written) => added.push(job.answer),
                // A head inside this very batch is judged again too: if the batch fails, so did it.
                other => drop(job.answer.send(other)),
            }
        }
        let written = building.write(shared);
        let outcome = match written {
            Ok(trees) => {
                if !trees.is_empty() {
                    self.trees.extend(trees);
                    shared.grown.send_modify(|batches| *batches += 1);
                }
                Ok(())
            }
            Err(error) => {
                // What the disk holds now is known only after it was read again.
                self.trees.clear();
                Err(error)
            }
        };
        for answer in added {
            // A sender that hung up does not undo the write.
            let _ = answer.send(
                outcome
                    .clone()
                    .map(|()| Outcome::Written)
                    .map_err(Into::into),
            );
        }
    }

    /// Brings the database back after a full disk, and what is known of it up to date: what was in
    /// flight when the disk filled up may have been written after all.
    fn recover(&mut self) -> Result<(), EngineError> {
        self.shared.engine.recover()?;
        if self.shared.engine.openings() != self.opening {
            self.shared.domains.reload(&self.shared.engine)?;
            self.trees.clear();
            self.opening = self.shared.engine.openings();
        }
        Ok(())
    }
}

impl Building {
    fn add(
        &mut self,
        shared: &Shared,
        trees: &HashMap<DomainId, Tree>,
        work: &Work,
    ) -> Result<Outcome, LedgerError> {
        match work {
            Work::Records { domain, records } => {
                let id = shared.domains.find_or_allot(
                    domain,
                    &shared.engine,
                    &mut self.batch,
                    &mut self.allotted,
                )?;
                for record in records(id) {
                    self.put(shared, &record)?;
                }
            }
            Work::Store(records) => {
                for record in records {
                    self.put(shared, record)?;
                }
            }
            Work::Scrub(record) => {
                shared
                    .engine
                    .put(&mut self.batch, META, keys::SCRUB, record)?;
            }
            Work::Document { key, bytes } => {
                shared
                    .engine
                    .put(&mut self.batch, keys::DOCUMENTS, key, bytes)?;
            }
            Work::Anchors(changes) => {
                for change in changes {
                    shared.check_hold(&change.domain)?;
                    if self.versions_now(shared, change)? != change.ground {
                        return Ok(Outcome::Changed);
                    }
                }
                // All that can fail comes before the first entry is put: other jobs of the batch
                // are written even if this one is refused.
                let mut ids = Vec::with_capacity(changes.len());
                let mut salts = Vec::with_capacity(changes.len());
                for change in changes {
                    ids.push(self.prepare(shared, trees, change)?);
                    salts.push(salts_for(change)?);
                }
                self.admit(changes, &ids)?;
                for ((change, id), salts) in changes.iter().zip(ids).zip(salts) {
                    self.add_change(shared, change, id, salts)?;
                }
            }
        }
        self.is_empty = false;
        Ok(Outcome::Written)
    }

    fn put(&mut self, shared: &Shared, record: &Record) -> Result<(), EngineError> {
        let (batch, key) = (&mut self.batch, &record.key);
        match &record.value {
            Some(value) => shared.engine.put(batch, record.family, key, value),
            None => shared.engine.delete(batch, record.family, key),
        }
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

    /// The domain's id; its log's tree is at hand then, and its counter is read if the change will
    /// add to it.
    fn prepare(
        &mut self,
        shared: &Shared,
        trees: &HashMap<DomainId, Tree>,
        change: &Change,
    ) -> Result<DomainId, LedgerError> {
        let id = shared.domains.find_or_allot(
            &change.domain,
            &shared.engine,
            &mut self.batch,
            &mut self.allotted,
        )?;
        if change.ground == 0 && !self.totals.contains_key(&id) {
            self.totals.insert(id, shared.total(id)?);
        }
        if let hash_map::Entry::Vacant(place) = self.trees.entry(id) {
            let known = trees.get(&id).cloned();
            place.insert(known.map_or_else(|| shared.tree(id), Ok)?);
        }
        Ok(id)
    }

    /// Refuses changes that do not fit into the quotas, counting what this batch already holds.
    fn admit(&self, changes: &[Change], ids: &[DomainId]) -> Result<(), LedgerError> {
        let mut asked: BTreeMap<DomainId, (AnchorQuota, u64, u64)> = BTreeMap::new();
        for (change, id) in changes.iter().zip(ids) {
            let (_, anchors, versions) = asked.entry(*id).or_insert((change.quota, 0, 0));
            *anchors += u64::from(change.ground == 0);
            *versions += change.values.len() as u64;
        }
        for (id, (quota, anchors, versions)) in asked {
            let used = self.totals.get(&id).copied().unwrap_or_default();
            quota::admit("anchors", quota.anchors, used, anchors)?;
            let used = self.trees.get(&id).map_or(0, Tree::size);
            quota::admit("versions", quota.versions, used, versions)?;
        }
        Ok(())
    }

    fn add_change(
        &mut self,
        shared: &Shared,
        change: &Change,
        id: DomainId,
        salts: Vec<Salt>,
    ) -> Result<(), LedgerError> {
        let engine = &shared.engine;
        for ((version, value), salt) in (change.ground..).zip(&change.values).zip(salts) {
            let leaf = Leaf {
                anchor: &change.anchor,
                version,
                op: value.op,
                opening: Opening {
                    salt,
                    anchor_id: change.plain.clone(),
                    anchor_value: value.plain.clone(),
                },
            };
            let tree = self.trees.entry(id).or_default();
            self.grown.insert(id);
            let place = leaf.put(shared, &mut self.batch, id, tree)?;
            let key = keys::version(id, &change.anchor, version);
            let stored = keys::encode_numbered(place, &value.wrapped);
            engine.put(&mut self.batch, keys::ANCHORS, &key, &stored)?;
            if change.carry {
                let key = keys::outbox(id, OutboxRecord::Queued(place));
                let queued = keys::encode_numbered(version, &change.anchor);
                engine.put(&mut self.batch, keys::OUTBOX, &key, &queued)?;
            }
        }
        let key = keys::head(id, &change.anchor);
        engine.put(&mut self.batch, keys::HEADS, &key, &change.head.encode())?;
        self.versions.insert(key, change.head.versions);
        if change.ground == 0 {
            *self.totals.entry(id).or_default() += 1;
        }
        Ok(())
    }

    /// Writes and syncs the batch; gives the trees that it changed.
    fn write(mut self, shared: &Shared) -> Result<HashMap<DomainId, Tree>, EngineError> {
        if self.is_empty {
            return Ok(HashMap::new());
        }
        // A log without entries has no state: its signer would take one for something to sign.
        self.trees.retain(|id, _| self.grown.contains(id));
        self.totals.retain(|id, _| self.grown.contains(id));
        for (id, tree) in &self.trees {
            leaf::put_state(shared, &mut self.batch, *id, tree)?;
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
        Ok(self.trees)
    }
}

/// A fresh salt for each new value.
fn salts_for(change: &Change) -> Result<Vec<Salt>, LedgerError> {
    let unavailable = |_| LedgerError::Unavailable(None);
    let fresh = |_| leaf::fresh_salt().map_err(unavailable);
    change.values.iter().map(fresh).collect()
}
