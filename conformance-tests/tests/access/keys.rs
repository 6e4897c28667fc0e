//! The life of keys: made, listed, ended; through power cuts, in other processes, in other formats.

use anyhow::{Result, ensure};
use serde_json::json;
use testkit::binaries::Binary;
use testkit::http::{Request, ask};
use testkit::process::{Launch, NodeProcess};
use testkit::server::write_file;

use crate::node::{Node, wait_until};

const CLOSED: &str = "[[domain]]\nname = \"here\"\nanonymous = \"none\"\n";
const READ: &str = "/bricking/here/get-brick/GKot5hBsd81kMupNCXHaqbhv3huEbxAFMLnpcX2hniwn";
/// Offset of the format number in the header of an `SQLite` file: 4 bytes, big-endian.
const USER_VERSION: usize = 60;

#[test]
fn a_key_works_at_once_and_ends_at_once() -> Result<()> {
    let node = Node::start(CLOSED)?;
    let key = node.key("reader", &["here:read"])?;
    assert_eq!(node.status(READ, Some(&key.text))?, 404);
    node.revoke(&key)?;
    assert_eq!(node.status(READ, Some(&key.text))?, 401);
    node.revoke(&key)?;
    let listed = node.admin_json("keys")?;
    assert_eq!(listed["keys"][0]["state"], "revoked");
    assert_eq!(listed["keys"][0]["id"], json!(key.id));
    let secret = key.text.rsplit('_').next().unwrap();
    assert!(!listed.to_string().contains(secret));
    Ok(())
}

#[test]
fn wrong_wishes_make_no_key_and_say_why() -> Result<()> {
    let node = Node::start(CLOSED)?;
    let grant = json!([{ "domain": "here", "role": "read" }]);
    for (body, part) in [
        (
            json!({ "name": "", "grants": grant }),
            "1 to 100 characters",
        ),
        (json!({ "name": "x", "grants": [] }), "1 to 100 grants"),
        (json!({ "name": "x" }), "grants"),
        (
            json!({ "name": "x", "grants": [{ "domain": "there", "role": "read" }] }),
            "no domain there",
        ),
        (
            json!({ "name": "x", "grants": [{ "domain": "a/b", "role": "read" }] }),
            "neither a domain",
        ),
        (
            json!({ "name": "x", "grants": [{ "domain": "here", "role": "root" }] }),
            "root",
        ),
        (
            json!({ "name": "x", "grants": grant, "expiresInS": 0 }),
            "ended before",
        ),
        (
            json!({ "name": "x", "grants": grant, "expiresInS": -1 }),
            "invalid",
        ),
        (
            json!({ "name": "x", "grants": grant, "secret": "mine" }),
            "secret",
        ),
        (
            json!({ "name": "x", "grants": grant, "quotas": { "requestsBurst": 0 } }),
            "at least 1",
        ),
        (
            json!({ "name": "x", "grants": grant, "quotas": { "bytes": 1 } }),
            "bytes",
        ),
    ] {
        let reply = node.administer("POST", "keys", Some(&body))?;
        assert_eq!(reply.status, 400, "{body}: {}", reply.text());
        assert!(reply.text().contains(part), "{body}: {}", reply.text());
    }
    assert_eq!(node.admin_json("keys")?["keys"], json!([]));
    for (id, status) in [("0123456789ab", 404), ("0123", 400), ("..", 400)] {
        let path = format!("keys/{id}/revoke");
        let reply = node.administer("POST", &path, Some(&json!({})))?;
        assert_eq!(reply.status, status, "{id}: {}", reply.text());
    }
    Ok(())
}

#[test]
fn an_acknowledged_key_survives_a_power_cut() -> Result<()> {
    let mut node = Node::start(CLOSED)?;
    let mut keys = Vec::new();
    for round in 0..3 {
        let key = node.key(&format!("key {round}"), &["here:read"])?;
        node.kill();
        node.restart()?;
        keys.push(key);
        for key in &keys {
            assert_eq!(node.status(READ, Some(&key.text))?, 404, "{}", key.id);
        }
    }
    node.revoke(&keys[1])?;
    node.kill();
    node.restart()?;
    let statuses: Result<Vec<_>> = keys
        .iter()
        .map(|key| node.status(READ, Some(&key.text)))
        .collect();
    assert_eq!(statuses?, [404, 401, 404]);
    let check = node.admin_json("audit/check")?;
    assert_eq!(check["broken"], json!(null));
    Ok(())
}

/// The two services apart on one data folder: what is done through one holds in the other.
#[test]
fn another_process_on_the_folder_follows() -> Result<()> {
    let node = Node::start(CLOSED)?;
    let config = node.folder().join("apart.toml");
    write_file(&config, CLOSED.as_bytes())?;
    let data = tempfile::tempdir()?;
    // Only the database is shared: the stores are locked.
    std::os::unix::fs::symlink(
        node.data().join("control.db"),
        data.path().join("control.db"),
    )?;
    let launch = Launch::of(Binary::BricksServer)?
        .arg("--listen")
        .arg("127.0.0.1:0")
        .arg("--data")
        .arg(data.path())
        .arg("--config")
        .arg(&config);
    let other = NodeProcess::start(&launch)?;
    let key = node.key("reader", &["here:read"])?;
    let status = || -> Result<u16> {
        let request = Request::to(other.address(), "GET", READ).header("x-api-key", &key.text);
        Ok(ask(other.address(), &request)?.status)
    };
    wait_until("the key is known", || Ok(status()? == 404))?;
    node.revoke(&key)?;
    wait_until("the key has ended", || Ok(status()? == 401))
}

#[test]
fn a_newer_format_is_refused_and_left_alone() -> Result<()> {
    let mut node = Node::start(CLOSED)?;
    node.key("reader", &["here:read"])?;
    node.stop()?;
    let path = node.data().join("control.db");
    let mut bytes = std::fs::read(&path)?;
    bytes[USER_VERSION..USER_VERSION + 4].copy_from_slice(&999_u32.to_be_bytes());
    write_file(&path, &bytes)?;
    let refusal = node.restart().unwrap_err().to_string();
    for part in ["control.db has format 999", "use the version that wrote it"] {
        assert!(refusal.contains(part), "{refusal}");
    }
    // Another data folder would help nobody.
    assert!(!refusal.contains("name another one"), "{refusal}");
    ensure!(std::fs::read(&path)? == bytes, "the file was changed");
    // What is no database at all.
    write_file(
        &path,
        b"this is a text and not a database, however long it is made to be",
    )?;
    let refusal = node.restart().unwrap_err().to_string();
    for part in ["control.db cannot be used", "restore it from a backup"] {
        assert!(refusal.contains(part), "{refusal}");
    }
    assert!(!refusal.contains("name another one"), "{refusal}");
    Ok(())
}
