//! What the committer does: puts, judged against the quotas, and what the scrub found.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use engine::rocksdb::WriteBatch;
use engine::{DomainId, EngineError, META};
use keyssi::{BrickHash, Domain};
use tokio::sync::oneshot;

use crate::error::{BrickStoreError, Quota};
use crate::inspect::look_at;
use crate::keys::{self, BrickRecord};
use crate::quota::{Account, PutTerms};
use crate::shared::{Presence, Put, Shared, Totals};

/// What a brick takes in a batch beside its own bytes, at most: its key twice, its record with the
/// longest account, and what RocksDB writes around them.
const RECORD_BYTES: usize = 2 * keys::KEY_BYTES + 192;
/// Room in a batch for the counters and a new domain.
const BATCH_EXTRA_BYTES: usize = 1024;
/// Accounts whose counters are kept in memory; with more, they are read again.
const ACCOUNTS_MAX: usize = 4096;

/// Something for the committer to do.
pub(crate) enum Job {
    Put(PutJob),
    Note(NoteJob),
}

/// Bricks of one put on their way to disk, all or none.
pub(crate) struct PutJob {
    pub(crate) domain: Domain,
    pub(crate) bricks: Vec<(BrickHash, Bytes)>,
    pub(crate) terms: PutTerms,
    /// What was done with each, in their order.
    pub(crate) answer: oneshot::Sender<Result<Vec<Put>, BrickStoreError>>,
}

/// A record of the scrub, or of a reader that met damage.
pub(crate) struct NoteJob {
    pub(crate) note: Note,
    pub(crate) answer: oneshot::Sender<Result<(), BrickStoreError>>,
}

/// What is to be recorded.
pub(crate) enum Note {
    /// A brick seems to be damaged: it is looked at once more, and put into quarantine if it is.
    Suspect {
        key: [u8; keys::KEY_BYTES],
        now_ms: u64,
    },
    /// A brick in quarantine is as it should be: it is looked at once more, and let out if it is.
    Cleared { key: [u8; keys::KEY_BYTES] },
    /// How far the scrub is.
    Scrub(Vec<u8>),
}

impl Job {
    pub(crate) fn weight(&self) -> usize {
        let weigh = |(_, bytes): &(BrickHash, Bytes)| bytes.len() + RECORD_BYTES;
        match self {
            Self::Put(job) => job.bricks.iter().map(weigh).sum(),
            Self::Note(_) => RECORD_BYTES,
        }
    }

    fn refuse(self, error: BrickStoreError) {
        // Nobody may listen any more.
        match self {
            Self::Put(job) => drop(job.answer.send(Err(error))),
            Self::Note(job) => drop(job.answer.send(Err(error))),
        }
    }
}

/// The committer's own state: the counters as they stand on disk.
pub(crate) struct Commit {
    shared: Arc<Shared>,
    totals: HashMap<DomainId, Totals>,
    usage: HashMap<Account, Totals>,
    /// The opening of the database that the counters were read from.
    opening: u64,
    /// Format number of what lies on disk.
    format: u32,
}

/// A batch as it grows.
struct Building {
    batch: WriteBatch,
    is_empty: bool,
    allotted: HashMap<Domain, DomainId>,
    totals: BTreeMap<DomainId, Totals>,
    usage: BTreeMap<Account, Totals>,
    written: HashSet<[u8; keys::KEY_BYTES]>,
    /// Bricks that enter the quarantine with this batch, and those that leave it.
    entered: HashSet<[u8; keys::KEY_BYTES]>,
    left: HashSet<[u8; keys::KEY_BYTES]>,
}

/// What is to be done with one brick of a put.
enum Plan {
    Nothing,
    Store,
    /// It is there and damaged; it stays its account's. If its record is damaged too, nobody knows
    /// whose it was: it is nobody's then, and the counters of that account keep it.
    Heal {
        account: Option<Account>,
        /// When it was put into quarantine, if it was.
        found_ms: Option<u64>,
    },
}

impl Commit {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            totals: HashMap::new(),
            usage: HashMap::new(),
            opening: shared.engine.openings(),
            format: shared.engine.format(),
            shared,
        }
    }

    /// Commits a batch and answers every job in it.
    pub(crate) fn run(&mut self, jobs: Vec<Job>) {
        let bytes: usize = jobs.iter().map(Job::weight).sum();
        let mut building = Building {
            // Without it the batch would grow by doubling.
            batch: WriteBatch::with_capacity_bytes(bytes + BATCH_EXTRA_BYTES),
            is_empty: true,
            allotted: HashMap::new(),
            totals: BTreeMap::new(),
            usage: BTreeMap::new(),
            written: HashSet::new(),
            entered: HashSet::new(),
            left: HashSet::new(),
        };
        if let Err(error) = self.recover() {
            return refuse_all(jobs, &error);
        }
        let (mut puts, mut notes) = (Vec::new(), Vec::new());
        for job in jobs {
            match job {
                Job::Put(job) => match self.add(&job, &mut building) {
                    Ok(done) => puts.push((job, done)),
                    Err(error) => Job::Put(job).refuse(error),
                },
                Job::Note(job) => match self.note(&job.note, &mut building) {
                    Ok(()) => notes.push(job),
                    Err(error) => Job::Note(job).refuse(error.into()),
                },
            }
        }
        match self.write(building) {
            Ok(()) => {
                // A sender that hung up does not undo the write.
                for (job, done) in puts {
                    let _ = job.answer.send(Ok(done));
                }
                for job in notes {
                    let _ = job.answer.send(Ok(()));
                }
            }
            Err(error) => {
                let puts = puts.into_iter().map(|(job, _)| Job::Put(job));
                refuse_all(puts.chain(notes.into_iter().map(Job::Note)), &error);
            }
        }
    }

    /// Brings the database back after a full disk, and what is known of it up to date: what was in
    /// flight when the disk filled up may have been written after all.
    fn recover(&mut self) -> Result<(), EngineError> {
        self.shared.engine.recover()?;
        if self.shared.engine.openings() != self.opening {
            self.shared.reload()?;
            self.totals.clear();
            self.usage.clear();
            self.opening = self.shared.engine.openings();
        }
        Ok(())
    }

    /// Adds the bricks of a put. All that can fail comes before they are counted, and before the first
    /// of them is in the batch: other jobs are written even if this one is refused.
    fn add(&mut self, job: &PutJob, building: &mut Building) -> Result<Vec<Put>, BrickStoreError> {
        let id = self.shared.domains.find_or_allot(
            &job.domain,
            &self.shared.engine,
            &mut building.batch,
            &mut building.allotted,
        )?;
        let (plans, new) = self.plan(id, &job.bricks, building)?;
        self.count(id, &job.terms, new, building)?;
        let mut puts = Vec::with_capacity(job.bricks.len());
        for ((hash, bytes), plan) in job.bricks.iter().zip(plans) {
            let key = keys::brick(id, hash);
            let account = match plan {
                Plan::Nothing => {
                    puts.push(Put::Existing);
                    continue;
                }
                Plan::Store => job.terms.account.clone(),
                Plan::Heal { account, found_ms } => {
                    self.leave_quarantine(key, found_ms, building)?;
                    account
                }
            };
            let record = BrickRecord {
                bytes: bytes.len() as u64,
                stored_ms: job.terms.now_ms,
                account,
            };
            let engine = &self.shared.engine;
            engine.put(&mut building.batch, keys::BRICKS, &key, bytes)?;
            engine.put(
                &mut building.batch,
                keys::BRICK_META,
                &key,
                &record.encode(),
            )?;
            building.written.insert(key);
            building.is_empty = false;
            puts.push(Put::Stored);
        }
        Ok(puts)
    }

    /// What is to be done with each brick, and what is new of them.
    fn plan(
        &self,
        id: DomainId,
        bricks: &[(BrickHash, Bytes)],
        building: &Building,
    ) -> Result<(Vec<Plan>, Totals), BrickStoreError> {
        let (mut new, mut seen) = (Totals::default(), HashSet::new());
        let mut plans = Vec::with_capacity(bricks.len());
        for (hash, bytes) in bricks {
            let key = keys::brick(id, hash);
            if building.written.contains(&key) || !seen.insert(key) {
                plans.push(Plan::Nothing);
                continue;
            }
            plans.push(match self.shared.presence(id, hash, bytes)? {
                Presence::Sound => Plan::Nothing,
                Presence::Damaged => Plan::Heal {
                    account: self.shared.account_of(&key)?,
                    found_ms: self.shared.in_quarantine(&key)?,
                },
                Presence::Absent => {
                    new.bricks += 1;
                    new.bytes += bytes.len() as u64;
                    Plan::Store
                }
            });
        }
        Ok((plans, new))
    }

    /// Counts new bricks, if they fit into the quotas. This is the only writer, so what it reads is
    /// what is there: no two puts share the last byte.
    fn count(
        &self,
        id: DomainId,
        terms: &PutTerms,
        new: Totals,
        building: &mut Building,
    ) -> Result<(), BrickStoreError> {
        if new.bricks == 0 {
            return Ok(());
        }
        let known = building.totals.get(&id).or_else(|| self.totals.get(&id));
        let used = known.copied().map_or_else(|| self.shared.totals(id), Ok)?;
        let quotas = [Quota::DomainBricks, Quota::DomainBytes];
        let of_domain = terms.domain.admit(used, new, quotas)?;
        if let Some(account) = &terms.account {
            let known = building.usage.get(account);
            let known = known.or_else(|| self.usage.get(account)).copied();
            let used = known.map_or_else(|| self.shared.usage(account), Ok)?;
            let quotas = [Quota::AccountBricks, Quota::AccountBytes];
            let of_account = terms.account_limit.admit(used, new, quotas)?;
            building.usage.insert(account.clone(), of_account);
        }
        building.totals.insert(id, of_domain);
        Ok(())
    }

    fn note(&self, note: &Note, building: &mut Building) -> Result<(), EngineError> {
        let engine = &self.shared.engine;
        match note {
            Note::Scrub(record) => {
                engine.put(&mut building.batch, META, keys::SCRUB, record)?;
                building.is_empty = false;
            }
            // It was healed in this very batch, or is in quarantine already.
            Note::Suspect { key, .. }
                if building.written.contains(key) || building.entered.contains(key) => {}
            Note::Suspect { key, now_ms } => {
                if self.shared.in_quarantine(key)?.is_some() {
                    return Ok(());
                }
                let Some(what) = self.what_is_wrong(key)? else {
                    return Ok(());
                };
                tracing::error!(
                    brick = named(key),
                    what,
                    "a brick is damaged: into quarantine"
                );
                let record = keys::encode_quarantine(*now_ms, &what);
                engine.put(&mut building.batch, META, &keys::quarantine(key), &record)?;
                building.entered.insert(*key);
                building.is_empty = false;
            }
            Note::Cleared { key } => {
                if self.what_is_wrong(key)?.is_none() {
                    let found_ms = self.shared.in_quarantine(key)?;
                    self.leave_quarantine(*key, found_ms, building)?;
                }
            }
        }
        Ok(())
    }

    /// What is wrong with a brick as it lies on disk; `None` also when there is none.
    fn what_is_wrong(&self, key: &[u8; keys::KEY_BYTES]) -> Result<Option<String>, EngineError> {
        let engine = &self.shared.engine;
        let Some((_, hash)) = keys::parse_brick(key) else {
            return Ok(None);
        };
        let record = match engine.get_with(keys::BRICK_META, key, BrickRecord::decode) {
            Ok(None) => return Ok(None),
            Ok(Some(Some(record))) => record,
            Ok(Some(None)) => return Ok(Some("its record is none of ours".to_owned())),
            Err(EngineError::Corrupt { detail }) => return Ok(Some(detail)),
            Err(error) => return Err(error),
        };
        let damage = look_at(engine, key, hash, record.bytes)?;
        Ok(damage.map(|damage| damage.to_string()))
    }

    /// Lets a brick out that is in quarantine since `found_ms`, if it is; reads nothing.
    fn leave_quarantine(
        &self,
        key: [u8; keys::KEY_BYTES],
        found_ms: Option<u64>,
        building: &mut Building,
    ) -> Result<(), EngineError> {
        // It may have entered in this very batch.
        let enters = building.entered.remove(&key);
        if enters || (found_ms.is_some() && building.left.insert(key)) {
            tracing::warn!(
                brick = named(&key),
                "a brick is whole again: out of quarantine"
            );
            let engine = &self.shared.engine;
            engine.delete(&mut building.batch, META, &keys::quarantine(&key))?;
            building.is_empty = false;
        }
        Ok(())
    }

    fn write(&mut self, mut building: Building) -> Result<(), EngineError> {
        if building.is_empty {
            return Ok(());
        }
        let engine = &self.shared.engine;
        let batch = &mut building.batch;
        for (id, totals) in &building.totals {
            engine.put(
                batch,
                META,
                &keys::totals(*id),
                &keys::encode_totals(*totals),
            )?;
        }
        for (account, used) in &building.usage {
            engine.put(
                batch,
                META,
                &keys::usage(account),
                &keys::encode_totals(*used),
            )?;
        }
        if self.format < keys::FORMAT {
            // From this batch on an older version could misread what is there.
            engine.put_format(batch, keys::FORMAT)?;
        }
        engine.write(building.batch)?;
        self.format = self.format.max(keys::FORMAT);
        self.shared.domains.adopt(building.allotted);
        self.totals.extend(building.totals);
        if self.usage.len() > ACCOUNTS_MAX {
            self.usage.clear();
        }
        self.usage.extend(building.usage);
        let (entered, left) = (building.entered.len() as u64, building.left.len() as u64);
        self.shared.quarantine_changed(entered, left);
        Ok(())
    }
}

/// The name of a brick, for logs.
fn named(key: &[u8]) -> String {
    keys::parse_brick(key).map_or_else(String::new, |(_, hash)| hash.to_string())
}

fn refuse_all(jobs: impl IntoIterator<Item = Job>, error: &EngineError) {
    for job in jobs {
        job.refuse(error.clone().into());
    }
}
