//! Roots of a log on a real chain.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::similar_names,
    reason = "tests, in which nodes sign notes"
)]

#[path = "../chain/mod.rs"]
mod chain;
mod faults;
mod renewed;

use std::path::Path;
use std::time::{Duration, Instant};

use chain::{Signed, account, anvil, sender, until};
use evm::{Address, B256, Chain, Registry, Sender, Statement};
use keyssi::Domain;
use ledger::{
    Batching, EmbeddedLedger, EngineOptions, Entry, Intent, Ledger, LedgerError, Log, LogKeeper,
    LogSigner, Mode, OpenError, Publication, Publisher, origin_id,
};
use tempfile::TempDir;
use testkit::anvil::{Anvil, Mining};
use tokio::task::JoinHandle;
use translog::{
    Checkpoint, LogKey, Origin, Policy, SignedNote, WitnessKey, leaf_hash, verify_inclusion,
};

const ORIGIN: &str = "log.example/default";
const LATE: Duration = Duration::from_hours(1);
/// Longest wait until nobody has a store open any more.
const CLOSED_WAIT: Duration = Duration::from_secs(30);
const BY_SIZE: Batching = Batching {
    entries_max: 5,
    time_max: LATE,
};

/// A chain with a registry, and a node's folder.
struct Ground {
    anvil: Anvil,
    registry: Registry,
    owner: Sender,
    folder: TempDir,
}

/// A node that runs: its store, and the log that is signed in it.
struct Node {
    ledger: EmbeddedLedger,
    keeper: LogKeeper,
}

impl Ground {
    /// Account 1 publishes, account 2 owns the registry.
    async fn new() -> Self {
        let anvil = anvil(Mining::Instant);
        let owner = sender(&anvil, 2).await;
        let registry = Registry::deploy(&owner, owner.account()).await.unwrap();
        let it = Self {
            anvil,
            registry,
            owner,
            folder: tempfile::tempdir().unwrap(),
        };
        it.register(1).await;
        it
    }

    async fn register(&self, number: usize) {
        self.register_log(number, ORIGIN).await;
    }

    async fn register_log(&self, number: usize, origin: &str) {
        let submitter = chain::key(number).address();
        let id = origin_id(origin);
        let registered = self.registry.register(&self.owner, id, submitter).await;
        registered.unwrap();
    }

    /// The same folder can be opened again when the node before is dropped.
    async fn node(&self) -> Node {
        Node::open(self.folder.path(), None).await
    }

    fn publisher(&self, node: &Node, batching: Batching) -> Publisher {
        self.publisher_after(node, batching, 1)
    }

    fn publisher_after(&self, node: &Node, batching: Batching, confirmations: u64) -> Publisher {
        let account = account(&self.anvil, 1, confirmations);
        Publisher::new(
            node.keeper.clone(),
            account,
            self.registry.address(),
            batching,
        )
    }

    async fn head(&self) -> evm::Head {
        self.registry.head(origin_id(ORIGIN)).await.unwrap()
    }

    /// What another program with our key would do.
    async fn publish(&self, sequence: u64, size: u64, root: [u8; 32]) {
        let statement = Statement {
            origin_id: origin_id(ORIGIN),
            sequence,
            size,
            root: B256::from(root),
        };
        let sender = sender(&self.anvil, 1).await;
        self.registry.publish(&sender, &statement).await.unwrap();
    }
}

impl Node {
    async fn open(folder: &Path, policy: Option<Policy>) -> Self {
        Self::open_as(folder, ORIGIN, 1, policy).await
    }

    /// With this name of its log and this seed of its key.
    async fn open_as(folder: &Path, origin: &str, seed: u8, policy: Option<Policy>) -> Self {
        let deadline = Instant::now() + CLOSED_WAIT;
        let ledger = loop {
            let options = EngineOptions {
                free_bytes_min: 0,
                mode: Mode::Serve,
            };
            match EmbeddedLedger::open(folder, options, || 1_700_000_000_000) {
                // A task that was ended may still be at work in the store.
                Err(OpenError::InUse { .. }) if Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                opened => break opened.unwrap(),
            }
        };
        let origin = Origin::parse(origin).unwrap();
        let key = LogKey::from_seed(&origin, &[seed; 32]);
        let log = ledger.log(&domain());
        let signer = LogSigner::open(log, origin, vec![key], policy).await;
        let keeper = LogKeeper::new(signer.unwrap());
        Self { ledger, keeper }
    }

    fn log(&self) -> &Log {
        self.keeper.signer().log()
    }

    /// Writes anchors of these numbers and signs the log.
    async fn write(&self, numbers: std::ops::Range<u16>) -> SignedNote {
        let entry = |number| Signed::of("default", number, "", 1).entry(0, Intent::Create);
        let entries: Vec<Entry> = numbers.map(entry).collect();
        self.ledger.write_all(entries).await.unwrap();
        self.keeper.signer().sign().await.unwrap().unwrap()
    }

    /// Whether the log takes no entry, because it is on hold.
    async fn is_held(&self, number: u16) -> bool {
        let entry = Signed::of("default", number, "", 1).entry(0, Intent::Create);
        let refused = self.ledger.write(entry).await;
        matches!(refused, Err(LedgerError::Held { .. }))
    }

    async fn published(&self) -> Option<Publication> {
        self.log().last_publication().await.unwrap()
    }

    async fn until_published(&self, size: u64) -> Publication {
        until("it is published", async || {
            self.published().await.is_some_and(|it| it.size >= size)
        })
        .await;
        self.published().await.unwrap()
    }
}

fn domain() -> Domain {
    "default".parse().unwrap()
}

fn run(publisher: &Publisher) -> JoinHandle<()> {
    tokio::spawn(publisher.clone().run())
}

/// Ends a task and waits until it is gone.
async fn end(task: JoinHandle<()>) {
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
}

fn checkpoint(note: &str) -> Checkpoint {
    SignedNote::parse(note).unwrap().checkpoint().unwrap()
}

/// Whether a leaf is proven by the chain: its proof leads to the root of a batch there.
async fn prove(ground: &Ground, node: &Node, place: u64) -> u64 {
    let publication = node.log().publication_of(place).await.unwrap().unwrap();
    let checkpoint = checkpoint(&publication.note);
    let proof = node.log().prove(place, checkpoint.size).await;
    let proof = proof.unwrap().unwrap();
    let leaf = leaf_hash(&proof.entry);
    let (size, root) = (checkpoint.size, checkpoint.root);
    verify_inclusion(place, size, &leaf, &proof.hashes, &root).unwrap();
    let transaction = publication.chain.transaction.parse().unwrap();
    let batch = ground.registry.batch_at(transaction).await.unwrap();
    let on_chain = (batch.origin_id, batch.sequence, batch.size, batch.root.0);
    let sequence = publication.chain.sequence;
    assert_eq!(on_chain, (origin_id(ORIGIN), sequence, size, root));
    assert_eq!(batch.block, publication.chain.block);
    let contract: Address = publication.chain.contract.parse().unwrap();
    assert_eq!(contract, ground.registry.address());
    assert_eq!(publication.chain.chain_id, 31337);
    sequence
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_batches_are_published_by_size_and_every_entry_is_proven_by_the_chain() {
    let ground = Ground::new().await;
    let node = ground.node().await;
    let publisher = ground.publisher(&node, BY_SIZE);
    publisher.check().await.unwrap();
    let running = run(&publisher);
    let signing = tokio::spawn(node.keeper.clone().sign_on());
    let mut from = 0;
    for (batch, count) in [(1, 5), (2, 12), (3, 5)] {
        let entry = |number| Signed::of("default", number, "", 1).entry(0, Intent::Create);
        let entries = (from..from + count).map(entry).collect();
        node.ledger.write_all(entries).await.unwrap();
        from += count;
        let publication = node.until_published(u64::from(from)).await;
        assert_eq!(publication.chain.sequence, batch);
        assert_eq!(publication.size, u64::from(from));
    }
    for place in 0..u64::from(from) {
        let batch = prove(&ground, &node, place).await;
        assert_eq!(batch, 1 + u64::from(place >= 5) + u64::from(place >= 17));
    }
    assert_eq!(node.log().publication_of(22).await.unwrap(), None);
    assert_eq!(publisher.trouble(), None);
    end(running).await;
    end(signing).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn few_entries_are_published_when_their_time_is_over() {
    let ground = Ground::new().await;
    let node = ground.node().await;
    let late = run(&ground.publisher(&node, BY_SIZE));
    node.write(0..4).await;
    let batching = Batching {
        entries_max: 1000,
        time_max: Duration::from_millis(100),
    };
    assert_eq!(node.published().await, None);
    end(late).await;
    let running = run(&ground.publisher(&node, batching));
    assert_eq!(node.until_published(4).await.size, 4);
    node.write(4..5).await;
    end(running).await;
    // The next run begins with what waits.
    let running = run(&ground.publisher(&node, batching));
    assert_eq!(node.until_published(5).await.chain.sequence, 2);
    prove(&ground, &node, 4).await;
    end(running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_policy_a_root_waits_for_its_cosignatures() {
    let ground = Ground::new().await;
    let origin = Origin::parse(ORIGIN).unwrap();
    let log = LogKey::from_seed(&origin, &[1; 32]);
    let name = translog::KeyName::parse("witness.example").unwrap();
    let witness = WitnessKey::from_seed(&name, &[2; 32]);
    let policy = format!(
        "log {}\nwitness w {}\nquorum w\n",
        log.verifier(),
        witness.verifier()
    );
    let policy = Policy::parse(&policy).unwrap();
    let node = Node::open(ground.folder.path(), Some(policy)).await;
    let first = node.write(0..5).await;
    let second = node.write(5..10).await;
    for (note, size) in [(first, 5), (second, 10)] {
        let line = witness.cosign(&note.checkpoint().unwrap(), 1_700_000_000);
        let signer = node.keeper.signer();
        let cosigned = signer.add_cosignatures(&note, vec![line]).await;
        let running = run(&ground.publisher(&node, BY_SIZE));
        let publication = node.until_published(size).await;
        end(running).await;
        // Not the newest that was signed, which is of ten entries from the start.
        assert_eq!(publication.size, size);
        assert_eq!(publication.note, cosigned.unwrap().unwrap().to_string());
    }
}

/// The figure of `ledger.md`: at most 50 gas for each anchor at 1,000 a batch.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_anchors_cost_fifty_gas_each_at_most() {
    let ground = Ground::new().await;
    let node = ground.node().await;
    let batching = Batching {
        entries_max: 1000,
        time_max: LATE,
    };
    let chain = Chain::connect(chain::chain_config(&ground.anvil, 1)).await;
    let chain = chain.unwrap();
    for batch in 1..=3_u16 {
        node.write((batch - 1) * 1000..batch * 1000).await;
        let running = run(&ground.publisher(&node, batching));
        let publication = node.until_published(u64::from(batch) * 1000).await;
        end(running).await;
        let transaction = publication.chain.transaction.parse().unwrap();
        let receipt = chain.rpc().receipt(transaction).await.unwrap().unwrap();
        let each = receipt.gas_used.div_ceil(1000);
        eprintln!(
            "batch {batch}: {} gas, {each} for each anchor",
            receipt.gas_used
        );
        // The first one of a log writes words that were zero.
        assert!(each <= if batch == 1 { 80 } else { 50 }, "{each}");
    }
    for place in [0, 999, 1000, 2999] {
        prove(&ground, &node, place).await;
    }
}
