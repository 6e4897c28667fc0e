//! The audit log: what is in it, that it is whole, and that a flood does not fill it.

use anyhow::Result;
use serde_json::{Value, json};
use testkit::http::Request;
use testkit::server::write_file;

use crate::node::{Node, guess};

const CLOSED: &str = "[[domain]]\nname = \"here\"\nanonymous = \"none\"\n";
const READ: &str = "/bricking/here/get-brick/GKot5hBsd81kMupNCXHaqbhv3huEbxAFMLnpcX2hniwn";

fn records(node: &Node) -> Result<Vec<Value>> {
    let answer = node.admin_json("audit?most=1000")?;
    Ok(answer["records"].as_array().unwrap().clone())
}

/// Refusals with this reason, summed up.
fn times(records: &[Value], act: &str) -> u64 {
    let of_act = records.iter().filter(|record| record["act"] == act);
    of_act.map(|record| record["count"].as_u64().unwrap()).sum()
}

#[test]
fn every_act_and_every_refusal_is_recorded() -> Result<()> {
    let mut node = Node::start(CLOSED)?;
    let key = node.key("reader", &["here:read"])?;
    let gone = node.key("gone", &["here:read"])?;
    node.revoke(&gone)?;
    let put = |key: Option<&str>| {
        let request = node.request("PUT", "/bricking/here/put-brick", key);
        node.ask(&request.body("x"))
    };
    for _ in 0..3 {
        assert_eq!(node.status(READ, None)?, 401);
        assert_eq!(put(Some(&key.text))?.status, 403);
    }
    assert_eq!(node.status(READ, Some(&guess(None)))?, 401);
    assert_eq!(node.status(READ, Some(&guess(Some(&key.id))))?, 401);
    assert_eq!(node.status(READ, Some(&gone.text))?, 401);
    assert_eq!(node.status(READ, Some("kiln_short"))?, 401);
    let foreign = Request::new("GET", READ).header("Host", "evil.example");
    assert_eq!(node.ask(&foreign)?.status, 403);
    let forwarded = node.request("GET", READ, None);
    let forwarded = forwarded.header("X-Forwarded-For", "192.0.2.1");
    for _ in 0..2 {
        assert_eq!(node.ask(&forwarded)?.status, 403);
    }
    let found = records(&node)?;
    for (act, expected) in [
        ("key.create", 2),
        ("key.revoke", 1),
        ("refused.no-credential", 3),
        ("refused.not-allowed", 3),
        ("refused.unknown-key", 2),
        ("refused.revoked-key", 1),
        ("refused.malformed-credential", 1),
        ("refused.foreign-host", 1),
        ("refused.forwarded", 2),
    ] {
        assert_eq!(times(&found, act), expected, "{act} in {found:#?}");
    }
    let of_act = |act: &str| found.iter().find(|record| record["act"] == act).unwrap();
    let refused = of_act("refused.not-allowed");
    assert_eq!(refused["who"], json!(format!("key {} (reader)", key.id)));
    assert_eq!(refused["domain"], "here");
    assert_eq!(refused["address"], "127.0.0.1");
    let revoked = of_act("key.revoke");
    assert_eq!(revoked["who"], "admin token");
    assert_eq!(revoked["detail"]["key"], json!(gone.id));
    // No key in it, whole or in part.
    let all = json!(found).to_string();
    for key in [&key, &gone] {
        assert!(!all.contains(key.text.rsplit('_').next().unwrap()));
    }
    let whole = node.admin_json("audit/check")?;
    assert_eq!(
        (&whole["broken"], &whole["head"]),
        (&json!(null), &found[0]["hash"])
    );
    // A good end writes what was not written yet.
    assert_eq!(node.status(READ, None)?, 401);
    node.stop()?;
    node.restart()?;
    assert_eq!(times(&records(&node)?, "refused.no-credential"), 4);
    Ok(())
}

#[test]
fn a_flood_of_refusals_is_summed_up() -> Result<()> {
    let node = Node::start(CLOSED)?;
    for _ in 0..500 {
        assert_eq!(node.status(READ, None)?, 401);
    }
    let found = records(&node)?;
    assert_eq!(times(&found, "refused.no-credential"), 500);
    assert!(found.len() <= 100, "{} records", found.len());
    Ok(())
}

#[test]
fn what_was_changed_by_hand_is_named() -> Result<()> {
    let mut node = Node::start(CLOSED)?;
    for name in ["first", "second", "third"] {
        node.key(name, &["here:read"])?;
    }
    let second = node.admin_json("audit?most=3")?["records"][1]["number"].clone();
    node.stop()?;
    let path = node.data().join("control.db");
    let mut bytes = std::fs::read(&path)?;
    let mut changed = 0;
    for at in 0..bytes.len() - 8 {
        // In the record alone: the table of keys has the name without quotes.
        if &bytes[at..at + 8] == b"\"second\"" {
            bytes[at + 1..at + 7].copy_from_slice(b"anyone");
            changed += 1;
        }
    }
    // A page that was rewritten may hold an old copy of it as well.
    assert!(changed >= 1);
    write_file(&path, &bytes)?;
    node.restart()?;
    let check = node.admin_json("audit/check")?;
    assert_eq!(
        check["broken"],
        json!(format!("record {second} was altered"))
    );
    Ok(())
}
