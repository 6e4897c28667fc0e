//! A node with DSUs whose content is known, and clients that note what happens in them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use client::dsus::{At, Draft, DsuError, Snapshot};
use client::{AnswerLimits, BatchUse, Client, ClientOptions, Event};
use dsu::{Depth, DsuPath, Moment, NodeKind};
use keyssi::{AnchorId, BrickHash, Domain, KeySsi, PrivateKey};
use testkit::random::Random;
use testkit::server::Server;

/// The content of one brick here: small, so that a small file has several.
const CHUNK_BYTES: usize = 4096;
/// Enough for anything that comes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// Soon over, for what never comes.
pub(crate) const IMPATIENCE: Duration = Duration::from_secs(1);

/// Files by path.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// A DSU on the node and what each of its versions holds.
#[derive(Clone)]
pub(crate) struct Record {
    /// The key that may write it.
    pub(crate) owner: KeySsi,
    pub(crate) versions: Vec<Files>,
}

/// A node and the DSUs that are lied about.
pub(crate) struct Stage {
    pub(crate) node: Server,
    /// Three versions: `/small` and `/gone`; `/large` of five bricks and no `/gone`; another
    /// `/small`.
    pub(crate) record: Record,
    /// Another DSU of the same domain.
    pub(crate) other: Record,
    /// Two constant DSUs.
    pub(crate) constant: Record,
    pub(crate) other_constant: Record,
    keys: AtomicU8,
}

/// How a client waits and asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Habits {
    pub(crate) batch: BatchUse,
    pub(crate) idle: Duration,
}

/// A client and what was said of bad nodes in it.
pub(crate) struct Watched {
    pub(crate) client: Client,
    bad: Arc<Mutex<Vec<String>>>,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let node = Server::start("").unwrap();
        let honest = Watched::new(&url_of(&node), None, Habits::default()).client;
        let (keys, mut random) = (AtomicU8::new(1), Random::new(5));
        let constant = |text| KeySsi::constant("default", text).unwrap();
        let mut stage = Self {
            record: Record::new(key(&keys)),
            other: Record::new(key(&keys)),
            constant: Record::new(constant("one constant DSU of the test")),
            other_constant: Record::new(constant("another constant DSU of the test")),
            node,
            keys,
        };
        let record = &mut stage.record;
        let small = [("/small", random.bytes(100)), ("/gone", b"x".to_vec())];
        record.write(&honest, &small, &[]).await;
        let large = [("/large", random.bytes(5 * CHUNK_BYTES - 7))];
        record.write(&honest, &large, &["/gone"]).await;
        record
            .write(&honest, &[("/small", random.bytes(90))], &[])
            .await;
        for other in [
            &mut stage.other,
            &mut stage.constant,
            &mut stage.other_constant,
        ] {
            let files = [
                ("/small", random.bytes(80)),
                ("/large", random.bytes(CHUNK_BYTES + 1)),
            ];
            other.write(&honest, &files, &[]).await;
        }
        stage
    }

    /// A DSU of one version, for a row that writes.
    pub(crate) async fn fresh(&self) -> Record {
        let mut record = self.unmade();
        let honest = Watched::new(&url_of(&self.node), None, Habits::default());
        record
            .write(&honest.client, &[("/small", b"small".to_vec())], &[])
            .await;
        record
    }

    /// The key of a DSU that is not there yet.
    pub(crate) fn unmade(&self) -> Record {
        Record::new(key(&self.keys))
    }

    /// What the node really says of a DSU.
    pub(crate) async fn truth(&self, record: &Record) -> Snapshot {
        let honest = Watched::new(&url_of(&self.node), None, Habits::default());
        Snapshot::open(&honest.client, &record.reader(), At::Latest)
            .await
            .unwrap()
    }
}

impl Record {
    fn new(owner: KeySsi) -> Self {
        let versions = Vec::new();
        Self { owner, versions }
    }

    /// The key that reads it.
    pub(crate) fn reader(&self) -> KeySsi {
        match self.owner.kind() {
            keyssi::SsiKind::Seed => self.owner.derive().unwrap().unwrap(),
            _ => self.owner.clone(),
        }
    }

    pub(crate) fn id(&self) -> AnchorId {
        AnchorId::of(&self.owner).unwrap()
    }

    /// The newest version and what goes into it; it is made if there is none.
    pub(crate) async fn draft(&self, client: &Client) -> Result<Draft, DsuError> {
        let draft = match self.versions.len() {
            0 => Draft::create(client, &self.owner, time(0)).await?,
            _ => Draft::edit(&Snapshot::open(client, &self.owner, At::Latest).await?)?,
        };
        Ok(draft.with_chunk_bytes(CHUNK_BYTES))
    }

    /// Adds a version; says which one it is.
    pub(crate) async fn commit(
        &mut self,
        mut draft: Draft,
        files: &[(&str, Vec<u8>)],
        removed: &[&str],
    ) -> Result<usize, DsuError> {
        let mut next = self.versions.last().cloned().unwrap_or_default();
        let now = time(1 + self.versions.len() as u64);
        for (name, content) in files {
            next.insert((*name).to_owned(), content.clone());
            draft.write(&path(name), &content[..], now).await?;
        }
        for name in removed {
            next.remove(*name);
            draft.remove(&path(name), now).await?;
        }
        // It may be there even if the node says no.
        self.versions.push(next);
        let committed = draft.commit(now).await?;
        // A draft with changes makes a version.
        Ok(committed[0].version)
    }

    async fn write(&mut self, client: &Client, files: &[(&str, Vec<u8>)], removed: &[&str]) {
        let draft = self.draft(client).await.unwrap();
        self.commit(draft, files, removed).await.unwrap();
    }

    /// Reads everything in the newest version that the node shows, and compares it with what was
    /// written; says which version it is.
    pub(crate) async fn read(&self, client: &Client) -> Result<usize, DsuError> {
        let snapshot = Snapshot::open(client, &self.reader(), At::Latest).await?;
        let expected = &self.versions[snapshot.version()];
        let listed = snapshot.list(&DsuPath::root(), Depth::Recursive).await?;
        let files = listed
            .into_iter()
            .filter(|line| line.kind == NodeKind::File);
        let paths: Vec<DsuPath> = files.map(|line| line.path).collect();
        let names: Vec<String> = paths.iter().map(ToString::to_string).collect();
        assert!(names.iter().eq(expected.keys()), "wrong names: {names:?}");
        let mut reader = snapshot.read_many(&paths).await?;
        let mut read = vec![Vec::new(); paths.len()];
        while let Some((index, bytes)) = reader.next().await? {
            read[index].extend_from_slice(&bytes);
            // Also what came before an error must be right.
            assert!(
                expected[&names[index]].starts_with(&read[index]),
                "wrong bytes"
            );
        }
        let wrong = read
            .iter()
            .zip(expected.values())
            .any(|(is, must)| is != must);
        assert!(!wrong, "wrong bytes");
        Ok(snapshot.version())
    }
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            batch: BatchUse::WhereOffered,
            idle: PATIENCE,
        }
    }
}

impl Watched {
    /// A client of the node at `url` that remembers heads in a folder.
    pub(crate) fn new(url: &str, heads: Option<&Path>, habits: Habits) -> Self {
        let options = ClientOptions {
            parallel: 4,
            idle_timeout: habits.idle,
            attempts_max: 2,
            retry_wait: Duration::from_millis(2),
            retry_wait_max: Duration::from_millis(20),
            batch: habits.batch,
            heads: heads.map(Path::to_owned),
            limits: AnswerLimits {
                brick_bytes_max: 200_000,
                history_bytes_max: 100_000,
                document_bytes_max: 100_000,
                json_bytes_max: 100_000,
            },
            ..ClientOptions::new(url.parse().unwrap())
        };
        let client = Client::new(options).unwrap();
        let bad = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&bad);
        client.on_event(Arc::new(move |event| {
            if let Event::BadNode { url, what } = event {
                sink.lock().unwrap().push(format!("{url}: {what}"));
            }
        }));
        Self { client, bad }
    }

    /// What was said of bad nodes, as `url: what`.
    pub(crate) fn bad_nodes(&self) -> Vec<String> {
        self.bad.lock().unwrap().clone()
    }
}

pub(crate) fn url_of(node: &Server) -> String {
    format!("http://{}", node.address())
}

pub(crate) fn domain() -> Domain {
    "default".parse().unwrap()
}

pub(crate) fn path(text: &str) -> DsuPath {
    DsuPath::parse(text).unwrap()
}

/// The brick of a version's map.
pub(crate) fn map_brick(snapshot: &Snapshot, version: usize) -> BrickHash {
    snapshot.history().brick_map(version).unwrap().hash
}

/// The bricks of a file.
pub(crate) async fn bricks_of(snapshot: &Snapshot, name: &str) -> Vec<BrickHash> {
    let (_, content) = snapshot.content(&path(name)).await.unwrap();
    let pieces = content.pieces().iter();
    pieces
        .filter_map(|piece| Some(piece.brick()?.hash))
        .collect()
}

/// Seconds after a fixed time: versions need times, not the clock.
fn time(seconds: u64) -> Moment {
    Moment::from_millis(1_795_191_413_000 + 1_000 * seconds)
}

fn key(next: &AtomicU8) -> KeySsi {
    let number = next.fetch_add(1, Ordering::Relaxed);
    let key = PrivateKey::from_bytes(&[number; 32]).unwrap();
    KeySsi::seed("default", &key).unwrap()
}
