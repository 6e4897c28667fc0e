//! `bricks-server` and `anchor-service` as two processes, on two data folders or
//! on one, with BDNS leading from the one to the other.

#[path = "common/answer.rs"]
mod answer;

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use testkit::binaries::Binary;
use testkit::http::{Reply, Request, ask};
use testkit::owner::{FIRST_MS, Owner};
use testkit::process::{Launch, NodeProcess};
use testkit::server::write_file;

use crate::answer::Answer::{self, Body, Empty, Message};

/// What the brick service has, without and with a body.
const BRICK_ROUTES: [(&str, &str); 5] = [
    ("PUT", "/bricking/default/put-brick"),
    ("GET", "/bricking/default/get-brick/x"),
    ("HEAD", "/bricking/default/get-brick/x"),
    ("GET", "/bricking/default/brick-exists/x"),
    ("GET", "/bricking/default/downloadMultipleBricks"),
];
/// What the anchor service has.
const ANCHOR_ROUTES: [(&str, &str); 8] = [
    ("GET", "/bdns"),
    ("PUT", "/anchor/default/create-anchor/x/y"),
    ("PUT", "/anchor/default/append-to-anchor/x/y"),
    ("GET", "/anchor/default/get-all-versions/x"),
    ("GET", "/anchor/default/get-last-version/x"),
    ("PUT", "/anchor/create-or-update-multiple-anchors"),
    ("PUT", "/versionlessdsu/x"),
    ("GET", "/versionlessdsu/x"),
];

fn start(binary: Binary, data: &Path, config: Option<&Path>) -> Result<NodeProcess> {
    let launch = Launch::of(binary)?.arg("--listen").arg("127.0.0.1:0");
    let launch = launch.arg("--data").arg(data);
    let launch = match config {
        Some(file) => launch.arg("--config").arg(file),
        None => launch,
    };
    Ok(NodeProcess::start(&launch)?)
}

fn call(node: SocketAddr, method: &str, target: &str, body: &[u8]) -> Result<Reply> {
    let request = Request::to(node, method, target);
    let request = match method {
        "PUT" => request.body(body),
        _ => request,
    };
    Ok(ask(node, &request)?)
}

fn check(node: SocketAddr, target: &str, expected: Answer<'_>) -> Result<()> {
    expected.check(target, &call(node, "GET", target, b"")?);
    Ok(())
}

#[test]
fn each_service_answers_its_own_routes_and_no_other() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for (binary, part, own, foreign) in [
        (
            Binary::BricksServer,
            "bricks",
            &BRICK_ROUTES[..],
            &ANCHOR_ROUTES[..],
        ),
        (
            Binary::AnchorService,
            "anchors",
            &ANCHOR_ROUTES[..],
            &BRICK_ROUTES[..],
        ),
    ] {
        let node = start(binary, &folder.path().join(part), None)?;
        let address = node.address();
        for (method, target) in foreign {
            let case = format!("{part}: {method} {target}");
            let reply = call(address, method, target, b"body")?;
            Empty(404).check(&case, &reply);
            // What a route answers about something absent says more than this.
            assert_eq!(reply.header("cache-control"), None, "{case}");
        }
        for (method, target) in own {
            let reply = call(address, method, target, b"body")?;
            let is_none = reply.status == 404
                && reply.body.is_empty()
                && reply.header("cache-control").is_none()
                && *target != "/versionlessdsu/x";
            assert!(!is_none, "{part} does not answer {method} {target}");
        }
        check(address, "/livez", Body(200, b"ok"))?;
        let ready = call(address, "GET", "/readyz", b"")?;
        let ready: Value = serde_json::from_slice(&ready.body)?;
        let parts = Value::Object([(part.to_owned(), json!("ok"))].into_iter().collect());
        assert_eq!(ready.get("parts"), Some(&parts));
        let preflight = call(address, "OPTIONS", "/bricking/default/put-brick", b"")?;
        Empty(200).check(part, &preflight);
        assert!(node.stop()?.success());
    }
    Ok(())
}

/// As a wallet does it: BDNS from the anchor service, bricks where that says.
#[test]
fn bdns_leads_from_the_anchor_service_to_the_brick_service() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let bricks = start(Binary::BricksServer, &folder.path().join("b"), None)?;
    let bricks_url = format!("http://{}", bricks.address());
    let config = folder.path().join("anchors.toml");
    let text = format!(
        "[[domain]]\nname = \"default\"\nbrick_storages = [\"{bricks_url}\"]\n\
         anchoring_services = [\"$ORIGIN\", \"https://second.example\"]\n\
         notifications = [\"https://news.example\"]\nreplicas = [\"https://copy.example\"]\n\
         [[domain]]\nname = \"plain\"\n"
    );
    write_file(&config, text.as_bytes())?;
    let anchors = start(
        Binary::AnchorService,
        &folder.path().join("a"),
        Some(&config),
    )?;
    let bdns = call(anchors.address(), "GET", "/bdns", b"")?;
    let bdns: Value = serde_json::from_slice(&bdns.body)?;
    let origin = ["$ORIGIN"];
    let expected = json!({
        "default": {
            "replicas": ["https://copy.example"],
            "notifications": ["https://news.example"],
            "brickStorages": [bricks_url],
            "anchoringServices": ["$ORIGIN", "https://second.example"],
        },
        "plain": {
            "replicas": [],
            "notifications": origin,
            "brickStorages": origin,
            "anchoringServices": origin,
        },
    });
    assert_eq!(bdns, expected);

    let storage = bdns.pointer("/default/brickStorages/0");
    let storage = storage.and_then(Value::as_str).context("no storage")?;
    let storage: SocketAddr = storage.trim_start_matches("http://").parse()?;
    let put = call(
        storage,
        "PUT",
        "/bricking/default/put-brick",
        b"a brick map",
    )?;
    let put: Value = serde_json::from_slice(&put.body)?;
    let hash = put
        .get("message")
        .and_then(Value::as_str)
        .context("no name")?;
    let owner = Owner::new(&"default".parse()?, &[7; 32])?;
    let (id, value) = (owner.id(), owner.sign(hash, FIRST_MS)?);
    let target = format!("/anchor/default/create-anchor/{id}/{value}");
    Empty(201).check("create", &call(anchors.address(), "PUT", &target, b"")?);
    let last = format!("{{\"message\":\"{value}\"}}");
    let target = format!("/anchor/default/get-last-version/{id}");
    check(anchors.address(), &target, Body(200, last.as_bytes()))?;
    let target = format!("/bricking/default/get-brick/{hash}");
    check(storage, &target, Body(200, b"a brick map"))?;
    // The brick service was not told of the second domain.
    let reply = call(storage, "PUT", "/bricking/plain/put-brick", b"x")?;
    Message(404, "Domain 'plain' not found").check("plain", &reply);
    Ok(())
}

#[test]
fn both_may_use_one_folder_and_one_process_may_take_it_over() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let bricks = start(Binary::BricksServer, &data, None)?;
    let anchors = start(Binary::AnchorService, &data, None)?;
    for binary in [Binary::BricksServer, Binary::AnchorService] {
        let second = start(binary, &data, None);
        let refused = second.err().context("a second process took the store")?;
        assert!(
            refused.to_string().contains("in use by another process"),
            "{refused}"
        );
    }
    let put = call(
        bricks.address(),
        "PUT",
        "/bricking/default/put-brick",
        b"brick",
    )?;
    assert_eq!(put.status, 201);
    let document = "/versionlessdsu/x";
    let put = call(anchors.address(), "PUT", document, b"document")?;
    assert_eq!(put.status, 200);
    // One ends, by a hard kill, and the other goes on.
    bricks.kill_hard();
    check(anchors.address(), document, Body(200, b"document"))?;
    let kiln = || -> Result<NodeProcess> {
        let launch = Launch::kiln_serve(&data, None)?;
        Ok(NodeProcess::start(&launch)?)
    };
    let refused = kiln().err().context("kiln took a store in use")?;
    let told = refused.to_string();
    assert!(told.contains("the anchors store in"), "{told}");
    assert!(anchors.stop()?.success());
    let whole = kiln()?;
    check(whole.address(), document, Body(200, b"document"))?;
    let name = {
        use sha2::{Digest as _, Sha256};
        bs58::encode(Sha256::digest("brick")).into_string()
    };
    let target = format!("/bricking/default/get-brick/{name}");
    check(whole.address(), &target, Body(200, b"brick"))?;
    assert!(whole.stop()?.success());
    Ok(())
}
