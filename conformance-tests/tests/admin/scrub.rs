//! `kiln admin scrub` and `kiln admin quarantine`, on a node with a damaged brick.

use std::process::Output;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use keyssi::BrickHash;
use serde_json::Value;

use crate::damage::damage;
use crate::node::Node;

/// A pass over one brick takes milliseconds.
const PASS_WAIT: Duration = Duration::from_mins(1);
const PUT: &str = "/bricking/default/put-brick";

fn json_of(output: &Output) -> Result<Value> {
    Ok(serde_json::from_slice(&output.stdout)?)
}

#[test]
fn a_pass_that_is_started_finds_a_damaged_brick_which_is_listed_until_it_is_mended() -> Result<()> {
    let mut node = Node::start("[scrub]\nenabled = false")?;
    let brick = vec![b'x'; 20_000];
    assert_eq!(node.ask("PUT", PUT, Some(&brick))?.status, 201);
    node.stop()?;
    // Opening once more moves the brick from the log to a blob file.
    node.run()?;
    node.stop()?;
    damage(&node.data().join("bricks"))?;
    node.run()?;
    let text = node.admin(&["scrub", "status"])?;
    assert_eq!(text.status.code(), Some(0));
    let text = String::from_utf8(text.stdout)?;
    assert!(
        text.contains("bricks    now         no pass runs"),
        "{text}"
    );
    assert!(text.contains("anchors   last whole  none yet"), "{text}");

    node.admin_json(&["scrub", "start"])?;
    let asked = Instant::now();
    let done = |state: &Value, store: &str| state[store]["last"].is_object();
    let state = loop {
        let output = node.admin(&["--json", "scrub", "status"])?;
        let state = json_of(&output)?;
        if done(&state, "bricks") && done(&state, "anchors") {
            assert_eq!(output.status.code(), Some(1), "{state}");
            break state;
        }
        ensure!(asked.elapsed() < PASS_WAIT, "{state}");
    };
    assert_eq!(state["bricks"]["last"]["damaged"], 1, "{state}");
    assert_eq!(state["bricks"]["quarantined"], 1, "{state}");
    let name = BrickHash::of(&brick).to_string();
    let listed = node.admin_json(&["quarantine", "list"])?;
    assert_eq!(listed["bricks"][0]["hash"], name.as_str(), "{listed}");
    let text = String::from_utf8(node.admin(&["quarantine", "list"])?.stdout)?;
    assert!(text.contains(&format!(" default {name} ")), "{text}");
    // The anchors are sound.
    let only = node.admin(&["--json", "scrub", "status", "--store", "anchors"])?;
    assert_eq!(only.status.code(), Some(0));
    assert!(json_of(&only)?.get("bricks").is_none());

    assert_eq!(node.ask("PUT", PUT, Some(&brick))?.status, 201);
    let mended = node.admin(&["--json", "scrub", "status"])?;
    assert_eq!(mended.status.code(), Some(0));
    assert_eq!(json_of(&mended)?["bricks"]["quarantined"], 0);
    let listed = node.admin(&["quarantine", "list"])?;
    assert_eq!((listed.status.code(), listed.stdout.len()), (Some(0), 0));
    node.admin_json(&["scrub", "stop", "--store", "bricks"])?;
    let audit = node.admin_json(&["audit", "show"])?.to_string();
    for act in ["scrub.start", "scrub.stop"] {
        assert!(audit.contains(act), "{act}: {audit}");
    }
    Ok(())
}
