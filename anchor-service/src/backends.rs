//! The ledger behind each domain: made from its configuration when the node starts, and again when
//! an ApiHub's domain file changes.

use std::any::Any;
use std::collections::HashMap;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::task::Poll;
use std::time::Duration;

use anyhow::Context;
use keyssi::Domain;
use ledger::{
    EmbeddedLedger, Hold, HoldCause, Ledger, Log, LogKeeper, LogSigner, OptimisticLedger,
    Publisher, Senders, Witnesses,
};
use node::{AnchoringKind, DomainConfig, Openings};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use translog::{LogKey, Origin, Policy};

use crate::{elsewhere, log_key};

/// First and longest wait before a loop that has panicked is begun again.
const RESTART_WAIT: Duration = Duration::from_millis(250);
const RESTART_WAIT_MAX: Duration = Duration::from_mins(1);

/// What serves one domain's anchors.
pub(crate) struct Backend {
    pub(crate) config: Arc<DomainConfig>,
    pub(crate) ledger: Arc<dyn Ledger>,
    /// The outbox, where the store answers for a slower ledger.
    pub(crate) outbox: Option<OptimisticLedger>,
    /// What brings the log's roots to a chain.
    pub(crate) publisher: Option<Publisher>,
    /// What runs for this back end and ends with it; `None` when it was ended.
    tasks: Mutex<Option<Vec<JoinHandle<()>>>>,
    /// `None` where entries go straight to another ledger.
    pub(crate) log: Option<LogKeeper>,
}

impl Backend {
    /// The log, if the domain has one.
    pub(crate) fn log(&self) -> Option<&Log> {
        self.log.as_ref().map(|keeper| keeper.signer().log())
    }

    /// Whether the node's own store answers for the domain and entries go nowhere else.
    pub(crate) fn is_in_store(&self) -> bool {
        !self.config.optimistic
            && matches!(
                self.config.anchoring,
                AnchoringKind::Embedded | AnchoringKind::EvmRoots
            )
    }

    /// Whether a slower ledger stands behind the store and did not answer when it was last asked.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.outbox
            .as_ref()
            .is_some_and(OptimisticLedger::is_cut_off)
    }

    /// Ends what runs for it; when this returns, nothing of it runs any more.
    async fn end(&self) {
        let tasks = self
            .tasks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
            .unwrap_or_default();
        // All of them before the first wait, which may be the last that is done here.
        tasks.iter().for_each(JoinHandle::abort);
        for task in tasks {
            // An error says that it was aborted.
            let _ = task.await;
        }
    }

    /// Whether it was ended: then nothing is carried or published for it any more.
    fn is_ended(&self) -> bool {
        let tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.is_none()
    }

    pub(crate) fn openings_are_public(&self) -> bool {
        self.config.log.openings == Openings::Public
    }
}

/// What the store says of a log's key.
struct Standing {
    /// Some key has signed a checkpoint that is in the store.
    is_signed: bool,
    /// It continues another log, whose key may still be where its own is to be.
    is_renewed: bool,
}

/// The keys of a log, the present one first.
struct LogKeys {
    all: Vec<LogKey>,
    /// The only one was made just now: nothing can have been signed with it, here or anywhere.
    is_made_now: bool,
}

/// The back ends of a node. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Backends(Arc<Inner>);

struct Inner {
    embedded: EmbeddedLedger,
    data: PathBuf,
    origin_prefix: String,
    /// The accounts that write to chains.
    senders: Senders,
    keepers: tokio::sync::Mutex<HashMap<Domain, LogKeeper>>,
    made: RwLock<HashMap<Domain, Arc<Backend>>>,
    /// Held while one is made.
    making: tokio::sync::Mutex<()>,
}

impl Backends {
    pub(crate) fn new(embedded: EmbeddedLedger, data: &Path, origin_prefix: &str) -> Self {
        Self(Arc::new(Inner {
            embedded,
            data: data.to_owned(),
            origin_prefix: origin_prefix.to_owned(),
            senders: Senders::default(),
            keepers: tokio::sync::Mutex::default(),
            made: RwLock::default(),
            making: tokio::sync::Mutex::default(),
        }))
    }

    /// The store on this node, which also keeps the documents.
    pub(crate) fn embedded(&self) -> &EmbeddedLedger {
        &self.0.embedded
    }

    /// Whether anchors can be served; `Err` says in words what cannot.
    pub(crate) fn readiness(&self) -> Result<(), String> {
        self.0.embedded.readiness()?;
        let mut unsigned = Vec::new();
        for backend in self.made() {
            backend.ledger.readiness()?;
            if let Some(trouble) = backend.log.as_ref().and_then(LogKeeper::trouble) {
                let domain = &backend.config.name;
                unsigned.push(format!(
                    "the log of domain {domain} is not signed: {trouble}"
                ));
            }
        }
        if unsigned.is_empty() {
            Ok(())
        } else {
            unsigned.sort();
            Err(unsigned.join("; "))
        }
    }

    /// All that were made so far.
    pub(crate) fn made(&self) -> Vec<Arc<Backend>> {
        let made = self.0.made.read().unwrap_or_else(PoisonError::into_inner);
        made.values().cloned().collect()
    }

    /// The back end of a domain; made now if it is new or its configuration has changed.
    ///
    /// # Errors
    /// What is wrong with the configuration or the files that it names.
    pub(crate) async fn of(&self, config: &Arc<DomainConfig>) -> anyhow::Result<Arc<Backend>> {
        if let Some(made) = self.find(config) {
            return Ok(made);
        }
        let _making = self.0.making.lock().await;
        if let Some(made) = self.find(config) {
            return Ok(made);
        }
        let domain = config.name.clone();
        // Two outboxes of one domain would carry to two ledgers.
        for old in self.made().iter().filter(|old| old.config.name == domain) {
            old.end().await;
        }
        let backend = self
            .make(config)
            .await
            .with_context(|| format!("domain {domain}"))?;
        let backend = Arc::new(backend);
        let mut made = self.0.made.write().unwrap_or_else(PoisonError::into_inner);
        made.insert(domain, Arc::clone(&backend));
        Ok(backend)
    }

    fn find(&self, config: &Arc<DomainConfig>) -> Option<Arc<Backend>> {
        let made = self.0.made.read().unwrap_or_else(PoisonError::into_inner);
        let found = made.get(&config.name)?;
        let is_it = Arc::ptr_eq(&found.config, config) || found.config == *config;
        // An ended one stays where it is seen until another one is made. If that failed, the same
        // configuration may come back.
        (is_it && !found.is_ended()).then(|| Arc::clone(found))
    }

    async fn make(&self, config: &Arc<DomainConfig>) -> anyhow::Result<Backend> {
        let log = if config.has_log() {
            Some(self.keeper(config).await?)
        } else {
            None
        };
        let embedded = &self.0.embedded;
        let in_store = embedded.log(&config.name);
        if !config.has_outbox()
            && let Some(ledger) = in_store.waits_for().await?
        {
            anyhow::bail!(
                "entries still wait to be carried to {ledger}; keep anchoring and optimistic = \
                 true as they were until they are there"
            );
        }
        let mut tasks = Vec::new();
        let (ledger, outbox): (Arc<dyn Ledger>, _) =
            match elsewhere::target(&self.0.senders, config).await? {
                None => (Arc::new(embedded.clone()), None),
                Some(target) if config.optimistic => {
                    in_store.carry_to(&elsewhere::name(config)).await?;
                    let optimistic = OptimisticLedger::new(embedded, &config.name, target);
                    let carrying = optimistic.clone();
                    let carry_on = move || carrying.clone().carry_on();
                    let carried = supervised(config.name.clone(), "the outbox", carry_on);
                    tasks.push(tokio::spawn(carried));
                    (Arc::new(optimistic.clone()), Some(optimistic))
                }
                Some(direct) => (direct, None),
            };
        let publisher = elsewhere::publisher(&self.0.senders, config, log.as_ref()).await?;
        tasks.extend(publisher.clone().map(|it| {
            let run = move || it.clone().run();
            tokio::spawn(supervised(config.name.clone(), "the publisher", run))
        }));
        Ok(Backend {
            config: Arc::clone(config),
            ledger,
            outbox,
            publisher,
            tasks: Mutex::new(Some(tasks)),
            log,
        })
    }

    /// The keeper of a domain's log, at work.
    async fn keeper(&self, config: &DomainConfig) -> anyhow::Result<LogKeeper> {
        let origin = config.origin(&self.0.origin_prefix);
        let origin = Origin::parse(&origin).context("log.origin")?;
        // A log is signed by one keeper as long as the process runs, whatever else changes.
        let mut keepers = self.0.keepers.lock().await;
        if let Some(keeper) = keepers.get(&config.name) {
            anyhow::ensure!(
                *keeper.signer().origin() == origin,
                "a log keeps its name while the node runs; restart it"
            );
            return Ok(keeper.clone());
        }
        let other = keepers
            .iter()
            .find(|(_, keeper)| *keeper.signer().origin() == origin);
        if let Some((other, _)) = other {
            anyhow::bail!("log.origin {origin} is the log of domain {other}; each has its own");
        }
        let log = self.0.embedded.log(&config.name);
        // Said before a key is made for the other name.
        log.check_name(&origin).await?;
        let standing = Standing {
            is_signed: log.checkpoint().await?.is_some(),
            is_renewed: log.lineage().await?.is_some(),
        };
        let LogKeys { all, is_made_now } = self.log_keys(config, &origin, &standing)?;
        let policy = policy(config, &all)?;
        let addresses = config.log.witnesses.clone();
        let witnesses = move || Witnesses::new(addresses.iter().map(String::as_str));
        let asked = witnesses().context("log.witnesses")?;
        let signer = LogSigner::open(log, origin, all, policy).await?;
        if is_made_now {
            release_new(&signer).await?;
        }
        let keeper = LogKeeper::new(signer);
        // Before anything is taken or signed: the folder may be an older one than it was.
        keeper.begin(&asked).await;
        let signing = keeper.clone();
        let sign_on = move || signing.clone().sign_on();
        tokio::spawn(supervised(config.name.clone(), "the signing", sign_on));
        if keeper.signer().policy().is_some() {
            let cosigning = keeper.clone();
            let cosign_on = move || {
                let (keeper, witnesses) = (cosigning.clone(), witnesses());
                async move {
                    // The same ones were made above.
                    if let Ok(witnesses) = witnesses {
                        keeper.cosign_on(witnesses).await;
                    }
                }
            };
            let cosigned = supervised(config.name.clone(), "the cosigning", cosign_on);
            tokio::spawn(cosigned);
        }
        keepers.insert(config.name.clone(), keeper.clone());
        Ok(keeper)
    }

    /// The keys of a log, the present one first; it is made if none has signed anything yet.
    fn log_keys(
        &self,
        config: &DomainConfig,
        origin: &Origin,
        standing: &Standing,
    ) -> anyhow::Result<LogKeys> {
        let read = |path: &Path, text: &str| {
            let key = log_key::parse(path, text)?;
            anyhow::ensure!(
                key.verifier().name().as_str() == origin.as_str(),
                "the key in {} is of the log {}, this one is called {origin}; {}",
                path.display(),
                key.verifier().name().as_str(),
                if standing.is_signed {
                    "name this log's own key"
                } else {
                    "nothing in this store is signed with it: name another file, or put this one \
                     away and a key is made"
                }
            );
            Ok(key)
        };
        let own = &config.log.key;
        let path = if own.as_os_str().is_empty() {
            let name = format!("{}.log-key", config.name);
            self.0.data.join("keys").join(name)
        } else {
            own.clone()
        };
        if standing.is_renewed {
            log_key::put_renewed_in_place(&path, origin)?;
        }
        let is_signed = standing.is_signed;
        if !is_signed && own.as_os_str().is_empty() {
            log_key::put_unused_aside(&path, origin)?;
        }
        let mut made = None;
        // During a rotation the present key is new.
        let text = if is_signed && config.log.old_key.as_os_str().is_empty() {
            // A key by mistake in the place of its file's name is not to be shown.
            let place = if own.as_os_str().is_empty() {
                path.display().to_string()
            } else {
                "the file that log.key names".to_owned()
            };
            node::load_key_file(&path).with_context(|| {
                format!(
                    "the log {origin} is signed with a key that is not there; put {place} back from \
                     a backup, or name the new key in log.key and the former one in log.old_key"
                )
            })?
        } else {
            node::load_or_create_key_file(&path, |seed| {
                let text = LogKey::from_seed(origin, seed).to_text();
                made.insert(text).clone()
            })
            .context(if own.as_os_str().is_empty() {
                "the log's key"
            } else {
                "log.key"
            })?
        };
        let mut all = vec![read(&path, &text)?];
        let old = &config.log.old_key;
        if !old.as_os_str().is_empty() {
            let text = node::load_key_file(old).context("log.old_key")?;
            all.push(read(old, &text).context("log.old_key")?);
        }
        // Another process may have made the file first; then that key is the one in it.
        let is_made = made.is_some_and(|made| made.trim() == text.as_str());
        Ok(LogKeys {
            is_made_now: is_made && !is_signed && all.len() == 1,
            all,
        })
    }
}

/// Runs what never ends. After a panic it is said and begun again, as after a restart of the node,
/// which nobody would make for it: everything else goes on.
///
/// **Cancellation:** what runs is dropped with it.
async fn supervised<F: Future<Output = ()>>(
    domain: Domain,
    what: &'static str,
    make: impl Fn() -> F,
) {
    let mut wait = RESTART_WAIT;
    loop {
        let begun = Instant::now();
        let mut running = Box::pin(make());
        let ended = poll_fn(|context| {
            // What has panicked is not polled again; its locks are taken over as they are.
            let polled = catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(context)));
            match polled {
                Ok(poll) => poll.map(Ok),
                Err(panic) => Poll::Ready(Err(words_of(&*panic))),
            }
        });
        let Err(panic) = ended.await else {
            return;
        };
        drop(running);
        tracing::error!(%domain, panic, "{what} has ended by a panic and is begun again");
        if begun.elapsed() > RESTART_WAIT_MAX {
            wait = RESTART_WAIT;
        }
        sleep(wait).await;
        wait = wait.saturating_mul(2).min(RESTART_WAIT_MAX);
    }
}

fn words_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "without words".to_owned())
}

/// Lets the log of a domain that is new in a restored store go on, whose key was made just now. After a
/// crash between the two it stays on hold: the key may have been used since, as far as anybody knows.
async fn release_new(signer: &LogSigner) -> anyhow::Result<()> {
    let log = signer.log();
    let is_restored = |hold: Hold| hold.cause == HoldCause::Restored;
    if log.hold().is_some_and(is_restored) && log.size().await? == 0 {
        signer.lift_unsigned().await?;
    }
    Ok(())
}

/// The policy of a log, to which its own keys belong.
fn policy(config: &DomainConfig, keys: &[LogKey]) -> anyhow::Result<Option<Policy>> {
    let path = &config.log.policy;
    if path.as_os_str().is_empty() {
        return Ok(None);
    }
    let named = || format!("log.policy {}", path.display());
    let text = std::fs::read_to_string(path).with_context(named)?;
    let written = Policy::parse(&text).with_context(named)?;
    let is_written = |key: &LogKey| written.logs().iter().any(|log| log.key == *key.verifier());
    let own = keys.iter().filter(|key| !is_written(key));
    let mut lines: Vec<_> = own.map(|key| format!("log {}", key.verifier())).collect();
    lines.push(text);
    let policy = Policy::parse(&lines.join("\n")).with_context(named)?;
    Ok(Some(policy))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_loop_that_panics_is_begun_again() {
        let begun = AtomicU32::new(0);
        let make = || async {
            let before = begun.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            assert!(before > 0, "the first one panics");
        };
        let domain: Domain = "default".parse().unwrap();
        supervised(domain, "the loop", make).await;
        assert_eq!(begun.load(Ordering::Relaxed), 2);
    }
}
