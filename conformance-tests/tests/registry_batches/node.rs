//! What of a node takes part: the embedded ledger, the keeper of its log, the publisher of roots.

use std::thread;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use keyssi::{AnchorId, AnchorValue, BrickHash, Domain};
use ledger::{
    Batching, EmbeddedLedger, EngineOptions, Entry, Intent, Ledger as _, Log, LogKeeper, LogSigner,
    Mode, Publisher,
};
use tempfile::TempDir;
use testkit::owner::{FIRST_MS, Owner};
use tokio::task::JoinSet;
use translog::{Extra, LogKey, Origin, Policy, ProofFile, SignedNote};

use crate::BATCH;
use crate::on_chain::Registered;

pub(crate) const ORIGIN: &str = "log.example/default";
/// Longest wait for something that takes a second.
const PATIENCE: Duration = Duration::from_mins(2);
/// Entries that are judged one after the other; several such parts at once use all cores.
const PART: usize = 250;

/// A running node without its HTTP. Its tasks end with it.
pub(crate) struct Node {
    ledger: EmbeddedLedger,
    keeper: LogKeeper,
    publisher: Publisher,
    policy: Policy,
    _running: JoinSet<()>,
    _folder: TempDir,
}

impl Node {
    /// Signs its log and publishes its roots by the size of a batch.
    pub(crate) async fn start(registered: &Registered) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = EngineOptions {
            free_bytes_min: 0,
            mode: Mode::Serve,
        };
        let ledger = EmbeddedLedger::open(folder.path(), options, || FIRST_MS).unwrap();
        let origin = Origin::parse(ORIGIN).unwrap();
        let key = LogKey::from_seed(&origin, &[1; 32]);
        let policy = Policy::parse(&format!("log {}\nquorum none\n", key.verifier())).unwrap();
        let log = ledger.log(&domain());
        let signer = LogSigner::open(log, origin, vec![key], None).await;
        let keeper = LogKeeper::new(signer.unwrap());
        let batching = Batching {
            entries_max: BATCH as u64,
            time_max: Duration::from_hours(1),
        };
        let account = registered.submitter();
        let publisher = Publisher::new(keeper.clone(), account, registered.address(), batching);
        publisher.check().await.unwrap();
        let mut running = JoinSet::new();
        running.spawn(keeper.clone().sign_on());
        running.spawn(publisher.clone().run());
        Self {
            ledger,
            keeper,
            publisher,
            policy,
            _running: running,
            _folder: folder,
        }
    }

    /// What a reader trusts: the log's key.
    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    pub(crate) fn trouble(&self) -> Option<String> {
        self.publisher.trouble().or_else(|| self.keeper.trouble())
    }

    pub(crate) async fn write(&self, entries: &[Entry]) {
        let parts = entries.chunks(PART).map(<[Entry]>::to_vec);
        let written = parts.map(|part| self.ledger.write_all(part));
        try_join_all(written).await.unwrap();
    }

    /// Waits until a root over this many leaves is on the chain.
    pub(crate) async fn until_published(&self, size: u64) {
        let begun = Instant::now();
        loop {
            let last = self.log().last_publication().await.unwrap();
            let published = last.map_or(0, |publication| publication.size);
            if published == size {
                return;
            }
            assert!(published < size, "{published} of {size} at once");
            assert!(begun.elapsed() < PATIENCE, "{:?}", self.trouble());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The text of the proof file of each entry, as the node's HTTP gives it.
    pub(crate) async fn proofs(&self, entries: &[Entry]) -> Vec<String> {
        let mut texts = Vec::new();
        for part in entries.chunks(PART) {
            let proofs = part.iter().map(|entry| proof(self.log(), &entry.id));
            texts.extend(futures_util::future::join_all(proofs).await);
        }
        texts
    }

    fn log(&self) -> &Log {
        self.keeper.signer().log()
    }
}

async fn proof(log: &Log, id: &AnchorId) -> String {
    let found = log.find(id, None).await.unwrap().unwrap();
    let publication = log.publication_of(found.place).await.unwrap().unwrap();
    let proven = log.prove(found.place, publication.size).await.unwrap();
    let proven = proven.unwrap();
    let file = ProofFile {
        extra: Some(Extra {
            entry: translog::Entry::decode(&proven.entry).unwrap(),
            opening: proven.opening.unwrap(),
            chain: Some(publication.chain),
        }),
        index: found.place,
        hashes: proven.hashes,
        note: SignedNote::parse(&publication.note).unwrap(),
    };
    file.to_string()
}

/// The creation of so many anchors, each of a key of its own, signed on all cores.
pub(crate) fn signed(anchors: usize) -> Vec<Entry> {
    let threads = thread::available_parallelism().unwrap().get();
    let numbers: Vec<usize> = (0..anchors).collect();
    thread::scope(|scope| {
        let share = |numbers: &[usize]| {
            let numbers = numbers.to_vec();
            scope.spawn(move || numbers.into_iter().map(creation).collect::<Vec<Entry>>())
        };
        let shares: Vec<_> = numbers
            .chunks(anchors.div_ceil(threads))
            .map(share)
            .collect();
        let made = shares.into_iter().flat_map(|share| share.join().unwrap());
        made.collect()
    })
}

fn creation(number: usize) -> Entry {
    let mut key = [7; 32];
    key[..8].copy_from_slice(&(number as u64).to_be_bytes());
    let owner = Owner::new(&domain(), &key).unwrap();
    let hash = BrickHash::of(&key).to_string();
    let value = owner.sign(&hash, FIRST_MS).unwrap();
    Entry {
        id: AnchorId::parse_wrapped(owner.id()).unwrap(),
        value: AnchorValue::parse_wrapped(&value).unwrap(),
        intent: Intent::Create,
    }
}

fn domain() -> Domain {
    "default".parse().unwrap()
}
