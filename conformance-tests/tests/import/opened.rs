//! What was imported, as clients see it: ours and the unmodified SDK.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::{Context as _, Result, ensure};
use client::dsus::{At, Snapshot, verify};
use client::{Client, ClientOptions};
use dsu::{Depth, DsuPath, NodeKind};
use keyssi::KeySsi;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use testkit::process::NodeProcess;

use crate::peer::{self, Peer};
use crate::place::{Place, run};
use crate::tree::Sound;

/// Serves what was imported, and opens these DSUs with our client, and with the SDK if there is one;
/// the log of each domain must be in order.
pub(crate) fn check(place: &Place, dsus: &[Sound]) -> Result<()> {
    let node = place.serve()?;
    let runtime = tokio::runtime::Runtime::new()?;
    for dsu in dsus {
        let opened = runtime.block_on(opens(&node, dsu));
        opened.with_context(|| format!("{:?}", dsu.ssi.kind()))?;
    }
    let mut domains: Vec<&str> = dsus.iter().map(|dsu| dsu.ssi.domain()).collect();
    domains.sort_unstable();
    domains.dedup();
    for domain in domains {
        log_is_in_order(place, &node, domain)?;
    }
    let hashed = dsus.iter().map(|dsu| {
        let files = dsu.files.iter();
        let hashes = files.map(|(path, content)| (bare(path), hex(content)));
        let hashes: Hashes = hashes.collect();
        (&dsu.ssi, hashes)
    });
    opens_with_sdk(&node, &hashed.collect::<Vec<_>>())?;
    ensure!(node.stop()?.success(), "the node did not end well");
    Ok(())
}

/// Every version's signatures and bricks hold, and the newest version has these files.
pub(crate) async fn opens(node: &NodeProcess, dsu: &Sound) -> Result<()> {
    let url = format!("http://{}", node.address()).parse()?;
    let client = Client::new(ClientOptions::new(url))?;
    let verified = verify(&client, &dsu.ssi).await?;
    ensure!(verified.faults.is_empty(), "{:?}", verified.faults);
    ensure!(verified.versions == dsu.versions, "{verified:?}");
    let snapshot = Snapshot::open(&client, &dsu.ssi, At::Latest).await?;
    let listed = snapshot.list(&DsuPath::root(), Depth::Recursive).await?;
    let files = listed.iter().filter(|line| line.kind == NodeKind::File);
    ensure!(files.count() == dsu.files.len(), "{listed:?}");
    for (path, content) in &dsu.files {
        let read = snapshot
            .read(&DsuPath::parse(path)?)
            .await?
            .to_end()
            .await?;
        ensure!(*read == *content, "{path} differs");
    }
    Ok(())
}

/// The unmodified SDK reads the same files, given by their hashes.
fn opens_with_sdk(node: &NodeProcess, dsus: &[(&KeySsi, Hashes)]) -> Result<()> {
    let Some(sdk) = peer::checkout()? else {
        // Written past the test harness, which hides what a passing test prints.
        let variable = peer::SDK_VARIABLE;
        writeln!(
            std::io::stderr(),
            "import: not opened with the SDK: {variable} does not name its checkout"
        )?;
        return Ok(());
    };
    let mut peer = Peer::start(&sdk, &format!("http://{}", node.address()))?;
    for (ssi, hashes) in dsus {
        let request = json!({"call": "read", "ssi": ssi.wrapped().as_str(), "version": null});
        let read = peer.call(&request)?;
        ensure!(
            hashes_in(&read["files"])? == *hashes,
            "the SDK reads {read}"
        );
    }
    writeln!(
        std::io::stderr(),
        "import: the SDK opened {} DSUs",
        dsus.len()
    )?;
    Ok(())
}

/// The SDK's own record of changes, which it does not list.
const METADATA_LOG: &str = "dsu-metadata-log";

/// Paths, without a slash in front, and the SHA-256 of their contents.
type Hashes = BTreeMap<String, String>;

fn hashes_in(files: &Value) -> Result<Hashes> {
    let files = files.as_object().context("no files")?.iter();
    let hashes = files.map(|(path, file)| {
        let hash = file["sha256"].as_str().unwrap_or_default();
        (bare(path), hash.to_owned())
    });
    let hashes = hashes.filter(|(path, _)| path != METADATA_LOG);
    Ok(hashes.collect())
}

fn bare(path: &str) -> String {
    path.trim_start_matches('/').to_owned()
}

fn log_is_in_order(place: &Place, node: &NodeProcess, domain: &str) -> Result<()> {
    let log = format!("http://{}/log/{domain}", node.address());
    let key = testkit::http::ask(
        node.address(),
        &testkit::http::Request::to(node.address(), "GET", &format!("/log/{domain}/vkey")),
    )?;
    let key = key.text().trim().to_owned();
    let checked = place.kiln(&["log", "check", &log, "--vkey", &key, "--json"])?;
    let said: Value = run(checked, 0)?;
    ensure!(said.is_object(), "{said}");
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        // Writing to a text does not fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// As [`check`], for a DSU whose files are recorded with their sizes and hashes.
pub(crate) fn check_recorded(place: &Place, dsu: &Sound, files: &Value) -> Result<()> {
    let node = place.serve()?;
    let runtime = tokio::runtime::Runtime::new()?;
    let hashes = hashes_in(files)?;
    let checked = runtime.block_on(async {
        let url = format!("http://{}", node.address()).parse()?;
        let client = Client::new(ClientOptions::new(url))?;
        let verified = verify(&client, &dsu.ssi).await?;
        ensure!(verified.faults.is_empty(), "{:?}", verified.faults);
        ensure!(verified.versions == dsu.versions, "{verified:?}");
        let snapshot = Snapshot::open(&client, &dsu.ssi, At::Latest).await?;
        let files = files.as_object().context("no files")?;
        ensure!(!files.is_empty(), "no files are recorded");
        for (path, file) in files {
            let read = snapshot
                .read(&DsuPath::parse(path)?)
                .await?
                .to_end()
                .await?;
            ensure!(file["sha256"] == hex(&read), "{path} differs");
        }
        Ok(())
    });
    checked?;
    opens_with_sdk(&node, &[(&dsu.ssi, hashes.clone())])?;
    log_is_in_order(place, &node, dsu.ssi.domain())
}
