//! Quotas of domains that are set while the node runs.

use std::fs::{self, Permissions, set_permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;

use anyhow::{Context as _, Result, ensure};
use keyssi::BrickHash;
use serde_json::{Value, json};
use testkit::day;
use testkit::http::{Reply, Request, ask};
use testkit::owner::{FIRST_MS, Owner};
use testkit::process::{Launch, NodeProcess};
use testkit::server::write_file;

use crate::node::Node;

const HASH: &str = "GKot5hBsd81kMupNCXHaqbhv3huEbxAFMLnpcX2hniwn";
const PUT: &str = "/bricking/default/put-brick";
/// What the node calls the listener of the domain's EthAdapter.
const ADAPTER: &str = "eth-adapter of default";

/// Puts a brick of 1000 bytes.
fn put(node: &Node, filling: u8) -> Result<Reply> {
    node.ask("PUT", PUT, Some(&vec![filling; 1000]))
}

fn check_put(node: &Node, filling: u8, expected: u16) -> Result<()> {
    let reply = put(node, filling)?;
    ensure!(
        reply.status == expected,
        "{filling}: {} {}",
        reply.status,
        reply.text()
    );
    Ok(())
}

/// What the node says of the quotas of its one domain.
fn shown(node: &Node) -> Result<Value> {
    let shown = node.admin_json(&["quotas", "show", "default"])?;
    Ok(shown["domains"][0].clone())
}

fn set(node: &Node, quotas: &[&str]) -> Result<Value> {
    let answer = node.admin_json(&[&["quotas", "set", "default"], quotas].concat())?;
    Ok(answer["domains"][0]["quotas"].clone())
}

#[test]
fn what_is_stored_is_bounded_at_once_and_after_a_kill_and_stays_readable() -> Result<()> {
    let config = "[[domain]]\nname = \"default\"\nquota = { storage_bricks = 1000 }";
    let mut node = Node::start(config)?;
    check_put(&node, 1, 201)?;
    let quotas = set(&node, &["--storage-bytes", "1_999"])?;
    // What is not named stays as it was configured.
    assert_eq!(
        quotas,
        json!({ "storageBytes": 1999, "storageBricks": 1000 })
    );
    let name = BrickHash::of(&[1; 1000]).to_string();
    for turn in ["at once", "after a kill"] {
        let refused = put(&node, 2)?;
        let text = refused.text();
        assert_eq!(refused.status, 507, "{turn}: {text}");
        assert!(
            text.contains("is 1999 bytes, 1000 are in use"),
            "{turn}: {text}"
        );
        let read = node.ask("GET", &format!("/bricking/default/get-brick/{name}"), None)?;
        assert_eq!((read.status, read.body), (200, vec![1; 1000]), "{turn}");
        check_put(&node, 1, 201)?;
        let expected = json!({
            "domain": "default",
            "source": "set",
            "quotas": { "storageBytes": 1999, "storageBricks": 1000 },
            "configured": { "storageBricks": 1000 },
            "used": { "storageBytes": 1000, "storageBricks": 1, "anchors": 0, "versions": 0 },
        });
        assert_eq!(shown(&node)?, expected, "{turn}");
        node.kill_and_run()?;
    }
    set(&node, &["--storage-bytes", "2000"])?;
    check_put(&node, 2, 201)?;
    check_put(&node, 3, 507)?;
    // Below what is stored: nothing is lost, and nothing more is taken.
    set(&node, &["--storage-bytes", "0"])?;
    check_put(&node, 2, 201)?;
    check_put(&node, 3, 507)?;
    let text = String::from_utf8(node.admin(&["quotas", "show"])?.stdout)?;
    assert!(text.contains("default: set with"), "{text}");
    assert!(text.contains("0  2000 stored"), "{text}");

    let cleared = node.admin_json(&["quotas", "clear", "default"])?;
    assert_eq!(cleared["domains"][0]["source"], "configured");
    check_put(&node, 3, 201)?;
    node.kill_and_run()?;
    let shown = shown(&node)?;
    assert_eq!(shown["quotas"], json!({ "storageBricks": 1000 }));
    let audit = node.admin_json(&["audit", "show"])?.to_string();
    for act in ["quotas.set", "quotas.clear", "\"storageBytes\":1999"] {
        assert!(audit.contains(act), "{act}: {audit}");
    }
    Ok(())
}

/// Whoever changes the file is told why nothing happens, by the start and by what the node shows.
#[test]
fn configured_quotas_that_do_not_count_are_told() -> Result<()> {
    let config = |bytes: u64| {
        format!("[[domain]]\nname = \"default\"\nquota = {{ storage_bytes = {bytes} }}")
    };
    let mut node = Node::start(&config(100_000))?;
    set(&node, &["--storage-bytes", "50_000"])?;
    node.stop()?;
    let (file, stderr) = (
        node.folder().join("kiln.toml"),
        node.folder().join("stderr"),
    );
    write_file(&file, config(10_000_000).as_bytes())?;
    let launch = Launch::kiln_serve(&node.data(), Some(&file))?.stderr_to(&stderr);
    let process = NodeProcess::start(&launch)?;
    for (shown, head) in [
        (&["domains", "show", "default"][..], "# quota: set with"),
        (
            &["config", "show"][..],
            "# domain.quota of \"default\": set with",
        ),
    ] {
        let text = String::from_utf8(node.admin(shown)?.stdout)?;
        for part in [head, "storage_bytes = 50000", "quotas clear default"] {
            ensure!(text.contains(part), "{shown:?}: {text}");
        }
        ensure!(!text.contains("10000000"), "{shown:?}: {text}");
    }
    ensure!(process.stop()?.success());
    let said = fs::read_to_string(&stderr)?;
    for part in ["domain default do not count", "quotas clear default"] {
        ensure!(said.contains(part), "{said}");
    }
    Ok(())
}

#[test]
fn what_is_counted_per_day_counts_from_when_it_is_set() -> Result<()> {
    day::wait_if_it_ends_soon();
    let node = Node::start("")?;
    check_put(&node, 1, 201)?;
    set(
        &node,
        &["--bricks-per-day", "1", "--bytes-up-per-day", "2000"],
    )?;
    check_put(&node, 2, 201)?;
    let refused = put(&node, 3)?;
    assert_eq!(refused.status, 429, "{}", refused.text());
    assert!(refused.header("retry-after").is_some());
    let shown = shown(&node)?;
    assert_eq!(shown["used"]["bricksPerDay"], 1);
    // The body of the refused one came too.
    assert_eq!(shown["used"]["bytesUpPerDay"], 2000);
    let quotas = set(
        &node,
        &["--bricks-per-day", "none", "--bytes-up-per-day", "none"],
    )?;
    assert_eq!(quotas, json!({}));
    check_put(&node, 3, 201)
}

/// Creates the anchor of a key, or says what was answered.
fn create(node: &Node, key: u8) -> Result<Reply> {
    let owner = Owner::new(&"default".parse()?, &[key; 32])?;
    let value = owner.sign(HASH, FIRST_MS)?;
    let target = format!("/anchor/default/create-anchor/{}/{value}", owner.id());
    node.ask("PUT", &target, None)
}

/// The same, as an ApiHub does it through an EthAdapter.
fn create_by_adapter(address: SocketAddr, key: u8) -> Result<Reply> {
    let owner = Owner::new(&"default".parse()?, &[key; 32])?;
    let value = owner.sign(HASH, FIRST_MS)?;
    let target = format!("/createAnchor/{}/{value}", owner.id());
    Ok(ask(address, &Request::to(address, "PUT", &target))?)
}

#[test]
fn anchors_are_bounded_at_once_and_after_a_kill_by_every_way_in() -> Result<()> {
    let config = "[[domain]]\nname = \"default\"\n[domain.eth_adapter]\nlisten = \"127.0.0.1:0\"";
    let mut node = Node::start(config)?;
    assert_eq!(create(&node, 1)?.status, 201);
    set(&node, &["--anchors", "1", "--versions", "7"])?;
    let adapter = node.further_address(ADAPTER)?;
    // The first write after the change comes this way, so nothing else has told the ledger.
    assert_ne!(create_by_adapter(adapter, 2)?.status, 200);
    let refused = create(&node, 2)?;
    assert_eq!(refused.status, 507, "{}", refused.text());
    assert!(
        refused.text().contains("1 anchors, 1 are in use"),
        "{}",
        refused.text()
    );
    node.kill_and_run()?;
    let adapter = node.further_address(ADAPTER)?;
    assert_ne!(create_by_adapter(adapter, 2)?.status, 200);
    assert_eq!(create(&node, 2)?.status, 507);
    let owner = Owner::new(&"default".parse()?, &[1; 32])?;
    let read = format!("/anchor/default/get-last-version/{}", owner.id());
    assert_eq!(node.ask("GET", &read, None)?.status, 200);
    let used = &shown(&node)?["used"];
    assert_eq!(
        (&used["anchors"], &used["versions"]),
        (&json!(1), &json!(1))
    );
    set(&node, &["--anchors", "2"])?;
    let made = create_by_adapter(adapter, 2)?;
    assert_eq!(made.status, 200, "{}", made.text());
    assert_eq!(create(&node, 3)?.status, 507);
    node.admin_json(&["quotas", "clear", "default"])?;
    assert_eq!(create(&node, 3)?.status, 201);
    Ok(())
}

#[test]
fn mistakes_change_nothing_and_say_what_is_allowed() -> Result<()> {
    let node = Node::start("")?;
    let fails = |arguments: &[&str], code: i32, words: &str| {
        node.admin_fails(&[&["quotas"], arguments].concat(), code, words)
    };
    fails(&["show", "other"], 5, "other")?;
    fails(&["set", "other", "--anchors", "1"], 5, "other")?;
    fails(&["clear", "other"], 5, "other")?;
    fails(&["clear", "a/b"], 2, "is no domain")?;
    fails(
        &["set", "default", "--requests-per-second", "0"],
        2,
        "at least 1",
    )?;
    fails(
        &["set", "default", "--requests-burst", "5"],
        2,
        "requests_per_second",
    )?;
    fails(
        &["set", "default", "--requests-per-second", "4294967296"],
        2,
        "requestsPerSecond",
    )?;
    // What is no command at all.
    for (wrong, words) in [
        (&[][..], "--storage-bytes"),
        (&["--storage", "1"][..], "--storage"),
        (&["--storage-bytes", "5GB"][..], "whole number"),
        (&["--storage-bytes=-1"][..], "whole number"),
        (
            &["--storage-bytes", "18446744073709551616"][..],
            "whole number",
        ),
    ] {
        let output = node.admin(&[&["quotas", "set", "default"], wrong].concat())?;
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}: {said}");
        assert!(said.contains(words), "{wrong:?}: {said}");
    }
    for (quotas, words) in [
        (r#"{"storage_bytes":1}"#, "storageBytes"),
        (r#"{"storageBytes":-1}"#, "whole number"),
        (r#"{"storageBytes":18446744073709551616}"#, "whole number"),
    ] {
        let body = format!("{{\"quotas\":{quotas}}}");
        let request = node.admin_request("PUT", "/admin/v1/domains/default/quotas")?;
        let request = request
            .header("Content-Type", "application/json")
            .body(body);
        let reply = node.ask_admin(&request)?;
        assert_eq!(reply.status, 400, "{quotas}: {}", reply.text());
        assert!(reply.text().contains(words), "{quotas}: {}", reply.text());
    }
    let shown = shown(&node)?;
    assert_eq!(
        (&shown["source"], &shown["quotas"]),
        (&json!("configured"), &json!({}))
    );
    Ok(())
}

#[test]
fn who_may_operate_looks_and_does_not_set() -> Result<()> {
    let node = Node::start("")?;
    let made = node.admin_json(&["keys", "create", "on-call", "--grant", "*:operate"])?;
    let file = node.folder().join("on-call.key");
    write_file(&file, made["text"].as_str().context("no key")?.as_bytes())?;
    set_permissions(&file, Permissions::from_mode(0o600))?;
    let file = file.display().to_string();
    let with_key = ["--token-file", file.as_str()];
    let shown = node.admin_json(&[&["quotas", "show"][..], &with_key].concat())?;
    assert_eq!(shown["domains"][0]["domain"], "default");
    for change in [
        &["quotas", "set", "default", "--storage-bytes", "0"][..],
        &["quotas", "clear", "default"],
    ] {
        node.admin_fails(&[change, &with_key].concat(), 6, "administer")?;
    }
    check_put(&node, 1, 201)
}
