//! A damaged brick of a stopped node is found by the scrub that an operator asks for, refused from
//! then on, and whole again after a put.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::Value;
use testkit::caller::Caller;
use testkit::http::{Request, ask};
use testkit::process::{Launch, NodeProcess};
use testkit::server::Server;

use crate::damage::damage;
use crate::{PUT, message, name};

/// A pass over two bricks takes milliseconds.
const PASS_WAIT: Duration = Duration::from_mins(1);

fn admin(address: SocketAddr, data: &Path, method: &str, route: &str) -> Result<Value> {
    let token = std::fs::read_to_string(data.join("admin-token"))?;
    let target = format!("/admin/v1/{route}");
    let request = Request::to(address, method, &target)
        .header("Authorization", &format!("Bearer {}", token.trim()));
    let reply = ask(address, &request)?;
    ensure!(reply.status == 200, "{} {}", reply.status, reply.text());
    Ok(serde_json::from_slice(&reply.body)?)
}

#[test]
fn a_scrub_that_is_asked_for_finds_damage_and_a_put_heals_it() -> Result<()> {
    let server = Server::start("[scrub]\nenabled = false")?;
    let (bytes, other) = (vec![b'x'; 20_000], vec![b'o'; 20_000]);
    ensure!(server.put(PUT, bytes.clone())?.status == 201);
    ensure!(server.put(PUT, other.clone())?.status == 201);
    let data = server.data();
    let (process, folder) = server.into_parts();
    ensure!(process.stop()?.success());
    let file = folder.path().join("kiln.toml");
    let launch = Launch::kiln_serve(&data, Some(&file))?;
    // Opening once more moves the bricks from the log to blob files.
    ensure!(NodeProcess::start(&launch)?.stop()?.success());
    damage(&data.join("bricks"))?;

    let process = NodeProcess::start(&launch)?;
    let at = process
        .further_address("admin")
        .map_err(anyhow::Error::msg)?;
    let status = admin(at, &data, "GET", "bricks/scrub")?;
    ensure!(
        status["running"] == false && status["quarantined"] == 0,
        "{status}"
    );
    admin(at, &data, "POST", "bricks/scrub/start")?;
    let asked = Instant::now();
    let status = loop {
        let status = admin(at, &data, "GET", "bricks/scrub")?;
        if status["last"].is_object() {
            break status;
        }
        ensure!(asked.elapsed() < PASS_WAIT, "{status}");
    };
    let last = &status["last"];
    ensure!(last["things"] == 2 && last["damaged"] == 1, "{status}");
    ensure!(status["quarantined"] == 1, "{status}");
    let quarantine = admin(at, &data, "GET", "bricks/quarantine")?;
    ensure!(
        quarantine["bricks"][0]["hash"] == name(&bytes),
        "{quarantine}"
    );

    let mut caller = Caller::new(process.address());
    let target = format!("/bricking/default/get-brick/{}", name(&bytes));
    let reply = caller.call("GET", &target, None)?;
    ensure!(
        reply.status == 500 && message(&reply).contains("damaged"),
        "{}",
        reply.text()
    );
    let asked = serde_json::json!([name(&bytes), name(&other)]).to_string();
    let have = "/bricking/default/have-bricks";
    let reply = caller.call("POST", have, Some(asked.into_bytes()))?;
    ensure!(reply.text() == "[false,true]", "{}", reply.text());
    ensure!(caller.call("PUT", PUT, Some(bytes.clone()))?.status == 201);
    let reply = caller.call("GET", &target, None)?;
    ensure!(reply.status == 200 && reply.body == bytes);
    let status = admin(at, &data, "GET", "bricks/scrub")?;
    ensure!(status["quarantined"] == 0, "{status}");
    // The ledger has a scrub of its own.
    admin(at, &data, "POST", "anchors/scrub/start")?;
    admin(at, &data, "POST", "anchors/scrub/stop")?;
    ensure!(process.stop()?.success());
    Ok(())
}
