//! The embedded ledger: what callers ask of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use engine::{Committer, DomainIds, Engine, EngineOptions, OpenError};
use keyssi::{
    AnchorId, AnchorKind, AnchorValue, AnchorValueError, AnchorValueKind, AppendError, Domain, Head,
};
use tokio::sync::{oneshot, watch};
use translog::Op;

use crate::commit::{Change, Commits, Job, NewValue, Outcome, Work};
use crate::contract::{Entry, Ledger};
use crate::error::{BatchError, LedgerError};
use crate::judge::next_head;
use crate::keys::{self, StoredHead};
use crate::migrate;
use crate::quota::{AnchorQuota, Quotas};
use crate::shared::{Shared, Tail, corrupt};

/// How often a write is judged again because another one came first. Each time means that somebody
/// else succeeded on the same anchor.
const JUDGE_MAX: usize = 32;

/// A ledger in a folder of its own. Cheap to clone; all clones are the same ledger.
#[derive(Clone)]
pub struct EmbeddedLedger {
    pub(crate) shared: Arc<Shared>,
    committer: Arc<Committer<Job>>,
}

impl EmbeddedLedger {
    /// Opens the ledger in `path`, creating it if it is absent, and brings an older format forward.
    /// `clock_ms` gives milliseconds since the epoch, for the log's entries.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(
        path: &Path,
        options: EngineOptions,
        clock_ms: fn() -> u64,
    ) -> Result<Self, OpenError> {
        let engine = Engine::open(path, keys::FAMILIES, keys::FORMAT, options)?;
        let domains = DomainIds::load(&engine).map_err(|error| OpenError::Damaged {
            path: path.to_owned(),
            detail: error.to_string(),
        })?;
        let shared = Arc::new(Shared {
            engine,
            domains,
            clock_ms,
            grown: watch::Sender::new(0),
            holds: std::sync::Mutex::default(),
            holding: tokio::sync::Mutex::default(),
            quotas: Quotas::default(),
            busy: AtomicU64::new(0),
            #[cfg(feature = "bench-without-log")]
            without_log: std::sync::atomic::AtomicBool::new(false),
        });
        migrate::bring_forward(&shared).map_err(|error| OpenError::Damaged {
            path: path.to_owned(),
            detail: format!("the older format cannot be brought forward: {error}"),
        })?;
        shared.load_holds().map_err(|error| OpenError::Damaged {
            path: path.to_owned(),
            detail: error.to_string(),
        })?;
        let mut commits = Commits::new(Arc::clone(&shared));
        let stats = Arc::clone(shared.engine.stats());
        let committer = Committer::start("anchor-committer", stats, Job::weight, move |jobs| {
            commits.run(jobs);
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

    /// [`EmbeddedLedger::open`], but nothing of what is written becomes a leaf: the same ledger
    /// without its log, to measure what the log costs. Such a folder is for nothing else.
    ///
    /// # Errors
    /// See [`OpenError`].
    #[cfg(feature = "bench-without-log")]
    #[doc(hidden)]
    pub fn open_without_log(
        path: &Path,
        options: EngineOptions,
        clock_ms: fn() -> u64,
    ) -> Result<Self, OpenError> {
        let ledger = Self::open(path, options, clock_ms)?;
        let without_log = &ledger.shared.without_log;
        without_log.store(true, Ordering::Relaxed);
        Ok(ledger)
    }

    /// Stores a versionless document under a path, which may be any text; the last writer wins.
    ///
    /// **Cancellation:** a document that has been queued is written even if the future is dropped.
    ///
    /// # Errors
    /// [`LedgerError::OutOfSpace`] and [`LedgerError::Unavailable`].
    pub async fn put_document(&self, path: &str, bytes: Bytes) -> Result<(), LedgerError> {
        self.put_document_at(keys::document(path), bytes).await
    }

    /// The document under a path; `None` when there is none.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn document(&self, path: &str) -> Result<Option<Vec<u8>>, LedgerError> {
        self.document_at(keys::document(path)).await
    }

    /// [`EmbeddedLedger::put_document`] for a path of which only the SHA-256 is known, as in the
    /// file names of an `ApiHub`.
    ///
    /// **Cancellation:** as there.
    ///
    /// # Errors
    /// As there.
    pub async fn put_document_at(
        &self,
        path_hash: [u8; 32],
        bytes: Bytes,
    ) -> Result<(), LedgerError> {
        let key = path_hash;
        let submitted = self.submit(Work::Document { key, bytes });
        submitted.await.map(drop)
    }

    /// The document under the path with this SHA-256; `None` when there is none.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn document_at(&self, path_hash: [u8; 32]) -> Result<Option<Vec<u8>>, LedgerError> {
        self.blocking(move |shared| Ok(shared.engine.get(keys::DOCUMENTS, &path_hash)?))
            .await
    }

    /// Makes a copy of the ledger at `path`, which must not exist, on the same volume: everything
    /// that was acknowledged before the call, and no half of a batch. Gives the logs in it with the
    /// entries that they have at least. See [`engine::Engine::freeze`].
    ///
    /// # Errors
    /// [`LedgerError::OutOfSpace`] and [`LedgerError::Unavailable`]; what was begun may be left at
    /// `path`.
    pub async fn freeze(&self, path: &Path) -> Result<Vec<(Domain, u64)>, LedgerError> {
        let path = path.to_owned();
        self.blocking(move |shared| {
            let mut logs = Vec::new();
            for (domain, id) in shared.domains.all() {
                if let Some(state) = shared.log_state(id)? {
                    logs.push((domain, state.size));
                }
            }
            shared.engine.freeze(&path)?;
            Ok(logs)
        })
        .await
    }

    /// Writes all entries, in order, or none, for a purpose.
    pub(crate) async fn write_for(
        &self,
        purpose: Purpose,
        entries: Vec<Entry>,
    ) -> Result<(), BatchError> {
        let whole = |source| BatchError { index: 0, source };
        let entries = Arc::new(entries);
        for _ in 0..JUDGE_MAX {
            let (shared, judged) = (Arc::clone(&self.shared), Arc::clone(&entries));
            let changes = tokio::task::spawn_blocking(move || judge(&shared, purpose, &judged))
                .await
                .map_err(|_| whole(LedgerError::Unavailable(None)))??;
            match self.submit(Work::Anchors(changes)).await.map_err(whole)? {
                Outcome::Written => return Ok(()),
                Outcome::Changed => {}
            }
        }
        Err(whole(LedgerError::Contended))
    }

    /// Judges entries as a write would, and writes nothing.
    ///
    /// # Errors
    /// [`BatchError`] names the first entry that is refused.
    pub(crate) async fn judge(&self, entries: Vec<Entry>) -> Result<(), BatchError> {
        let shared = Arc::clone(&self.shared);
        let judged = tokio::task::spawn_blocking(move || judge(&shared, Purpose::Kept, &entries));
        let ended = |_| BatchError {
            index: 0,
            source: LedgerError::Unavailable(None),
        };
        judged.await.map_err(ended)?.map(drop)
    }

    /// Takes over a whole history from another ledger: checks it, and stores what is not here yet.
    /// What is here must be how it begins.
    ///
    /// # Errors
    /// [`LedgerError::Broken`] for a history that breaks the rules, or that is sound and cannot become
    /// part of the log ([`is_irregular`]), [`LedgerError::Conflict`] when it does not continue what is
    /// here, [`LedgerError::Held`] for a sound one while the log is on hold.
    pub(crate) async fn import(
        &self,
        id: &AnchorId,
        history: Vec<String>,
    ) -> Result<(), LedgerError> {
        let history = Arc::new(history);
        for _ in 0..JUDGE_MAX {
            let here = self.all_versions(id).await?;
            if !history.starts_with(&here) {
                // Longer meanwhile, by the same entries: nothing is left to take over.
                return if here.starts_with(&history) {
                    Ok(())
                } else {
                    Err(LedgerError::Conflict)
                };
            }
            if history.len() == here.len() {
                return Ok(());
            }
            let (id, whole) = (id.clone(), Arc::clone(&history));
            let change = self
                .blocking(move |_| imported(&id, &whole, here.len()))
                .await?;
            match self.submit(Work::Anchors(vec![change])).await? {
                Outcome::Written => return Ok(()),
                Outcome::Changed => {}
            }
        }
        Err(LedgerError::Contended)
    }

    pub(crate) async fn submit(&self, work: Work) -> Result<Outcome, LedgerError> {
        let (answer, answered) = oneshot::channel();
        let ended = |()| LedgerError::Unavailable(None);
        self.committer
            .submit(Job { work, answer })
            .await
            .map_err(|_| ended(()))?;
        answered.await.map_err(|_| ended(()))?
    }

    /// As [`EmbeddedLedger::submit`], for a thread outside any runtime.
    pub(crate) fn submit_blocking(&self, work: Work) -> Result<Outcome, LedgerError> {
        let (answer, answered) = oneshot::channel();
        let ended = |()| LedgerError::Unavailable(None);
        let submitted = self.committer.submit_blocking(Job { work, answer });
        submitted.map_err(|_| ended(()))?;
        answered.blocking_recv().map_err(|_| ended(()))?
    }

    /// Runs a read on the runtime's blocking pool, whose size the binaries bound.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Shared) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let shared = Arc::clone(&self.shared);
        let act = move || {
            shared.busy.fetch_add(1, Ordering::Relaxed);
            let done = act(&shared);
            shared.busy.fetch_sub(1, Ordering::Relaxed);
            done
        };
        tokio::task::spawn_blocking(act)
            .await
            .map_err(|_| LedgerError::Unavailable(None))?
    }
}

#[async_trait]
impl Ledger for EmbeddedLedger {
    async fn write_all(&self, entries: Vec<Entry>) -> Result<(), BatchError> {
        self.write_for(Purpose::Kept, entries).await
    }

    async fn last_version(&self, id: &AnchorId) -> Result<Option<(String, u64)>, LedgerError> {
        let Some(domain) = self.shared.domains.find(id.domain()) else {
            return Ok(None);
        };
        let anchor = id.as_str().to_owned();
        self.blocking(move |shared| {
            let head = shared.stored_head(domain, &anchor)?;
            Ok(head.map(|head| (head.value, head.versions)))
        })
        .await
    }

    async fn all_versions(&self, id: &AnchorId) -> Result<Vec<String>, LedgerError> {
        let Some(domain) = self.shared.domains.find(id.domain()) else {
            return Ok(Vec::new());
        };
        let anchor = id.as_str().to_owned();
        self.blocking(move |shared| {
            let mut values = Vec::new();
            let mut next = 0;
            shared.engine.scan(
                keys::ANCHORS,
                &keys::versions_of(domain, &anchor),
                |key, value| {
                    let parsed = keys::parse_version(key);
                    let stored = keys::decode_numbered(value);
                    match (parsed, stored) {
                        (Some((_, _, version)), Some((_, text))) if version == next => {
                            values.push(text.to_owned());
                            next += 1;
                            Ok(())
                        }
                        _ => Err(corrupt(format!(
                            "history of {} at version {next}",
                            Tail(&anchor)
                        ))),
                    }
                },
            )?;
            Ok(values)
        })
        .await
    }

    async fn total(&self, domain: &Domain) -> Result<u64, LedgerError> {
        let Some(id) = self.shared.domains.find(domain) else {
            return Ok(0);
        };
        self.blocking(move |shared| shared.total(id)).await
    }

    fn readiness(&self) -> Result<(), &'static str> {
        self.shared.engine.readiness()
    }
}

/// What is to happen with entries beside being kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Nothing.
    Kept,
    /// They are carried on to another ledger.
    Carried,
}

/// What is known of an anchor while a batch is judged.
struct Judged {
    id: AnchorId,
    ground: u64,
    values: Vec<NewValue>,
    head: Option<Head>,
}

/// Judges entries against the heads as they are now. Signatures are checked here, on the blocking
/// pool, so that the committer only compares numbers.
fn judge(shared: &Shared, purpose: Purpose, entries: &[Entry]) -> Result<Vec<Change>, BatchError> {
    let mut anchors: BTreeMap<&str, Judged> = BTreeMap::new();
    for (index, entry) in entries.iter().enumerate() {
        let at = |source| BatchError { index, source };
        let id = &entry.id;
        if !anchors.contains_key(id.as_str()) {
            let judged = load(shared, id).map_err(at)?;
            anchors.insert(id.as_str(), judged);
        }
        if let Some(judged) = anchors.get_mut(id.as_str()) {
            let next = next_head(entry, judged.head.as_ref()).map_err(at)?;
            let is_first = judged.head.is_none();
            judged.values.push(NewValue {
                wrapped: next.value().as_str().to_owned(),
                plain: next.value().plain().to_owned(),
                op: operation(id, next.value(), is_first),
            });
            judged.head = Some(next);
        }
    }
    let changes = anchors.into_values().filter_map(|judged| {
        let versions = judged.ground + judged.values.len() as u64;
        Some(Change {
            domain: judged.id.domain().clone(),
            anchor: judged.id.as_str().to_owned(),
            plain: judged.id.plain().to_owned(),
            ground: judged.ground,
            values: judged.values,
            head: StoredHead::new(versions, &judged.head?),
            carry: purpose == Purpose::Carried,
            quota: shared.quotas.of(judged.id.domain()),
        })
    });
    Ok(changes.collect())
}

/// Why a history that others keep, and that the reference takes, does not become part of a log. Who
/// checks the log judges each entry as this node judges what it is given, and would take an entry that
/// anybody could bring to the other ledger for a fault of the node.
#[derive(Debug, thiserror::Error)]
enum Irregular {
    #[error("version {version} is not written as this node takes values")]
    Value {
        version: usize,
        #[source]
        source: AnchorValueError,
    },
    #[error("version {version} has an older time than the one before it")]
    Time {
        version: usize,
        #[source]
        source: AppendError,
    },
}

/// Whether a history was sound by the rules of the reference, and not taken over all the same.
pub(crate) fn is_irregular(error: &LedgerError) -> bool {
    matches!(error, LedgerError::Broken(cause) if cause.is::<Irregular>())
}

/// Refuses what the strict rules refuse from version `first` on, in a history whose signatures hold.
fn check_regular(values: &[AnchorValue], first: usize) -> Result<(), Irregular> {
    let mut last = None;
    for (version, value) in values.iter().enumerate() {
        let time = value.timestamp();
        if version >= first {
            if let Some(source) = value.irregularity().cloned() {
                return Err(Irregular::Value { version, source });
            }
            if let (Some(last), Some(found)) = (last, time)
                && found < last
            {
                let source = AppendError::OlderTimestamp {
                    last: last.clone(),
                    found: found.clone(),
                };
                return Err(Irregular::Time { version, source });
            }
        }
        last = time;
    }
    Ok(())
}

/// What a history from another ledger adds to its first `here` versions. Its values are read as the
/// reference reads them, since they were stored by others; its signatures must hold.
fn imported(id: &AnchorId, history: &[String], here: usize) -> Result<Change, LedgerError> {
    let parsed = history.iter().map(|value| AnchorValue::parse_stored(value));
    let values = parsed
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| LedgerError::Broken(error.into()))?;
    let regular = check_regular(&values, here);
    let new = values.iter().skip(here).map(|value| NewValue {
        wrapped: value.as_str().to_owned(),
        plain: value.plain().to_owned(),
        op: Op::Migrate,
    });
    let new = new.collect();
    let head = keyssi::check_history(id, values);
    let head = head.map_err(|error| LedgerError::Broken(error.into()))?;
    // Said of sound ones only.
    regular.map_err(|error| LedgerError::Broken(error.into()))?;
    let head = head.ok_or(LedgerError::Absent)?;
    Ok(Change {
        domain: id.domain().clone(),
        anchor: id.as_str().to_owned(),
        plain: id.plain().to_owned(),
        ground: here as u64,
        values: new,
        head: StoredHead::new(history.len() as u64, &head),
        carry: false,
        quota: AnchorQuota::default(),
    })
}

fn operation(id: &AnchorId, value: &AnchorValue, is_first: bool) -> Op {
    match (id.kind(), value.kind()) {
        (AnchorKind::Constant, _) => Op::CreateConstant,
        (AnchorKind::Signed, _) if is_first => Op::Create,
        (AnchorKind::Signed, AnchorValueKind::Transfer) => Op::Transfer,
        (AnchorKind::Signed, _) => Op::Append,
    }
}

fn load(shared: &Shared, id: &AnchorId) -> Result<Judged, LedgerError> {
    let domain = shared.domains.find(id.domain());
    let stored = domain
        .map(|domain| shared.stored_head(domain, id.as_str()))
        .transpose()?
        .flatten();
    let Some(stored) = stored else {
        return Ok(Judged {
            id: id.clone(),
            ground: 0,
            values: Vec::new(),
            head: None,
        });
    };
    let head = Head::restore(&stored.value, stored.transferred_to.as_deref())
        .map_err(|error| corrupt(format!("head of {}: {error}", Tail(id.as_str()))))?;
    Ok(Judged {
        id: id.clone(),
        ground: stored.versions,
        values: Vec::new(),
        head: Some(head),
    })
}
