//! A node, clients and keys.

use client::dsus::{At, Draft, Snapshot};
use client::{Client, ClientOptions};
use dsu::{DsuPath, Moment};
use keyssi::{KeySsi, PrivateKey};
use testkit::server::Server;

/// The time of a first version; later ones are stamped in steps of a second.
const START_MILLIS: u64 = 1_795_191_413_000;

/// The time `steps` seconds after the start.
pub(crate) fn at(steps: u64) -> Moment {
    Moment::from_millis(START_MILLIS + steps * 1_000)
}

/// A client of a node; each has connections of its own.
pub(crate) fn client(node: &Server) -> Client {
    let url = format!("http://{}", node.address());
    Client::new(ClientOptions::new(url.parse().unwrap())).unwrap()
}

pub(crate) fn seed() -> KeySsi {
    let key = PrivateKey::generate(&mut rand_core::UnwrapErr(getrandom::SysRng));
    KeySsi::seed("default", &key).unwrap()
}

pub(crate) fn path(text: &str) -> DsuPath {
    DsuPath::parse(text).unwrap()
}

/// A DSU with these files, anchored.
pub(crate) async fn made(client: &Client, files: &[(&str, &str)]) -> KeySsi {
    let ssi = seed();
    let mut draft = Draft::create(client, &ssi, at(0)).await.unwrap();
    for (place, text) in files {
        let written = draft.write(&path(place), text.as_bytes(), at(0)).await;
        written.unwrap();
    }
    draft.commit(at(0)).await.unwrap();
    ssi
}

pub(crate) async fn latest(client: &Client, ssi: &KeySsi) -> Snapshot {
    Snapshot::open(client, ssi, At::Latest).await.unwrap()
}

pub(crate) async fn content(snapshot: &Snapshot, place: &str) -> String {
    let reader = snapshot.read(&path(place)).await.unwrap();
    let bytes = reader.to_end().await.unwrap().to_vec();
    String::from_utf8(bytes).unwrap()
}
