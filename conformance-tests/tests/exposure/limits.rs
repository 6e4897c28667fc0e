//! Limits on connections, and on the time of headers and bodies.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;
use testkit::http::{Connection, HttpError};
use testkit::server::Server;

use crate::answer::Answer::{Body, Message};

/// Longest wait for the node to notice that a connection has ended.
const NOTICE_WAIT: Duration = Duration::from_mins(1);

#[test]
fn connections_beyond_the_cap_are_told_so_and_a_freed_place_is_given_away() -> Result<()> {
    let server = Server::start("[limits]\nconnections_max = 3")?;
    let request = server.request("GET", "/livez");
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut connection = server.connect()?;
        Body(200, b"ok").check("within the cap", &connection.send(&request)?);
        open.push(connection);
    }
    for _ in 0..5 {
        let mut beyond = server.connect()?;
        let reply = beyond.read_reply("GET")?;
        Message(503, "too many connections").check("beyond the cap", &reply);
        assert_eq!(reply.header("retry-after"), Some("1"));
        assert!(reply.closes);
    }
    for connection in &mut open {
        Body(200, b"ok").check("an old one", &connection.send(&request)?);
    }
    drop(open.pop());
    let deadline = Instant::now() + NOTICE_WAIT;
    loop {
        // A refused connection may also be reset before the answer is read.
        match server.ask(&request) {
            Ok(reply) if reply.status == 200 => return Ok(()),
            Ok(reply) => Message(503, "too many").check("still full", &reply),
            Err(HttpError::Closed) => {}
            Err(error) => return Err(error.into()),
        }
        assert!(Instant::now() < deadline, "the place was not given away");
        sleep(Duration::from_millis(20));
    }
}

#[test]
fn slow_headers_idle_connections_and_stalled_bodies_come_to_an_end() -> Result<()> {
    let config = "[limits]\nheader_ms_max = 2000\nbody_idle_ms_max = 2000";
    let server = Server::start(config)?;
    let head = "PUT /bricking/default/put-brick HTTP/1.1\r\nHost: localhost\r\n";
    // All begin at once, so that their times run side by side.
    let begin = |bytes: &str| -> Result<Connection> {
        let mut connection = server.connect()?;
        connection.send_bytes(bytes.as_bytes())?;
        Ok(connection)
    };
    let parts = ["", "GE", "GET /livez HTTP/1.1\r\nHo", head];
    let partial: Vec<Connection> = parts.map(begin).into_iter().collect::<Result<_>>()?;
    let framings = [
        "Content-Length: 10\r\n\r\nbrick",
        "Content-Length: 10\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nbri",
    ];
    let stalled = framings.map(|it| begin(&format!("{head}{it}")));
    let stalled: Vec<Connection> = stalled.into_iter().collect::<Result<_>>()?;
    let mut idle = server.connect()?;
    let reply = idle.send(&server.request("GET", "/livez"))?;
    Body(200, b"ok").check("idle", &reply);

    for (bytes, mut connection) in parts.into_iter().zip(partial) {
        // There is no request to answer, so the connection ends; a 408 before
        // that would be welcome.
        let rest = String::from_utf8(connection.wait_for_close()?)?;
        let is_fair = rest.is_empty() || rest.starts_with("HTTP/1.1 408 ");
        assert!(is_fair, "{bytes:?}: {rest}");
    }
    assert!(idle.wait_for_close()?.is_empty());
    for (framing, mut connection) in framings.into_iter().zip(stalled) {
        let reply = connection.read_reply("PUT")?;
        Message(408, "stalled").check(framing, &reply);
    }
    Ok(())
}
