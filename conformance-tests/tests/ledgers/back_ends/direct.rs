//! The anchoring contract on a real chain, written to by two processes with an account each.

use std::sync::{Arc, Mutex};

use evm::Address;
use keyssi::Domain;
use ledger::{DirectLedger, Ledger};

use super::chain::Ground;
use crate::bench::Bench;
use crate::run::run;

/// What the contract cannot do: hand an anchor over, read a long hint or a compressed key, and more
/// in one transaction than single values of ten signed anchors (ledger specification §2.4).
const DECLINES: [&str; 9] = [
    "a_constant_anchor_is_part_of_a_batch",
    "a_handed_over_anchor_stays_so_after_a_restart",
    "a_hundred_anchors_are_a_batch",
    "a_value_may_be_as_long_as_allowed",
    "an_anchor_is_handed_over",
    "an_anchor_is_handed_over_by_its_first_value",
    "an_anchor_is_handed_over_twice",
    "an_anchor_may_be_named_by_a_compressed_key",
    "several_versions_of_an_anchor_are_a_batch",
];

struct Direct {
    ground: Ground,
    contract: Address,
    nodes: Mutex<[DirectLedger; 2]>,
}

impl Direct {
    fn new() -> Self {
        let ground = Ground::new();
        let contract = ground.anchoring();
        Self {
            nodes: Mutex::new([1, 2].map(|number| ground.direct(contract, number))),
            contract,
            ground,
        }
    }
}

impl Bench for Direct {
    fn name(&self) -> &'static str {
        "evm"
    }

    fn ledger(&self, _: &Domain) -> Arc<dyn Ledger> {
        Arc::new(self.nodes.lock().unwrap()[0].clone())
    }

    fn second(&self, _: &Domain) -> Arc<dyn Ledger> {
        Arc::new(self.nodes.lock().unwrap()[1].clone())
    }

    /// New processes with the same accounts: what they know of nonces, they read from the chain.
    fn restart(&self) {
        let started = [1, 2].map(|number| self.ground.direct(self.contract, number));
        *self.nodes.lock().unwrap() = started;
    }

    fn declines(&self) -> &'static [&'static str] {
        &DECLINES
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_anchoring_contract_keeps_the_contract() {
    run(Arc::new(Direct::new())).await;
}
