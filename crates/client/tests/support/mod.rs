//! A node, liars before it, and clients that note what happens.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use client::{Client, ClientOptions, Event};
use keyssi::{BrickHash, Domain};
use testkit::liar::{Liar, Lie, Route, Rule};
use testkit::server::Server;

/// A short wait, for what never comes.
pub(crate) const IDLE: Duration = Duration::from_millis(300);
/// A wait for what never comes, where something else must come in this time on a busy machine.
const IDLE_BESIDE_OTHERS: Duration = Duration::from_secs(2);

/// A node and storages before it, each of which may lie.
pub(crate) struct Stage {
    pub(crate) node: Server,
    pub(crate) liars: Vec<Liar>,
}

/// A client and what happened in it.
pub(crate) struct Watched {
    pub(crate) client: Client,
    events: Arc<Mutex<Vec<Event>>>,
}

impl Stage {
    /// A node and so many liars. The first liar is asked for BDNS; it names all of them, in order,
    /// as the brick storages of `default`, and itself for anchors.
    pub(crate) fn new(liars: usize) -> Self {
        let node = Server::start("").unwrap();
        let liars: Vec<Liar> = (0..liars)
            .map(|_| Liar::before(node.address()).unwrap())
            .collect();
        let urls: Vec<String> = liars.iter().map(Liar::url).collect();
        let bdns = format!(
            r#"{{"default":{{"brickStorages":{urls:?},"anchoringServices":["$ORIGIN"]}}}}"#
        );
        liars[0].tell(Rule::new(Route::Bdns, Lie::Instead(200, bdns)));
        Self { node, liars }
    }

    /// A client of the first liar.
    pub(crate) fn client(&self) -> Watched {
        self.client_with(|options| options)
    }

    /// A client of the first liar for this lie: it soon gives up what does not move, if that is the
    /// lie.
    pub(crate) fn client_against(&self, lie: &Lie) -> Watched {
        self.client_with(|mut options| {
            if does_not_move(lie) {
                options.idle_timeout = IDLE_BESIDE_OTHERS;
            }
            options
        })
    }

    pub(crate) fn client_with(
        &self,
        adjust: impl FnOnce(ClientOptions) -> ClientOptions,
    ) -> Watched {
        Watched::new(adjust(options(&self.liars[0].url())))
    }

    /// Stores a brick on the node itself.
    pub(crate) fn store(&self, bytes: &[u8]) -> BrickHash {
        let put = self.node.put("/bricking/default/put-brick", bytes).unwrap();
        assert_eq!(put.status, 201);
        BrickHash::of(bytes)
    }

    /// Requests that a liar got for this route, by what their target holds.
    pub(crate) fn asked(&self, liar: usize, text: &str) -> usize {
        let requests = self.liars[liar].requests();
        requests
            .iter()
            .filter(|(_, target)| target.contains(text))
            .count()
    }
}

impl Watched {
    pub(crate) fn new(options: ClientOptions) -> Self {
        let client = Client::new(options).unwrap();
        let events = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&events);
        client.on_event(Arc::new(move |event| {
            sink.lock().unwrap().push(event.clone());
        }));
        Self { client, events }
    }

    /// What was said of bad nodes, as `url: what`.
    pub(crate) fn bad_nodes(&self) -> Vec<String> {
        let events = self.events.lock().unwrap();
        let bad = events.iter().filter_map(|event| match event {
            Event::BadNode { url, what } => Some(format!("{url}: {what}")),
            _ => None,
        });
        bad.collect()
    }

    /// The waits before repetitions.
    pub(crate) fn waits(&self) -> Vec<Duration> {
        let events = self.events.lock().unwrap();
        let waits = events.iter().filter_map(|event| match event {
            Event::Retry { wait, .. } => Some(*wait),
            _ => None,
        });
        waits.collect()
    }

    pub(crate) fn count(&self, is: impl Fn(&Event) -> bool) -> usize {
        let events = self.events.lock().unwrap();
        events.iter().filter(|event| is(event)).count()
    }
}

/// Whether nothing but the client's own patience ends the wait for what this lie withholds.
pub(crate) fn does_not_move(lie: &Lie) -> bool {
    matches!(lie, Lie::Stall | Lie::Silence | Lie::Drip(_))
}

/// Quick settings for the node at `url`.
pub(crate) fn options(url: &str) -> ClientOptions {
    ClientOptions {
        // A busy machine with a slow disk is no reason to fail.
        idle_timeout: Duration::from_secs(10),
        retry_wait: Duration::from_millis(2),
        retry_wait_max: Duration::from_millis(20),
        attempts_max: 3,
        ..ClientOptions::new(url.parse().unwrap())
    }
}

pub(crate) fn domain() -> Domain {
    "default".parse().unwrap()
}

/// Different bricks of these sizes, with their names.
pub(crate) fn bricks(sizes: &[usize]) -> Vec<(BrickHash, Bytes)> {
    let mut random = testkit::random::Random::new(sizes.len() as u64);
    let bytes = sizes.iter().map(|size| Bytes::from(random.bytes(*size)));
    bytes.map(|bytes| (BrickHash::of(&bytes), bytes)).collect()
}

pub(crate) fn hashes(bricks: &[(BrickHash, Bytes)]) -> Vec<BrickHash> {
    bricks.iter().map(|(hash, _)| *hash).collect()
}
