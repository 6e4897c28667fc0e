//! The two contracts on a real chain.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod common;

use common::{Ground, key, sender};
use evm::{
    Address, Anchoring, AnchoringError, B256, Chain, ChainKey, DumpRange, FeeKind, Head, Registry,
    RegistryError, SendError, Sender, Statement, Status,
};
use keyssi::{AnchorId, AnchorValue, BrickHash, Domain};
use serde_json::json;
use testkit::anvil::{Anvil, Mining, Options};
use testkit::owner::{FIRST_MS, Owner, constant_id, constant_value};
use tokio::task::JoinHandle;

const ORIGIN: B256 = B256::repeat_byte(0x0a);

fn statement(sequence: u64, size: u64) -> Statement {
    Statement {
        origin_id: ORIGIN,
        sequence,
        size,
        root: B256::with_last_byte(u8::try_from(sequence).unwrap()),
    }
}

async fn registry(sender: &Sender) -> Registry {
    let registry = Registry::deploy(sender, sender.account()).await.unwrap();
    let mined = registry.register(sender, ORIGIN, sender.account()).await;
    assert!(mined.unwrap().succeeded);
    registry
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_lives_its_life_with_either_kind_of_fees() {
    for kind in [FeeKind::Eip1559, FeeKind::Legacy] {
        let ground = Ground::new(&Options::default());
        let mut config = ground.config();
        config.fees.kind = kind;
        let chain = Chain::connect(config).await.unwrap();
        let sender = sender(&chain);
        let registry = registry(&sender).await;
        let empty = Head {
            sequence: 0,
            size: 0,
            time_s: 0,
            root: B256::ZERO,
            submitter: Some(sender.account()),
        };
        assert_eq!(registry.head(ORIGIN).await.unwrap(), empty);
        assert_eq!(registry.head(B256::ZERO).await.unwrap().submitter, None);
        let mut before = B256::ZERO;
        for sequence in 1..=3 {
            let said = statement(sequence, 10 * sequence);
            let batch = registry.publish(&sender, &said).await.unwrap();
            assert_eq!(registry.batch_at(batch.transaction).await.unwrap(), batch);
            let told = (batch.origin_id, batch.sequence, batch.size, batch.root);
            assert_eq!(told, (ORIGIN, sequence, said.size, said.root));
            assert_eq!(batch.previous_root, before);
            before = said.root;
            let head = registry.head(ORIGIN).await.unwrap();
            let known = (head.sequence, head.size, head.root, head.time_s);
            assert_eq!(known, (sequence, said.size, said.root, batch.time_s));
        }
        let again = Registry::open(&chain, registry.address()).await.unwrap();
        assert_eq!(again.head(ORIGIN).await.unwrap().sequence, 3);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_registry_refuses_is_named_and_uses_no_nonce() {
    let ground = Ground::new(&Options::default());
    let chain = ground.chain().await;
    let owner = sender(&chain);
    let other = Sender::start(&chain, key(2));
    let registry = registry(&owner).await;
    registry.publish(&owner, &statement(1, 10)).await.unwrap();
    let used = ground.count(owner.account()).await;

    let refusal = registry.publish(&owner, &statement(3, 30)).await;
    assert!(matches!(
        refusal.unwrap_err(),
        RegistryError::WrongSequence {
            expected: 2,
            given: 3
        }
    ));
    let refusal = registry.publish(&owner, &statement(2, 10)).await;
    assert!(matches!(
        refusal.unwrap_err(),
        RegistryError::SizeNotGrowing {
            last: 10,
            given: 10
        }
    ));
    let refusal = registry.publish(&other, &statement(2, 20)).await;
    let caller_was = |error: RegistryError| match error {
        RegistryError::NotSubmitter { caller, .. } | RegistryError::NotOwner { caller } => caller,
        error => panic!("{error}"),
    };
    assert_eq!(caller_was(refusal.unwrap_err()), other.account());
    let refusal = registry.register(&other, ORIGIN, other.account()).await;
    assert_eq!(caller_was(refusal.unwrap_err()), other.account());
    let mut unknown = statement(1, 1);
    unknown.origin_id = B256::ZERO;
    let refusal = registry.publish(&owner, &unknown).await;
    assert!(matches!(
        refusal.unwrap_err(),
        RegistryError::UnknownLog { id: B256::ZERO }
    ));
    assert_eq!(ground.count(owner.account()).await, used);
    assert_eq!(ground.count(other.account()).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_that_is_none_is_refused() {
    let ground = Ground::new(&Options::default());
    let chain = ground.chain().await;
    let nowhere = Address::repeat_byte(0x99);
    let error = Registry::open(&chain, nowhere).await.unwrap_err();
    assert!(matches!(error, RegistryError::NoContract { address } if address == nowhere));
    let error = Registry::open(&chain, ground.book).await.unwrap_err();
    assert!(matches!(error, RegistryError::OtherContract { address } if address == ground.book));
    // One byte of the code is another.
    let registry = Registry::deploy(&sender(&chain), key(1).address())
        .await
        .unwrap();
    let mut code = chain
        .rpc()
        .code_at(registry.address())
        .await
        .unwrap()
        .to_vec();
    let middle = code.len() / 2;
    code[middle] ^= 1;
    let code = evm::Bytes::from(code).to_string();
    let params = json!([registry.address().to_string(), code]);
    ground.anvil.rpc("anvil_setCode", params).unwrap();
    let error = Registry::open(&chain, registry.address())
        .await
        .unwrap_err();
    assert!(matches!(error, RegistryError::OtherContract { .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_is_on_the_chain_and_deep_enough_is_a_batch() {
    let ground = Ground::new(&Options::default());
    let chain = ground.chain().await;
    let sender = sender(&chain);
    let registry = registry(&sender).await;
    let batch = registry.publish(&sender, &statement(1, 1)).await.unwrap();
    let mut deeper = ground.config();
    deeper.confirmations = 3;
    let deeper = Chain::connect(deeper).await.unwrap();
    let patient = Registry::open(&deeper, registry.address()).await.unwrap();
    let error = patient.batch_at(batch.transaction).await.unwrap_err();
    assert!(matches!(error, RegistryError::NotMined { .. }));
    assert_eq!(patient.find_batch(ORIGIN, 1, 100).await.unwrap(), None);
    ground.anvil.mine(2).unwrap();
    assert_eq!(patient.batch_at(batch.transaction).await.unwrap(), batch);
    let found = async |it: &Registry, sequence, blocks| {
        it.find_batch(ORIGIN, sequence, blocks).await.unwrap()
    };
    assert_eq!(found(&patient, 1, 1).await, Some(batch));
    assert_eq!(found(&registry, 1, 2).await, None);
    assert_eq!(found(&registry, 1, 3).await, Some(batch));
    assert_eq!(found(&registry, 2, 1_000_000).await, None);
    // Further back than the blocks that are asked for at once.
    ground.anvil.mine(2_500).unwrap();
    assert_eq!(found(&registry, 1, 10_000).await, Some(batch));
    assert_eq!(found(&registry, 1, 2_499).await, None);
    let error = registry.batch_at(B256::ZERO).await.unwrap_err();
    assert!(matches!(error, RegistryError::NotMined { .. }));
    let other = sender.send(ground.note("no batch")).await.unwrap();
    let error = registry.batch_at(other.transaction).await.unwrap_err();
    assert!(matches!(error, RegistryError::NoBatch { .. }));
    let lost = registry.publish(&sender, &statement(2, 2)).await.unwrap();
    ground.anvil.reorg(2).unwrap();
    let error = registry.batch_at(lost.transaction).await.unwrap_err();
    assert!(matches!(error, RegistryError::NotMined { .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_goes_on_after_the_chain_was_restarted() {
    let mut ground = Ground::new(&Options::default());
    let chain = ground.chain().await;
    let sender = sender(&chain);
    let registry = registry(&sender).await;
    registry.publish(&sender, &statement(1, 1)).await.unwrap();
    ground.anvil.stop().unwrap();
    let error = registry.head(ORIGIN).await.unwrap_err();
    assert!(matches!(error, RegistryError::Rpc(_)));
    let publishing = {
        let (registry, sender) = (registry.clone(), sender.clone());
        tokio::spawn(async move { registry.publish(&sender, &statement(2, 2)).await })
    };
    ground.anvil.restart().unwrap();
    assert_eq!(publishing.await.unwrap().unwrap().sequence, 2);
    // And so does a process that begins anew.
    drop(sender);
    let sender = common::sender(&ground.chain().await);
    let batch = registry.publish(&sender, &statement(3, 3)).await.unwrap();
    assert_eq!(batch.sequence, 3);
    assert_eq!(registry.head(ORIGIN).await.unwrap().size, 3);
}

fn deploy_anchoring(anvil: &Anvil) -> Address {
    let artefact = include_str!("../../../anchor-service/contracts/artifacts/Anchoring.json");
    let artefact: serde_json::Value = serde_json::from_str(artefact).unwrap();
    let code = artefact["bytecode"].as_str().unwrap();
    anvil.deploy(code, "").unwrap().parse().unwrap()
}

/// An owner with the plain texts of its anchor.
struct Plain {
    owner: Owner,
    id: String,
    version: u64,
}

impl Plain {
    fn new(seed: u8) -> Self {
        let domain: Domain = "default".parse().unwrap();
        let owner = Owner::new(&domain, &[seed; 32]).unwrap();
        let id = AnchorId::parse_wrapped(owner.id())
            .unwrap()
            .plain()
            .to_owned();
        Self {
            owner,
            id,
            version: 0,
        }
    }

    /// The next value, as the ledger gets it.
    fn next(&mut self) -> String {
        self.version += 1;
        let hash = BrickHash::of(&self.version.to_be_bytes()).to_string();
        let value = self.owner.sign(&hash, FIRST_MS + self.version).unwrap();
        self.owner.follow(Some(&value)).unwrap();
        AnchorValue::parse_wrapped(&value)
            .unwrap()
            .plain()
            .to_owned()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn anchors_live_their_life_on_the_chain_with_either_kind_of_fees() {
    for kind in [FeeKind::Eip1559, FeeKind::Legacy] {
        let ground = Ground::new(&Options::default());
        let mut config = ground.config();
        config.fees.kind = kind;
        let chain = Chain::connect(config).await.unwrap();
        let it = Anchoring::open(&chain, deploy_anchoring(&ground.anvil))
            .await
            .unwrap();
        let sender = sender(&chain);
        let mut one = Plain::new(1);
        assert_eq!(it.total().await.unwrap(), 0);
        assert_eq!(it.last_version(&one.id).await.unwrap(), None);
        assert!(it.all_versions(&one.id).await.unwrap().is_empty());
        let mut values = vec![one.next()];
        let written = it.create(&sender, &one.id, &values[0]).await.unwrap();
        assert_eq!(written.status, Status::Stored);
        // Estimated, never a fixed 30 million.
        assert!(written.mined.gas_limit < 2 * written.mined.gas_used);
        for _ in 0..3 {
            values.push(one.next());
            let written = it.append(&sender, &one.id, values.last().unwrap()).await;
            assert_eq!(written.unwrap().status, Status::Stored);
        }
        assert_eq!(it.all_versions(&one.id).await.unwrap(), values);
        assert_eq!(
            it.last_version(&one.id).await.unwrap().as_ref(),
            values.last()
        );
        let mut batch = vec![(one.id.clone(), one.next())];
        for seed in 2..6 {
            let mut more = Plain::new(seed);
            batch.push((more.id.clone(), more.next()));
        }
        let written = it.multiple(&sender, &batch).await.unwrap();
        assert_eq!(written.status, Status::Stored);
        for (id, value) in &batch {
            assert_eq!(it.last_version(id).await.unwrap().as_ref(), Some(value));
        }
        assert_eq!(it.total().await.unwrap(), 5);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_status_of_the_contract_is_read() {
    let ground = Ground::new(&Options::default());
    let chain = ground.chain().await;
    let it = Anchoring::open(&chain, deploy_anchoring(&ground.anvil))
        .await
        .unwrap();
    let sender = sender(&chain);
    let (mut one, mut two) = (Plain::new(1), Plain::new(2));
    let first = one.next();
    let status = async |written: Result<evm::Written, _>| written.unwrap().status;
    let wrong = it.create(&sender, &one.id, &two.next()).await;
    assert_eq!(status(wrong).await, Status::BadFirstSignature);
    let missing = it.append(&sender, &one.id, &first).await;
    assert_eq!(status(missing).await, Status::NoSuchAnchor);
    let stored = it.create(&sender, &one.id, &first).await;
    assert_eq!(status(stored).await, Status::Stored);
    let exists = it.create(&sender, &one.id, &first).await;
    assert_eq!(status(exists).await, Status::AnchorExists);
    let wrong = it.append(&sender, &one.id, &two.next()).await;
    assert_eq!(status(wrong).await, Status::BadTimeOrSignature);
    let wrong = vec![(two.id.clone(), one.next())];
    let wrong = it.multiple(&sender, &wrong).await;
    assert_eq!(status(wrong).await, Status::BadTimeOrSignature);
    let domain: Domain = "default".parse().unwrap();
    let hash = BrickHash::of(b"constant").to_string();
    let id = constant_id(&domain, &hash).unwrap();
    let id = AnchorId::parse_wrapped(&id).unwrap().plain().to_owned();
    let value = constant_value(&domain, &hash).unwrap();
    let value = AnchorValue::parse_wrapped(&value)
        .unwrap()
        .plain()
        .to_owned();
    let stored = it.create(&sender, &id, &value).await;
    assert_eq!(status(stored).await, Status::Stored);
    let constant = it.append(&sender, &id, &value).await;
    assert_eq!(status(constant).await, Status::AnchorIsConstant);
    assert_eq!(it.total().await.unwrap(), 2);
    let error = it.multiple(&sender, &[]).await.unwrap_err();
    assert!(matches!(error, AnchoringError::EmptyBatch));
    // No key at all: the contract reverts, which the estimate finds.
    let error = it.create(&sender, "no colon", "none").await.unwrap_err();
    assert!(
        matches!(error, AnchoringError::Send(SendError::Reverted { .. })),
        "{error:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_ends_where_it_ends() {
    let ground = Ground::new(&Options::default());
    let chain = ground.chain().await;
    let it = Anchoring::open(&chain, deploy_anchoring(&ground.anvil))
        .await
        .unwrap();
    let sender = sender(&chain);
    let mut anchors = Vec::new();
    for seed in 1..=4 {
        let mut one = Plain::new(seed);
        anchors.push((one.id.clone(), one.next()));
    }
    it.multiple(&sender, &anchors).await.unwrap();
    let dump = async |from, limit, size_max| {
        let range = DumpRange {
            from,
            limit,
            size_max,
        };
        let dumped = it.dump(range).await.unwrap().into_iter();
        dumped.map(|one| one.anchor_id).collect::<Vec<_>>()
    };
    let ids: Vec<_> = anchors.iter().map(|(id, _)| id.clone()).collect();
    assert_eq!(dump(0, 10, 1_000_000).await, ids);
    assert_eq!(dump(1, 2, 1_000_000).await, ids[1..3]);
    assert!(dump(4, 10, 1_000_000).await.is_empty());
    assert!(dump(u64::MAX, 10, 1_000_000).await.is_empty());
    // Two fit: the rest comes as empty items, which are no anchors.
    assert_eq!(dump(0, 10, 600).await, ids[..2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_anchoring_contract_that_is_none_is_refused() {
    let ground = Ground::new(&Options::default());
    let chain = ground.chain().await;
    let error = Anchoring::open(&chain, Address::ZERO).await.unwrap_err();
    assert!(matches!(error, AnchoringError::NoContract { .. }));
    for other in [
        ground.book,
        Registry::deploy(&sender(&chain), key(1).address())
            .await
            .unwrap()
            .address(),
    ] {
        let error = Anchoring::open(&chain, other).await.unwrap_err();
        assert!(
            matches!(error, AnchoringError::OtherContract { .. }),
            "{error}"
        );
    }
}

/// Many anchors at once through one account, while the chain forgets what waits and goes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_anchor_is_on_the_chain_once_whatever_happens() {
    let ground = Ground::new(&Options::default());
    let mut config = ground.config();
    config.confirmations = 4;
    let chain = Chain::connect(config).await.unwrap();
    let it = Anchoring::open(&chain, deploy_anchoring(&ground.anvil))
        .await
        .unwrap();
    ground.anvil.set_mining(Mining::OnDemand).unwrap();
    let poor = ChainKey::parse(testkit::anvil::ACCOUNTS[3].key).unwrap();
    let sender = Sender::start(&chain, poor);
    let mut anchors = Vec::new();
    for seed in 1..=24 {
        let mut one = Plain::new(seed);
        anchors.push((one.id.clone(), one.next()));
    }
    let writes: Vec<_> = anchors
        .iter()
        .cloned()
        .map(|(id, value)| {
            let (it, sender) = (it.clone(), sender.clone());
            tokio::spawn(async move { it.create(&sender, &id, &value).await })
        })
        .collect();
    let mut round = 0_u64;
    while !writes.iter().all(JoinHandle::is_finished) {
        round += 1;
        assert!(round < 2_000, "the anchors do not get there");
        match round % 12 {
            4 => ground.anvil.drop_transactions().unwrap(),
            8 => ground.anvil.reorg(2).unwrap(),
            _ => ground.anvil.mine(1).unwrap(),
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    for write in writes {
        assert_eq!(write.await.unwrap().unwrap().status, Status::Stored);
    }
    assert_eq!(it.total().await.unwrap(), 24);
    for (id, value) in anchors {
        assert_eq!(it.all_versions(&id).await.unwrap(), [value]);
    }
}
