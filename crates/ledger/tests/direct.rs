//! The anchoring contract on a real chain as a ledger.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod chain;

use std::time::Duration;

use chain::{Signed, account, anvil, deploy_anchoring, sender, transactions, until};
use evm::{Address, Anchoring, AnchoringError, ConnectError};
use keyssi::{AnchorId, AnchorValue, AppendError, CreateError, Domain, PrivateKey, Timestamp};
use keyssi::{AnchorSigner, BrickHash, Head};
use ledger::{
    BatchError, DirectError, DirectLedger, DirectOptions, Entry, Intent, Ledger, LedgerError,
};
use serde_json::json;
use testkit::anvil::{ACCOUNTS, Anvil, Mining, Options};
use testkit::owner::{FIRST_MS, constant_id, constant_value};

fn options() -> DirectOptions {
    DirectOptions {
        write_time_max: chain::PATIENCE,
        read_time_max: chain::PATIENCE,
        retry_wait: Duration::from_millis(10),
        retry_wait_max: Duration::from_millis(50),
    }
}

/// A node of its own that writes from one of the accounts.
fn node(anvil: &Anvil, number: usize, contract: Address, confirmations: u64) -> DirectLedger {
    let account = account(anvil, number, confirmations);
    DirectLedger::new(account, contract, options())
}

fn start() -> (Anvil, Address, DirectLedger) {
    let anvil = anvil(Mining::Instant);
    let contract = deploy_anchoring(&anvil);
    let ledger = node(&anvil, 1, contract, 1);
    (anvil, contract, ledger)
}

fn domain(name: &str) -> Domain {
    name.parse().unwrap()
}

fn constant(text: &[u8]) -> Entry {
    let hash = BrickHash::of(text).to_string();
    let id = constant_id(&domain("default"), &hash).unwrap();
    let value = constant_value(&domain("default"), &hash).unwrap();
    Entry {
        id: AnchorId::parse_wrapped(&id).unwrap(),
        value: AnchorValue::parse_wrapped(&value).unwrap(),
        intent: Intent::Create,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn anchors_live_their_life_in_the_contract() {
    let (anvil, contract, ledger) = start();
    ledger.check().await.unwrap();
    let (one, other) = (Signed::new(1), Signed::of("other", 2, "", 1));
    assert_eq!(ledger.last_version(&one.id).await.unwrap(), None);
    assert!(ledger.all_versions(&one.id).await.unwrap().is_empty());
    let placed = ledger
        .write_placed(vec![one.entry(0, Intent::Create)])
        .await
        .unwrap();
    let placed = placed[0].clone().unwrap();
    assert_eq!(placed.chain_id, 31337);
    assert_eq!(placed.contract, format!("{contract:#x}"));
    let receipt = anvil.rpc("eth_getTransactionReceipt", json!([placed.transaction]));
    let block = format!("{:#x}", placed.block);
    assert_eq!(receipt.unwrap()["blockNumber"], block);
    for (version, intent) in [(1, Intent::Append), (2, Intent::CreateOrAppend)] {
        ledger.write(one.entry(version, intent)).await.unwrap();
    }
    let first = other.entry(0, Intent::CreateOrAppend);
    ledger.write(first).await.unwrap();
    ledger.write(constant(b"constant")).await.unwrap();
    // The wrapped texts are what was written, for whoever reads.
    for reader in [&ledger, &node(&anvil, 2, contract, 1)] {
        let all = reader.all_versions(&one.id).await.unwrap();
        assert_eq!(all, one.texts(3));
        let last = reader.last_version(&one.id).await.unwrap();
        assert_eq!(last, Some((one.texts(3)[2].clone(), 3)));
        for (name, total) in [("default", 2), ("other", 1), ("none", 0), ("default", 2)] {
            assert_eq!(reader.total(&domain(name)).await.unwrap(), total);
        }
    }
    let more = Signed::new(3);
    ledger.write(more.entry(0, Intent::Create)).await.unwrap();
    assert_eq!(ledger.total(&domain("default")).await.unwrap(), 3);
    assert_eq!(ledger.readiness(), Ok(()));
}

/// What came of a write, without what lies behind it.
fn outcome(written: Result<(), LedgerError>) -> String {
    let error = written.unwrap_err();
    match error {
        LedgerError::Unsupported { .. } => "unsupported".to_owned(),
        other => format!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_rules_refuse_is_named_and_never_sent() {
    let (anvil, _, ledger) = start();
    let (one, two) = (Signed::new(1), Signed::new(2));
    let (fork, fixed) = (Signed::of("default", 1, "fork", 2), constant(b"constant"));
    let foreign = Entry {
        id: one.id.clone(),
        value: two.values[0].clone(),
        intent: Intent::Create,
    };
    let append = |entry: &Entry| Entry {
        intent: Intent::Append,
        ..entry.clone()
    };
    let refuse = async |entry: Entry| outcome(ledger.write(entry).await);
    let bad = format!("{:?}", LedgerError::Create(CreateError::BadSignature));
    assert_eq!(refuse(foreign).await, bad);
    let absent = refuse(one.entry(1, Intent::Append)).await;
    assert_eq!(absent, format!("{:?}", LedgerError::Absent));
    ledger.write(one.entry(0, Intent::Create)).await.unwrap();
    ledger.write(fixed.clone()).await.unwrap();
    ledger.write(one.entry(1, Intent::Append)).await.unwrap();
    let sent = transactions(&anvil, 1, "latest");
    assert_eq!(sent, 3);
    let exists = format!("{:?}", LedgerError::AlreadyExists);
    let out_of_sync = format!("{:?}", LedgerError::Append(AppendError::OutOfSync));
    let never = format!("{:?}", LedgerError::Append(AppendError::ConstantAnchor));
    assert_eq!(refuse(one.entry(0, Intent::Create)).await, exists);
    assert_eq!(refuse(fixed.clone()).await, exists);
    assert_eq!(refuse(append(&fixed)).await, never);
    assert_eq!(refuse(one.entry(1, Intent::Append)).await, out_of_sync);
    assert_eq!(refuse(fork.entry(1, Intent::Append)).await, out_of_sync);
    let older = refuse(one.entry(0, Intent::Append)).await;
    assert!(older.contains("OlderTimestamp"), "{older}");
    assert_eq!(refuse(transfer_after(&one)).await, "unsupported");
    assert_eq!(transactions(&anvil, 1, "pending"), sent);
    assert_eq!(ledger.all_versions(&one.id).await.unwrap(), one.texts(2));
}

/// A transfer that the rules allow as the third value of anchor 1.
fn transfer_after(one: &Signed) -> Entry {
    let mut key = [7; 32];
    key[..2].copy_from_slice(&1_u16.to_be_bytes());
    let key = PrivateKey::from_bytes(&key).unwrap();
    let to = PrivateKey::from_bytes(&[9; 32]).unwrap().public_key();
    let signer = AnchorSigner::new(one.id.clone(), key, "default", None).unwrap();
    let head = Head::restore(one.values[1].as_str(), None).unwrap();
    let time = Timestamp::from_millis(FIRST_MS + 9);
    Entry {
        id: one.id.clone(),
        value: signer.transfer(Some(&head), &to, &time).unwrap(),
        intent: Intent::Append,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_is_one_transaction_or_nothing() {
    let (anvil, _, ledger) = start();
    let anchors: Vec<_> = (1..=11).map(Signed::new).collect();
    let entries = |range: std::ops::Range<usize>, version| -> Vec<Entry> {
        let entry = |it: &Signed| it.entry(version, Intent::CreateOrAppend);
        anchors[range].iter().map(entry).collect()
    };
    let refused = async |entries: Vec<Entry>| -> (usize, String) {
        let BatchError { index, source } = ledger.write_all(entries).await.unwrap_err();
        (index, outcome(Err(source)))
    };
    let unsupported = |index| (index, "unsupported".to_owned());
    assert_eq!(refused(entries(0..11, 0)).await, unsupported(10));
    let twice = vec![
        anchors[0].entry(0, Intent::Create),
        anchors[0].entry(1, Intent::Append),
    ];
    assert_eq!(refused(twice).await, unsupported(1));
    let with_constant = vec![anchors[0].entry(0, Intent::Create), constant(b"constant")];
    assert_eq!(refused(with_constant).await, unsupported(1));
    for place in 0..3 {
        let mut bad = entries(0..3, 0);
        bad[place].intent = Intent::Append;
        assert_eq!(
            refused(bad).await,
            (place, format!("{:?}", LedgerError::Absent))
        );
    }
    assert_eq!(transactions(&anvil, 1, "pending"), 0);
    assert!(ledger.write_placed(Vec::new()).await.unwrap().is_empty());
    let placed = ledger.write_placed(entries(0..10, 0)).await.unwrap();
    assert_eq!(placed.len(), 10);
    assert!(placed.iter().all(|it| it.is_some() && *it == placed[0]));
    // Of both kinds: the first ten go on, the last is new.
    let mut mixed = entries(1..10, 1);
    mixed.extend(entries(10..11, 0));
    ledger.write_all(mixed).await.unwrap();
    assert_eq!(transactions(&anvil, 1, "latest"), 2);
    for (number, anchor) in anchors.iter().enumerate() {
        let versions = if (1..10).contains(&number) { 2 } else { 1 };
        let all = ledger.all_versions(&anchor.id).await.unwrap();
        assert_eq!(all, anchor.texts(versions), "{number}");
    }
    assert_eq!(ledger.total(&domain("default")).await.unwrap(), 11);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_contract_cannot_take_is_refused_with_what_to_do() {
    let anvil = Anvil::start_with(Options {
        block_gas: Some(8_000_000),
        ..Options::default()
    });
    let anvil = anvil.unwrap();
    let ledger = node(&anvil, 1, deploy_anchoring(&anvil), 1);
    let reason = |refused: LedgerError| match refused {
        LedgerError::Unsupported { reason } => reason,
        other => panic!("{other:?}"),
    };
    let anchors: Vec<_> = (1..=10).map(Signed::new).collect();
    let entries = |count: usize| -> Vec<Entry> {
        let entry = |it: &Signed| it.entry(0, Intent::Create);
        anchors[..count].iter().map(entry).collect()
    };
    let too_much = ledger.write_all(entries(10)).await.unwrap_err();
    let too_much = reason(too_much.source);
    assert!(too_much.contains("in parts"), "{too_much}");
    assert_eq!(ledger.total(&domain("default")).await.unwrap(), 0);
    ledger.write_all(entries(2)).await.unwrap();
    assert_eq!(ledger.total(&domain("default")).await.unwrap(), 2);
    // A part of 256 characters reverts there; the signature does not cover hints.
    let mut hinted = Signed::new(20).entry(0, Intent::Create);
    let plain = format!("{}:\"{}\"", hinted.value.plain(), "h".repeat(300));
    hinted.value = AnchorValue::parse(&plain).unwrap();
    let refused = reason(ledger.write(hinted).await.unwrap_err());
    assert!(refused.contains("another ledger"), "{refused}");
    assert_eq!(transactions(&anvil, 1, "pending"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_nodes_that_write_to_one_head_one_wins() {
    let (anvil, contract, here) = start();
    let there = node(&anvil, 2, contract, 1);
    let forks: Vec<_> = (0..6)
        .map(|fork| Signed::of("default", 1, &fork.to_string(), 2))
        .collect();
    let race = async |entries: Vec<Entry>| -> Vec<Result<(), LedgerError>> {
        let writes = entries.into_iter().enumerate().map(|(number, entry)| {
            let ledger = [&here, &there][number % 2].clone();
            tokio::spawn(async move { ledger.write(entry).await })
        });
        let mut outcomes = Vec::new();
        for write in writes.collect::<Vec<_>>() {
            outcomes.push(write.await.unwrap());
        }
        outcomes
    };
    let entries = forks.iter().map(|it| it.entry(0, Intent::Create));
    let outcomes = race(entries.collect()).await;
    let won: Vec<_> = (0..6).filter(|it| outcomes[*it].is_ok()).collect();
    let exists =
        |it: &Result<(), LedgerError>| matches!(it, Ok(()) | Err(LedgerError::AlreadyExists));
    assert_eq!(won.len(), 1, "{outcomes:?}");
    assert!(outcomes.iter().all(exists), "{outcomes:?}");
    let winner = &forks[won[0]];
    let all = there.all_versions(&winner.id).await.unwrap();
    assert_eq!(all, winner.texts(1));
    let entries = forks.iter().map(|it| it.entry(1, Intent::Append));
    let outcomes = race(entries.collect()).await;
    let won: Vec<_> = (0..6).filter(|it| outcomes[*it].is_ok()).collect();
    assert_eq!(won.len(), 1, "{outcomes:?}");
    let out_of_sync = |it: &Result<(), LedgerError>| {
        matches!(
            it,
            Ok(()) | Err(LedgerError::Append(AppendError::OutOfSync))
        )
    };
    assert!(outcomes.iter().all(out_of_sync), "{outcomes:?}");
    assert_eq!(
        here.all_versions(&winner.id).await.unwrap(),
        winner.texts(2)
    );
}

/// Both are told that it stands there: it does, once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_brought_is_acknowledged_when_it_is_deep_enough() {
    let anvil = anvil(Mining::Instant);
    let contract = deploy_anchoring(&anvil);
    anvil.set_mining(Mining::OnDemand).unwrap();
    let one = Signed::new(1);
    let writes: Vec<_> = [1, 2]
        .map(|number| {
            let ledger = node(&anvil, number, contract, 3);
            let entry = one.entry(0, Intent::Create);
            tokio::spawn(async move { ledger.write_placed(vec![entry]).await })
        })
        .into();
    until("both are in the pool", async || {
        [1, 2]
            .iter()
            .all(|it| transactions(&anvil, *it, "pending") == 1)
    })
    .await;
    anvil.mine(2).unwrap();
    let reader = node(&anvil, 3, contract, 3);
    let all = reader.all_versions(&one.id).await.unwrap();
    assert_eq!(all, one.texts(1));
    assert!(writes.iter().all(|write| !write.is_finished()));
    anvil.mine(1).unwrap();
    let mut placed = Vec::new();
    for write in writes {
        placed.extend(write.await.unwrap().unwrap());
    }
    assert_eq!(placed.iter().flatten().count(), 1);
    assert_eq!(reader.all_versions(&one.id).await.unwrap(), one.texts(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_outlast_a_chain_that_is_away_for_a_while() {
    let (mut anvil, contract, ledger) = start();
    // From here on the contract outlasts SIGKILL; what waits in the pool does not.
    anvil.stop().unwrap();
    anvil.restart().unwrap();
    anvil.set_mining(Mining::OnDemand).unwrap();
    let anchors: Vec<_> = (1..=6).map(Signed::new).collect();
    let writes: Vec<_> = anchors
        .iter()
        .map(|it| {
            let (ledger, entry) = (ledger.clone(), it.entry(0, Intent::Create));
            tokio::spawn(async move { ledger.write(entry).await })
        })
        .collect();
    until("all are in the pool", async || {
        transactions(&anvil, 1, "pending") == 6
    })
    .await;
    anvil.kill();
    until("the ledger sees it", async || {
        let options = DirectOptions {
            read_time_max: Duration::from_millis(50),
            ..options()
        };
        let reader = DirectLedger::new(account(&anvil, 2, 1), contract, options);
        let read = reader.all_versions(&anchors[0].id).await;
        matches!(read, Err(LedgerError::Unavailable(Some(_)))) && reader.readiness().is_err()
    })
    .await;
    anvil.restart().unwrap();
    for write in writes {
        write.await.unwrap().unwrap();
    }
    for anchor in &anchors {
        let all = ledger.all_versions(&anchor.id).await.unwrap();
        assert_eq!(all, anchor.texts(1));
    }
    assert_eq!(transactions(&anvil, 1, "latest"), 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_transaction_of_the_account_costs_nothing_but_time() {
    let (anvil, _, ledger) = start();
    anvil.set_mining(Mining::OnDemand).unwrap();
    let one = Signed::new(1);
    let write = {
        let (ledger, entry) = (ledger.clone(), one.entry(0, Intent::Create));
        tokio::spawn(async move { ledger.write(entry).await })
    };
    until("it is in the pool", async || {
        transactions(&anvil, 1, "pending") == 1
    })
    .await;
    // More is offered for the same nonce.
    let [_, ours, other, ..] = ACCOUNTS;
    let foreign = json!([{
        "from": ours.address, "to": other.address, "nonce": "0x0", "value": "0x1",
        "gas": "0x5208", "gasPrice": "0x174876e800",
    }]);
    anvil.drop_transactions().unwrap();
    anvil.rpc("eth_sendTransaction", foreign).unwrap();
    until("it is written", async || {
        anvil.mine(1).unwrap();
        write.is_finished()
    })
    .await;
    write.await.unwrap().unwrap();
    assert_eq!(ledger.all_versions(&one.id).await.unwrap(), one.texts(1));
    assert_eq!(transactions(&anvil, 1, "latest"), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_breaks_the_rules_in_the_contract_is_not_served() {
    let (anvil, contract, ledger) = start();
    let (sender, one) = (sender(&anvil, 2).await, Signed::new(1));
    let raw = Anchoring::open(sender.chain(), contract).await.unwrap();
    let pair =
        |id: &AnchorId, value: &AnchorValue| (id.plain().to_owned(), value.plain().to_owned());
    // A first value twice in a batch, and a constant anchor with a second value (ledger.md §2.4).
    let twice = vec![pair(&one.id, &one.values[0]); 2];
    raw.multiple(&sender, &twice).await.unwrap();
    let fixed = constant(b"constant");
    let fixed_twice = vec![pair(&fixed.id, &fixed.value); 2];
    raw.multiple(&sender, &fixed_twice).await.unwrap();
    for id in [&one.id, &fixed.id] {
        assert_eq!(raw.all_versions(id.plain()).await.unwrap().len(), 2);
        let Err(LedgerError::Broken(cause)) = ledger.all_versions(id).await else {
            panic!("it is served");
        };
        let cause = cause.downcast_ref::<DirectError>();
        assert!(matches!(cause, Some(DirectError::BrokenHistory(_))));
        assert!(ledger.last_version(id).await.is_err());
    }
    let append = ledger.write(one.entry(1, Intent::Append)).await;
    assert!(matches!(append, Err(LedgerError::Broken(_))));
    assert_eq!(transactions(&anvil, 1, "latest"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_configuration_is_told_from_a_chain_that_is_down() {
    let (mut anvil, contract, _) = start();
    let check = async |anvil: &Anvil, contract, chain_id| {
        let mut config = chain::chain_config(anvil, 1);
        config.chain_id = chain_id;
        let account = ledger::Senders::default().account(config, chain::key(1));
        let ledger = DirectLedger::new(account.unwrap(), contract, options());
        ledger.check().await.unwrap_err()
    };
    let wrong = check(&anvil, contract, 5).await;
    assert_eq!(
        wrong.to_string(),
        "the RPC serves chain 31337, the configuration says 5"
    );
    assert!(matches!(
        wrong,
        DirectError::Connect(ConnectError::WrongChain { .. })
    ));
    let nowhere = check(&anvil, Address::repeat_byte(9), 31337).await;
    let no_contract = |error: &DirectError| {
        matches!(
            error,
            DirectError::Contract(AnchoringError::NoContract { .. })
        )
    };
    assert!(no_contract(&nowhere), "{nowhere}");
    assert!(!wrong.may_pass() && !nowhere.may_pass());
    anvil.stop().unwrap();
    assert!(check(&anvil, contract, 31337).await.may_pass());
    // A ledger that was made meanwhile works when the chain is there.
    let ledger = node(&anvil, 1, contract, 1);
    anvil.restart().unwrap();
    let one = Signed::new(1);
    ledger.write(one.entry(0, Intent::Create)).await.unwrap();
    assert_eq!(ledger.all_versions(&one.id).await.unwrap(), one.texts(1));
}
