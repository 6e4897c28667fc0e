//! `kiln admin` on a data folder of services that run apart.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testkit::binaries::Binary;
use testkit::http::{Reply, Request, ask};
use testkit::owner::{FIRST_MS, Owner};
use testkit::process::{Launch, NodeProcess};

use crate::node::{admin, admin_json, check_failed};

const HASH: &str = "GKot5hBsd81kMupNCXHaqbhv3huEbxAFMLnpcX2hniwn";
/// What one process is told, the other learns within a second.
const LEARN_WAIT: Duration = Duration::from_secs(30);

fn start(binary: Binary, data: &Path) -> Result<NodeProcess> {
    let launch = Launch::of(binary)?.arg("--listen").arg("127.0.0.1:0");
    Ok(NodeProcess::start(&launch.arg("--data").arg(data))?)
}

fn call(node: SocketAddr, target: &str, body: &[u8]) -> Result<Reply> {
    Ok(ask(node, &Request::to(node, "PUT", target).body(body))?)
}

fn put(bricks: &NodeProcess, brick: &[u8]) -> Result<u16> {
    let reply = call(bricks.address(), "/bricking/default/put-brick", brick)?;
    Ok(reply.status)
}

fn create(anchors: &NodeProcess, key: u8) -> Result<u16> {
    let owner = Owner::new(&"default".parse()?, &[key; 32])?;
    let value = owner.sign(HASH, FIRST_MS)?;
    let target = format!("/anchor/default/create-anchor/{}/{value}", owner.id());
    Ok(call(anchors.address(), &target, b"")?.status)
}

fn url(process: &NodeProcess) -> Result<String> {
    let address = process.further_address("admin");
    Ok(format!("http://{}", address.map_err(anyhow::Error::msg)?))
}

#[test]
fn quotas_hold_in_both_services_at_once_and_after_a_restart() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path();
    let mut bricks = start(Binary::BricksServer, data)?;
    let mut anchors = start(Binary::AnchorService, data)?;
    assert_eq!((put(&bricks, b"one")?, create(&anchors, 1)?), (201, 201));
    let set = [
        "quotas",
        "set",
        "default",
        "--storage-bytes",
        "3",
        "--anchors",
        "1",
    ];
    admin_json(data, &set)?;
    for turn in ["at once", "after a restart"] {
        assert_eq!(
            (put(&bricks, b"two")?, create(&anchors, 2)?),
            (507, 507),
            "{turn}"
        );
        bricks.kill_hard();
        ensure!(anchors.stop()?.success());
        bricks = start(Binary::BricksServer, data)?;
        anchors = start(Binary::AnchorService, data)?;
    }
    // Each shows what it stores.
    let shown = admin_json(data, &["quotas", "show", "default"])?;
    let used = [
        json!({ "anchors": 1, "versions": 1 }),
        json!({ "storageBytes": 3, "storageBricks": 1 }),
    ];
    let quotas = json!({ "storageBytes": 3, "anchors": 1 });
    for (answer, used) in shown["domains"].as_array().unwrap().iter().zip(&used) {
        assert_eq!((&answer["quotas"], &answer["used"]), (&quotas, used));
    }
    let text = String::from_utf8(admin(data, &["quotas", "show"])?.stdout)?;
    assert!(text.contains("admin-address-bricks"), "{text}");

    // What only one is told, the other learns.
    let of_anchors = url(&anchors)?;
    let alone = [
        "quotas",
        "set",
        "default",
        "--storage-bytes",
        "6",
        "--url",
        &of_anchors,
    ];
    admin_json(data, &alone)?;
    let told = Instant::now();
    while put(&bricks, b"two")? != 201 {
        ensure!(told.elapsed() < LEARN_WAIT, "the bricks were not told");
    }
    admin_json(data, &["quotas", "clear", "default"])?;
    assert_eq!((put(&bricks, b"three")?, create(&anchors, 2)?), (201, 201));
    ensure!(bricks.stop()?.success() && anchors.stop()?.success());
    Ok(())
}

#[test]
fn each_service_scrubs_its_own_store_and_one_command_asks_both() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path();
    let bricks = start(Binary::BricksServer, data)?;
    let anchors = start(Binary::AnchorService, data)?;
    let stores = |state: &Value| -> Vec<String> {
        let stores = state.as_object().into_iter().flatten();
        stores.map(|(store, _)| store.clone()).collect()
    };
    for act in ["start", "status", "stop"] {
        let state = admin_json(data, &["scrub", act])?;
        assert_eq!(stores(&state), ["anchors", "bricks"], "{act}");
    }
    let one = admin_json(data, &["scrub", "start", "--store", "bricks"])?;
    assert_eq!(stores(&one), ["bricks"]);
    assert_eq!(admin_json(data, &["quarantine", "list"])?["count"], 0);
    let of_anchors = url(&anchors)?;
    for wrong in [
        &["scrub", "start", "--store", "bricks", "--url", &of_anchors][..],
        &["quarantine", "list", "--url", &of_anchors],
    ] {
        check_failed(wrong, &admin(data, wrong)?, 5, "keeps the bricks")?;
    }
    // What is of one service is asked of one.
    let several = ["read-only", "show"];
    check_failed(&several, &admin(data, &several)?, 2, "several services")?;
    ensure!(bricks.stop()?.success() && anchors.stop()?.success());
    Ok(())
}
