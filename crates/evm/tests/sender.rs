//! A sender on a real chain: what becomes of calls when node, pool and account misbehave.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod common;

use std::time::{Duration, Instant};

use common::{Ground, PATIENCE, key, sender};
use evm::{Bytes, Call, Chain, ChainKey, ConnectError, FeeKind, SendError, Sender};
use serde_json::json;
use testkit::anvil::{Mining, Options};
use tokio::task::JoinHandle;

fn on_demand() -> Options {
    Options {
        mining: Mining::OnDemand,
        ..Options::default()
    }
}

/// Mines a block every few milliseconds until what is waited for is there.
async fn mining<T>(ground: &Ground, wanted: impl Future<Output = T>) -> T {
    let mut wanted = std::pin::pin!(wanted);
    let begun = Instant::now();
    loop {
        match tokio::time::timeout(Duration::from_millis(50), &mut wanted).await {
            Ok(done) => return done,
            Err(_) => ground.anvil.mine(1).unwrap(),
        }
        assert!(begun.elapsed() < PATIENCE, "nothing came");
    }
}

fn texts(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|number| format!("note {number}")).collect()
}

type Sent = Result<evm::Mined, SendError>;

fn spawn_all(ground: &Ground, sender: &Sender, texts: &[String]) -> Vec<JoinHandle<Sent>> {
    let spawn = |text: &String| {
        let (sender, call) = (sender.clone(), ground.note(text));
        tokio::spawn(async move { sender.send(call).await })
    };
    texts.iter().map(spawn).collect()
}

/// Lets the callers go away, and waits until they are gone.
async fn abort_all(tasks: Vec<JoinHandle<Sent>>) {
    for task in tasks {
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
    }
}

async fn all_of(tasks: Vec<JoinHandle<Sent>>) -> Vec<Sent> {
    let mut all = Vec::new();
    for task in tasks {
        all.push(task.await.unwrap());
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_mined_with_either_kind_of_fees() {
    let ground = Ground::new(&Options::default());
    for (kind, wanted_type) in [(FeeKind::Eip1559, "0x2"), (FeeKind::Legacy, "0x0")] {
        let mut config = ground.config();
        config.fees.kind = kind;
        let chain = Chain::connect(config).await.unwrap();
        let sender = sender(&chain);
        let mined = sender.send(ground.note("hello")).await.unwrap();
        assert!(mined.succeeded && !mined.ran_out_of_gas());
        assert_eq!(mined.logs[0].data, Bytes::from_static(b"hello"));
        assert_eq!(mined.logs[0].block_hash, mined.block_hash);
        assert!(mined.gas_limit > mined.gas_used && mined.gas_limit < 2 * mined.gas_used);
        let params = json!([mined.transaction.to_string()]);
        let seen = ground.anvil.rpc("eth_getTransactionByHash", params);
        assert_eq!(seen.unwrap()["type"], wanted_type);
    }
    assert_eq!(ground.notes().await, ["hello", "hello"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_without_base_fee_gets_legacy_transactions() {
    let ground = Ground::new(&Options {
        hardfork: Some("berlin"),
        ..Options::default()
    });
    let sender = sender(&ground.chain().await);
    let mined = sender.send(ground.note("old")).await.unwrap();
    let params = json!([mined.transaction.to_string()]);
    let seen = ground.anvil.rpc("eth_getTransactionByHash", params);
    assert_eq!(seen.unwrap()["type"], "0x0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_chain_is_refused() {
    let ground = Ground::new(&Options {
        chain_id: Some(5),
        ..Options::default()
    });
    let mut config = ground.config();
    config.chain_id = 1;
    let error = Chain::connect(config).await.unwrap_err();
    assert!(matches!(error, ConnectError::WrongChain { served: 5, .. }));
    let words = "the RPC serves chain 5, the configuration says 1";
    assert_eq!(error.to_string(), words);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_all_land_without_a_hole() {
    let ground = Ground::new(&Options::default());
    let sender = sender(&ground.chain().await);
    let texts = texts(0..64);
    for mined in all_of(spawn_all(&ground, &sender, &texts)).await {
        assert!(mined.unwrap().succeeded);
    }
    let mut notes = ground.notes().await;
    assert_eq!(notes.len(), 64);
    notes.sort();
    let mut wanted = texts;
    wanted.sort();
    assert_eq!(notes, wanted);
    assert_eq!(ground.count(sender.account()).await, 64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_wait_in_the_pool_no_more_than_a_window() {
    let ground = Ground::new(&on_demand());
    let sender = sender(&ground.chain().await);
    let texts = texts(0..40);
    let sent = spawn_all(&ground, &sender, &texts);
    ground.until_pending(sender.account(), 16).await;
    let pending = ground.anvil.rpc("txpool_status", json!([])).unwrap();
    assert_eq!(pending["pending"], "0x10");
    assert_eq!(pending["queued"], "0x0");
    for mined in mining(&ground, all_of(sent)).await {
        assert!(mined.unwrap().succeeded);
    }
    assert_eq!(ground.notes().await.len(), 40);
    assert_eq!(ground.count(sender.account()).await, 40);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_reverts_is_not_sent() {
    let ground = Ground::new(&Options::default());
    let sender = sender(&ground.chain().await);
    let empty = Call {
        to: Some(ground.book),
        data: Bytes::new(),
    };
    let error = sender.send(empty).await.unwrap_err();
    assert!(matches!(error, SendError::Reverted { .. }), "{error}");
    assert!(!error.may_still_land());
    assert_eq!(ground.count(sender.account()).await, 0);
    sender.send(ground.note("after")).await.unwrap();
    assert_eq!(ground.count(sender.account()).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_without_funds_is_named_and_can_go_on_with_funds() {
    let ground = Ground::new(&Options::default());
    let chain = ground.chain().await;
    let poor = format!("0x{}", "07".repeat(32));
    let sender = Sender::start(&chain, ChainKey::parse(&poor).unwrap());
    let error = sender.send(ground.note("poor")).await.unwrap_err();
    assert!(matches!(error, SendError::OutOfFunds { .. }), "{error}");
    assert!(!error.may_still_land());
    let account = sender.account().to_string();
    let params = json!([account, "0xde0b6b3a7640000"]);
    ground.anvil.rpc("anvil_setBalance", params).unwrap();
    sender.send(ground.note("rich")).await.unwrap();
    assert_eq!(ground.notes().await, ["rich"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_gas_or_higher_fees_than_allowed_are_named() {
    let ground = Ground::new(&Options::default());
    let mut config = ground.config();
    config.gas_max = 10_000;
    let sender = sender(&Chain::connect(config).await.unwrap());
    let error = sender.send(ground.note("gas")).await.unwrap_err();
    assert!(
        matches!(error, SendError::TooMuchGas { needed: Some(_) }),
        "{error}"
    );
    let mut config = ground.config();
    config.fees.cap = 7;
    let sender = common::sender(&Chain::connect(config).await.unwrap());
    let error = sender.send(ground.note("fees")).await.unwrap_err();
    assert!(
        matches!(error, SendError::FeesTooHigh { cap: 7, .. }),
        "{error}"
    );
    assert_eq!(ground.count(sender.account()).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropped_transactions_are_sent_again() {
    let ground = Ground::new(&on_demand());
    let sender = sender(&ground.chain().await);
    let texts = texts(0..5);
    let sent = spawn_all(&ground, &sender, &texts);
    ground.until_pending(sender.account(), 5).await;
    ground.anvil.drop_transactions().unwrap();
    ground.until_pending(sender.account(), 5).await;
    ground.anvil.mine(1).unwrap();
    for mined in all_of(sent).await {
        mined.unwrap();
    }
    assert_eq!(ground.notes().await.len(), 5);
    assert_eq!(ground.count(sender.account()).await, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_dropped_in_the_middle_makes_no_hole() {
    let ground = Ground::new(&on_demand());
    let sender = sender(&ground.chain().await);
    let texts = texts(0..5);
    let sent = spawn_all(&ground, &sender, &texts);
    ground.until_pending(sender.account(), 5).await;
    let pool = ground.anvil.rpc("txpool_content", json!([])).unwrap();
    let account = sender.account().to_string().to_lowercase();
    let hash = pool["pending"][&account]["2"]["hash"].as_str().unwrap();
    ground.anvil.drop_transaction(hash).unwrap();
    for mined in mining(&ground, all_of(sent)).await {
        mined.unwrap();
    }
    assert_eq!(ground.notes().await.len(), 5);
    assert_eq!(ground.count(sender.account()).await, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_mined_is_replaced_with_higher_fees() {
    let ground = Ground::new(&on_demand());
    let sender = sender(&ground.chain().await);
    let account = sender.account().to_string().to_lowercase();
    let price = |ground: &Ground| {
        let pool = ground.anvil.rpc("txpool_content", json!([])).unwrap();
        let price = pool["pending"][&account]["0"]["maxFeePerGas"].clone();
        let digits = price.as_str().unwrap().trim_start_matches("0x").to_owned();
        u128::from_str_radix(&digits, 16).unwrap()
    };
    let (mined, ()) = tokio::join!(sender.send(ground.note("slow")), async {
        ground.until_pending(sender.account(), 1).await;
        let first = price(&ground);
        let begun = Instant::now();
        while price(&ground) < first + first / 8 {
            assert!(begun.elapsed() < PATIENCE, "never replaced");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        ground.anvil.mine(1).unwrap();
    });
    mined.unwrap();
    assert_eq!(ground.notes().await, ["slow"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nonce_that_another_took_displaces_one_call_only() {
    let ground = Ground::new(&on_demand());
    let mut config = ground.config();
    // What the other sent is mined, and never replaced, however long that takes.
    config.timing.foreign_wait = PATIENCE;
    let sender = sender(&Chain::connect(config).await.unwrap());
    let texts = texts(0..4);
    let sent = spawn_all(&ground, &sender, &texts);
    ground.until_pending(sender.account(), 4).await;
    // The place of the second is taken by what another machine with the key could send.
    ground.anvil.drop_transactions().unwrap();
    let foreign = json!([{
        "from": sender.account().to_string(),
        "to": ground.book.to_string(),
        "data": "0x666f726569676e",
        "nonce": "0x1",
        "gas": "0xffff",
        "maxFeePerGas": "0x174876e800",
        "maxPriorityFeePerGas": "0x174876e800",
    }]);
    ground.anvil.rpc("eth_sendTransaction", foreign).unwrap();
    let all = mining(&ground, all_of(sent)).await;
    let displaced: Vec<_> = all.iter().filter_map(|one| one.as_ref().err()).collect();
    assert_eq!(displaced.len(), 1);
    assert!(matches!(
        displaced[0],
        SendError::Displaced { nonce: 1, .. }
    ));
    assert!(!displaced[0].may_still_land());
    assert_eq!(ground.notes().await.len(), 4);
    mining(&ground, sender.send(ground.note("again")))
        .await
        .unwrap();
    assert_eq!(ground.count(sender.account()).await, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_use_between_calls_does_no_harm() {
    let ground = Ground::new(&Options::default());
    let sender = sender(&ground.chain().await);
    let account = sender.account().to_string();
    for round in 0..5 {
        sender.send(ground.note("ours")).await.unwrap();
        let foreign = json!({"from": account, "to": ground.book.to_string(), "data": "0x61"});
        ground.anvil.transact(foreign).unwrap();
        assert_eq!(ground.count(sender.account()).await, 2 * (round + 1));
    }
    assert_eq!(ground.notes().await.len(), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_process_left_in_the_pool_is_waited_for() {
    let ground = Ground::new(&on_demand());
    let mut config = ground.config();
    config.timing.foreign_wait = PATIENCE;
    let chain = Chain::connect(config).await.unwrap();
    let first = sender(&chain);
    let left = spawn_all(&ground, &first, &texts(0..3));
    ground.until_pending(first.account(), 3).await;
    abort_all(left).await;
    drop(first);
    let second = sender(&chain);
    mining(&ground, second.send(ground.note("second")))
        .await
        .unwrap();
    assert_eq!(ground.notes().await.last().unwrap(), "second");
    assert_eq!(ground.count(second.account()).await, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_stuck_in_the_pool_is_replaced() {
    let ground = Ground::new(&on_demand());
    let mut config = ground.config();
    config.timing.foreign_wait = Duration::from_secs(10);
    let chain = Chain::connect(config).await.unwrap();
    let account = key(1).address();
    // Some that wait behind each other, one of them with much higher fees.
    let (low, high) = ("0x77359400", "0x2540be400");
    for (nonce, fee) in [("0x0", low), ("0x1", high), ("0x2", low), ("0x3", low)] {
        let left = json!([{
            "from": account.to_string(),
            "to": ground.book.to_string(),
            "data": "0x6c656674",
            "nonce": nonce,
            "gas": "0xffff",
            "maxFeePerGas": fee,
            "maxPriorityFeePerGas": fee,
        }]);
        ground.anvil.rpc("eth_sendTransaction", left).unwrap();
    }
    let sender = sender(&chain);
    let texts = texts(0..5);
    let begun = Instant::now();
    let sent = spawn_all(&ground, &sender, &texts);
    ground.until_pending(account, 5).await;
    // One wait for all of them, not one for each of the four.
    assert!(begun.elapsed() < Duration::from_secs(30));
    ground.anvil.mine(1).unwrap();
    for mined in all_of(sent).await {
        mined.unwrap();
    }
    let mut notes = ground.notes().await;
    notes.sort();
    assert_eq!(notes, texts);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reorganised_transaction_goes_back_on_the_chain_before_it_is_called_mined() {
    let ground = Ground::new(&on_demand());
    let mut config = ground.config();
    config.confirmations = 3;
    let sender = sender(&Chain::connect(config).await.unwrap());
    let sent = spawn_all(&ground, &sender, &texts(0..3));
    ground.until_pending(sender.account(), 3).await;
    ground.anvil.mine(2).unwrap();
    assert_eq!(ground.notes().await.len(), 3);
    ground.anvil.reorg(2).unwrap();
    assert_eq!(ground.notes().await.len(), 0);
    let all = mining(&ground, all_of(sent)).await;
    let head = ground.anvil.block_number().unwrap();
    for mined in all {
        assert!(head - mined.unwrap().block_number >= 2);
    }
    assert_eq!(ground.notes().await.len(), 3);
    assert_eq!(ground.count(sender.account()).await, 3);
}

/// With one confirmation a reorganisation takes away what was called mined: it comes back, before
/// what is sent next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deeper_reorganisation_loses_nothing() {
    let ground = Ground::new(&Options::default());
    let sender = sender(&ground.chain().await);
    for text in ["one", "two", "three"] {
        sender.send(ground.note(text)).await.unwrap();
    }
    ground.anvil.reorg(2).unwrap();
    assert_eq!(ground.notes().await, ["one"]);
    sender.send(ground.note("four")).await.unwrap();
    assert_eq!(ground.notes().await, ["one", "two", "three", "four"]);
}

/// The same while others are under way, whose nonces would wait for ever behind the hole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hole_that_a_reorganisation_makes_is_filled() {
    let ground = Ground::new(&Options::default());
    let sender = sender(&ground.chain().await);
    for text in ["one", "two", "three"] {
        sender.send(ground.note(text)).await.unwrap();
    }
    ground.anvil.set_mining(Mining::OnDemand).unwrap();
    let sent = spawn_all(&ground, &sender, &["four".to_owned()]);
    ground.until_pending(sender.account(), 4).await;
    ground.anvil.reorg(2).unwrap();
    for mined in mining(&ground, all_of(sent)).await {
        mined.unwrap();
    }
    assert_eq!(ground.notes().await, ["one", "two", "three", "four"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_that_is_down_for_a_while_gets_all_once() {
    let mut ground = Ground::new(&on_demand());
    let sender = sender(&ground.chain().await);
    let texts = texts(0..20);
    let handles = spawn_all(&ground, &sender, &texts);
    ground.until_pending(sender.account(), 8).await;
    // The pool is lost with the process.
    ground.anvil.stop().unwrap();
    let begun = Instant::now();
    while sender.trouble().is_none() {
        assert!(begun.elapsed() < PATIENCE, "no trouble seen");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    ground.anvil.restart().unwrap();
    for mined in mining(&ground, all_of(handles)).await {
        mined.unwrap();
    }
    let mut notes = ground.notes().await;
    notes.sort();
    let mut wanted = texts;
    wanted.sort();
    assert_eq!(notes, wanted);
    assert!(sender.trouble().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_time_of_the_caller_ends_with_what_is_known() {
    let mut ground = Ground::new(&on_demand());
    let sender = sender(&ground.chain().await);
    let soon = Duration::from_secs(10);
    let error = sender.send_within(ground.note("sent"), soon).await;
    let error = error.unwrap_err();
    assert!(matches!(error, SendError::MaybeSent { .. }), "{error}");
    assert!(error.may_still_land());
    ground.anvil.stop().unwrap();
    let error = sender.send_within(ground.note("unsent"), soon).await;
    let error = error.unwrap_err();
    assert!(
        matches!(error, SendError::NotSent { source: Some(_) }),
        "{error:?}"
    );
    assert!(!error.may_still_land());
    ground.anvil.restart().unwrap();
    let sent = sender.send(ground.note("last"));
    mining(&ground, sent).await.unwrap();
    // What may have been sent is driven to its end, so that it blocks nothing.
    assert_eq!(ground.notes().await, ["sent", "last"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_that_go_away_block_nobody() {
    let ground = Ground::new(&on_demand());
    let sender = sender(&ground.chain().await);
    let texts = texts(0..30);
    let handles = spawn_all(&ground, &sender, &texts);
    ground.until_pending(sender.account(), 16).await;
    abort_all(handles).await;
    let sent = sender.send(ground.note("last"));
    mining(&ground, sent).await.unwrap();
    let notes = ground.notes().await;
    assert_eq!(notes.last().unwrap(), "last");
    // Those in the pool went on, those that waited did not.
    assert_eq!(notes.len(), 17);
}
