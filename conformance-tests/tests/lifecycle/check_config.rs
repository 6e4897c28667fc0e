//! `--check-config` prints what would be used, as a file that can be used.

use std::path::Path;

use anyhow::Result;
use testkit::binaries::Binary;
use testkit::process::Launch;
use testkit::server::{Server, write_file};

use crate::{FAILED, check_fails, stdout};

/// Each key once, none with its default; the certificate is to be made in `FOLDER`.
const EVERY_KEY: &str = r#"
[node]
data = "elsewhere"
listen = "127.0.0.2:4711"
hosts = ["a.example", "b.example"]
plaintext_beyond_loopback = true
anonymous_all_beyond_loopback = true
trusted_proxies = ["10.0.0.0/8"]
read_only = true
log_origin_prefix = "logs.example"
log_format = "json"

[limits]
brick_bytes_max = 20000000
batch_bytes_max = 3000
document_bytes_max = 1000
json_bytes_max = 2000
body_bytes_in_flight_max = 50000000
body_bytes_per_second_min = 5
body_idle_ms_max = 6
header_ms_max = 7
write_stall_ms_max = 8
connections_max = 9
stop_ms_max = 10
free_bytes_min = 11

[limits.anonymous]
requests_per_second = 21
requests_burst = 22
bytes_up_per_day = 23
bytes_down_per_day = 24
bricks_per_day = 25
anchors_per_day = 26
storage_bytes = 27
storage_bricks = 28

[limits.credential]
requests_per_second = 29

[admin]
listen = "127.0.0.1:23"
hosts = ["ops.example"]

[cors]
origins = ["https://wallet.example"]

[rate_limit]
enabled = false
burst = 12
refill_per_second = 13

[metrics]
listen = "127.0.0.1:21"
plaintext_beyond_loopback = true

[log]
requests = true

[otlp]
endpoint = "http://127.0.0.1:4318/v1/traces"
sample_ratio = 0.5
headers_file = "headers"
timeout_ms = 22

[scrub]
enabled = false
bytes_per_second = 14
pause_between_s = 15

[tls]
certificate = "FOLDER/node.pem"
key = "FOLDER/key.pem"
client_ca = "FOLDER/node.pem"
client = "optional"

[access]
anonymous = "read"

[[access.certificate]]
name = "lab 7"
san = "uri:urn:lab:7"
grants = [{ domain = "*", role = "read" }]

[[access.oidc]]
issuer = "https://id.example"
audience = "kiln"
jwks_uri = "https://id.example/keys"
algorithms = ["PS256"]
keys_fresh_s = 16
keys_usable_s = 17

[[access.oidc.rule]]
claim = ["realm", "roles"]
value = "writer"
grants = [{ domain = "one", role = "write" }]

[[domain]]
name = "one"
replicas = ["http://replica.example"]
notifications = ["http://notifications.example"]
brick_storages = ["http://bricks.example"]
anchoring_services = ["http://anchors.example"]
anchoring = "evm"
optimistic = true

[domain.quota]
anchors = 31
versions = 32

[domain.log]
origin = "logs.example/one"
openings = "public"
key = "one.log-key"
old_key = "one.old-key"
policy = "one.policy"
witnesses = ["http://witness.example"]

[domain.evm]
rpc = "http://chain.example"
chain_id = 14
contract = "0x0000000000000000000000000000000000000015"
account_key = "account.key"
confirmations = 16
poll_ms = 17
fees = "legacy"
fee_cap_gwei = 170
batch_entries_max = 18
batch_ms_max = 190

[domain.eth_adapter]
listen = "127.0.0.3:20"
token_file = "token"

[[domain]]
name = "two"
anchoring = "adapter"

[domain.adapter]
url = "http://adapter.example"
kind = "hf"
"#;

/// [`EVERY_KEY`] with the files that it names.
fn every_key(folder: &Path) -> Result<String> {
    let node = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    write_file(&folder.join("node.pem"), node.cert.pem().as_bytes())?;
    let key = node.signing_key.serialize_pem();
    write_file(&folder.join("key.pem"), key.as_bytes())?;
    Ok(EVERY_KEY.replace("FOLDER", &folder.display().to_string()))
}

/// What `--check-config` prints with these arguments and this file.
fn printed(file: Option<&Path>, arguments: &[&str]) -> Result<String> {
    let launch = Launch::of(Binary::Kiln)?.arg("serve").arg("--check-config");
    let launch = arguments.iter().fold(launch, Launch::arg);
    let launch = match file {
        Some(file) => launch.arg("--config").arg(file),
        None => launch,
    };
    let output = launch.run()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert!(stderr.is_empty(), "{stderr}");
    Ok(stdout(&output))
}

/// Parses as TOML.
fn table(text: &str) -> Result<toml::Table> {
    Ok(text.parse()?)
}

#[test]
fn what_is_printed_can_be_used_and_prints_itself() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("kiln.toml");
    let default = printed(None, &[])?;
    write_file(&file, every_key(folder.path())?.as_bytes())?;
    let every = printed(Some(&file), &[])?;
    for text in [default, every] {
        write_file(&file, text.as_bytes())?;
        assert_eq!(printed(Some(&file), &[])?, text);
    }
    Ok(())
}

#[test]
fn every_key_is_printed_with_the_value_that_will_be_used() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("kiln.toml");
    let text = every_key(folder.path())?;
    write_file(&file, text.as_bytes())?;
    let given = table(&text)?;
    let found = table(&printed(Some(&file), &[])?)?;
    let default = table(&printed(None, &[])?)?;
    for (section, keys) in &default {
        assert!(given.contains_key(section), "EVERY_KEY lacks [{section}]");
        for key in keys.as_table().into_iter().flat_map(toml::Table::keys) {
            let value = |it: &toml::Table| it.get(section)?.get(key).cloned();
            let name = format!("{section}.{key}");
            assert!(value(&given).is_some(), "EVERY_KEY lacks {name}");
            assert_eq!(value(&found), value(&given), "{name}");
            assert_ne!(value(&default), value(&given), "{name} has its default");
        }
    }
    let first = |it: &toml::Table| it.get("domain")?.get(0).cloned();
    assert_eq!(first(&found), first(&given));
    Ok(())
}

#[test]
fn the_command_line_goes_before_the_environment_and_that_before_the_file() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("kiln.toml");
    write_file(
        &file,
        b"[node]\nlisten = \"127.0.0.1:1\"\nread_only = false",
    )?;
    let check = |launch: Launch, listen: &str| -> Result<()> {
        let output = launch.arg("--check-config").run()?;
        let table = table(&stdout(&output))?;
        let node = table.get("node");
        let found = node.and_then(|it| it.get("listen")?.as_str());
        assert_eq!(found, Some(listen));
        Ok(())
    };
    let file_only = Launch::of(Binary::Kiln)?
        .arg("serve")
        .arg("--config")
        .arg(&file);
    check(file_only.clone(), "127.0.0.1:1")?;
    let with_variable = file_only.env("KILN__NODE__LISTEN", "127.0.0.1:2");
    check(with_variable.clone(), "127.0.0.1:2")?;
    check(
        with_variable.arg("--listen").arg("127.0.0.1:3"),
        "127.0.0.1:3",
    )?;
    let by_reference = Launch::of(Binary::Kiln)?
        .arg("serve")
        .env("READ_ONLY_MODE", "true");
    let output = by_reference.arg("--check-config").run()?;
    assert!(stdout(&output).contains("read_only = true"));
    Ok(())
}

#[test]
fn a_check_touches_nothing_and_refuses_what_a_start_refuses() -> Result<()> {
    let server = Server::start("")?;
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let data_text = data.display().to_string();
    // The port of a running node: only looked at, not bound.
    let listen = server.address().to_string();
    printed(None, &["--data", &data_text, "--listen", &listen])?;
    assert!(!data.exists());
    let file = folder.path().join("kiln.toml");
    write_file(&file, b"[limits]\nconnections_max = 0")?;
    let launch = Launch::kiln_serve(&data, Some(&file))?.arg("--check-config");
    check_fails("out of range", &launch, FAILED, &["limits.connections_max"])?;
    for binary in [Binary::BricksServer, Binary::AnchorService] {
        let output = Launch::of(binary)?.arg("--check-config").run()?;
        assert_eq!(stdout(&output), printed(None, &[])?, "{}", binary.name());
    }
    Ok(())
}
