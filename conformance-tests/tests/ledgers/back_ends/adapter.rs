//! The routes of an EthAdapter, as another node serves them, with two clients.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use keyssi::Domain;
use ledger::Ledger;
use ledger::adapter::AdapterLedger;

use super::peer::Peer;
use crate::bench::{Bench, domains};
use crate::run::run;

/// What an EthAdapter cannot take in one request: more than twenty anchors, several values of one,
/// a constant anchor among others (ledger specification §1.6, §2.4).
const DECLINES: [&str; 3] = [
    "a_constant_anchor_is_part_of_a_batch",
    "a_hundred_anchors_are_a_batch",
    "several_versions_of_an_anchor_are_a_batch",
];

struct Adapter(Mutex<Clients>);

struct Clients {
    peer: Peer,
    /// Two of each domain.
    of: HashMap<Domain, [AdapterLedger; 2]>,
}

impl Clients {
    fn connect(&mut self) {
        let peer = &self.peer;
        let pair = |domain: Domain| {
            let pair = [peer.client(&domain), peer.client(&domain)];
            (domain, pair)
        };
        self.of = domains().map(pair).collect();
    }
}

impl Adapter {
    fn new() -> Self {
        let mut clients = Clients {
            peer: Peer::start(),
            of: HashMap::new(),
        };
        clients.connect();
        Self(Mutex::new(clients))
    }

    fn client(&self, domain: &Domain, number: usize) -> Arc<dyn Ledger> {
        Arc::new(self.0.lock().unwrap().of[domain][number].clone())
    }
}

impl Bench for Adapter {
    fn name(&self) -> &'static str {
        "adapter"
    }

    fn ledger(&self, domain: &Domain) -> Arc<dyn Ledger> {
        self.client(domain, 0)
    }

    fn second(&self, domain: &Domain) -> Arc<dyn Ledger> {
        self.client(domain, 1)
    }

    /// Both ends: the node is killed.
    fn restart(&self) {
        let mut clients = self.0.lock().unwrap();
        clients.peer.restart();
        clients.connect();
    }

    fn declines(&self) -> &'static [&'static str] {
        &DECLINES
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_adapter_keeps_the_contract() {
    run(Arc::new(Adapter::new())).await;
}
