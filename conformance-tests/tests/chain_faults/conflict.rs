//! Two nodes over one contract acknowledge different values on one head while the chain is down.
//!
//! One of them loses. It must keep both histories and show them, still serve what it acknowledged,
//! refuse further values for that anchor only, and still do so after it was killed.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use keyssi::{AnchorId, AnchorValue, BrickHash, Domain};
use serde_json::{Value, json};
use testkit::anvil::ACCOUNTS;
use testkit::http::{Reply, Request, ask};
use testkit::owner::{FIRST_MS, Owner};

use crate::chain::{Chain, Miner, wait_until};
use crate::node::{DIRECT, Node, ROOTS_ORIGIN};

const LONGEST: Duration = Duration::from_mins(3);

/// An anchor as its owner knows it by one node.
#[derive(Clone)]
struct Anchor {
    owner: Owner,
    values: Vec<String>,
}

impl Anchor {
    fn new(key: u8) -> Result<Self> {
        let domain: Domain = DIRECT.parse()?;
        let owner = Owner::new(&domain, &[key; 32])?;
        let values = Vec::new();
        Ok(Self { owner, values })
    }

    fn id(&self) -> &str {
        self.owner.id()
    }

    /// Offers a further value to a node.
    fn offer(&mut self, node: &Node, text: &str) -> Result<Reply> {
        let hash = BrickHash::of(text.as_bytes()).to_string();
        let now = FIRST_MS + self.values.len() as u64;
        let value = self.owner.sign(&hash, now)?;
        let action = if self.values.is_empty() {
            "create-anchor"
        } else {
            "append-to-anchor"
        };
        let target = format!("/anchor/{DIRECT}/{action}/{}/{value}", self.id());
        let address = node.address()?;
        let reply = ask(address, &Request::to(address, "PUT", &target))?;
        if reply.status == 201 {
            self.owner.follow(Some(&value))?;
            self.values.push(value);
        }
        Ok(reply)
    }

    /// Writes a further value.
    fn write(&mut self, node: &Node, text: &str) -> Result<()> {
        let reply = self.offer(node, text)?;
        ensure!(reply.status == 201, "{} {}", reply.status, reply.text());
        Ok(())
    }

    fn is_on_chain(&self, node: &Node) -> Result<()> {
        wait_until("it is on the chain", LONGEST, || {
            Ok(node.state(DIRECT, self.id())? == "onChain")
        })
    }

    /// What the contract holds, wrapped.
    fn on_contract(&self, chain: &Chain) -> Result<Vec<String>> {
        let plain = chain.versions(AnchorId::parse_wrapped(self.id())?.plain())?;
        let wrapped = |text: &String| Ok(AnchorValue::parse_stored(text)?.as_str().to_owned());
        plain.iter().map(wrapped).collect()
    }
}

fn history(node: &Node, id: &str) -> Result<Vec<String>> {
    let reply = node.fetch(&format!("/anchor/{DIRECT}/get-all-versions/{id}"))?;
    ensure!(reply.status == 200, "{} {}", reply.status, reply.text());
    Ok(serde_json::from_slice(&reply.body)?)
}

/// What must hold at the node that lost, now and after a restart.
fn check_loser(node: &Node, lost: &mut Anchor, won: &Anchor, text: &str) -> Result<()> {
    let status = node.status(DIRECT, lost.id(), None)?;
    let both: Value = json!({"here": lost.values, "there": won.values});
    ensure!(
        status["state"] == "conflict" && status["conflict"] == both,
        "{status}"
    );
    ensure!(
        history(node, lost.id())? == lost.values,
        "it serves something else than it acknowledged"
    );
    let refused = lost.offer(node, text)?;
    ensure!(
        refused.status == 409 && refused.text().contains("see its status"),
        "{} {}",
        refused.status,
        refused.text()
    );
    Ok(())
}

#[test]
fn a_conflict_with_another_node_is_kept_and_shown() -> Result<()> {
    let [_, first, second, ..] = ACCOUNTS;
    let chain = Arc::new(Chain::start(ROOTS_ORIGIN, first)?);
    let miner = Miner::start(&chain);
    let start = |account| Node::start(&chain, account, &[DIRECT]);
    let mut nodes = [start(first)?, start(second)?];

    // Both know the anchor, and each has another one.
    let mut shared = Anchor::new(1)?;
    shared.write(&nodes[0], "first")?;
    shared.is_on_chain(&nodes[0])?;
    wait_until("the second node knows it", LONGEST, || {
        let target = format!("/anchor/{DIRECT}/get-all-versions/{}", shared.id());
        Ok(nodes[1].fetch(&target)?.status == 200)
    })?;
    let mut others = [Anchor::new(2)?, Anchor::new(3)?];
    for (node, other) in nodes.iter().zip(&mut others) {
        other.write(node, "first")?;
    }

    let mut held = chain.hold();
    held.stop()?;
    let mut ends = [shared.clone(), shared.clone()];
    for (node, end) in nodes.iter().zip(&mut ends) {
        end.write(node, &format!("of {}", node.account().address))?;
    }
    for (node, other) in nodes.iter().zip(&mut others) {
        other.write(node, "while the chain is down")?;
    }
    held.restart()?;
    drop(held);

    let mut loser = None;
    wait_until("one of them has lost", LONGEST, || {
        for (place, node) in nodes.iter().enumerate() {
            if node.state(DIRECT, shared.id())? == "conflict" {
                loser = Some(place);
            }
        }
        Ok(loser.is_some())
    })?;
    let loser = loser.context("nobody has lost")?;
    let won = ends[1 - loser].clone();
    won.is_on_chain(&nodes[1 - loser])?;
    ensure!(won.on_contract(&chain)? == won.values);
    check_loser(&nodes[loser], &mut ends[loser], &won, "more")?;

    nodes[loser].kill();
    nodes[loser].start_again()?;
    check_loser(&nodes[loser], &mut ends[loser], &won, "still more")?;

    // All else goes on, at both.
    for (node, other) in nodes.iter().zip(&mut others) {
        other.write(node, "after it")?;
        other.is_on_chain(node)?;
        ensure!(other.on_contract(&chain)? == other.values);
    }
    let mut won = won;
    won.write(&nodes[1 - loser], "goes on")?;
    won.is_on_chain(&nodes[1 - loser])?;
    ensure!(won.on_contract(&chain)? == won.values);
    let status = nodes[1 - loser].status(DIRECT, shared.id(), None)?;
    if !status["conflict"].is_null() {
        bail!("the winner has a conflict: {status}");
    }
    miner.end()
}
