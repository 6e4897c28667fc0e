//! Acknowledged ends on chain: a node over a real chain, and everything that goes wrong between
//! them.
//!
//! **Bug that this looks for:** an entry that is acknowledged and never gets to the chain, gets there
//! twice or out of order; a root that is published for another tree; a status that says more than
//! is true; a conflict where there is none. **Mechanism:** a node with two domains (entries
//! straight to the contract behind an outbox, and roots of the log to the registry) on `anvil`;
//! writers create anchors and append to them all the time and remember what was answered with 201;
//! meanwhile the chain is stopped, frozen or reorganised, loses transactions, sees the node's
//! account used by somebody else, or the node is killed or stopped. At the end everything is looked
//! for on the chain itself.
//!
//! Reorganisations are of one block, less than the two confirmations that the node is configured
//! with: deeper ones take away what was final by the operator's own words.
//!
//! `KILN_CHAIN_ROUNDS` sets the number of rounds, `KILN_SEED` repeats a run's choices (not its
//! timing, which is the machine's).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod chain;
mod conflict;
mod faults;
mod node;
mod not_deep;
mod verify;
mod writer;

use std::collections::BTreeMap;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use testkit::anvil::{ACCOUNTS, Account};
use testkit::random::Random;

use crate::chain::{Chain, Miner};
use crate::faults::Fault;
use crate::node::{DIRECT, Node, ROOTS, ROOTS_ORIGIN};
use crate::verify::verify;
use crate::writer::Writer;

/// Rounds of `make test`: each fault once.
const ROUNDS: usize = Fault::ALL.len();
/// Every so many rounds everything is looked for.
const VERIFY_EVERY: usize = 40;
/// Writers of each domain.
const WRITERS: usize = 2;
/// Writing before and after a fault takes less than this each, in milliseconds.
const CALM_MS: u64 = 900;

/// The account of the node.
const NODE: Account = ACCOUNTS[1];

/// A node, its chain and its writers.
struct World {
    chain: Arc<Chain>,
    node: Node,
    writers: Vec<Writer>,
    random: Random,
}

#[test]
fn every_acknowledged_anchor_ends_on_chain_once_and_in_order() -> Result<()> {
    let rounds = match std::env::var("KILN_CHAIN_ROUNDS") {
        Ok(text) => text.parse().context("KILN_CHAIN_ROUNDS")?,
        Err(_) => ROUNDS,
    };
    let mut world = World::new(Random::announced("chain_faults")?)?;
    let miner = Miner::start(&world.chain);
    let started = Instant::now();
    let mut happened: BTreeMap<Fault, u64> = BTreeMap::new();
    let mut order = world.shuffled();
    for round in 1..=rounds {
        let fault = order.pop();
        let fault = fault.unwrap_or_else(|| Fault::any(&mut world.random));
        let ended = world.round(fault);
        ended.with_context(|| format!("round {round}, {fault:?}; {}", world.node.said()))?;
        *happened.entry(fault).or_default() += 1;
        if round % VERIFY_EVERY == 0 || round == rounds {
            let random = &mut world.random.fork();
            verify(&world.chain, &world.node, &world.writers, random)
                .with_context(|| format!("after round {round}"))?;
        }
    }
    miner.end()?;
    world.report(rounds, started.elapsed(), &happened)
}

impl World {
    fn new(mut random: Random) -> Result<Self> {
        let chain = Arc::new(Chain::start(ROOTS_ORIGIN, NODE)?);
        let node = Node::start(&chain, NODE, &[DIRECT, ROOTS])?;
        let mut writers = Vec::new();
        for domain in [DIRECT, ROOTS] {
            for _ in 0..WRITERS {
                writers.push(Writer::new(domain, random.fork())?);
            }
        }
        Ok(Self {
            chain,
            node,
            writers,
            random,
        })
    }

    /// Every fault once, in some order.
    fn shuffled(&mut self) -> Vec<Fault> {
        let mut left = Fault::ALL.to_vec();
        let mut order = Vec::new();
        while !left.is_empty() {
            order.push(left.swap_remove(self.random.index(left.len())));
        }
        order
    }

    /// Everybody writes, and a fault happens.
    fn round(&mut self, fault: Fault) -> Result<()> {
        let address = self.node.address()?;
        let Self {
            chain,
            node,
            writers,
            random,
        } = self;
        let mut calm = || Duration::from_millis(random.below(CALM_MS));
        let (before, after) = (calm(), calm());
        thread::scope(|scope| {
            let (mut ends, mut writing) = (Vec::new(), Vec::new());
            for writer in writers.iter_mut() {
                let (end, until) = mpsc::channel();
                ends.push(end);
                writing.push(scope.spawn(move || writer.run(address, &until)));
            }
            thread::sleep(before);
            let happened = fault.happen(chain, node, random);
            thread::sleep(after);
            drop(ends);
            let mut joined = writing.into_iter().map(|it| match it.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            joined.try_for_each(|result| result)?;
            happened
        })?;
        self.writers
            .iter_mut()
            .try_for_each(|writer| writer.settle(&self.node))
    }

    fn report(
        &self,
        rounds: usize,
        elapsed: Duration,
        happened: &BTreeMap<Fault, u64>,
    ) -> Result<()> {
        let entries = |name: &str| {
            let writers = self.writers.iter().filter(|it| it.domain.as_str() == name);
            let anchors = writers.flat_map(|it| &it.anchors);
            anchors.map(|it| it.values.len()).sum::<usize>()
        };
        let acknowledged: u64 = self.writers.iter().map(|it| it.acknowledged).sum();
        let found: u64 = self.writers.iter().map(|it| it.found).sum();
        let (direct, roots) = (entries(DIRECT), entries(ROOTS));
        let faults: Vec<_> = happened
            .iter()
            .map(|it| format!("{:?} {}", it.0, it.1))
            .collect();
        // All of it was looked for, else the test would have failed before.
        eprintln!(
            "chain_faults: {rounds} rounds in {:.0} s ({}): acknowledged {acknowledged}, unanswered \
             and kept {found}; on the contract {direct}, below roots on the chain {roots}; lost 0, \
             twice 0, out of order 0",
            elapsed.as_secs_f64(),
            faults.join(", "),
        );
        ensure!(direct > 0 && roots > 0, "nothing was written");
        ensure!(
            acknowledged + found == (direct + roots) as u64,
            "the writers lost count"
        );
        Ok(())
    }
}
