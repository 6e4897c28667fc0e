//! Domains that are added and disabled while the node runs.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testkit::owner::{FIRST_MS, Owner};
use testkit::server::write_file;

use crate::node::Node;

const HASH: &str = "GKot5hBsd81kMupNCXHaqbhv3huEbxAFMLnpcX2hniwn";

fn names(node: &Node) -> Result<Vec<(String, String, bool)>> {
    let list = node.admin_json(&["domains", "list"])?;
    let domains = list["domains"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let domains = domains.iter().map(|it| {
        (
            text(&it["name"]),
            text(&it["source"]),
            it["disabled"] == true,
        )
    });
    Ok(domains.collect())
}

/// Writes a DSU in the domain and reads it back, as a client does.
fn use_it(node: &Node, domain: &str, name: &str) -> Result<()> {
    let (file, key) = (
        node.folder().join(name),
        node.folder().join(format!("{name}.key")),
    );
    write_file(&file, name.as_bytes())?;
    let (file, key) = (file.display().to_string(), key.display().to_string());
    let made = node.kiln(&["dsu", "create", &file, "--domain", domain, "--out", &key])?;
    ensure!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let read = node.kiln(&["dsu", "cat", &format!("file:{key}"), &format!("/{name}")])?;
    ensure!(
        read.status.success(),
        "{}",
        String::from_utf8_lossy(&read.stderr)
    );
    ensure!(read.stdout == name.as_bytes(), "{:?}", read.stdout);
    Ok(())
}

#[test]
fn an_added_domain_is_served_at_once_and_after_a_kill() -> Result<()> {
    let mut node = Node::start("")?;
    assert_eq!(
        node.ask("GET", "/log/research/checkpoint", None)?.status,
        400
    );
    let added = node.admin_json(&["domains", "add", "research"])?;
    assert_eq!(
        added,
        json!({ "name": "research", "source": "admin", "disabled": false })
    );
    // Nothing but the acknowledgement came before.
    node.kill_and_run()?;
    let bdns: Value = serde_json::from_slice(&node.ask("GET", "/bdns", None)?.body)?;
    assert_eq!(bdns["research"], bdns["default"]);
    use_it(&node, "research", "first")?;
    node.admin_json(&[
        "domains",
        "add",
        "trials",
        "--log-origin",
        "anchors.example/trials",
    ])?;
    use_it(&node, "trials", "second")?;
    let signed = node.admin_json(&["checkpoint", "now", "--domain", "trials"])?;
    let checkpoint = signed["logs"]["trials"]["checkpoint"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        checkpoint.starts_with("anchors.example/trials\n1\n"),
        "{checkpoint}"
    );
    let served = |name: &str, source: &str| (name.to_owned(), source.to_owned(), false);
    let all = [
        served("default", "configuration"),
        served("research", "admin"),
        served("trials", "admin"),
    ];
    assert_eq!(names(&node)?, all);
    node.kill_and_run()?;
    assert_eq!(names(&node)?, all);
    assert_eq!(
        node.ask("GET", "/log/trials/checkpoint", None)?.text(),
        checkpoint
    );
    use_it(&node, "trials", "third")?;
    use_it(&node, "default", "fourth")?;
    let audit = node.data().join("control.db");
    assert!(audit.exists());
    Ok(())
}

#[test]
fn what_the_configuration_would_refuse_is_refused() -> Result<()> {
    let node = Node::start("")?;
    node.admin_json(&[
        "domains",
        "add",
        "one",
        "--log-origin",
        "anchors.example/one",
    ])?;
    let refused = |arguments: &[&str], code: i32, words: &str| {
        node.admin_fails(&[&["domains", "add"], arguments].concat(), code, words)
    };
    refused(&["one"], 7, "is there already")?;
    refused(
        &["two", "--log-origin", "anchors.example/one"],
        2,
        "stands twice",
    )?;
    refused(
        &["two", "--log-origin", "https://anchors.example/two"],
        2,
        "log.origin",
    )?;
    refused(&["two", "--anonymous", "some"], 2, "some")?;
    refused(&[".."], 2, "is no domain")?;
    let settings = |text: &str| -> Result<String> {
        let file = node.folder().join("settings.toml");
        write_file(&file, text.as_bytes())?;
        Ok(file.display().to_string())
    };
    let file = settings("anchoring = \"evm\"")?;
    refused(&["two", "--settings", &file], 2, "[domain.evm]")?;
    let file = settings("anchorin = \"evm\"")?;
    refused(&["two", "--settings", &file], 2, "anchorin")?;
    let file = settings("name = \"three\"")?;
    refused(&["two", "--settings", &file], 2, "given twice")?;
    let file = settings("[eth_adapter]\nlisten = \"127.0.0.1:0\"")?;
    refused(&["two", "--settings", &file], 2, "kiln.toml")?;
    let file = settings("[log]\npolicy = \"/nowhere/policy\"")?;
    refused(&["two", "--settings", &file], 2, "/nowhere/policy")?;
    assert_eq!(names(&node)?.len(), 2, "nothing was added");
    let file = settings("replicas = [\"https://copy.example\"]\nanonymous = \"read\"")?;
    node.admin_json(&["domains", "add", "two", "--settings", &file])?;
    let shown = node.admin_json(&["domains", "show", "two"])?;
    assert_eq!(
        shown["settings"]["replicas"],
        json!(["https://copy.example"])
    );
    assert_eq!(
        node.ask("PUT", "/bricking/two/put-brick", Some(b"x"))?
            .status,
        401
    );
    Ok(())
}

/// Requires that a disabled domain is refused on these routes, and the others are served.
fn check_disabled(
    node: &Node,
    reads: &[(&str, String)],
    writes: &[(&str, String, &str)],
    case: &str,
) -> Result<()> {
    for (method, target) in reads {
        let body = (*method == "POST").then_some(b"[]".as_slice());
        let reply = node.ask(method, target, body)?;
        assert_eq!(
            reply.status,
            403,
            "{case}: {method} {target}: {}",
            reply.text()
        );
        assert!(
            *method == "HEAD" || reply.text().contains("disabled"),
            "{}",
            reply.text()
        );
    }
    for (method, target, body) in writes {
        let reply = node.ask(method, target, Some(body.as_bytes()))?;
        assert_eq!(
            reply.status,
            403,
            "{case}: {method} {target}: {}",
            reply.text()
        );
    }
    // Other domains, and what belongs to none.
    assert_eq!(
        node.ask("PUT", "/bricking/other/put-brick", Some(b"x"))?
            .status,
        201
    );
    assert_eq!(
        node.ask("PUT", "/versionlessdsu/x", Some(b"x"))?.status,
        200
    );
    assert_eq!(node.ask("GET", "/bdns", None)?.status, 200);
    assert_eq!(node.ask("GET", "/readyz", None)?.status, 200);
    Ok(())
}

#[test]
fn a_disabled_domain_is_refused_on_every_route_and_keeps_everything() -> Result<()> {
    let mut node = Node::start("[[domain]]\nname = \"d\"\n[[domain]]\nname = \"other\"")?;
    let stored = node.ask("PUT", "/bricking/d/put-brick", Some(b"a brick"))?;
    let stored: Value = serde_json::from_slice(&stored.body)?;
    let hash = stored["message"].as_str().unwrap();
    let owner = Owner::new(&"d".parse()?, &[9; 32])?;
    let value = owner.sign(HASH, FIRST_MS)?;
    let create = format!("/anchor/d/create-anchor/{}/{value}", owner.id());
    assert_eq!(node.ask("PUT", &create, None)?.status, 201);
    let checkpoint = node.admin_json(&["checkpoint", "now"])?["logs"]["d"]["checkpoint"].clone();
    let id = owner.id();
    let reads = [
        ("GET", format!("/bricking/d/get-brick/{hash}")),
        ("HEAD", format!("/bricking/d/get-brick/{hash}")),
        ("GET", format!("/bricking/d/brick-exists/{hash}")),
        (
            "GET",
            format!("/bricking/d/downloadMultipleBricks?hashes={hash}"),
        ),
        ("POST", "/bricking/d/have-bricks".to_owned()),
        ("POST", "/bricking/d/get-bricks".to_owned()),
        ("GET", format!("/anchor/d/get-all-versions/{id}")),
        ("GET", format!("/anchor/d/get-last-version/{id}")),
        ("GET", "/anchor/d/get-total-numbers-of-anchors".to_owned()),
        ("GET", format!("/anchor/d/proof/{id}")),
        ("GET", format!("/anchor/d/status/{id}")),
        ("GET", "/log/d/checkpoint".to_owned()),
    ];
    let batch = json!([{ "anchorId": id, "anchorValues": [value] }]).to_string();
    let writes = [
        ("PUT", "/bricking/d/put-brick".to_owned(), "another"),
        ("POST", "/bricking/d/put-bricks".to_owned(), "another"),
        ("PUT", create.clone(), ""),
        (
            "PUT",
            create.replace("create-anchor", "append-to-anchor"),
            "",
        ),
        (
            "PUT",
            "/anchor/d/create-or-update-multiple-anchors".to_owned(),
            &batch,
        ),
        (
            "PUT",
            "/anchor/create-or-update-multiple-anchors".to_owned(),
            &batch,
        ),
    ];
    node.admin_json(&["domains", "disable", "d"])?;
    check_disabled(&node, &reads, &writes, "at once")?;
    node.kill_and_run()?;
    check_disabled(&node, &reads, &writes, "after a kill")?;
    assert_eq!(
        names(&node)?[0],
        ("d".to_owned(), "configuration".to_owned(), true)
    );
    node.admin_json(&["domains", "enable", "d"])?;
    node.kill_and_run()?;
    let read = node.ask("GET", &format!("/bricking/d/get-brick/{hash}"), None)?;
    assert_eq!(
        (read.status, read.body.as_slice()),
        (200, b"a brick".as_slice())
    );
    let versions = node.ask("GET", &format!("/anchor/d/get-all-versions/{id}"), None)?;
    assert_eq!(
        serde_json::from_slice::<Value>(&versions.body)?,
        json!([value])
    );
    assert_eq!(
        json!(node.ask("GET", "/log/d/checkpoint", None)?.text()),
        checkpoint
    );
    Ok(())
}
