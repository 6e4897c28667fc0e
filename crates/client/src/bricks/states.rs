//! What a client has learnt of the brick storages: who failed a moment ago, who takes batches, and
//! whose turn it is.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::storage::Storage;
use crate::endpoint::{Endpoint, NodeUrl};

/// The storages of all domains, by address.
#[derive(Debug, Default)]
pub(crate) struct StorageStates {
    known: Mutex<HashMap<NodeUrl, State>>,
    turn: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    failed_at: Option<Instant>,
    batch: Option<Batch>,
}

/// Whether a storage has the batch routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Batch {
    Offered,
    NotOffered,
}

impl StorageStates {
    /// A storage that failed rests; one that answered does not.
    pub(crate) fn failed(&self, storage: &Endpoint) {
        self.with(storage, |state| state.failed_at = Some(Instant::now()));
    }

    pub(crate) fn answered(&self, storage: &Endpoint) {
        self.with(storage, |state| state.failed_at = None);
    }

    /// Whether a storage failed less than `rest` ago and has not answered since.
    pub(crate) fn rests(&self, storage: &Endpoint, rest: Duration) -> bool {
        self.with(storage, |state| {
            state.failed_at.is_some_and(|at| at.elapsed() < rest)
        })
    }

    /// Whether a storage failed and has not answered since.
    pub(crate) fn has_failed(&self, storage: &Endpoint) -> bool {
        self.with(storage, |state| state.failed_at.is_some())
    }

    pub(crate) fn batch(&self, storage: &Endpoint) -> Option<Batch> {
        self.with(storage, |state| state.batch)
    }

    pub(crate) fn learn_batch(&self, storage: &Endpoint, batch: Batch) {
        self.with(storage, |state| state.batch = Some(batch));
    }

    /// The storages in the order in which to ask them: each in its turn first, those that rest
    /// last.
    pub(crate) fn in_turn(&self, mut storages: Vec<Storage>, rest: Duration) -> Vec<Storage> {
        let first = self.turn.fetch_add(1, Ordering::Relaxed) % storages.len().max(1);
        storages.rotate_left(first);
        // The sort is stable: it keeps the turns.
        storages.sort_by_cached_key(|storage| self.rests(&storage.endpoint, rest));
        storages
    }

    fn with<T>(&self, storage: &Endpoint, change: impl FnOnce(&mut State) -> T) -> T {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        change(known.entry(storage.url().into()).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Client;
    use crate::options::ClientOptions;

    #[test]
    fn the_order_rotates_and_who_failed_comes_last() {
        let client = Client::new(ClientOptions::default()).unwrap();
        let states = StorageStates::default();
        let endpoints = ["http://a/", "http://b/", "http://c/"]
            .map(|url| Endpoint::new(&url.parse().unwrap()).unwrap());
        let domain = "default".parse().unwrap();
        let rest = Duration::from_mins(1);
        let order = || -> Vec<String> {
            let asked = states.in_turn(Storage::all(&client, &domain, &endpoints), rest);
            let host = |it: &Storage| it.endpoint.url().host_str().unwrap().to_owned();
            asked.iter().map(host).collect()
        };
        assert_eq!(order(), ["a", "b", "c"]);
        assert_eq!(order(), ["b", "c", "a"]);
        states.failed(&endpoints[2]);
        assert_eq!(order(), ["a", "b", "c"]);
        assert_eq!(order(), ["a", "b", "c"]);
        states.answered(&endpoints[2]);
        assert_eq!(order(), ["b", "c", "a"]);
        assert!(states.in_turn(Vec::new(), rest).is_empty());
    }
}
