//! Read-only mode, by each of its four switches.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::Value;
use testkit::server::{Server, write_file};

use crate::answer::Answer::{Body, Empty};

/// A changed file is noticed in half a second; a busy machine takes longer.
const NOTICE_WAIT: Duration = Duration::from_mins(1);

fn check_refuses_writes(server: &Server, case: &str) -> Result<()> {
    let refused = Body(405, b"read only mode is active");
    for (method, target) in [
        ("PUT", "/bricking/default/put-brick"),
        ("PUT", "/anchor/default/create-anchor/x/y"),
        ("PUT", "/anchor/default/append-to-anchor/x/y"),
        ("PUT", "/anchor/create-or-update-multiple-anchors"),
        ("PUT", "/versionlessdsu/x"),
        ("POST", "/nowhere"),
        ("DELETE", "/versionlessdsu/x"),
        ("PATCH", "/bdns"),
    ] {
        let case = format!("{case}: {method} {target}");
        let request = server.request(method, target).body(vec![7; 100_000]);
        let reply = server.ask(&request)?;
        refused.check(&case, &reply);
        let allowed = reply.header("access-control-allow-origin");
        assert!(
            allowed.is_some(),
            "{case}: a browser must be able to read this"
        );
    }
    Empty(200).check(case, &server.ask(&server.request("OPTIONS", "/bdns"))?);
    assert_eq!(server.fetch("/bdns")?.status, 200, "{case}");
    Empty(404).check(case, &server.fetch("/versionlessdsu/x")?);
    let total = "/anchor/default/get-total-numbers-of-anchors";
    Empty(404).check(case, &server.ask(&server.request("HEAD", total))?);
    assert!(is_read_only(server)?, "{case}: /readyz");
    Ok(())
}

fn check_takes_writes(server: &Server, case: &str) -> Result<()> {
    assert!(!is_read_only(server)?, "{case}: /readyz");
    let reply = server.put("/bricking/default/put-brick", *b"a brick")?;
    assert_eq!(reply.status, 201, "{case}: {}", reply.text());
    Ok(())
}

/// What `/readyz` says.
fn is_read_only(server: &Server) -> Result<bool> {
    let reply = server.fetch("/readyz")?;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let state: Value = serde_json::from_slice(&reply.body)?;
    Ok(state.get("readOnly") == Some(&Value::Bool(true)))
}

#[test]
fn the_configuration_and_both_variables_switch_it_on() -> Result<()> {
    let server = Server::start("[node]\nread_only = true")?;
    check_refuses_writes(&server, "configuration")?;
    for (name, value) in [
        ("KILN__NODE__READ_ONLY", "true"),
        ("READ_ONLY_MODE", "true"),
    ] {
        let server = Server::start_with("", |launch, _| launch.env(name, value))?;
        check_refuses_writes(&server, name)?;
    }
    for (name, value) in [
        ("KILN__NODE__READ_ONLY", "false"),
        ("READ_ONLY_MODE", "false"),
        ("READ_ONLY_MODE", ""),
    ] {
        let server = Server::start_with("", |launch, _| launch.env(name, value))?;
        check_takes_writes(&server, name)?;
    }
    // The variable does not switch off what the file has switched on.
    let server = Server::start_with("[node]\nread_only = true", |launch, _| {
        launch.env("READ_ONLY_MODE", "false")
    })?;
    check_refuses_writes(&server, "both")
}

#[test]
fn a_file_in_the_data_folder_switches_it_on_and_off() -> Result<()> {
    let server = Server::start("")?;
    let file = server.data().join("readonly");
    check_takes_writes(&server, "before")?;
    for round in 0..2 {
        write_file(&file, b"")?;
        wait_until(&server, true)?;
        check_refuses_writes(&server, &format!("with the file, round {round}"))?;
        fs::remove_file(&file)?;
        wait_until(&server, false)?;
        check_takes_writes(&server, &format!("without the file, round {round}"))?;
    }
    Ok(())
}

#[test]
fn a_file_that_is_there_counts_from_the_first_request() -> Result<()> {
    let mut written = Ok(());
    let server = Server::start_with("", |launch, data| {
        written = write_file(&data.join("readonly"), b"");
        launch
    })?;
    written?;
    check_refuses_writes(&server, "from the start")
}

fn wait_until(server: &Server, read_only: bool) -> Result<()> {
    let deadline = Instant::now() + NOTICE_WAIT;
    while is_read_only(server)? != read_only {
        assert!(
            Instant::now() < deadline,
            "read_only {read_only} was not noticed"
        );
        sleep(Duration::from_millis(50));
    }
    Ok(())
}
