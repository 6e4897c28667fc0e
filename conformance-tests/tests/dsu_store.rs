//! Stores every recorded DSU on a node, reads all of it back, restarts the node
//! and reads it again; the store's own check must find nothing.

#[path = "common/client.rs"]
mod client;
#[path = "common/node.rs"]
mod node;
#[path = "common/oracle.rs"]
mod oracle;
#[path = "common/scenario.rs"]
mod scenario;
#[path = "common/ssi.rs"]
mod ssi;
#[path = "common/vectors.rs"]
mod vectors;
#[path = "common/write.rs"]
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use testkit::binaries::Binary;
use testkit::process::Launch;

use crate::client::Client;
use crate::node::TestNode;
use crate::oracle::{is_odd_creation_time, write_status};
use crate::scenario::Scenario;
use crate::ssi::Ssi;
use crate::vectors::folders;
use crate::write::Write;

/// The folders of the checked-in set that tell of anchors.
const CHECKED_IN_SCENARIOS: usize = 19;

/// What a node was given and must give back.
#[derive(Debug, Default)]
struct Stored {
    bricks: BTreeMap<(String, String), Vec<u8>>,
    anchors: BTreeMap<(String, String), Vec<String>>,
    documents: BTreeMap<String, Vec<u8>>,
}

/// What was out of the ordinary; printed, so that nothing is passed over.
#[derive(Debug, Default)]
struct Anomalies {
    scenarios_without_bricks: Vec<String>,
    anchors_without_versions: usize,
    creation_time_not_13_digits: usize,
    time_beyond_64_bits: usize,
    values_refused: usize,
}

#[test]
fn recorded_dsus_survive_a_restart_and_the_check() -> Result<()> {
    for folder in folders("dsu") {
        let scenarios = Scenario::load_all(&folder.path)?;
        ensure!(
            !folder.checked_in || scenarios.len() == CHECKED_IN_SCENARIOS,
            "{} scenarios",
            scenarios.len()
        );
        let mut node = TestNode::start(&all_domains(&scenarios))?;
        let mut client = Client::connect(node.address()?)?;
        let mut stored = Stored::default();
        let mut anomalies = Anomalies::default();
        for scenario in &scenarios {
            store(&mut client, scenario, &mut stored, &mut anomalies)
                .with_context(|| scenario.name.clone())?;
        }
        store_documents(&mut client, &folder.path, &mut stored)?;
        let sampled = check_sample(&folder.path.join("at-rest-sample"), &stored)?;
        read_back(&mut client, &stored)?;
        drop(client);
        node.stop()?;
        node.run(&[])?;
        read_back(&mut Client::connect(node.address()?)?, &stored).context("after the restart")?;
        node.stop()?;
        check_store(&node)?;
        // Written past the test harness, which hides what a passing test prints.
        writeln!(
            io::stderr(),
            "{}: {} scenarios, {} bricks, {} anchors with {} values, {} documents, {sampled} files of the sample at rest; {anomalies:?}",
            folder.path.display(),
            scenarios.len(),
            stored.bricks.len(),
            stored.anchors.len(),
            stored.anchors.values().map(Vec::len).sum::<usize>(),
            stored.documents.len(),
        )?;
        ensure!(
            !folder.checked_in || anomalies.values_refused == 0,
            "a recorded value was refused"
        );
    }
    Ok(())
}

/// The domains of the scenarios, and the default one, where versionless
/// documents need none.
fn all_domains(scenarios: &[Scenario]) -> BTreeSet<String> {
    let mut domains = scenario::domains(scenarios);
    domains.insert("default".to_owned());
    domains
}

fn store(
    client: &mut Client,
    scenario: &Scenario,
    stored: &mut Stored,
    anomalies: &mut Anomalies,
) -> Result<()> {
    if scenario.bricks.is_empty() {
        anomalies
            .scenarios_without_bricks
            .push(scenario.name.clone());
    }
    for (name, file) in &scenario.bricks {
        let bytes = std::fs::read(file)?;
        for domain in &scenario.brick_domains {
            client.put_brick(domain, name, &bytes)?;
            stored
                .bricks
                .insert((domain.clone(), name.clone()), bytes.clone());
        }
    }
    for ((domain, id), values) in &scenario.anchors {
        anomalies.anchors_without_versions += usize::from(values.is_empty());
        let history = stored
            .anchors
            .entry((domain.clone(), id.clone()))
            .or_default();
        for (place, value) in values.iter().enumerate() {
            let write = Write::after(place);
            note_time(write, value, anomalies);
            let due = write_status(write, id, value, history);
            let status = client.write(write, domain, id, value)?;
            ensure!(
                status == due,
                "{write:?} {id} {value}: {status} instead of {due}"
            );
            if status == 201 {
                history.push(value.clone());
            } else {
                anomalies.values_refused += 1;
            }
        }
    }
    Ok(())
}

fn note_time(write: Write, value: &str, anomalies: &mut Anomalies) {
    let value = Ssi::unwrap(value);
    let Some(time) = value.as_ref().and_then(Ssi::time) else {
        return;
    };
    let odd = write == Write::Create && is_odd_creation_time(time);
    anomalies.creation_time_not_13_digits += usize::from(odd);
    anomalies.time_beyond_64_bits += usize::from(time.parse::<u64>().is_err());
}

/// Versionless documents have no bricks and no anchors: one body per path.
fn store_documents(client: &mut Client, folder: &Path, stored: &mut Stored) -> Result<()> {
    let file = folder.join("versionless/versionless.json");
    if !file.is_file() {
        return Ok(());
    }
    let file: Value = serde_json::from_str(&std::fs::read_to_string(file)?)?;
    for (name, document) in file.as_object().context("no documents")? {
        let text = |key: &str| {
            document[key]
                .as_str()
                .with_context(|| format!("{name}: {key}"))
        };
        let target = format!("/versionlessdsu/{}", text("filePath")?);
        let body = text("stored")?.as_bytes();
        let reply = client.call("PUT", &target, Some(body))?;
        ensure!(reply.status == 200, "{target}: {}", reply.status);
        stored.documents.insert(target, body.to_vec());
    }
    Ok(())
}

/// The files that a server kept of one scenario must be what was stored here.
fn check_sample(sample: &Path, stored: &Stored) -> Result<usize> {
    let mut count = 0;
    for domain in files_in(&sample.join("domains"))? {
        let domain_name = file_name(&domain);
        for shard in files_in(&domain.join("brick-storage"))? {
            for brick in files_in(&shard)? {
                let key = (domain_name.clone(), file_name(&brick));
                let bytes = stored
                    .bricks
                    .get(&key)
                    .with_context(|| format!("{key:?}"))?;
                ensure!(
                    *bytes == std::fs::read(&brick)?,
                    "{key:?} differs from the sample"
                );
                count += 1;
            }
        }
        for anchor in files_in(&domain.join("anchors"))? {
            let key = (domain_name.clone(), file_name(&anchor));
            let values = stored
                .anchors
                .get(&key)
                .with_context(|| format!("{key:?}"))?;
            let text = std::fs::read_to_string(&anchor)?;
            ensure!(
                values.iter().eq(text.lines()),
                "{key:?} differs from the sample"
            );
            count += 1;
        }
    }
    Ok(count)
}

fn files_in(folder: &Path) -> Result<Vec<std::path::PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let entries = folder.read_dir()?;
    Ok(entries
        .map(|it| it.map(|it| it.path()))
        .collect::<Result<Vec<_>, _>>()?)
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// Reads everything back, each thing in every way that there is.
fn read_back(client: &mut Client, stored: &Stored) -> Result<()> {
    for ((domain, name), bytes) in &stored.bricks {
        let reply = client.call("GET", &format!("/bricking/{domain}/get-brick/{name}"), None)?;
        ensure!(
            reply.status == 200 && reply.body == *bytes,
            "brick {name}: {}",
            reply.status
        );
        let reply = client.call(
            "GET",
            &format!("/bricking/{domain}/brick-exists/{name}"),
            None,
        )?;
        ensure!(
            reply.status == 200 && reply.body == b"true",
            "{name}: {}",
            reply.text()
        );
    }
    for ((domain, id), values) in &stored.anchors {
        let all = client.call(
            "GET",
            &format!("/anchor/{domain}/get-all-versions/{id}"),
            None,
        )?;
        let last = client.call(
            "GET",
            &format!("/anchor/{domain}/get-last-version/{id}"),
            None,
        )?;
        let Some(newest) = values.last() else {
            ensure!((all.status, last.status) == (404, 404), "{id} has versions");
            continue;
        };
        let read: Value = serde_json::from_slice(&all.body)?;
        ensure!(
            all.status == 200 && read == json!(values),
            "{id}: {}",
            all.text()
        );
        let read: Value = serde_json::from_slice(&last.body)?;
        let due = json!({ "message": newest });
        ensure!(last.status == 200 && read == due, "{id}: {}", last.text());
    }
    for (target, body) in &stored.documents {
        let reply = client.call("GET", target, None)?;
        ensure!(
            reply.status == 200 && reply.body == *body,
            "{target}: {}",
            reply.status
        );
    }
    Ok(())
}

fn check_store(node: &TestNode) -> Result<()> {
    let check = Launch::of(Binary::Kiln)?.arg("store").arg("check");
    let output = check.arg("--data").arg(node.data()).run()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "store check: {}\n{stderr}",
        output.status
    );
    Ok(())
}
