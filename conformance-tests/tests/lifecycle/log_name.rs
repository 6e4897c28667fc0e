//! Names and keys of logs, before and after something is signed.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use testkit::binaries::Binary;
use testkit::http::{Request, ask};
use testkit::owner::Owner;
use testkit::process::{Launch, NodeProcess};
use testkit::server::write_file;

/// A key is made at the first start, when the operator may not have named the log yet. It must not
/// keep him from naming it.
#[test]
fn a_log_can_be_named_until_something_is_signed() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (data, config) = (folder.path().join("data"), folder.path().join("kiln.toml"));
    let start = |origin: &str| -> Result<NodeProcess> {
        let text = format!("[[domain]]\nname = \"default\"\n[domain.log]\norigin = {origin:?}\n");
        write_file(&config, text.as_bytes())?;
        Ok(NodeProcess::start(&Launch::kiln_serve(
            &data,
            Some(&config),
        )?)?)
    };
    let vkey = |node: &NodeProcess| -> Result<String> {
        let address = node.address();
        Ok(ask(address, &Request::to(address, "GET", "/log/default/vkey"))?.text())
    };
    let node = start("")?;
    ensure!(vkey(&node)?.starts_with("localhost/default+"));
    node.stop()?;
    let first = fs::read(data.join("keys/default.log-key"))?;
    let node = start("anchors.example/default")?;
    let named = vkey(&node)?;
    ensure!(named.starts_with("anchors.example/default+"), "{named}");
    // The other key is put aside, and not thrown away.
    let mut aside = Vec::new();
    for file in fs::read_dir(data.join("keys"))? {
        let path = file?.path();
        if path.to_string_lossy().contains(".unused-") {
            aside.push(fs::read(path)?);
        }
    }
    ensure!(aside == [first], "{} files", aside.len());
    let owner = Owner::new(&"default".parse()?, &[1; 32])?;
    let value = owner.sign(
        "BsDZDZZsSfW3tP9Kr8epe1c8Wd49kB7UYTrva7dZGeVU",
        1_700_000_000_000,
    )?;
    let target = format!("/anchor/default/create-anchor/{}/{value}", owner.id());
    let address = node.address();
    ensure!(ask(address, &Request::to(address, "PUT", &target))?.status == 201);
    let started = std::time::Instant::now();
    while ask(
        address,
        &Request::to(address, "GET", "/log/default/checkpoint"),
    )?
    .status
        != 200
    {
        ensure!(started.elapsed().as_secs() < 60, "nothing is signed");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    node.stop()?;
    let refused = start("anchors.example/other").err().context("it started")?;
    let told = format!("{refused:#}");
    ensure!(told.contains("keeps its name"), "{told}");
    ensure!(vkey(&start("anchors.example/default")?)? == named);
    Ok(())
}

/// Bricks are in no log, so who keeps them alone needs no name for one.
#[test]
fn only_who_keeps_anchors_has_to_name_the_log() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("kiln.toml");
    let text = "[node]\nlisten = \"0.0.0.0:1\"\nplaintext_beyond_loopback = true\n\
        anonymous_all_beyond_loopback = true\n";
    write_file(&config, text.as_bytes())?;
    let check = |launch: Launch| -> Result<(bool, String)> {
        let launch = launch.arg("--config").arg(&config).arg("--check-config");
        let run = launch.run()?;
        Ok((
            run.status.success(),
            String::from_utf8_lossy(&run.stderr).into_owned(),
        ))
    };
    let (fits, told) = check(Launch::of(Binary::BricksServer)?)?;
    ensure!(fits, "{told}");
    for launch in [
        Launch::of(Binary::AnchorService)?,
        Launch::of(Binary::Kiln)?.arg("serve"),
    ] {
        let (fits, told) = check(launch)?;
        ensure!(!fits && told.contains("log.origin"), "{told}");
    }
    Ok(())
}

/// What is printed may end in a ticket or a chat.
#[test]
fn a_printed_configuration_shows_no_secret() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("kiln.toml");
    let text = "[[domain]]\nname = \"one\"\nanchoring = \"evm-roots\"\n[domain.log]\n\
        policy = \"p\"\nwitnesses = [\"https://user:hidden1@w.example/x?hidden2\"]\n[domain.evm]\n\
        rpc = \"https://:hidden3@chain.example/v3/hidden4?key=hidden5\"\nchain_id = 1\n\
        contract = \"0x0000000000000000000000000000000000000015\"\nconfirmations = 3\n";
    write_file(&config, text.as_bytes())?;
    let run = Launch::of(Binary::Kiln)?.arg("serve").arg("--check-config");
    let run = run.arg("--config").arg(&config).run()?;
    let (out, told) = (
        String::from_utf8_lossy(&run.stdout).into_owned(),
        String::from_utf8_lossy(&run.stderr).into_owned(),
    );
    ensure!(run.status.success(), "{told}");
    ensure!(
        !out.contains("hidden") && !told.contains("hidden"),
        "{out}{told}"
    );
    ensure!(
        out.contains("https://REDACTED@w.example/x?REDACTED"),
        "{out}"
    );
    ensure!(
        out.contains("https://REDACTED@chain.example/REDACTED?REDACTED"),
        "{out}"
    );
    ensure!(out.starts_with("# What may be a secret"), "{out}");
    toml::from_str::<toml::Table>(&out)?;
    Ok(())
}
