//! An embedded ledger that can be closed and opened again, and the tasks that work on it.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use ledger::{EmbeddedLedger, EngineOptions, Mode, OpenError};
use tempfile::TempDir;
use testkit::owner::FIRST_MS;
use tokio::task::JoinHandle;

/// Longest wait until nobody has the store open any more.
const CLOSED_WAIT: Duration = Duration::from_secs(30);

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
        // A restart that failed is no reason to hide why the next case fails.
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
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

/// Tasks that end with the value.
#[derive(Default)]
pub(super) struct Tasks(Vec<JoinHandle<()>>);

impl Tasks {
    pub(super) fn add(&mut self, work: impl Future<Output = ()> + Send + 'static) {
        self.0.push(tokio::spawn(work));
    }

    pub(super) fn end(&mut self) {
        for task in self.0.drain(..) {
            task.abort();
        }
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.end();
    }
}
