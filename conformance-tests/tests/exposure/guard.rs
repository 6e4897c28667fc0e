//! A listener without authentication answers under its own names only, and not
//! through a proxy.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Result;
use testkit::binaries::Binary;
use testkit::http::Request;
use testkit::process::{Launch, NodeProcess};
use testkit::server::Server;

use crate::answer::Answer::{self, Body, Empty, Message};
use crate::exchange;

const FOREIGN: Answer<'_> = Message(403, "answers only under its own name");
const ALIVE: Answer<'_> = Body(200, b"ok");

/// Asserts the answer to `GET target` with these header lines.
fn check(node: SocketAddr, target: &str, lines: &str, expected: Answer<'_>) -> Result<()> {
    let request = format!("GET {target} HTTP/1.1\r\n{lines}\r\n");
    let reply = exchange(node, "GET", request.as_bytes())?;
    expected.check(&request, &reply);
    assert_eq!(reply.closes, reply.status != 200, "{request}");
    Ok(())
}

#[test]
fn only_requests_for_an_own_name_are_answered() -> Result<()> {
    let server = Server::start("[node]\nhosts = [\"node.example\"]")?;
    let node = server.address();
    let own = server.address().to_string();
    for host in [
        own.as_str(),
        "localhost",
        "LocalHost:1",
        "127.0.0.1",
        "127.1.2.3:8080",
        "[::1]",
        "[::1]:8080",
        "node.example",
        "NODE.example:443",
    ] {
        check(
            server.address(),
            "/livez",
            &format!("Host: {host}\r\n"),
            ALIVE,
        )?;
    }
    for host in [
        "evil.example",
        "evil.example:8080",
        "localhost.evil.example",
        "evil.localhost",
        "127.0.0.1.evil.example",
        "node.example.evil",
        "localhost@evil.example",
        "localhost, evil.example",
        "192.0.2.1",
        "0.0.0.0",
        "[::]",
        "[2001:db8::1]:80",
        "localhost:80:80",
        "caf\u{e9}",
        "",
    ] {
        check(
            server.address(),
            "/livez",
            &format!("Host: {host}\r\n"),
            FOREIGN,
        )?;
    }
    let missing = Message(400, "Host header is missing");
    check(node, "/livez", "", missing)?;
    check(node, "/livez", "X-Host: localhost\r\n", missing)?;
    let two = Message(400, "more than one Host");
    for lines in [
        "Host: localhost\r\nHost: evil.example\r\n",
        "Host: evil.example\r\nHost: localhost\r\n",
        "Host: localhost\r\nHost: localhost\r\n",
    ] {
        check(node, "/livez", lines, two)?;
    }
    Ok(())
}

#[test]
fn the_name_in_the_request_line_counts_too() -> Result<()> {
    let server = Server::start("")?;
    let node = server.address();
    let host = "Host: localhost\r\n";
    let own = format!("http://{}/livez", server.address());
    check(node, &own, host, ALIVE)?;
    check(node, "http://localhost/livez", host, ALIVE)?;
    check(node, "http://evil.example/livez", host, FOREIGN)?;
    check(node, "https://evil.example:80/livez", host, FOREIGN)?;
    check(node, "http://localhost@evil.example/livez", host, FOREIGN)?;
    check(
        node,
        "http://localhost/livez",
        "Host: evil.example\r\n",
        FOREIGN,
    )?;
    let connect = b"CONNECT evil.example:443 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    FOREIGN.check("CONNECT", &exchange(node, "CONNECT", connect)?);
    // HTTP/1.0 knows no Host; what it names must be own all the same.
    let old = b"GET /livez HTTP/1.0\r\n\r\n";
    ALIVE.check("HTTP/1.0", &exchange(node, "GET", old)?);
    let old = b"GET /livez HTTP/1.0\r\nHost: evil.example\r\n\r\n";
    FOREIGN.check("HTTP/1.0 for another host", &exchange(node, "GET", old)?);
    Ok(())
}

#[test]
fn requests_through_a_proxy_are_refused_and_the_header_is_named() -> Result<()> {
    let server = Server::start("")?;
    let node = server.address();
    for name in [
        "Forwarded",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Forwarded-Port",
        "X-Forwarded-Server",
        "X-Forwarded-Prefix",
        "x-forwarded-anything",
        "X-Real-IP",
        "Via",
    ] {
        let text = format!("refuses the header {}", name.to_lowercase());
        for value in ["192.0.2.1", "127.0.0.1", ""] {
            let lines = format!("Host: localhost\r\n{name}: {value}\r\n");
            check(node, "/livez", &lines, Message(403, &text))?;
        }
    }
    let near = "Host: localhost\r\nX-Forward: 1\r\nForwarded-For: 1\r\n";
    check(node, "/livez", near, ALIVE)
}

/// Whatever is asked, and however much comes with it, the client reads why.
#[test]
fn a_refusal_reaches_the_client_on_every_route_and_with_any_body() -> Result<()> {
    let server = Server::start("")?;
    let small = b"a brick".to_vec();
    let (large, huge) = (vec![7; 1 << 20], vec![7; 20 << 20]);
    for (method, target, body) in [
        ("GET", "/bdns", None),
        ("GET", "/nowhere", None),
        ("HEAD", "/livez", None),
        ("OPTIONS", "/bdns", None),
        ("OPTIONS", "*", None),
        ("PUT", "/bricking/default/put-brick", Some(small)),
        ("PUT", "/bricking/default/put-brick", Some(large)),
        ("PUT", "/bricking/default/put-brick", Some(huge)),
    ] {
        let case = format!("{method} {target}");
        let request = Request::new(method, target).header("Host", "evil.example");
        let request = match &body {
            Some(bytes) => request.body(bytes.clone()),
            None => request,
        };
        let reply = server.ask(&request)?;
        let expected = if method == "HEAD" {
            Empty(403)
        } else {
            FOREIGN
        };
        expected.check(&case, &reply);
        for name in ["access-control-allow-origin", "x-ratelimit-limit", "etag"] {
            assert_eq!(reply.header(name), None, "{case}");
        }
        if body.is_some() {
            let waiting = request.header("Expect", "100-continue");
            let reply = server.ask(&waiting)?;
            FOREIGN.check(&case, &reply);
            assert!(reply.interim.is_empty(), "{case} asked for the body");
        }
    }
    let total = server.fetch("/anchor/default/get-total-numbers-of-anchors")?;
    Empty(404).check("afterwards", &total);
    Ok(())
}

/// The address of a client counts for the rate limit, so a client that could choose it would have no
/// limit.
#[test]
fn a_trusted_proxy_speaks_for_its_clients_and_nobody_else_does() -> Result<()> {
    let limit = "[rate_limit]\nburst = 2\nrefill_per_second = 1";
    let trusting = format!(
        "{limit}\n[node]\ntrusted_proxies = [\"127.0.0.0/8\", \"10.0.0.0/8\"]\nanonymous_all_beyond_loopback = true"
    );
    let left = |server: &Server, name: &str, value: &str| -> Result<(u16, Option<String>)> {
        let request = server.request("GET", "/livez").header(name, value);
        let reply = server.ask(&request)?;
        let left = reply.header("x-ratelimit-remaining").map(str::to_owned);
        Ok((reply.status, left))
    };
    let server = Server::start(&trusting)?;
    let some = |left: &str| Some(left.to_owned());
    let custom = "X-Forwarded-For";
    // A client gets one more each second, so what takes as long shows nothing and is done again by
    // another client.
    let mut in_time = false;
    for number in 1..=20 {
        let began = Instant::now();
        let client = format!("203.0.113.{number}");
        let first = left(&server, custom, &client)?;
        // What the client wrote itself stands further left, and does not help it.
        let forged = format!("198.51.100.1, {client}, 10.1.1.1");
        let second = left(&server, custom, &forged)?;
        let third = left(&server, "Forwarded", &format!("for={client}"))?;
        in_time = began.elapsed() < Duration::from_millis(900);
        if in_time {
            assert_eq!(first, (200, some("1")));
            assert_eq!(second, (200, some("0")));
            assert_eq!(third.0, 429);
            break;
        }
    }
    assert!(in_time, "three requests always took a second");
    assert_eq!(left(&server, custom, "192.0.2.2")?, (200, some("1")));
    let both = server.request("GET", "/livez").header(custom, "192.0.2.3");
    let both = server.ask(&both.header("Forwarded", "for=192.0.2.4"))?;
    Message(400, "different clients").check("both headers", &both);
    // Its Host is looked at all the same.
    let foreign = Request::new("GET", "/livez").header("Host", "evil.example");
    let foreign = server.ask(&foreign.header(custom, "192.0.2.5"))?;
    FOREIGN.check("a foreign host", &foreign);
    let server = Server::start(&format!(
        "{limit}\n[node]\ntrusted_proxies = [\"10.0.0.0/8\"]\nanonymous_all_beyond_loopback = true"
    ))?;
    assert_eq!(left(&server, custom, "192.0.2.1")?.0, 403);
    Ok(())
}

#[test]
fn a_listener_beyond_loopback_is_refused_unless_named() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    for listen in ["0.0.0.0:0", "[::]:0", "192.0.2.1:8080"] {
        let output = Launch::kiln_serve(&data, None)?
            .arg("--check-config")
            .env("KILN__NODE__LISTEN", listen)
            .run()?;
        // The address on the command line, which is loopback, goes before.
        assert!(output.status.success(), "{listen}");
        let launch = Launch::of(Binary::Kiln)?;
        let launch = launch.arg("serve").arg("--data").arg(&data);
        for launch in [
            launch.clone().arg("--listen").arg(listen),
            launch.clone().env("KILN__NODE__LISTEN", listen),
        ] {
            let output = launch.run()?;
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(3), "{listen}: {stderr}");
            for part in [
                listen,
                "tls.certificate",
                "node.plaintext_beyond_loopback",
                "127.0.0.1",
            ] {
                assert!(stderr.contains(part), "{listen}: {part} is not in {stderr}");
            }
        }
    }
    assert!(!data.exists(), "a refused start leaves nothing behind");
    Ok(())
}

#[test]
fn a_named_open_listener_answers_under_addresses_but_not_under_foreign_names() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let launch = Launch::of(Binary::Kiln)?
        .arg("serve")
        .arg("--listen")
        .arg("0.0.0.0:0")
        .arg("--data")
        .arg(folder.path().join("data"))
        .env("KILN__NODE__PLAINTEXT_BEYOND_LOOPBACK", "true");
    // A log that others can read needs its name first.
    let refused = launch.clone().run()?;
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && text.contains("log.origin"),
        "{text}"
    );
    let launch = launch.env("KILN__NODE__LOG_ORIGIN_PREFIX", "logs.example");
    // Neither is everybody to do everything by accident.
    let refused = launch.clone().run()?;
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    for part in ["anonymous", "\"all\"", "node.anonymous_all_beyond_loopback"] {
        assert!(!refused.status.success() && text.contains(part), "{text}");
    }
    let narrow = launch.clone().env("KILN__ACCESS__ANONYMOUS", "anchor");
    assert!(narrow.arg("--check-config").run()?.status.success());
    let launch = launch.env("KILN__NODE__ANONYMOUS_ALL_BEYOND_LOOPBACK", "true");
    let node = NodeProcess::start(&launch)?;
    let near = SocketAddr::from(([127, 0, 0, 1], node.address().port()));
    for host in ["localhost", "127.0.0.1", "0.0.0.0", "192.0.2.1:8080"] {
        check(near, "/livez", &format!("Host: {host}\r\n"), ALIVE)?;
    }
    check(near, "/livez", "Host: evil.example\r\n", FOREIGN)
}
