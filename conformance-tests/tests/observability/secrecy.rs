//! No secret, no body and no whole identifier in what a node says of its work, whatever level its
//! log has; nor in what a command says.

use anyhow::{Context as _, Result, anyhow, ensure};
use testkit::binaries::Binary;
use testkit::collector::{Collector, Manner};
use testkit::process::Launch;
use testkit::server::write_file;

use crate::traffic::{self, Secrets};
use crate::world::{World, otlp, spans_in};

const RECORD: &[u8] = b"what a patient told nobody else";

/// A DSU made, changed and read by the command; gives all that the commands said.
fn commands(world: &World, secrets: &mut Secrets) -> Result<Vec<u8>> {
    let at = |name: &str| world.folder.path().join(name);
    let key = at("record.key");
    write_file(&at("record.txt"), RECORD)?;
    secrets.add("a file of a DSU", RECORD);
    let key_argument = format!("file:{}", key.display());
    let record = at("record.txt").display().to_string();
    let key_path = key.display().to_string();
    let commands: [&[&str]; 4] = [
        &["dsu", "create", "--out", &key_path, &record],
        &["dsu", "put", &key_argument, &record, "/again.txt"],
        &["dsu", "cat", &key_argument, "/again.txt"],
        &["anchor", "status", &key_argument],
    ];
    let mut said = Vec::new();
    for arguments in commands {
        let launch = Launch::of(Binary::Kiln)?;
        let launch = arguments.iter().fold(launch, Launch::arg);
        let output = launch
            .env("KILN_LOG", "trace")
            .env("KILN_NODE", format!("http://{}", world.server.address()))
            .env("KILN_STATE", at("state"))
            .env("KILN_KEYRING", at("keyring"))
            .run()?;
        let talk = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "{arguments:?}: {talk}");
        said.extend(output.stderr);
    }
    let written = std::fs::read_to_string(&key)?;
    let wrapped = written.trim();
    let ssi = bs58::decode(wrapped).into_vec();
    let ssi = String::from_utf8(ssi.map_err(|error| anyhow!("the key of a DSU: {error}"))?)?;
    secrets.add("the key of a DSU", &ssi);
    secrets.add("the key of a DSU, wrapped", wrapped);
    let seed = ssi
        .split(':')
        .nth(3)
        .context("the key of a DSU has no seed")?;
    ensure!(seed.len() > 20, "the seed of a DSU is short");
    secrets.add("the seed of a DSU", seed);
    Ok(said)
}

#[test]
fn nothing_that_a_node_or_a_command_says_holds_a_secret() -> Result<()> {
    let collector = Collector::start(Manner::Takes)?;
    let more = format!("{}[[domain]]\nname = \"default\"\n", otlp(&collector));
    let world = World::start(&format!("[log]\nrequests = true\n{more}"))?;
    let mut secrets = traffic::drive(&world.server, &["default"])?;
    let said = commands(&world, &mut secrets)?;
    let admin_token = std::fs::read_to_string(world.server.data().join("admin-token"))?;
    secrets.add("the token of the admin listener", admin_token.trim());
    let metrics = world.metrics_text()?;
    let log = world.end()?;
    let sendings = collector.sendings();
    let spans = spans_in(&sendings)?;

    // There is something in which a secret could be.
    for word in [
        "\"op\":\"append_anchor\"",
        "\"outcome\":\"refused\"",
        "\"request_id\":",
    ] {
        ensure!(log.contains(word), "the log has no {word}");
    }
    ensure!(metrics.contains("operation=\"get_document\""), "{metrics}");
    ensure!(spans.iter().any(|span| span.name == "create_anchor"));

    let sent: Vec<u8> = sendings.into_iter().flat_map(|it| it.body).collect();
    let seen = [
        ("the log", log.as_bytes()),
        ("the metrics", metrics.as_bytes()),
        ("the spans", sent.as_slice()),
        ("what the commands said", said.as_slice()),
    ];
    for (place, bytes) in seen {
        let found = secrets.found_in(bytes);
        ensure!(found.is_empty(), "{found:?} in {place}");
    }
    Ok(())
}
