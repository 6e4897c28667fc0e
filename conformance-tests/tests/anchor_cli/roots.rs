//! A node that publishes the roots of its log: from a new version to a proof on a real chain.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testkit::anvil::{ACCOUNTS, Anvil};
use testkit::server::{Server, write_file};

use crate::chain::{deploy, register_log};
use crate::log::ORIGIN;
use crate::place::Place;

/// The longest wait for a root on a chain that mines at once.
const PATIENCE: Duration = Duration::from_mins(1);
const KEY: &str = "file:record.key";

/// Asks until the newest version is on the chain, and gives the last status.
fn until_on_chain(place: &Place) -> Result<Value> {
    let began = Instant::now();
    loop {
        let status = place.json(&["anchor", "status", KEY])?;
        if status["state"] == "onChain" {
            return Ok(status);
        }
        ensure!(began.elapsed() < PATIENCE, "never on the chain: {status}");
    }
}

#[test]
fn a_version_of_a_node_is_proven_by_the_chain() -> Result<()> {
    let chain = Anvil::start()?;
    let registry = deploy(&chain)?;
    register_log(&chain, &registry, ORIGIN, 1)?;
    let folder = tempfile::tempdir()?;
    let account = folder.path().join("account");
    write_file(&account, ACCOUNTS[1].key.as_bytes())?;
    set_permissions(&account, Permissions::from_mode(0o600))?;
    let (rpc, account) = (chain.rpc_url(), account.display().to_string());
    let server = Server::start(&format!(
        "[[domain]]\nname = \"default\"\nanchoring = \"evm-roots\"\n\
         [domain.log]\norigin = {ORIGIN:?}\n\
         [domain.evm]\nrpc = {rpc:?}\nchain_id = 31337\ncontract = {registry:?}\n\
         account_key = {account:?}\nconfirmations = 1\npoll_ms = 50\nbatch_entries_max = 1\nbatch_ms_max = 100\n"
    ))?;
    let place = Place::with_node(&format!("http://{}", server.address()))?;
    place.write("a.txt", "a")?;
    place.ok(&["dsu", "create", "--out", "record.key", "a.txt"])?;

    let status = until_on_chain(&place)?;
    assert_eq!(status["chain"]["chain_id"], 31_337);
    place.ok(&["anchor", "prove", KEY, "--out", "proof"])?;
    let vkey = server.fetch("/log/default/vkey")?.text();
    drop(server);
    let verify = [
        "anchor",
        "verify",
        "proof",
        "--log",
        vkey.trim(),
        "--rpc",
        &rpc,
        "--contract",
        &registry,
    ];
    let proven = place.json(&verify)?;
    for name in ["chain_id", "transaction", "block", "sequence"] {
        assert_eq!(proven["chain"][name], status["chain"][name], "{name}");
    }
    assert_eq!(proven["chain"]["contract_named_by"], "option");
    assert_eq!(proven["signature"], "checked");
    // The transaction is gone from the chain: the proof says so no more.
    chain.reorg(1)?;
    place.fails(1, "not on the chain", &verify)?;
    // What the chain does not know is proven all the same.
    let offline = place.json(&["anchor", "verify", "proof", "--log", vkey.trim()])?;
    assert_eq!(
        (&offline["proven"], &offline["chain"]),
        (&json!(true), &json!(null))
    );
    Ok(())
}
