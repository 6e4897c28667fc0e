//! The embedded ledger in front of an adapter, and in front of a contract on a chain. When the cases
//! are done, every entry that was acknowledged must stand there too, once and in order.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use evm::Address;
use keyssi::{AnchorId, Domain};
use ledger::{Ledger, OptimisticLedger, Target};

use super::chain::Ground;
use super::peer::Peer;
use super::store::{Store, Tasks};
use super::until;
use crate::bench::{Bench, domains};
use crate::run::{Written, run};

/// The cases whose anchors the anchoring contract can never hold, which is found out after they were
/// acknowledged.
const NEVER_ON_CHAIN: [&str; 6] = [
    "a_handed_over_anchor_stays_so_after_a_restart",
    "a_value_may_be_as_long_as_allowed",
    "an_anchor_is_handed_over",
    "an_anchor_is_handed_over_by_its_first_value",
    "an_anchor_is_handed_over_twice",
    "an_anchor_may_be_named_by_a_compressed_key",
];

/// Where entries are carried to.
enum Behind {
    Adapter(Mutex<Peer>),
    Chain(Ground, Address),
}

impl Behind {
    /// As a process that has just started has it.
    fn target(&self, domain: &Domain) -> Arc<dyn Target> {
        match self {
            Self::Adapter(peer) => Arc::new(peer.lock().unwrap().client(domain)),
            Self::Chain(ground, contract) => Arc::new(ground.direct(*contract, 1)),
        }
    }

    fn restart(&self) {
        match self {
            Self::Adapter(peer) => peer.lock().unwrap().restart(),
            // It has tests of its own for a chain that goes away.
            Self::Chain(..) => {}
        }
    }
}

struct Optimistic {
    name: &'static str,
    behind: Behind,
    store: Store,
    running: Mutex<Running>,
}

/// What a process has.
#[derive(Default)]
struct Running {
    of: HashMap<Domain, OptimisticLedger>,
    carrying: Tasks,
}

impl Optimistic {
    fn new(name: &'static str, behind: Behind) -> Self {
        let it = Self {
            name,
            behind,
            store: Store::new(),
            running: Mutex::default(),
        };
        it.start();
        it
    }

    fn start(&self) {
        let embedded = self.store.ledger();
        let mut running = self.running.lock().unwrap();
        // One client for all domains, as in a node: there is one account.
        let mut shared = None;
        for domain in domains() {
            let target = match &self.behind {
                Behind::Adapter(_) => self.behind.target(&domain),
                Behind::Chain(..) => {
                    Arc::clone(shared.get_or_insert_with(|| self.behind.target(&domain)))
                }
            };
            let ledger = OptimisticLedger::new(&embedded, &domain, target);
            running.carrying.add(ledger.clone().carry_on());
            running.of.insert(domain, ledger);
        }
    }

    fn of(&self, domain: &Domain) -> OptimisticLedger {
        self.running.lock().unwrap().of[domain].clone()
    }

    /// Demands that the other ledger comes to hold what this one holds of an anchor.
    async fn assert_carried(&self, case: &str, id: &AnchorId) {
        let here = self.store.ledger().all_versions(id).await.unwrap();
        let target = self.behind.target(id.domain());
        until(&format!("an anchor of {case} is carried"), async || {
            target.all_versions(id).await.unwrap() == here
        })
        .await;
        for version in 0..here.len() as u64 {
            until("its standing says so", async || {
                let standing = self.of(id.domain()).standing(id, version).await.unwrap();
                assert!(standing.conflict.is_none());
                standing.waiting == 0
            })
            .await;
        }
    }
}

impl Bench for Optimistic {
    fn name(&self) -> &'static str {
        self.name
    }

    fn ledger(&self, domain: &Domain) -> Arc<dyn Ledger> {
        Arc::new(self.of(domain))
    }

    /// The same node: another one would be another history until both are carried.
    fn second(&self, domain: &Domain) -> Arc<dyn Ledger> {
        self.ledger(domain)
    }

    fn restart(&self) {
        *self.running.lock().unwrap() = Running::default();
        self.behind.restart();
        self.store.reopen();
        self.start();
    }

    fn declines(&self) -> &'static [&'static str] {
        match self.behind {
            Behind::Adapter(_) => &[],
            Behind::Chain(..) => &NEVER_ON_CHAIN,
        }
    }
}

async fn run_and_carry(ledger: Optimistic) {
    let ledger = Arc::new(ledger);
    let written: Vec<Written> = run(Arc::<Optimistic>::clone(&ledger)).await;
    for Written { case, anchors } in written {
        for id in &anchors {
            ledger.assert_carried(case, id).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outbox_before_an_adapter_keeps_the_contract() {
    let behind = Behind::Adapter(Mutex::new(Peer::start()));
    run_and_carry(Optimistic::new("optimistic, adapter", behind)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outbox_before_a_contract_keeps_the_contract() {
    let ground = Ground::new();
    let contract = ground.anchoring();
    let behind = Behind::Chain(ground, contract);
    let ledger = Optimistic::new("optimistic, evm", behind);
    run_and_carry(ledger).await;
}
