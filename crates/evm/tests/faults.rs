//! A sender whose node loses answers, says nonsense or is behind; the chain after it is real.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod common;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use common::proxy::{self, Asked, Deed};
use common::{Ground, config, key, sender};
use evm::{Chain, RpcError, SendError, Sender};
use serde_json::{Value, json};
use testkit::anvil::{Mining, Options};

const SEND: &str = "eth_sendRawTransaction";
const COUNT: &str = "eth_getTransactionCount";

async fn chain_behind(
    ground: &Ground,
    judge: impl Fn(&Asked<'_>) -> Deed + Send + Sync + 'static,
) -> Chain {
    let url = proxy::start(ground.anvil.address(), judge);
    Chain::connect(config(&url)).await.unwrap()
}

/// Sends so many notes at once, and expects each of them on the chain exactly once.
async fn all_land_once(ground: &Ground, sender: &Sender, count: u64) {
    let mut wanted: Vec<_> = (0..count).map(|number| format!("note {number}")).collect();
    let mut tasks = Vec::new();
    for text in &wanted {
        let (sender, call) = (sender.clone(), ground.note(text));
        tasks.push(tokio::spawn(async move { sender.send(call).await }));
    }
    for task in tasks {
        assert!(task.await.unwrap().unwrap().succeeded);
    }
    let mut notes = ground.notes().await;
    notes.sort();
    wanted.sort();
    assert_eq!(notes, wanted);
    assert_eq!(ground.count(sender.account()).await, count);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_answers_make_nothing_land_twice() {
    let ground = Ground::new(&Options::default());
    let sends = AtomicU64::new(0);
    let chain = chain_behind(&ground, move |asked| {
        let sent = asked.method == SEND && sends.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
        if sent { Deed::Lose } else { Deed::Forward }
    })
    .await;
    all_land_once(&ground, &sender(&chain), 12).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sends_that_never_arrive_are_sent_again() {
    let ground = Ground::new(&Options::default());
    let sends = AtomicU64::new(0);
    let chain = chain_behind(&ground, move |asked| {
        let lost = asked.method == SEND && sends.fetch_add(1, Ordering::Relaxed) % 3 != 2;
        if lost { Deed::Junk } else { Deed::Forward }
    })
    .await;
    all_land_once(&ground, &sender(&chain), 8).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn junk_at_any_call_does_no_harm() {
    let ground = Ground::new(&Options::default());
    let chain = chain_behind(&ground, |asked| match asked.number {
        0 => Deed::Forward,
        number if number % 11 == 3 => Deed::Junk,
        number if number % 13 == 5 => Deed::Lose,
        _ => Deed::Forward,
    })
    .await;
    all_land_once(&ground, &sender(&chain), 12).await;
}

/// One of several machines behind one address is behind the others: it knows neither the newest
/// transactions nor that their nonces are used.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_that_is_late_displaces_nothing() {
    let ground = Ground::new(&Options::default());
    let chain = chain_behind(&ground, |asked| {
        let late = asked.method == "eth_getTransactionReceipt" && asked.number % 4 != 0;
        if late {
            Deed::Lie(Value::Null)
        } else {
            Deed::Forward
        }
    })
    .await;
    let sender = sender(&chain);
    for text in ["one", "two", "three"] {
        sender.send(ground.note(text)).await.unwrap();
    }
    assert_eq!(ground.notes().await, ["one", "two", "three"]);
}

fn count(chain: SocketAddr, account: &str, tag: &str) -> u64 {
    let params = json!([account, tag]);
    let question =
        json!({"jsonrpc": "2.0", "id": 1, "method": "eth_getTransactionCount", "params": params});
    let answer = proxy::forward(chain, &question).unwrap();
    let digits = answer["result"].as_str().unwrap().trim_start_matches("0x");
    u64::from_str_radix(digits, 16).unwrap()
}

/// Nodes reserve the most that each transaction may cost. Then of many at once the later ones are
/// refused though there is enough for all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn funds_for_a_few_at_once_are_enough_for_all() {
    let ground = Ground::new(&Options {
        mining: Mining::EverySeconds(1),
        ..Options::default()
    });
    let address = ground.anvil.address();
    let account = key(1).address().to_string();
    let chain = chain_behind(&ground, move |asked| {
        let waiting = || count(address, &account, "pending") - count(address, &account, "latest");
        if asked.method == SEND && waiting() >= 3 {
            return Deed::Refuse("insufficient funds for gas * price + value: overshot 7");
        }
        Deed::Forward
    })
    .await;
    all_land_once(&ground, &sender(&chain), 10).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_for_good_is_told_and_leaves_the_nonce_to_the_next() {
    let ground = Ground::new(&Options::default());
    let sends = AtomicU64::new(0);
    let chain = chain_behind(&ground, move |asked| {
        let first = asked.method == SEND && sends.fetch_add(1, Ordering::Relaxed) == 0;
        if first {
            Deed::Refuse("sender is not on the list")
        } else {
            Deed::Forward
        }
    })
    .await;
    let sender = sender(&chain);
    let error = sender.send(ground.note("refused")).await.unwrap_err();
    assert!(matches!(error, SendError::Refused { .. }), "{error:?}");
    assert!(!error.may_still_land());
    all_land_once(&ground, &sender, 3).await;
}

/// A replacement that the account cannot pay for must not make the sender forget what it replaces.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replacement_that_is_refused_leaves_the_first_in_the_pool() {
    let ground = Ground::new(&Options {
        mining: Mining::OnDemand,
        ..Options::default()
    });
    let first = Mutex::new(None);
    let (tell, refused) = mpsc::channel();
    let chain = chain_behind(&ground, move |asked| {
        if asked.method != SEND {
            return Deed::Forward;
        }
        let mut first = first.lock().unwrap();
        let first = first.get_or_insert_with(|| asked.params.clone());
        if first == asked.params {
            return Deed::Forward;
        }
        let _ = tell.send(());
        Deed::Refuse("insufficient funds for gas * price + value")
    })
    .await;
    let sender = sender(&chain);
    let call = ground.note("kept");
    let sent = tokio::spawn({
        let sender = sender.clone();
        async move { sender.send(call).await }
    });
    let patience = common::PATIENCE;
    tokio::task::spawn_blocking(move || refused.recv_timeout(patience).unwrap())
        .await
        .unwrap();
    ground.anvil.drop_transactions().unwrap();
    ground.until_pending(sender.account(), 1).await;
    ground.anvil.mine(1).unwrap();
    assert!(sent.await.unwrap().unwrap().succeeded);
    assert_eq!(ground.notes().await, ["kept"]);
}

/// The pool asks for more than is usual: fees go up until it takes the transaction.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_that_asks_for_more_gets_more() {
    let ground = Ground::new(&Options::default());
    let sends = AtomicU64::new(0);
    let chain = chain_behind(&ground, move |asked| {
        let low = asked.method == SEND && sends.fetch_add(1, Ordering::Relaxed) < 3;
        if low {
            Deed::Refuse("transaction underpriced: tip needed 9, tip permitted 1")
        } else {
            Deed::Forward
        }
    })
    .await;
    let usual = chain.rpc().priority_fee().await.unwrap();
    let mined = sender(&chain).send(ground.note("dear")).await.unwrap();
    let params = json!([mined.transaction.to_string()]);
    let seen = ground
        .anvil
        .rpc("eth_getTransactionByHash", params)
        .unwrap();
    let digits = seen["maxPriorityFeePerGas"].as_str().unwrap();
    let tip = u64::from_str_radix(digits.trim_start_matches("0x"), 16).unwrap();
    assert_eq!(u128::from(tip), 8 * usual);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_count_that_is_wrong_for_a_moment_gives_no_nonce() {
    let ground = Ground::new(&Options::default());
    let counts = AtomicU64::new(0);
    let chain = chain_behind(&ground, move |asked| {
        let wrong = asked.method == COUNT && counts.fetch_add(1, Ordering::Relaxed) < 3;
        if wrong {
            Deed::Lie(json!("0x3e8"))
        } else {
            Deed::Forward
        }
    })
    .await;
    all_land_once(&ground, &sender(&chain), 3).await;
}

/// A count that was wrong for longer: the way to the nonce that it led to is not paid for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_far_ahead_of_the_count_is_given_up() {
    let ground = Ground::new(&Options::default());
    let sent = AtomicBool::new(false);
    let chain = chain_behind(&ground, move |asked| {
        if asked.method == SEND {
            sent.store(true, Ordering::Relaxed);
        }
        let wrong = asked.method == COUNT && !sent.load(Ordering::Relaxed);
        if wrong {
            Deed::Lie(json!("0x3e8"))
        } else {
            Deed::Forward
        }
    })
    .await;
    let sender = sender(&chain);
    let error = sender.send(ground.note("ahead")).await.unwrap_err();
    assert!(matches!(error, SendError::MaybeSent { .. }), "{error:?}");
    assert_eq!(ground.count(sender.account()).await, 0);
    all_land_once(&ground, &sender, 3).await;
}

/// Another chain at the address of the node: nothing that it says is believed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_chain_at_the_same_address_is_not_believed() {
    const RIGHT: u64 = 0;
    const FAILS_ONCE: u64 = 1;
    const OTHER: u64 = 2;
    let ground = Ground::new(&Options::default());
    let state = Arc::new(AtomicU64::new(RIGHT));
    let seen = Arc::clone(&state);
    let chain = chain_behind(&ground, move |asked| {
        let state = seen.load(Ordering::Relaxed);
        if state == FAILS_ONCE {
            seen.store(OTHER, Ordering::Relaxed);
            return Deed::Junk;
        }
        if state == OTHER && asked.method == "eth_chainId" {
            return Deed::Lie(json!("0x63"));
        }
        Deed::Forward
    })
    .await;
    chain.rpc().block_number().await.unwrap();
    state.store(FAILS_ONCE, Ordering::Relaxed);
    let failed = chain.rpc().block_number().await;
    assert!(
        matches!(failed, Err(RpcError::Garbage { .. })),
        "{failed:?}"
    );
    let other = chain.rpc().block_number().await;
    assert!(
        matches!(other, Err(RpcError::OtherChain { served: 99, .. })),
        "{other:?}"
    );
    state.store(RIGHT, Ordering::Relaxed);
    chain.rpc().block_number().await.unwrap();
    // Asked for by name, it is found without a failure before it.
    state.store(OTHER, Ordering::Relaxed);
    let other = chain.check().await;
    assert!(
        matches!(other, Err(RpcError::OtherChain { .. })),
        "{other:?}"
    );
}
