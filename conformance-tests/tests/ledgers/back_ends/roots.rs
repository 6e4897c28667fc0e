//! The embedded ledger, whose roots go to a registry on a real chain while the cases run. When they
//! are done, the last root must stand there, and every entry be proven by it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evm::Registry;
use keyssi::Domain;
use ledger::{Batching, Ledger, Log, LogKeeper, LogSigner, Publisher, origin_id};
use translog::{LogKey, Origin, leaf_hash, verify_inclusion};

use super::chain::{Ground, key};
use super::store::{Store, Tasks};
use super::until;
use crate::bench::Bench;
use crate::run::{Written, run};
use crate::world::main_domain;

const ORIGIN: &str = "log.example/default";
const BATCHING: Batching = Batching {
    entries_max: 100,
    time_max: Duration::from_millis(200),
};

struct Roots {
    ground: Ground,
    registry: Registry,
    store: Store,
    running: Mutex<Option<Running>>,
}

/// What a process has.
struct Running {
    publisher: Publisher,
    log: Log,
    _at_work: Tasks,
}

impl Roots {
    /// Account 1 publishes, account 2 owns the registry.
    async fn new() -> Self {
        let ground = Ground::new();
        let owner = ground.sender(2).await;
        let registry = Registry::deploy(&owner, owner.account()).await.unwrap();
        let submitter = key(1).address();
        let registered = registry.register(&owner, origin_id(ORIGIN), submitter);
        registered.await.unwrap();
        let it = Self {
            ground,
            registry,
            store: Store::new(),
            running: Mutex::new(None),
        };
        let started = it.start().await;
        *it.running.lock().unwrap() = Some(started);
        it
    }

    async fn start(&self) -> Running {
        let origin = Origin::parse(ORIGIN).unwrap();
        let key = LogKey::from_seed(&origin, &[1; 32]);
        let log = self.store.ledger().log(&main_domain());
        let signer = LogSigner::open(log, origin, vec![key], None).await;
        let keeper = LogKeeper::new(signer.unwrap());
        let (account, address) = (self.ground.account(1), self.registry.address());
        let publisher = Publisher::new(keeper.clone(), account, address, BATCHING);
        let log = keeper.signer().log().clone();
        let mut at_work = Tasks::default();
        at_work.add(keeper.sign_on());
        at_work.add(publisher.clone().run());
        Running {
            publisher,
            log,
            _at_work: at_work,
        }
    }

    /// The entries of the log: the versions of all its anchors.
    async fn entries(&self, written: &[Written]) -> u64 {
        let anchors = written.iter().flat_map(|it| &it.anchors);
        let anchors: BTreeSet<_> = anchors.filter(|id| *id.domain() == main_domain()).collect();
        let mut entries = 0;
        for id in anchors {
            let last = self.store.ledger().last_version(id).await.unwrap();
            entries += last.map_or(0, |(_, versions)| versions);
        }
        entries
    }

    /// Demands that the newest root on the chain comes to prove every entry of the log.
    async fn assert_published(&self, entries: u64) {
        let log = self.running.lock().unwrap().as_ref().unwrap().log.clone();
        until("the root of the whole log is published", async || {
            let last = log.last_publication().await.unwrap();
            last.is_some_and(|it| it.size >= entries)
        })
        .await;
        let head = self.registry.head(origin_id(ORIGIN)).await.unwrap();
        assert_eq!(head.size, entries);
        for place in 0..entries {
            let inclusion = log.prove(place, entries).await.unwrap().unwrap();
            let leaf = leaf_hash(&inclusion.entry);
            let root = head.root.0;
            verify_inclusion(place, entries, &leaf, &inclusion.hashes, &root).unwrap();
        }
    }
}

impl Bench for Roots {
    fn name(&self) -> &'static str {
        "evm-roots"
    }

    fn ledger(&self, _: &Domain) -> Arc<dyn Ledger> {
        Arc::new(self.store.ledger())
    }

    fn second(&self, domain: &Domain) -> Arc<dyn Ledger> {
        self.ledger(domain)
    }

    fn restart(&self) {
        *self.running.lock().unwrap() = None;
        self.store.reopen();
        let started = tokio::runtime::Handle::current().block_on(self.start());
        *self.running.lock().unwrap() = Some(started);
    }

    fn declines(&self) -> &'static [&'static str] {
        &[]
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_with_roots_on_chain_keeps_the_contract() {
    let ledger = Arc::new(Roots::new().await);
    let written = run(Arc::<Roots>::clone(&ledger)).await;
    let entries = ledger.entries(&written).await;
    ledger.assert_published(entries).await;
    let publisher = ledger
        .running
        .lock()
        .unwrap()
        .as_ref()
        .unwrap()
        .publisher
        .clone();
    assert_eq!(publisher.trouble(), None);
}
