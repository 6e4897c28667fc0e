//! Who may use the EthAdapter routes, and that nothing else is reachable there.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Result, ensure};
use testkit::http::{Request, ask};
use testkit::process::Launch;
use testkit::server::{Server, write_file};

use super::{CONFIG, address_of, exchange};

/// Writes the file of a token that only its owner may read.
fn token_file(folder: &Path, mode: u32) -> Result<String> {
    let file = folder.join("token");
    write_file(&file, b"correct horse\n")?;
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode))?;
    Ok(file.display().to_string())
}

#[test]
fn without_its_section_there_is_no_such_listener() -> Result<()> {
    let server = Server::start("[[domain]]\nname = \"default\"\n")?;
    let reply = server.fetch("/totalNumberOfAnchors")?;
    assert_eq!(reply.status, 404);
    let (process, _folder) = server.into_parts();
    let address = process.address();
    ensure!(process.stop()?.success());
    ensure!(ask(address, &Request::to(address, "GET", "/health")).is_err());
    Ok(())
}

#[test]
fn the_nodes_own_routes_are_not_there_and_the_process_ends_well() -> Result<()> {
    let server = Server::start(CONFIG)?;
    let address = address_of(&server)?;
    for target in [
        "/bdns",
        "/anchor/default/get-total-numbers-of-anchors",
        "/log/default/checkpoint",
    ] {
        assert_eq!(
            exchange(address, "GET", target, "")?.status,
            404,
            "{target}"
        );
    }
    assert_eq!(exchange(address, "GET", "/readyz", "")?.status, 200);
    let (process, _folder) = server.into_parts();
    ensure!(process.stop()?.success());
    ensure!(exchange(address, "GET", "/health", "").is_err());
    Ok(())
}

#[test]
fn anyone_means_nobody_through_a_proxy_or_under_another_name() -> Result<()> {
    let server = Server::start(CONFIG)?;
    let address = address_of(&server)?;
    let odd = [
        ("Host", "rebound.example"),
        ("X-Forwarded-For", "192.0.2.1"),
    ];
    for (name, value) in odd {
        let request = if name == "Host" {
            Request::new("GET", "/health")
        } else {
            Request::to(address, "GET", "/health")
        };
        let reply = ask(address, &request.header(name, value))?;
        assert_eq!(reply.status, 403, "{name}");
    }
    Ok(())
}

#[test]
fn a_token_is_asked_for_where_there_is_one() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = token_file(folder.path(), 0o600)?;
    let server = Server::start(&format!("{CONFIG}token_file = \"{file}\"\n"))?;
    let address = address_of(&server)?;
    let with = |sent: &str| {
        // As through a proxy that ends TLS: callers are known by their token, not by their way.
        let request = Request::new("GET", "/totalNumberOfAnchors")
            .header("Host", "anchors.example")
            .header("X-Forwarded-For", "192.0.2.1");
        ask(address, &request.header("Authorization", sent))
    };
    assert_eq!(with("Bearer correct horse")?.text(), "0");
    for wrong in [
        "",
        "correct horse",
        "Bearer",
        "Bearer ",
        "Bearer correct hors",
        "Basic x",
    ] {
        let reply = with(wrong)?;
        assert_eq!(reply.status, 401, "{wrong:?}");
        assert_eq!(
            reply.header("www-authenticate"),
            Some("Bearer"),
            "{wrong:?}"
        );
    }
    let request = Request::to(address, "PUT", "/createAnchor/x/y");
    assert_eq!(ask(address, &request)?.status, 401);
    Ok(())
}

#[test]
fn it_is_not_open_to_the_world_by_accident() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let readable = token_file(folder.path(), 0o644)?;
    let beyond = CONFIG.replace("127.0.0.1", "0.0.0.0");
    let exposed = format!("{CONFIG}token_file = \"{readable}\"\n");
    for (config, reason) in [
        (beyond, "eth_adapter.token_file"),
        (exposed, "eth_adapter.token_file: "),
    ] {
        let file = folder.path().join("kiln.toml");
        write_file(&file, config.as_bytes())?;
        let launch = Launch::kiln_serve(&folder.path().join("data"), Some(&file))?;
        let output = launch.run()?;
        assert!(!output.status.success());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(reason), "{said}");
        assert!(!said.contains("correct horse"), "{said}");
    }
    Ok(())
}
