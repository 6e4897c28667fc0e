//! Who is let in on the admin listener.

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::Value;
use testkit::http::{Body, Request};
use testkit::process::Launch;

use crate::node::Node;

const STATUS: &str = "/admin/v1/status";

fn check(case: &str, node: &Node, request: &Request, expected: u16) -> Result<()> {
    let reply = node.ask_admin(request)?;
    let case = format!("{case}: {} {}", reply.status, reply.text());
    assert_eq!(reply.status, expected, "{case}");
    assert_eq!(reply.header("cache-control"), Some("no-store"), "{case}");
    assert_eq!(reply.header("access-control-allow-origin"), None, "{case}");
    if reply.status != 200 {
        let answer: Value = serde_json::from_slice(&reply.body).unwrap();
        assert!(answer["message"].is_string(), "{case}");
    }
    Ok(())
}

#[test]
fn only_who_has_the_token_is_let_in_and_only_on_this_listener() -> Result<()> {
    let node = Node::start("")?;
    let address = node.admin_address()?;
    let own = |method: &str| node.admin_request(method, STATUS);
    check("the token", &node, &own("GET")?, 200)?;
    check(
        "HEAD",
        &node,
        &Request {
            method: "HEAD".to_owned(),
            ..own("GET")?
        },
        200,
    )?;
    let anonymous = Request::to(address, "GET", STATUS);
    check("no token", &node, &anonymous, 401)?;
    let wrong = anonymous
        .clone()
        .header("Authorization", "Bearer kiln_admin_AAAA");
    check("a wrong token", &node, &wrong, 401)?;
    let body = b"{}".to_vec();
    check(
        "GET with a body",
        &node,
        &own("GET")?.body(body.clone()),
        400,
    )?;
    check("wrong method", &node, &own("DELETE")?, 405)?;
    check("preflight", &node, &own("OPTIONS")?, 405)?;
    let put = node.admin_request("PUT", "/admin/v1/read-only")?;
    check("no JSON", &node, &put.clone().body(body.clone()), 415)?;
    let json = put.header("Content-Type", "application/json");
    check("missing field", &node, &json.clone().body(body), 400)?;
    let big = vec![b' '; (64 << 10) + 1];
    check("too large", &node, &json.clone().body(big.clone()), 413)?;
    let chunked = Request {
        body: Body::Chunked(big),
        ..json
    };
    check("too large, in chunks", &node, &chunked, 413)?;
    let foreign = Request {
        headers: vec![("Host".to_owned(), "evil.example".to_owned())],
        ..own("GET")?
    };
    let foreign = foreign.header("Authorization", &format!("Bearer {}", node.token()?));
    check("a foreign Host", &node, &foreign, 403)?;
    let page = own("GET")?.header("Origin", "http://evil.example");
    check("a foreign Origin", &node, &page, 403)?;
    let page = own("GET")?.header("Origin", &format!("http://{address}"));
    check("its own Origin", &node, &page, 200)?;

    // What clients reach has no admin routes, whatever they send.
    let token = format!("Bearer {}", node.token()?);
    let outside = Request::to(node.address(), "GET", STATUS);
    assert_eq!(testkit::http::ask(node.address(), &outside)?.status, 404);
    let outside = outside.header("Authorization", &token);
    assert_ne!(testkit::http::ask(node.address(), &outside)?.status, 200);
    Ok(())
}

#[test]
fn the_file_with_the_token_is_for_its_owner_only() -> Result<()> {
    let mut node = Node::start("")?;
    let path = node.data().join("admin-token");
    assert_eq!(path.metadata()?.permissions().mode() & 0o777, 0o600);
    let token = node.token()?;
    fs::set_permissions(&path, Permissions::from_mode(0o644))?;
    let request = node.admin_request("GET", STATUS)?;
    assert_eq!(node.ask_admin(&request)?.status, 503);
    node.admin_fails(&["status"], 3, "chmod 600")?;
    node.stop()?;
    let config = node.folder().join("kiln.toml");
    let output = Launch::kiln_serve(&node.data(), Some(&config))?.run()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && stderr.contains("chmod 600"),
        "{stderr}"
    );
    fs::set_permissions(&path, Permissions::from_mode(0o600))?;
    node.run()?;
    assert_eq!(node.token()?, token, "it is kept");
    assert_eq!(
        node.ask_admin(&node.admin_request("GET", STATUS)?)?.status,
        200
    );

    // Another token in the file counts at once, as the manual says to make one.
    let mut secret = [0; 32];
    getrandom::fill(&mut secret)?;
    let digits: Vec<_> = secret.iter().map(|it| format!("{it:02x}")).collect();
    let old = Request::to(node.admin_address()?, "GET", STATUS);
    let old = old.header("Authorization", &format!("Bearer {token}"));
    replace(&path, &digits.concat())?;
    assert_eq!(node.ask_admin(&old)?.status, 503, "it has no prefix");
    replace(&path, &format!("kiln_admin_{}", digits.concat()))?;
    assert_eq!(
        node.ask_admin(&node.admin_request("GET", STATUS)?)?.status,
        200
    );
    assert_eq!(node.ask_admin(&old)?.status, 401);
    Ok(())
}

/// Puts a file with this text, for its owner alone, in the place of another.
fn replace(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().context("no folder")?;
    let mut written = tempfile::NamedTempFile::new_in(folder)?;
    written.write_all(text.as_bytes())?;
    written.persist(path)?;
    Ok(())
}

#[test]
fn it_can_be_switched_off_and_never_speaks_in_clear_beyond_loopback() -> Result<()> {
    let node = Node::start("[admin]\nlisten = \"\"")?;
    assert!(!node.data().join("admin-address").exists());
    assert!(!node.data().join("admin-token").exists());
    node.admin_fails(&["status"], 4, "no node with an admin listener")?;
    let folder = tempfile::tempdir()?;
    let launch = Launch::kiln_serve(&folder.path().join("data"), None)?;
    let output = launch.env("KILN__ADMIN__LISTEN", "0.0.0.0:0").run()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{stderr}");
    assert!(stderr.contains("admin.listen 0.0.0.0:0"), "{stderr}");
    Ok(())
}
