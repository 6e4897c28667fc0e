//! The unmodified `OpenDSU` SDK where the anonymous may not do everything: with `anonymous =
//! "anchor"`, and with `anonymous = "none"` and a key that BDNS publishes.
//!
//! `OPENDSU_SDK` names a checkout of the public repository `OpenDSU/opendsu-sdk`; without it there
//! is nothing to drive, and the tests say so and pass.

use std::env;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::node::Node;

/// The domains that the scenarios use.
const DOMAINS: [&str; 4] = ["default", "test1", "test2", "vault"];
/// All that a wallet does with what is hashed or signed: no versionless documents.
const SCENARIOS: [&str; 6] = [
    "const-dsu",
    "conflict-merged",
    "file-sizes",
    "mounts",
    "seed-dsu",
    "sread",
];

fn sdk() -> Result<Option<OsString>> {
    let sdk = env::var_os("OPENDSU_SDK");
    if sdk.is_none() {
        writeln!(
            io::stderr(),
            "skipped: OPENDSU_SDK does not name a checkout of OpenDSU/opendsu-sdk"
        )?;
    }
    Ok(sdk)
}

/// Plays scenarios; `key` is what the driver's own requests need, which look at what the SDK did.
fn play(node: &Node, sdk: &OsString, key: Option<&str>) -> Result<()> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("interop/driver.cjs");
    let mut command = Command::new("node");
    command
        .arg(script)
        .arg(format!("http://{}", node.address()));
    command
        .args(SCENARIOS)
        .env("OPENDSU_SDK", sdk)
        .stdin(Stdio::null());
    if let Some(key) = key {
        command.env("AUDIT_API_KEY", key);
    }
    let status = command
        .status()
        .context("the driver needs Node.js 20 or newer as `node`")?;
    ensure!(
        status.success(),
        "the driver ended with {status}:\n{}",
        node.process().stderr_tail()
    );
    Ok(())
}

#[test]
fn wallets_work_where_the_anonymous_may_anchor() -> Result<()> {
    let Some(sdk) = sdk()? else { return Ok(()) };
    let domains: Vec<_> = DOMAINS
        .iter()
        .map(|it| format!("[[domain]]\nname = \"{it}\"\nanonymous = \"anchor\"\n"))
        .collect();
    let node = Node::start(&domains.concat())?;
    play(&node, &sdk, None)?;
    let documents = node.request("PUT", "/versionlessdsu/x", None).body("x");
    assert_eq!(node.ask(&documents)?.status, 401);
    Ok(())
}

#[test]
fn wallets_work_with_a_key_that_bdns_publishes() -> Result<()> {
    let Some(sdk) = sdk()? else { return Ok(()) };
    let config = |entries: &str| -> String {
        let domain = |it| format!("[[domain]]\nname = \"{it}\"\nanonymous = \"none\"\n{entries}");
        DOMAINS.iter().map(domain).collect::<Vec<_>>().concat()
    };
    let mut node = Node::start(&config(""))?;
    let key = node.key("wallets", &["*:anchor"])?.text;
    let entry = format!("[{{ url = \"$ORIGIN\", headers = {{ x-api-key = \"{key}\" }} }}]");
    let entries = format!("brick_storages = {entry}\nanchoring_services = {entry}\n");
    node.configure(&config(&entries))?;
    node.stop()?;
    node.restart()?;
    play(&node, &sdk, Some(&key))
}
