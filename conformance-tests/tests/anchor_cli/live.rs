//! `kiln anchor` with a real node: from a new version to its proof, and what a node may not do.

use std::os::unix::fs::PermissionsExt as _;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use testkit::liar::{Liar, Lie, Route, Rule};
use testkit::server::Server;
use translog::{Entry, ProofFile};

use crate::log::{Log, hash, hex};
use crate::place::Place;

const CONFIG: &str =
    "[[domain]]\nname = \"default\"\n[domain.log]\norigin = \"anchors.example/default\"\n";
const KEY: &str = "file:record.key";
/// Longest wait for a checkpoint; the node signs one each second, a busy machine takes longer.
const SIGNED_WAIT: Duration = Duration::from_mins(1);

/// A node with a DSU of two versions, and a folder with its key.
fn prepared(config: &str) -> Result<(Server, Place)> {
    let server = Server::start(config)?;
    let place = Place::with_node(&format!("http://{}", server.address()))?;
    place.write("a.txt", "a")?;
    place.write("b.txt", "b")?;
    place.ok(&["dsu", "create", "--out", "record.key", "a.txt"])?;
    place.ok(&["dsu", "put", KEY, "b.txt", "/"])?;
    Ok((server, place))
}

/// The log's key, as its operator would hand it out.
fn vkey(server: &Server) -> Result<String> {
    let reply = server.fetch("/log/default/vkey")?;
    assert_eq!(reply.status, 200);
    Ok(reply.text().lines().next().context("no key")?.to_owned())
}

/// Waits until a checkpoint has both versions.
fn wait_for_both(server: &Server) -> Result<()> {
    let deadline = Instant::now() + SIGNED_WAIT;
    loop {
        let checkpoint = server.fetch("/log/default/checkpoint")?.text();
        if checkpoint.lines().nth(1) == Some("2") {
            return Ok(());
        }
        assert!(Instant::now() < deadline, "{checkpoint}");
        sleep(Duration::from_millis(20));
    }
}

fn prove(place: &Place, version: &str, out: &str) -> Result<String> {
    place.ok(&["anchor", "prove", KEY, "--version", version, "--out", out])?;
    place.read(out)
}

#[test]
fn a_version_is_shown_proven_and_verified() -> Result<()> {
    let (server, place) = prepared(CONFIG)?;
    let shown = place.ok(&["anchor", "show", KEY])?;
    assert_eq!(shown.lines().count(), 2, "{shown}");
    assert!(
        shown
            .lines()
            .all(|it| it.contains("  shl ") && it.contains("brick map ")),
        "{shown}"
    );
    let history = place.json(&["anchor", "show", KEY])?;
    let id = history["anchor_id"].as_str().context("no id")?;
    // The public name is enough.
    assert_eq!(place.ok(&["anchor", "show", id])?, shown);

    for version in ["0", "1"] {
        let out = format!("proof-{version}");
        prove(&place, version, &out)?;
        let mode = place.at(&out).metadata()?.permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    place.fails(
        7,
        "exists already",
        &["anchor", "prove", KEY, "--out", "proof-0"],
    )?;
    let printed = place.ok(&["anchor", "prove", KEY, "--version", "1"])?;
    assert_eq!(ProofFile::parse(&printed)?.index, 1);

    // From here on the node is not needed.
    let vkey = vkey(&server)?;
    drop(server);
    place.write("history", &history.to_string())?;
    let verify = |file| ["anchor", "verify", file, "--log", &vkey, "--anchor", KEY];
    assert!(
        place
            .ok(&verify("proof-0"))?
            .contains("checked: the first version")
    );
    assert!(
        place
            .ok(&verify("proof-1"))?
            .contains("checked with the history")
    );
    let with_history = [&verify("proof-1")[..], &["--history", "history"]].concat();
    let proven = place.json(&with_history)?;
    for (name, expected) in [
        ("signature", json!("checked")),
        ("version", json!(1)),
        ("versions", json!(2)),
        ("index", json!(1)),
        ("origin", json!("anchors.example/default")),
        ("value", history["versions"][1]["value"].clone()),
    ] {
        assert_eq!(proven[name], expected, "{name}");
    }
    Ok(())
}

#[test]
fn the_status_says_where_a_version_is() -> Result<()> {
    let (_server, place) = prepared(CONFIG)?;
    // A proof exists only from a checkpoint on.
    prove(&place, "1", "proof")?;
    let status = place.json(&["anchor", "status", KEY, "--version", "0"])?;
    assert_eq!(status["state"], "inLog");
    assert_eq!(
        (&status["version"], &status["versions"]),
        (&json!(0), &json!(2))
    );
    assert_eq!(status["log"]["origin"], "anchors.example/default");
    assert_eq!(status["log"]["index"], 0);
    assert_eq!(status["log"]["checkpoint_size"], 2);
    let told = place.ok(&["anchor", "status", KEY])?;
    assert!(told.contains("version    1 of 0 to 1\n"), "{told}");
    assert!(told.contains("inLog: in a signed checkpoint"), "{told}");
    assert!(
        told.contains("entry 1, in the signed checkpoint of size 2"),
        "{told}"
    );
    Ok(())
}

#[test]
fn the_raw_bytes_are_those_of_the_ledger_and_of_the_log() -> Result<()> {
    let (server, place) = prepared(CONFIG)?;
    let proofs = [
        prove(&place, "0", "proof-0")?,
        prove(&place, "1", "proof-1")?,
    ];
    let raw = place.json(&["anchor", "show", KEY, "--raw"])?;
    let told = place.ok(&["anchor", "show", KEY, "--raw"])?;
    let bundle = server.fetch("/log/default/tile/entries/000.p/2")?;
    assert_eq!(bundle.status, 200);
    for (version, proof) in proofs.iter().enumerate() {
        let extra = ProofFile::parse(proof)?.extra.context("no opening")?;
        let bytes = extra.entry.encode();
        let in_hex = hex(&bytes);
        assert_eq!(raw["anchor_id"], json!(extra.opening.anchor_id));
        assert_eq!(raw["values"][version], json!(extra.opening.anchor_value));
        let shown = &raw["entries"][version];
        assert_eq!(shown["entry"], json!(in_hex));
        assert_eq!(shown["op"], if version == 0 { "create" } else { "append" });
        assert!(told.contains(&format!(
            "value {version:<5} {}\n",
            extra.opening.anchor_value
        )));
        assert!(
            told.contains(&format!("entry {version:<5} {in_hex}\n")),
            "{told}"
        );
        // What the log publishes: the length, and these bytes.
        let from = version * (2 + Entry::BYTES) + 2;
        assert_eq!(bundle.body[from..from + Entry::BYTES], bytes);
    }
    assert!(told.contains(&format!(
        "anchor id   {}\n",
        raw["anchor_id"].as_str().unwrap()
    )));
    Ok(())
}

#[test]
fn what_is_not_there_is_not_found() -> Result<()> {
    let (_server, place) = prepared(CONFIG)?;
    place.write("other.key", crate::log::OTHER_SEED)?;
    let other = "file:other.key";
    for verb in ["show", "prove", "status"] {
        place.fails(5, "", &["anchor", verb, other])?;
    }
    place.fails(5, "version 9", &["anchor", "prove", KEY, "--version", "9"])?;
    place.fails(5, "version 9", &["anchor", "status", KEY, "--version", "9"])?;
    place.write(
        "wallet.key",
        "ssi:seed:elsewhere:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=::v0",
    )?;
    place.fails(
        13,
        "does not know the domain",
        &["anchor", "show", "file:wallet.key"],
    )?;
    Place::offline()?.fails(
        4,
        "cannot be reached",
        &["anchor", "status", HISTORY_OF_NOBODY],
    )?;
    Ok(())
}

/// An anchor id, wrapped.
const HISTORY_OF_NOBODY: &str = "ssi:sza:default::BO5b7ON03WYwK8QRP90LJ3hGwY2hUtBjRbS7AuE26sitJpGMFZEftQqTbAeRWiF1SfcnN1ygusNL7qFy64nGgHk=:v0";

/// A policy with a witness that never answers: there is no checkpoint to prove anything with.
#[test]
fn a_proof_is_waited_for_and_not_for_ever() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let policy = folder.path().join("policy");
    let log = Log::new();
    let text = format!("witness w1 {}\nquorum w1\n", log.witness_vkey());
    testkit::server::write_file(&policy, text.as_bytes())?;
    let config = format!("{CONFIG}policy = {:?}\n", policy.display().to_string());
    let (_server, place) = prepared(&config)?;
    let prove = ["anchor", "prove", KEY, "--out", "proof", "--wait", "1"];
    let said = place.fails(1, "has no proof after 1 s", &prove)?;
    let words = "waits for cosignatures: it needs w1, has none; no witness is named to be asked";
    assert!(said.contains(words), "{said}");
    assert!(!place.at("proof").exists());
    assert_eq!(place.json(&["anchor", "status", KEY])?["state"], "pending");
    let told = place.ok(&["anchor", "status", KEY])?;
    assert!(
        told.contains("in no checkpoint yet that proves it"),
        "{told}"
    );
    assert!(told.contains(words), "{told}");
    let raw = place.json(&["anchor", "show", KEY, "--raw"])?;
    assert_eq!(
        raw["entries"][0]["unknown_because"],
        "in no checkpoint yet that proves it"
    );
    Ok(())
}

/// The node is not believed: what it gives is judged before it is written.
#[test]
fn a_false_proof_is_refused_and_not_written() -> Result<()> {
    let (server, place) = prepared(CONFIG)?;
    // Both proofs are of the same tree then.
    wait_for_both(&server)?;
    let proof = prove(&place, "1", "good")?;
    let first = prove(&place, "0", "first")?;
    let mut other_tree = ProofFile::parse(&proof)?;
    other_tree.hashes[0][0] ^= 1;
    let mut no_opening = ProofFile::parse(&proof)?;
    no_opening.extra = None;
    let mut salt = ProofFile::parse(&proof)?;
    salt.extra.as_mut().context("no opening")?.opening.salt = translog::Salt([0; 32]);
    let liar = Liar::before(server.address())?;
    let node = liar.url();
    let arguments = [
        "anchor",
        "prove",
        KEY,
        "--version",
        "1",
        "--out",
        "proof",
        "--node",
        &node,
    ];
    for (code, status, text, words) in [
        (15, 200, first, "that of another anchor or version"),
        (15, 200, other_tree.to_string(), "its proof does not hold"),
        (
            15,
            200,
            no_opening.to_string(),
            "does not say what the entry commits to",
        ),
        (15, 200, salt.to_string(), "does not commit to the anchor"),
        (15, 200, "nonsense".to_owned(), "its proof is malformed"),
        (15, 200, "x".repeat(300_000), "longer than"),
        (15, 204, String::new(), "makes no sense here"),
        (
            5,
            410,
            json!({"message": "erased"}).to_string(),
            "was erased",
        ),
        (5, 404, json!({"message": "no log"}).to_string(), "no log"),
        (6, 403, json!({"message": "no"}).to_string(), "refuses"),
    ] {
        liar.be_honest();
        liar.tell(Rule::new(Route::Any, Lie::Instead(status, text)).about("/proof/"));
        place.fails(code, words, &arguments)?;
        assert!(!place.at("proof").exists(), "{words}");
    }
    Ok(())
}

#[test]
fn a_conflict_is_shown_with_both_histories() -> Result<()> {
    let (server, place) = prepared(CONFIG)?;
    let liar = Liar::before(server.address())?;
    let node = liar.url();
    let id = place.json(&["anchor", "show", KEY])?["anchor_id"].clone();
    let mut status = json!({
        "anchorId": id, "domain": "default", "version": 1, "versions": 2, "state": "conflict",
        "log": null,
        "chain": {
            "chainId": 31337, "contract": "0xab", "block": 5, "transaction": "0xcd",
        },
        "outbox": {"waiting": 1, "attempts": 2, "lastError": "the chain is down"},
        "conflict": {"here": [hash(1), hash(2)], "there": [hash(1), hash(3)]},
        "more": "unknown fields are passed over",
    });
    let tell = |status: &Value| {
        liar.be_honest();
        liar.tell(Rule::new(Route::Any, Lie::Instead(200, status.to_string())).about("/status/"));
    };
    tell(&status);
    let ended = place.run(&["anchor", "status", KEY, "--node", &node])?;
    assert_eq!(ended.code, Some(7), "{ended:?}");
    for words in [
        "conflict: the ledger holds another history".to_owned(),
        format!("here       {}\nhere       {}\n", hash(1), hash(2)),
        format!("there      {}\nthere      {}\n", hash(1), hash(3)),
        "31337: block 5, transaction 0xcd, contract 0xab\n".to_owned(),
        "1 value to go to the ledger, 2 attempts: the chain is down".to_owned(),
    ] {
        assert!(
            ended.stdout.contains(&words),
            "no {words:?}: {}",
            ended.stdout
        );
    }
    assert!(
        ended
            .stderr
            .contains("another history of this anchor\nnext: "),
        "{}",
        ended.stderr
    );
    let ended = place.run(&["anchor", "status", KEY, "--json", "--node", &node])?;
    let told: Value = serde_json::from_str(&ended.stdout)?;
    assert_eq!(
        (ended.code, &told["conflict"]),
        (Some(7), &status["conflict"])
    );

    // A status of something else is none.
    status["version"] = json!(0);
    tell(&status);
    let asked = ["anchor", "status", KEY, "--version", "1", "--node", &node];
    place.fails(15, "that of another anchor or version", &asked)?;
    status["anchorId"] = json!("another");
    tell(&status);
    place.fails(
        15,
        "that of another anchor or version",
        &["anchor", "status", KEY, "--node", &node],
    )?;
    tell(&json!([1]));
    place.fails(
        15,
        "not the status of an anchor",
        &["anchor", "status", KEY, "--node", &node],
    )?;
    Ok(())
}
