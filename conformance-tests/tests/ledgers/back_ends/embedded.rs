//! The embedded ledger, in a folder of its own.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use keyssi::Domain;
use ledger::{EmbeddedLedger, EngineOptions, Ledger, Mode, OpenError};
use tempfile::TempDir;
use testkit::owner::FIRST_MS;

use crate::bench::{Bench, Counted};
use crate::run::run;

/// Longest wait until nobody has the store open any more.
const CLOSED_WAIT: Duration = Duration::from_secs(20);

/// A store, open but for the time of a restart.
pub(super) struct Store {
    folder: TempDir,
    open: Mutex<Option<EmbeddedLedger>>,
}

impl Store {
    pub(super) fn new() -> Self {
        let store = Self {
            folder: tempfile::tempdir().unwrap(),
            open: Mutex::new(None),
        };
        store.reopen();
        store
    }

    /// A handle of the ledger.
    pub(super) fn ledger(&self) -> EmbeddedLedger {
        self.open.lock().unwrap().clone().unwrap()
    }

    /// Closes the store, and opens it again.
    pub(super) fn reopen(&self) {
        let mut open = self.open.lock().unwrap();
        *open = None;
        let deadline = Instant::now() + CLOSED_WAIT;
        *open = Some(loop {
            let options = EngineOptions {
                free_bytes_min: 0,
                mode: Mode::Serve,
            };
            match EmbeddedLedger::open(self.folder.path(), options, || FIRST_MS) {
                // A write that was given up may still be at work.
                Err(OpenError::InUse { .. }) if Instant::now() < deadline => thread::yield_now(),
                opened => break opened.unwrap(),
            }
        });
    }
}

struct Embedded(Store);

impl Bench for Embedded {
    fn name(&self) -> &'static str {
        "embedded"
    }

    fn ledger(&self, _: &Domain) -> Arc<dyn Ledger> {
        Arc::new(self.0.ledger())
    }

    fn second(&self, _: &Domain) -> Arc<dyn Ledger> {
        Arc::new(self.0.ledger())
    }

    fn restart(&self) {
        self.0.reopen();
    }

    fn counted(&self) -> Counted {
        Counted::Domain
    }

    fn declines(&self) -> &'static [&'static str] {
        &[]
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_ledger_keeps_the_contract() {
    run(Arc::new(Embedded(Store::new()))).await;
}
