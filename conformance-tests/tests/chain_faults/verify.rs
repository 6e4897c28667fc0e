//! What must hold after the faults, read from the chain and not from the node.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use testkit::binaries::Binary;
use testkit::process::Launch;
use testkit::random::Random;
use translog::{Policy, ProofFile};

use crate::chain::{Chain, wait_until};
use crate::node::{DIRECT, Node, ROOTS, ROOTS_ORIGIN};
use crate::writer::{Anchored, Writer};

/// Everything must be on the chain within this time after the last fault. The pauses of the outbox
/// grow with the length of an outage, and machines are slow at times.
const ARRIVAL: Duration = Duration::from_mins(5);
/// Proofs that are looked at, if there are more.
const PROOFS_MAX: usize = 50;

/// Demands that all is where it belongs.
pub(crate) fn verify(
    chain: &Chain,
    node: &Node,
    writers: &[Writer],
    random: &mut Random,
) -> Result<()> {
    let of = |name: &str| {
        let writers = writers.iter().filter(|it| it.domain.as_str() == name);
        let anchors = writers.flat_map(|it| &it.anchors);
        anchors.collect::<Vec<_>>()
    };
    let (direct, roots) = (of(DIRECT), of(ROOTS));
    all_on_contract(chain, node, &direct)?;
    all_below_roots(chain, node, &roots, random)?;
    log_in_order(node, DIRECT, &direct)?;
    log_in_order(node, ROOTS, &roots)
}

/// Every entry is on the contract once and in order, nothing else is, and the statuses say so.
fn all_on_contract(chain: &Chain, node: &Node, anchors: &[&Anchored]) -> Result<()> {
    for anchor in anchors {
        let (id, expected) = (anchor.plain_id()?, anchor.plain_values()?);
        let mut there = Vec::new();
        let arrived = wait_until(&format!("{id} is on the contract"), ARRIVAL, || {
            there = chain.versions(&id)?;
            ensure!(
                expected.starts_with(&there),
                "the contract holds {there:?} instead of {expected:?}"
            );
            Ok(there == expected)
        });
        arrived.with_context(|| {
            let status = node.status(DIRECT, &anchor.id, None);
            format!(
                "the contract holds {there:?} of {expected:?}; status {status:?}; {}",
                node.said()
            )
        })?;
    }
    ensure!(
        chain.anchors()? == anchors.len() as u64,
        "the contract holds anchors of nobody"
    );
    let last = anchors.iter().map(|it| (DIRECT, *it));
    last.into_iter().try_for_each(|(domain, anchor)| {
        wait_until(&format!("{} is onChain", anchor.id), ARRIVAL, || {
            let state = node.state(domain, &anchor.id)?;
            ensure!(state != "conflict", "a conflict with nobody");
            Ok(state == "onChain")
        })
    })
}

/// Every entry, or a sample, has a proof up to a root that is on the chain.
fn all_below_roots(
    chain: &Chain,
    node: &Node,
    anchors: &[&Anchored],
    random: &mut Random,
) -> Result<()> {
    let policy = Policy::parse(&format!("log {}\n", vkey(node, ROOTS)?))?;
    let mut entries = Vec::new();
    for anchor in anchors {
        let values = anchor.plain_values()?.into_iter().enumerate();
        entries.extend(values.map(|(version, value)| (*anchor, version, value)));
    }
    while entries.len() > PROOFS_MAX {
        entries.swap_remove(random.index(entries.len()));
    }
    let mut places = BTreeSet::new();
    for (anchor, version, value) in entries {
        let target = format!("/anchor/{ROOTS}/proof/{}?version={version}", anchor.id);
        let mut proven = None;
        wait_until(&format!("{target} is on the chain"), ARRIVAL, || {
            let reply = node.fetch(&target)?;
            if reply.status == 202 {
                return Ok(false);
            }
            ensure!(reply.status == 200, "{} {}", reply.status, reply.text());
            let proof = ProofFile::parse(&reply.text())?;
            let chain = proof.extra.as_ref().and_then(|it| it.chain.clone());
            proven = chain.map(|chain| (proof, chain));
            Ok(proven.is_some())
        })?;
        let (proof, on_chain) = proven.context("no proof")?;
        let verified = proof.verify(&policy)?;
        ensure!(
            verified.anchor_id == anchor.plain_id()? && verified.anchor_value == value,
            "{target} proves another entry"
        );
        ensure!(
            places.insert(proof.index),
            "{target}: one leaf, two entries"
        );
        chain.confirm(ROOTS_ORIGIN, &proof, &on_chain)?;
        let status = node.status(ROOTS, &anchor.id, Some(version))?;
        ensure!(status["state"] == "onChain", "{status}");
    }
    Ok(())
}

/// The whole log of a domain is in order and holds each entry once: none more than there are.
fn log_in_order(node: &Node, domain: &str, anchors: &[&Anchored]) -> Result<()> {
    let entries: usize = anchors.iter().map(|it| it.values.len()).sum();
    wait_until("the log is signed to its end", ARRIVAL, || {
        let reply = node.fetch(&format!("/log/{domain}/checkpoint"))?;
        let text = reply.text();
        let size = text.lines().nth(1).context("no size")?.parse::<usize>()?;
        ensure!(
            size <= entries,
            "{size} entries in the log, {entries} known"
        );
        Ok(size == entries)
    })?;
    let state = tempfile::tempdir()?;
    let address = format!("http://{}/log/{domain}", node.address()?);
    let launch = Launch::of(Binary::Kiln)?.arg("log").arg("check");
    let launch = launch.arg(address).arg("--vkey").arg(vkey(node, domain)?);
    let checked = launch.arg("--state").arg(state.path()).run()?;
    ensure!(
        checked.status.success(),
        "kiln log check of {domain}: {}{}",
        String::from_utf8_lossy(&checked.stdout),
        String::from_utf8_lossy(&checked.stderr)
    );
    Ok(())
}

fn vkey(node: &Node, domain: &str) -> Result<String> {
    let reply = node.fetch(&format!("/log/{domain}/vkey"))?;
    ensure!(reply.status == 200, "{}", reply.text());
    let text = reply.text();
    Ok(text.lines().next().context("no key")?.to_owned())
}
