//! 10,000 anchors in the embedded ledger, and the roots of their log on a real chain: what that
//! costs for each, and that every proof leads to what the chain says.
//!
//! **Source:** translog specification §7 and §10.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod node;
mod on_chain;

use std::time::Instant;

use ledger::Entry;
use node::{Node, signed};
use on_chain::{ChainView, Registered};
use translog::{ProofFile, SignedNote};

/// Anchors of a batch, and batches.
const BATCH: usize = 1_000;
const BATCHES: usize = 10;
/// The most gas for an anchor, over all batches: the first one of a log takes about twice as much
/// as each later one.
const GAS_MAX: f64 = 50.0;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_anchors_cost_little_gas_and_each_is_proven_by_the_chain() {
    let begun = Instant::now();
    let entries = signed(BATCH * BATCHES);
    println!("{:?}: {} values are signed", begun.elapsed(), entries.len());
    let registered = Registered::new().await;
    let node = Node::start(&registered).await;
    let mut written = 0;
    for batch in entries.chunks(BATCH) {
        node.write(batch).await;
        written += batch.len();
        node.until_published(written as u64).await;
    }
    assert_eq!(node.trouble(), None);
    println!("{:?}: they are written and published", begun.elapsed());
    let batches = registered.gas().await;
    assert_eq!(batches.len(), BATCHES);
    for (gas, number) in batches.iter().zip(1..) {
        println!("batch {number}: {gas} gas, {} an anchor", each(*gas, BATCH));
    }
    let all: u64 = batches.iter().sum();
    let gas = each(all, entries.len());
    println!("{} anchors: {all} gas, {gas} an anchor", entries.len());
    assert!(gas <= GAS_MAX, "{gas}");
    let texts = node.proofs(&entries).await;
    println!("{:?}: {} proofs are made", begun.elapsed(), texts.len());
    assert_eq!(texts.len(), BATCH * BATCHES);
    let view = registered.view().await;
    for (number, (entry, text)) in entries.iter().zip(&texts).enumerate() {
        let sequence = check(&node, &view, entry, text);
        let sequence = sequence.unwrap_or_else(|why| panic!("anchor {number}: {why}"));
        assert_eq!(sequence, number as u64 / BATCH as u64 + 1);
    }
    println!("{:?}: all {} proofs hold", begun.elapsed(), texts.len());
    no_other_proof_holds(&node, &view, &entries, &texts);
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn each(gas: u64, anchors: usize) -> f64 {
    gas as f64 / anchors as f64
}

/// The number of the batch that proves an entry, or what does not hold.
///
/// What the file says of the chain is compared with the event of the transaction that it names.
fn check(node: &Node, view: &ChainView, entry: &Entry, text: &str) -> Result<u64, String> {
    let file = ProofFile::parse(text).map_err(|error| error.to_string())?;
    let proven = file.verify(node.policy());
    let proven = proven.map_err(|error| error.to_string())?;
    let anchor = (entry.id.plain(), entry.value.plain());
    if (proven.anchor_id.as_str(), proven.anchor_value.as_str()) != anchor {
        return Err("the proof is of another anchor".to_owned());
    }
    let chain = file.extra.and_then(|extra| extra.chain);
    let claim = chain.ok_or("nothing is said of a chain")?;
    view.check(&claim, &proven.checkpoint)?;
    Ok(claim.sequence)
}

/// That the check can fail, and at each of its steps.
fn no_other_proof_holds(node: &Node, view: &ChainView, entries: &[Entry], texts: &[String]) {
    let last = texts.len() - 1;
    let refused = |number: usize, file: &ProofFile| {
        check(node, view, &entries[number], &file.to_string()).unwrap_err()
    };
    let parsed = |number: usize| ProofFile::parse(&texts[number]).unwrap();
    assert_eq!(
        refused(0, &parsed(1)),
        "the proof is of another anchor",
        "of its neighbour"
    );
    let mut other = parsed(0);
    other.hashes[0][0] ^= 1;
    assert_eq!(
        refused(0, &other),
        "the entry is not in the tree of the checkpoint"
    );
    let mut other = parsed(0);
    let extra = other.extra.as_mut().unwrap();
    extra.chain = parsed(last).extra.unwrap().chain;
    assert_eq!(
        refused(0, &other),
        "the chain says otherwise",
        "of another batch's transaction"
    );
    let mut other = parsed(0);
    other.extra.as_mut().unwrap().chain = None;
    assert_eq!(refused(0, &other), "nothing is said of a chain");
    let mut other = parsed(0);
    let foreign = texts[0].replace("— log.example/default ", "— log.example/defaulu ");
    let foreign = foreign.split_once("\n\n").unwrap().1;
    other.note = SignedNote::parse(foreign).unwrap();
    assert_eq!(
        refused(0, &other),
        "the policy does not accept the checkpoint"
    );
}
