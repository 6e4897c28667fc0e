//! The embedded ledger, in a folder of its own.

use std::sync::Arc;

use keyssi::Domain;
use ledger::Ledger;

use super::store::Store;
use crate::bench::Bench;
use crate::run::run;

struct Embedded(Store);

impl Bench for Embedded {
    fn name(&self) -> &'static str {
        "embedded"
    }

    fn ledger(&self, _: &Domain) -> Arc<dyn Ledger> {
        Arc::new(self.0.ledger())
    }

    fn second(&self, domain: &Domain) -> Arc<dyn Ledger> {
        self.ledger(domain)
    }

    fn restart(&self) {
        self.0.reopen();
    }

    fn declines(&self) -> &'static [&'static str] {
        &[]
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_ledger_keeps_the_contract() {
    run(Arc::new(Embedded(Store::new()))).await;
}
