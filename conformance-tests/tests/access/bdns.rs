//! Credentials that BDNS publishes, as the node gives them out and our client uses them.

use anyhow::Result;
use serde_json::{Value, json};
use testkit::http::{Request, ask};
use testkit::process::{Launch, NodeProcess};
use testkit::server::write_file;

use crate::node::Node;

#[test]
fn entries_have_headers_and_stand_in_bdns_as_they_were_written() -> Result<()> {
    let node = Node::start(
        "[[domain]]\nname = \"here\"\nanonymous = \"none\"\n\
         brick_storages = [\"$ORIGIN\", { url = \"https://b.example\", headers = { x-api-key = \"k\" } }]\n\
         anchoring_services = [{ url = \"$ORIGIN\", headers = { authorization = \"Bearer t\" } }]\n\
         replicas = [{ url = \"https://r.example\", headers = {} }]\n",
    )?;
    let reply = node.ask(&node.request("GET", "/bdns", None))?;
    let bdns: Value = serde_json::from_slice(&reply.body)?;
    let expected = json!({ "here": {
        "replicas": [{ "url": "https://r.example", "headers": {} }],
        "notifications": ["$ORIGIN"],
        "brickStorages": ["$ORIGIN", { "url": "https://b.example", "headers": { "x-api-key": "k" } }],
        "anchoringServices": [{ "url": "$ORIGIN", "headers": { "authorization": "Bearer t" } }],
    }});
    assert_eq!(bdns, expected);
    Ok(())
}

#[test]
fn wrong_entries_are_refused_with_their_place() {
    for (entry, part) in [
        ("{ url = \"https://h\" }", "an address as text, or a table"),
        ("7", "an address as text, or a table"),
        (
            "{ url = \"https://h\", headers = { \"a b\" = \"hidden\" } }",
            "domain here: brick_storages[1].headers",
        ),
    ] {
        let config =
            format!("[[domain]]\nname = \"here\"\nbrick_storages = [\"$ORIGIN\", {entry}]\n");
        let refusal = Node::start(&config).err().map(|error| error.to_string());
        let refusal = refusal.unwrap_or_default();
        assert!(refusal.contains(part), "{entry}: {refusal}");
        assert!(!refusal.contains("hidden"), "{refusal}");
    }
}

#[test]
fn an_apihub_may_publish_credentials_too() -> Result<()> {
    let hub = tempfile::tempdir()?;
    let hosts = json!({ "here": { "brickStorages": [
        { "url": "$ORIGIN", "headers": { "x-api-key": "k" } }] } });
    let path = hub.path().join("external-volume/config/bdns.hosts");
    write_file(&path, hosts.to_string().as_bytes())?;
    let data = hub.path().join("data");
    let launch = Launch::kiln_serve(&data, None)?
        .arg("--apihub-root")
        .arg(hub.path());
    let node = NodeProcess::start(&launch)?;
    let reply = ask(node.address(), &Request::to(node.address(), "GET", "/bdns"))?;
    assert_eq!(serde_json::from_slice::<Value>(&reply.body)?, hosts);
    Ok(())
}
