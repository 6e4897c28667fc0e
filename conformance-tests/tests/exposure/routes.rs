//! The routes of every process, verbs that are none, and requests that are none.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use testkit::server::Server;

use crate::answer::Answer::{self, Body, Empty};
use crate::exchange;

#[test]
fn operators_and_probes_are_answered() -> Result<()> {
    let server = Server::start("[rate_limit]\nburst = 77")?;
    let json_of = |target: &str| -> Result<Value> {
        let reply = server.fetch(target)?;
        assert_eq!(reply.status, 200, "{target}");
        let kind = reply.header("content-type");
        assert_eq!(kind, Some("application/json"), "{target}");
        Ok(serde_json::from_slice(&reply.body)?)
    };
    let version = json_of("/version")?;
    assert_eq!(version["name"], "kiln");
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(version.as_object().map(serde_json::Map::len), Some(2));
    let ready = json!({
        "ready": true,
        "readOnly": false,
        "parts": { "anchors": "ok", "bricks": "ok" },
    });
    assert_eq!(json_of("/readyz")?, ready);
    // Loopback has no limit, so nothing is ever taken from it.
    let probe = json!({ "remainingTokens": 77, "tokenLimit": 77 });
    assert_eq!(json_of("/ready-probe")?, probe);
    Body(200, b"ok").check("/livez", &server.fetch("/livez")?);
    for target in ["/livez", "/readyz", "/version"] {
        Empty(200).check(target, &server.ask(&server.request("HEAD", target))?);
        let slash = server.fetch(&format!("{target}/?x=1"))?;
        assert_eq!(slash.status, 200, "{target}");
        Empty(404).check(target, &server.put(target, *b"x")?);
        Empty(404).check(target, &server.fetch(&format!("{target}/x"))?);
    }
    Empty(403).check("/", &server.fetch("/")?);
    Empty(404).check("//", &server.fetch("//")?);
    let reply = server.fetch("/livez")?;
    assert_eq!(reply.header("x-ratelimit-limit"), Some("77"));
    assert_eq!(reply.header("x-ratelimit-remaining"), Some("77"));
    assert_eq!(reply.header("keep-alive"), Some("timeout=30"));
    Ok(())
}

#[test]
fn without_a_rate_limit_there_are_no_headers_of_one() -> Result<()> {
    let server = Server::start("[rate_limit]\nenabled = false")?;
    let reply = server.fetch("/ready-probe")?;
    Body(200, b"Server ready").check("/ready-probe", &reply);
    for name in ["x-ratelimit-limit", "x-ratelimit-remaining"] {
        assert_eq!(reply.header(name), None, "{name}");
    }
    Ok(())
}

#[test]
fn verbs_that_are_none_are_refused_and_the_connection_ends() -> Result<()> {
    let server = Server::start("")?;
    for verb in [
        "BREW", "PROPFIND", "get", "Put", "X", "GETT", "LINK", "PURGE",
    ] {
        for target in ["/livez", "/bricking/default/put-brick"] {
            let request = format!("{verb} {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
            let reply = exchange(server.address(), verb, request.as_bytes())?;
            Empty(400).check(&request, &reply);
            assert!(reply.closes, "{request}");
        }
    }
    for verb in ["POST", "PUT", "DELETE", "PATCH", "TRACE"] {
        let reply = server.ask(&server.request(verb, "/bdns"))?;
        Empty(404).check(verb, &reply);
    }
    Ok(())
}

#[test]
fn what_is_no_request_is_refused_and_the_connection_ends() -> Result<()> {
    let server = Server::start("")?;
    let check = |bytes: &[u8], expected: Answer<'_>| -> Result<()> {
        let mut connection = server.connect()?;
        connection.send_bytes(bytes)?;
        let case = format!("{:.60}", String::from_utf8_lossy(bytes));
        let reply = connection.read_reply("GET").context(case.clone())?;
        expected.check(&case, &reply);
        assert!(reply.closes, "{case}");
        connection.wait_for_close()?;
        Ok(())
    };
    let host = "Host: localhost\r\n";
    for line in [
        "GET /\0 HTTP/1.1",
        "GET /a b HTTP/1.1",
        "GET /<b> HTTP/1.1",
        "GET /livez HTTP/1.1 x",
        "GET /livez HTTP/3.0",
        "GET /livez HTTP/x",
        "GET /livez FTP/1.1",
        "GET  /livez HTTP/1.1",
        "G@T /livez HTTP/1.1",
        " GET /livez HTTP/1.1",
        "\u{16}\u{3}\u{1}\u{2}",
        "hello",
    ] {
        check(format!("{line}\r\n{host}\r\n").as_bytes(), Empty(400))?;
    }
    let latin = [
        b"GET /caf\xe9 HTTP/1.1\r\n".as_slice(),
        host.as_bytes(),
        b"\r\n",
    ]
    .concat();
    check(&latin, Empty(400))?;
    // More than 16 KiB of header, in one line, in the target, in many lines.
    let large = "x".repeat(17 << 10);
    let lines = "X-A: 1\r\n".repeat(4000);
    for request in [
        format!("GET /livez HTTP/1.1\r\n{host}X-Large: {large}\r\n\r\n"),
        format!("GET /{large} HTTP/1.1\r\n{host}\r\n"),
        format!("GET /livez HTTP/1.1\r\n{host}{lines}\r\n"),
        format!("GET /livez HTTP/1.1\r\n{host}Cookie: {large}"),
    ] {
        check(request.as_bytes(), Empty(431))?;
    }
    Body(200, b"ok").check("afterwards", &server.fetch("/livez")?);
    Ok(())
}

#[test]
fn an_http2_client_that_says_no_more_than_its_preface_is_let_go() -> Result<()> {
    let server = Server::start("[limits]\nheader_ms_max = 300")?;
    let mut connection = server.connect()?;
    connection.send_bytes(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")?;
    let said = connection.wait_for_close()?;
    // The type of the first frame is SETTINGS (RFC 9113 §4.1 and §6.5).
    assert_eq!(said.get(3), Some(&4), "{said:?}");
    Body(200, b"ok").check("afterwards", &server.fetch("/livez")?);
    Ok(())
}
