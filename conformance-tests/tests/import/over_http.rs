//! Into a running node, and from one.

use std::fs;

use anyhow::{Result, ensure};
use serde_json::Value;
use testkit::random::Random;
use testkit::server::{Server, write_file};

use crate::killed::must_be;
use crate::opened;
use crate::place::{Place, run};
use crate::tree::{Tree, read_report};

const DOMAINS: &str =
    "[[domain]]\nname = \"default\"\n[[domain]]\nname = \"older\"\n[[domain]]\nname = \"mixed\"\n";

#[test]
fn a_running_node_takes_what_its_clients_may_send() -> Result<()> {
    let mut random = Random::announced("import over HTTP")?;
    let tree = Tree::generate(250, &mut random)?;
    let server = Server::start(DOMAINS)?;
    let place = Place::new()?;
    let url = format!("http://{}", server.address());
    let report = place.path("report.ndjson");
    let import = || -> Result<(Vec<Value>, Value)> {
        let mut command = place.kiln(&["--node", &url, "import", "apihub"])?;
        command.arg(tree.root()).arg("--report").arg(&report);
        run(command, 1)?;
        read_report(&report)
    };
    let mut expected = tree.findings.clone();
    let (findings, _) = import()?;
    // Its limit on bricks counts, and of documents it would have to know the path.
    let refused = findings.iter().filter(|it| it["reason"] == "refused");
    let refused: Vec<Value> = refused.cloned().collect();
    let bricks = refused.iter().filter(|it| it["subject"] == "brick").count();
    ensure!(bricks == 1, "{refused:?}");
    ensure!(
        refused.len() as u64 == bricks as u64 + tree.documents,
        "{refused:?}"
    );
    expected.extend(refused);
    must_be(&findings, &expected)?;
    let (again, summary) = import()?;
    must_be(&again, &expected)?;
    ensure!(summary["brick_bytes_stored"] == 0, "{summary}");
    ensure!(summary["versions_stored"] == 0, "{summary}");
    let runtime = tokio::runtime::Runtime::new()?;
    for dsu in &tree.good {
        runtime.block_on(opened::opens(server.process(), dsu))?;
    }
    Ok(())
}

#[test]
fn dsus_come_from_another_node_with_what_is_mounted_in_them() -> Result<()> {
    let place = Place::new()?;
    let from = Server::start("")?;
    let url = format!("http://{}", from.address());
    let kiln = |arguments: &[&str]| -> Result<()> {
        let mut command = place.kiln(arguments)?;
        command
            .env("KILN_NODE", &url)
            .env("KILN_KEYRING", place.path("keyring"));
        let output = command.output()?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{arguments:?}: {stderr}");
        Ok(())
    };
    write_file(&place.path("in/record.txt"), b"a record")?;
    write_file(&place.path("in/image.txt"), &vec![7; 3_000_000])?;
    kiln(&["dsu", "create", "--out", "record.key", "in/record.txt"])?;
    kiln(&["dsu", "create", "--out", "image.key", "in/image.txt"])?;
    kiln(&[
        "dsu",
        "mount",
        "file:record.key",
        "/image",
        "file:image.key",
    ])?;
    let record = fs::read_to_string(place.path("record.key"))?;
    let anchor_id = {
        let ssi = keyssi::KeySsi::parse(record.trim())?;
        keyssi::AnchorId::of(&ssi)?
    };
    // A key, and an id, which does not read.
    let list = format!("# two\n{}\n\n{anchor_id}\n", record.trim());
    write_file(&place.path("list"), list.as_bytes())?;
    let data = place.data().display().to_string();
    let take = || -> Result<(Vec<Value>, Value)> {
        let mut command = place.kiln(&["import", "node", &url, "--list", "list"])?;
        command.args(["--data", &data, "--report", "report.ndjson"]);
        run(command, 1)?;
        read_report(&place.path("report.ndjson"))
    };
    let no_key = serde_json::json!({
        "subject": "anchor", "path": anchor_id.plain(), "reason": "no-read-key",
        "effect": "skipped",
    });
    let (findings, summary) = take()?;
    must_be(&findings, std::slice::from_ref(&no_key))?;
    ensure!(summary["versions_stored"] == 3, "{summary}");
    let (findings, summary) = take()?;
    must_be(&findings, &[no_key])?;
    ensure!(summary["versions_stored"] == 0, "{summary}");
    ensure!(summary["brick_bytes_stored"] == 0, "{summary}");
    drop(from);

    write_file(&place.path("kiln.toml"), b"")?;
    let node = place.serve()?;
    let url = format!("http://{}", node.address());
    let mut command = place.kiln(&["--node", &url, "dsu", "get", "file:record.key", "/", "out"])?;
    let output = command.output()?;
    ensure!(output.status.success(), "{output:?}");
    ensure!(
        fs::read(place.path("out/record.txt"))? == b"a record",
        "record"
    );
    let bytes = fs::read(place.path("out/image/image.txt"))?;
    ensure!(bytes.len() == 3_000_000, "{} bytes", bytes.len());
    Ok(())
}
