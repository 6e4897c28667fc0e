//! Backups of a node that is being written to.
//!
//! *Bug that this looks for:* a store that is copied while it changes, bricks older than the anchors
//! that name them, an acknowledged write that the copy has not. *Mechanism:* writers go on without a
//! pause; what they had been told before the backup began must be in it, whole.

use anyhow::{Result, ensure};
use testkit::process::{Launch, NodeProcess};
use testkit::server::Server;
use testkit::store;

use crate::writers::{self, Writers};
use crate::{age_key, backup, text};

const ADMIN: &str = "[admin]\nlisten = \"127.0.0.1:0\"\n";

#[test]
fn a_node_under_load_is_backed_up_and_restored_elsewhere() -> Result<()> {
    let server = Server::start(ADMIN)?;
    let folder = tempfile::tempdir()?;
    let (recipient, key) = age_key(folder.path())?;
    let place = folder.path().join("place");
    let (place, data) = (text(&place)?, server.data());
    let data = text(&data)?;

    let writers = Writers::start(server.address(), 4);
    let first = writers.acknowledged(60)?;
    let arguments = [place, "--data", data, "--recipient", &recipient];
    let made = backup("create", &arguments)?.done()?;
    let second = writers.acknowledged(first.entries.len() + 60)?;
    let again = backup("create", &arguments)?.done()?;
    let all = writers.stop()?;
    ensure!(all.entries.len() >= second.entries.len());
    // The second is incremental: tables and blob files of the first are not stored again.
    ensure!(
        again["storedBytes"].as_u64() < again["bytes"].as_u64(),
        "{again}"
    );
    ensure!(
        !server.data().join("frozen").exists(),
        "the frozen copy stays"
    );

    for (made, acknowledged) in [(made, first), (again, second)] {
        let name = made["backup"].as_str().unwrap_or_default();
        let which = [place, "--backup", name, "--identity", &key];
        let checked = backup("check", &which)?.done()?;
        ensure!(checked["findings"] == serde_json::json!([]), "{checked}");
        let drill = backup("drill", &which)?.done()?;
        let bricks = acknowledged.bricks.len() as u64;
        ensure!(drill["bricks"].as_u64() >= Some(bricks), "{drill}");
        let to = folder.path().join(name);
        let arguments = [which.as_slice(), &["--data", text(&to)?]].concat();
        let restored = backup("restore", &arguments)?.done()?;
        ensure!(
            restored["onHold"] == serde_json::json!(["default"]),
            "{restored}"
        );
        ensure!(
            to.join("keys/default.log-key").exists(),
            "the log's key is missing"
        );
        let checked = store::check(&to)?;
        ensure!(checked.is_well(), "{}", checked.text);
        let node = NodeProcess::start(&Launch::kiln_serve(&to, None)?)?;
        writers::require(node.address(), &acknowledged)?;
        ensure!(node.stop()?.success());
    }
    Ok(())
}

#[test]
fn services_that_run_apart_are_backed_up_together() -> Result<()> {
    use testkit::binaries::Binary;
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let config = folder.path().join("kiln.toml");
    testkit::server::write_file(&config, ADMIN.as_bytes())?;
    let start = |binary| -> Result<NodeProcess> {
        let launch = Launch::of(binary)?.arg("--listen").arg("127.0.0.1:0");
        let launch = launch.arg("--data").arg(&data).arg("--config").arg(&config);
        Ok(NodeProcess::start(&launch)?)
    };
    let bricks = start(Binary::BricksServer)?;
    let anchors = start(Binary::AnchorService)?;
    let put = testkit::http::Request::to(bricks.address(), "PUT", "/bricking/default/put-brick");
    let reply = testkit::http::ask(bricks.address(), &put.body(*b"a brick"))?;
    ensure!(reply.status == 201, "{reply:?}");
    let place = folder.path().join("place");
    let place = text(&place)?;
    let made = backup("create", &[place, "--data", text(&data)?])?.done()?;
    ensure!(made["files"].as_u64() > Some(4), "{made}");
    let drill = backup("drill", &[place])?.done()?;
    ensure!(drill["bricks"] == 1, "{drill}");
    for node in [bricks, anchors] {
        ensure!(node.stop()?.success());
    }
    Ok(())
}
