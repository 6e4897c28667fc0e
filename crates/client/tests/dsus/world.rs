//! A node, clients, keys and times.

use std::sync::{Arc, Mutex};

use client::dsus::{At, Draft, Snapshot};
use client::{Client, ClientOptions, Event};
use dsu::{DsuPath, Moment};
use keyssi::{KeySsi, PrivateKey};
use testkit::server::Server;

/// A node with an empty store and a clock that a test moves.
pub(crate) struct World {
    pub(crate) node: Server,
    millis: Mutex<u64>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            node: Server::start("").unwrap(),
            millis: Mutex::new(1_795_191_413_000),
        }
    }

    /// A client of the node without a memory of heads.
    pub(crate) fn client(&self) -> Client {
        let url = format!("http://{}", self.node.address());
        Client::new(ClientOptions::new(url.parse().unwrap())).unwrap()
    }

    /// A client that counts what it stores and what it finds stored.
    pub(crate) fn counting(&self) -> (Client, Arc<Mutex<Counts>>) {
        let client = self.client();
        let counts = Arc::new(Mutex::new(Counts::default()));
        let sink = Arc::clone(&counts);
        client.on_event(Arc::new(move |event| {
            let mut counts = sink.lock().unwrap();
            match event {
                Event::BrickStored { .. } => counts.stored += 1,
                Event::BrickSkipped { .. } => counts.skipped += 1,
                _ => {}
            }
        }));
        (client, counts)
    }

    /// A second later each time.
    pub(crate) fn now(&self) -> Moment {
        let mut millis = self.millis.lock().unwrap();
        *millis += 1_000;
        Moment::from_millis(*millis)
    }

    /// A committed DSU with these files.
    pub(crate) async fn made(&self, client: &Client, ssi: &KeySsi, files: &[(&str, &[u8])]) {
        let mut draft = Draft::create(client, ssi, self.now()).await.unwrap();
        for (name, content) in files {
            draft
                .write(&path(name), *content, self.now())
                .await
                .unwrap();
        }
        draft.commit(self.now()).await.unwrap();
    }
}

#[derive(Default, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Counts {
    pub(crate) stored: usize,
    pub(crate) skipped: usize,
}

pub(crate) fn seed() -> KeySsi {
    let key = PrivateKey::generate(&mut rand_core::UnwrapErr(getrandom::SysRng));
    KeySsi::seed("default", &key).unwrap()
}

/// The key that reads what `seed` writes.
pub(crate) fn reader(seed: &KeySsi) -> KeySsi {
    seed.derive().unwrap().unwrap()
}

pub(crate) fn path(text: &str) -> DsuPath {
    DsuPath::parse(text).unwrap()
}

pub(crate) async fn latest(client: &Client, ssi: &KeySsi) -> Snapshot {
    Snapshot::open(client, ssi, At::Latest).await.unwrap()
}

pub(crate) async fn content(snapshot: &Snapshot, name: &str) -> Vec<u8> {
    let reader = snapshot.read(&path(name)).await.unwrap();
    reader.to_end().await.unwrap().to_vec()
}

pub(crate) async fn names(snapshot: &Snapshot) -> Vec<String> {
    let lines = snapshot
        .list(&DsuPath::root(), dsu::Depth::Recursive)
        .await
        .unwrap();
    lines
        .into_iter()
        .map(|line| line.path.to_string())
        .collect()
}
