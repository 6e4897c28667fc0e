//! `kiln serve --apihub-root`: the domains of an ApiHub that lies there, served
//! with a store of our own; its folder is read and never changed.

#[path = "../common/answer.rs"]
mod answer;
mod hub;
mod mistakes;
mod settings;
mod watch;

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use testkit::owner::{FIRST_MS, Owner};
use testkit::process::NodeProcess;

use crate::answer::Answer::{Body, Empty, Message};
use crate::hub::{Hub, HubNode};

/// Changes are noticed within about a second; a busy machine takes longer.
const NOTICE_WAIT: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(50);

/// Waits until something holds, and says what did not when it does not in time.
fn wait_until(what: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + NOTICE_WAIT;
    while !holds()? {
        anyhow::ensure!(
            Instant::now() < deadline,
            "{what}: not within {NOTICE_WAIT:?}"
        );
        sleep(POLL);
    }
    Ok(())
}

/// Waits until a line on stderr holds all these parts; gives the line.
fn wait_for_line(process: &NodeProcess, parts: &[&str]) -> Result<String> {
    let mut found = None;
    let deadline = Instant::now() + NOTICE_WAIT;
    while found.is_none() {
        let stderr = process.stderr_tail();
        let mut lines = stderr.lines();
        found = lines
            .find(|line| parts.iter().all(|part| line.contains(part)))
            .map(str::to_owned);
        let in_time = Instant::now() < deadline;
        anyhow::ensure!(
            found.is_some() || in_time,
            "no line with {parts:?} in:\n{stderr}"
        );
        sleep(POLL);
    }
    found.context("no line")
}

/// BDNS text with spaces and an order that no printer would choose.
const HOSTS: &str = "{ \"hosted\" : {\"replicas\": [ ],\n \"brickStorages\":[\"$ORIGIN\"],
 \"anchoringServices\":[\"https://anchors.example\"], \"odd\":1.0},\t\"both\":{} }\n\n";

#[test]
fn domains_of_domain_files_and_of_bdns_hosts_are_served_and_bdns_is_verbatim() -> Result<()> {
    let hub = Hub::new()?;
    hub.configure("bdns.hosts", HOSTS)?;
    hub.configure("domains/filed.json", "{}")?;
    hub.configure("domains/both.json", "{\"anchoring\":{\"type\":\"FS\"}}")?;
    hub.configure("domains/two.parts.json", "{\"anchoring\":{}}")?;
    hub.configure("domains/notes.txt", "no JSON")?;
    hub.configure("domains/sub/nested.json", "{}")?;
    let before = hub.snapshot()?;
    let node = HubNode::start(&hub)?;
    let bdns = node.fetch("/bdns")?;
    Body(200, HOSTS.as_bytes()).check("/bdns", &bdns);
    assert_eq!(bdns.header("content-type"), Some("application/json"));
    for domain in ["hosted", "filed", "both", "two.parts"] {
        node.check_domain(domain, true, true)?;
        let mut owner = Owner::new(&domain.parse()?, &[7; 32])?;
        let value = owner.sign("a", FIRST_MS)?;
        let id = owner.id().to_owned();
        let target = format!("/anchor/{domain}/create-anchor/{id}/{value}");
        Empty(201).check(domain, &node.put(&target, b"")?);
        owner.follow(Some(&value))?;
        let last = format!("{{\"message\":\"{value}\"}}");
        let reply = node.fetch(&format!("/anchor/{domain}/get-last-version/{id}"))?;
        Body(200, last.as_bytes()).check(domain, &reply);
    }
    // No domain of our own, and nothing that only looks like a domain file.
    for domain in ["default", "notes", "nested", "sub", "two", "Hosted"] {
        node.check_domain(domain, false, false)?;
    }
    assert_eq!(hub.snapshot()?, before, "the ApiHub's folder was changed");
    Ok(())
}

#[test]
fn domains_whose_anchors_are_on_a_ledger_have_bricks_only() -> Result<()> {
    let hub = Hub::new()?;
    hub.configure("bdns.hosts", "{\"eth\":{},\"oba\":{},\"odd\":{}}")?;
    hub.configure("domains/eth.json", "{\"anchoring\":{\"type\":\"ETH\"}}")?;
    hub.configure("domains/oba.json", "{\"anchoring\":{\"type\":\"OBA\"}}")?;
    hub.configure("domains/odd.json", "{\"anchoring\":{\"type\":7}}")?;
    let node = HubNode::start(&hub)?;
    for (domain, kind) in [("eth", "ETH"), ("oba", "OBA"), ("odd", "7")] {
        node.check_domain(domain, true, false)?;
        let name = bs58::encode(sha2_of(domain)).into_string();
        let get = format!("/bricking/{domain}/get-brick/{name}");
        Body(200, domain.as_bytes()).check(domain, &node.fetch(&get)?);
        let owner = Owner::new(&domain.parse()?, &[7; 32])?;
        let (id, value) = (owner.id(), owner.sign("a", FIRST_MS)?);
        let reason = format!("the anchors of domain {domain} are on a ledger");
        for action in ["create-anchor", "append-to-anchor"] {
            let target = format!("/anchor/{domain}/{action}/{id}/{value}");
            Message(400, &reason).check(&target, &node.put(&target, b"")?);
        }
        for route in ["get-all-versions", "get-last-version"] {
            let target = format!("/anchor/{domain}/{route}/{id}");
            Message(400, &reason).check(&target, &node.fetch(&target)?);
        }
        let batch = serde_json::json!([{ "anchorId": id, "anchorValue": value }]);
        let target = "/anchor/create-or-update-multiple-anchors";
        let reply = node.put(target, batch.to_string().as_bytes())?;
        Message(400, &reason).check(target, &reply);
        let file = format!("{domain}.json");
        wait_for_line(
            node.process(),
            &[&file, &format!("anchoring type {kind} is not served")],
        )?;
    }
    Ok(())
}

fn sha2_of(text: &str) -> Vec<u8> {
    use sha2::{Digest as _, Sha256};
    Sha256::digest(text).to_vec()
}

#[test]
fn what_lies_in_the_folder_is_counted_and_not_served() -> Result<()> {
    let hub = Hub::new()?;
    hub.configure("bdns.hosts", "{\"default\":{},\"other\":{}}")?;
    for (place, content) in [
        ("domains/default/brick-storage/ab/abc", "a"),
        ("domains/default/brick-storage/ab/abd", "b"),
        ("domains/other/brick-storage/abcde/abcdef", "c"), // the older shards
        ("domains/other/anchors/x", "d"),
        ("domains/unknown/anchors/y", "e"),
    ] {
        hub.write(place, content)?;
    }
    let before = hub.snapshot()?;
    let node = HubNode::start(&hub)?;
    let line = wait_for_line(node.process(), &["3 bricks and 2 anchors", "not served"])?;
    assert!(line.contains("WARN"), "{line}");
    let reply = node.fetch("/bricking/default/get-brick/abc")?;
    Message(404, "Brick not found").check("a brick that lies there", &reply);
    assert_eq!(hub.snapshot()?, before, "the ApiHub's folder was changed");
    Ok(())
}

/// A volume as the reference has left it.
#[test]
fn a_recorded_volume_is_counted_and_not_served() -> Result<()> {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/dsu/at-rest-sample/domains");
    let hub = Hub::new()?;
    hub.configure("bdns.hosts", "{\"default\":{}}")?;
    copy(&sample, &hub.path("domains"))?;
    let before = hub.snapshot()?;
    let node = HubNode::start(&hub)?;
    wait_for_line(node.process(), &["8 bricks and 1 anchors", "not served"])?;
    let mut bricks = 0;
    for (path, (bytes, _)) in &before {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let above = path.parent().and_then(Path::parent);
        let get = format!("/bricking/default/get-brick/{name}");
        if above.is_some_and(|it| it.ends_with("brick-storage")) {
            bricks += 1;
            Message(404, "Brick not found").check(&get, &node.fetch(&get)?);
            // What a wallet stores again is served from then on.
            let reply = node.put("/bricking/default/put-brick", bytes)?;
            Message(201, &name).check(&get, &reply);
            Body(200, bytes).check(&get, &node.fetch(&get)?);
        } else if path.parent().is_some_and(|it| it.ends_with("anchors")) {
            let versions = format!("/anchor/default/get-all-versions/{name}");
            Empty(404).check(&versions, &node.fetch(&versions)?);
        }
    }
    assert_eq!(bricks, 8);
    assert_eq!(hub.snapshot()?, before, "the ApiHub's folder was changed");
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in from.read_dir()? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy(&source, &target)?;
        } else {
            std::fs::copy(&source, &target)?;
        }
    }
    Ok(())
}
