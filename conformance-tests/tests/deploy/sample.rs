//! `deploy/kiln.toml` has every key that a node knows, and each at its default.
//!
//! In the sample a line that begins with `#` and no space is a setting; all other comments are prose.
//! Which keys there are is asked of the node itself: it refuses an unknown key with a list of those
//! that it knows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Output;

use testkit::binaries::Binary;
use testkit::process::Launch;
use testkit::server::write_file;
use toml::{Table, Value};

/// What the sample has to say although it is no default: what has none, and what says which kind of
/// domain the example is of.
const NO_DEFAULTS: [&str; 47] = [
    "access.certificate.name",
    "access.certificate.san",
    "access.certificate.fingerprint",
    "access.certificate.grants.domain",
    "access.certificate.grants.role",
    "access.oidc.issuer",
    "access.oidc.audience",
    "access.oidc.rule.claim",
    "access.oidc.rule.value",
    "access.oidc.rule.grants.domain",
    "access.oidc.rule.grants.role",
    "limits.anonymous.requests_per_second",
    "limits.anonymous.requests_burst",
    "limits.anonymous.bytes_up_per_day",
    "limits.anonymous.bytes_down_per_day",
    "limits.anonymous.bricks_per_day",
    "limits.anonymous.anchors_per_day",
    "limits.anonymous.storage_bytes",
    "limits.anonymous.storage_bricks",
    "limits.credential.requests_per_second",
    "limits.credential.requests_burst",
    "limits.credential.bytes_up_per_day",
    "limits.credential.bytes_down_per_day",
    "limits.credential.bricks_per_day",
    "limits.credential.anchors_per_day",
    "limits.credential.storage_bytes",
    "limits.credential.storage_bricks",
    "domain.name",
    "domain.anonymous",
    "domain.anchoring",
    "domain.optimistic",
    "domain.quota.requests_per_second",
    "domain.quota.requests_burst",
    "domain.quota.bytes_up_per_day",
    "domain.quota.bytes_down_per_day",
    "domain.quota.bricks_per_day",
    "domain.quota.anchors_per_day",
    "domain.quota.storage_bytes",
    "domain.quota.storage_bricks",
    "domain.quota.anchors",
    "domain.quota.versions",
    "domain.eth_adapter.listen",
    "domain.evm.rpc",
    "domain.evm.chain_id",
    "domain.evm.contract",
    "domain.evm.confirmations",
    "domain.adapter.url",
];
/// A key that no section will ever have.
const UNKNOWN: &str = "zzz_no_such_key";

#[test]
fn every_key_stands_in_the_sample() {
    let sample = settings();
    let mut tables = BTreeMap::new();
    collect(&sample, "", &mut tables);
    let mut missing = Vec::new();
    for (path, found) in &tables {
        let known = known_keys(&sample, path);
        assert!(!known.is_empty(), "no keys are known of [{path}]");
        missing.extend(known.difference(found).map(|key| format!("{path}.{key}")));
    }
    assert!(
        missing.is_empty(),
        "deploy/kiln.toml lacks these keys: {}",
        missing.join(", ")
    );
}

#[test]
fn every_key_in_the_sample_is_at_its_default() {
    let sample = settings();
    let mut bare = sample.clone();
    keep_what_has_no_default(&mut bare, "");
    let mut other = Vec::new();
    let mut check = |sample: &Table, bare: &Table| {
        let (with, without) = (effective(&print(sample)), effective(&print(bare)));
        compare("", &Value::Table(with), &Value::Table(without), &mut other);
    };
    // Clients by certificates, and a node that asks for none, do not go together.
    let folder = tempfile::tempdir().unwrap();
    crate::certificate(folder.path());
    check(
        &asking_for_certificates(&sample, folder.path()),
        &asking_for_certificates(&bare, folder.path()),
    );
    check(&without_certificates(&sample), &without_certificates(&bare));
    assert!(
        other.is_empty(),
        "deploy/kiln.toml shows other defaults than the node has:\n{}",
        other.join("\n")
    );
}

#[test]
fn the_sample_as_it_is_changes_nothing() {
    let sample = crate::text("kiln.toml");
    assert_eq!(effective(&sample), effective(""));
}

#[test]
fn every_setting_of_the_sample_is_explained() {
    let text = crate::text("kiln.toml");
    let mut is_explained = false;
    for (index, line) in text.lines().enumerate() {
        let is_setting = setting(line).is_some_and(|it| !it.is_empty());
        if is_setting {
            assert!(
                is_explained,
                "deploy/kiln.toml:{}: nothing is said of {line}",
                index + 1
            );
        }
        // One explanation may be for the settings that follow it without an empty line.
        is_explained = line.starts_with("# ") || (is_explained && is_setting);
    }
}

/// The sample on a node with TLS, with a certificate in this folder, that asks clients for theirs.
fn asking_for_certificates(sample: &Table, folder: &Path) -> Table {
    let mut sample = sample.clone();
    let tls = sample["tls"].as_table_mut().unwrap();
    for (key, file) in [
        ("certificate", "tls.crt"),
        ("key", "tls.key"),
        ("client_ca", "tls.crt"),
    ] {
        let path = folder.join(file).display().to_string();
        tls.insert(key.to_owned(), path.into());
    }
    tls.insert("client".to_owned(), "optional".into());
    sample
}

fn without_certificates(sample: &Table) -> Table {
    let mut sample = sample.clone();
    let access = sample["access"].as_table_mut().unwrap();
    assert!(access.remove("certificate").is_some());
    sample
}

/// The setting in a line of the sample.
fn setting(line: &str) -> Option<&str> {
    line.strip_prefix('#').filter(|rest| !rest.starts_with(' '))
}

/// The sample with the comments taken off its settings.
fn settings() -> Table {
    let text: String = crate::text("kiln.toml")
        .lines()
        .map(|line| setting(line).unwrap_or(line).to_owned() + "\n")
        .collect();
    text.parse().unwrap()
}

/// The keys of each table in the sample, those of all elements of an array together.
fn collect(table: &Table, path: &str, tables: &mut BTreeMap<String, BTreeSet<String>>) {
    let keys = tables.entry(path.to_owned()).or_default();
    keys.extend(table.keys().cloned());
    for (key, value) in table {
        let path = join(path, key);
        match value {
            Value::Table(inner) => collect(inner, &path, tables),
            Value::Array(elements) => {
                for inner in elements.iter().filter_map(Value::as_table) {
                    collect(inner, &path, tables);
                }
            }
            _ => {}
        }
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// Which keys the node knows of the table at a path: those that it names when it refuses another one.
fn known_keys(sample: &Table, path: &str) -> BTreeSet<String> {
    let mut wrong = sample.clone();
    let segments: Vec<_> = path.split('.').filter(|it| !it.is_empty()).collect();
    let is_put = put_unknown(&mut wrong, &segments);
    assert!(is_put, "the sample has no [{path}]");
    let output = check_config(&print(&wrong));
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "[{path}] takes any key");
    let (_, expected) = stderr
        .split_once(&format!("unknown field `{UNKNOWN}`, expected "))
        .unwrap_or_else(|| panic!("[{path}]: the refusal names no keys: {stderr}"));
    let list = expected.lines().next().unwrap_or_default();
    list.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// Puts an unknown key into the first table at the path.
fn put_unknown(table: &mut Table, path: &[&str]) -> bool {
    let Some((first, rest)) = path.split_first() else {
        table.insert(UNKNOWN.to_owned(), Value::Integer(0));
        return true;
    };
    match table.get_mut(*first) {
        Some(Value::Table(inner)) => put_unknown(inner, rest),
        Some(Value::Array(elements)) => elements
            .iter_mut()
            .filter_map(Value::as_table_mut)
            .any(|inner| put_unknown(inner, rest)),
        _ => false,
    }
}

fn keep_what_has_no_default(table: &mut Table, path: &str) {
    table.retain(|key, value| match value {
        Value::Table(inner) => {
            keep_what_has_no_default(inner, &join(path, key));
            true
        }
        Value::Array(elements) if elements.iter().any(Value::is_table) => {
            for inner in elements.iter_mut().filter_map(Value::as_table_mut) {
                keep_what_has_no_default(inner, &join(path, key));
            }
            true
        }
        _ => NO_DEFAULTS.contains(&join(path, key).as_str()),
    });
}

fn compare(path: &str, sample: &Value, node: &Value, other: &mut Vec<String>) {
    match (sample, node) {
        (Value::Table(sample), Value::Table(node)) => {
            let keys: BTreeSet<_> = sample.keys().chain(node.keys()).collect();
            for key in keys {
                let path = join(path, key);
                match (sample.get(key), node.get(key)) {
                    (Some(sample), Some(node)) => compare(&path, sample, node, other),
                    (sample, node) => {
                        other.push(format!("{path}: sample {sample:?}, node {node:?}"));
                    }
                }
            }
        }
        (Value::Array(sample), Value::Array(node)) if sample.len() == node.len() => {
            for (sample, node) in sample.iter().zip(node) {
                compare(path, sample, node, other);
            }
        }
        _ if sample == node => {}
        _ => other.push(format!("{path}: sample {sample}, node {node}")),
    }
}

fn print(table: &Table) -> String {
    toml::to_string(table).unwrap()
}

/// What the node makes of a configuration.
fn effective(config: &str) -> Table {
    let output = check_config(config);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "refused: {stderr}\n{config}");
    String::from_utf8(output.stdout).unwrap().parse().unwrap()
}

fn check_config(config: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kiln.toml");
    write_file(&file, config.as_bytes()).unwrap();
    let launch = Launch::of(Binary::Kiln).unwrap();
    let launch = launch.arg("serve").arg("--check-config");
    launch.arg("--config").arg(&file).run().unwrap()
}
