//! Bodies in every framing, right and wrong, byte for byte.

use anyhow::Result;
use testkit::http::{Body, Reply};
use testkit::server::Server;

use crate::answer::Answer::{self, Body as Exactly, Empty, Message};
use crate::{brick_name, bytes, store};

/// What comes after the bytes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// The client waits for the answer.
    Wait,
    /// The client ends its side and waits for the answer.
    End,
}

/// Sends a `put-brick` with these header lines and these bytes after them.
fn put(server: &Server, lines: &str, after: &[u8], then: Then) -> Result<Reply> {
    let mut connection = server.connect()?;
    let head = format!(
        "PUT /bricking/default/put-brick HTTP/1.1\r\nHost: {}\r\n{lines}\r\n",
        server.address()
    );
    connection.send_bytes(&[head.as_bytes(), after].concat())?;
    if then == Then::End {
        connection.end_sending()?;
    }
    Ok(connection.read_reply("PUT")?)
}

fn named(brick: &[u8]) -> String {
    format!("{{\"message\":\"{}\"}}", brick_name(brick))
}

#[test]
fn every_right_framing_stores_the_brick() -> Result<()> {
    let server = Server::start("")?;
    let check = |lines: &str, after: &[u8], brick: &[u8]| -> Result<()> {
        let reply = put(&server, lines, after, Then::Wait)?;
        Exactly(201, named(brick).as_bytes()).check(lines, &reply);
        Ok(())
    };
    check("Content-Length: 5\r\n", b"brick", b"brick")?;
    check("content-length: 005\r\n", b"brick", b"brick")?;
    check("Content-Length: 0\r\n", b"", b"")?;
    // No framing header means no body (RFC 9112 §6.3).
    check("", b"", b"")?;
    let chunked = "Transfer-Encoding: chunked\r\n";
    check(chunked, b"5\r\nbrick\r\n0\r\n\r\n", b"brick")?;
    check(chunked, b"2\r\nbr\r\n003\r\nick\r\n0\r\n\r\n", b"brick")?;
    check(chunked, b"5;a=b;c=\"d\"\r\nbrick\r\n0\r\n\r\n", b"brick")?;
    check(chunked, b"0\r\n\r\n", b"")?;
    let trailers = b"5\r\nbrick\r\n0\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n";
    check(&format!("{chunked}Trailer: X-Sum\r\n"), trailers, b"brick")?;
    check(chunked, trailers, b"brick")?;
    // A type, an encoding and a name are no business of a store of bytes.
    let typed = "Content-Length: 5\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n";
    check(typed, b"brick", b"brick")?;
    let hinted = "Content-Length: 5\r\nX-Content-Length: 9\r\nRange: bytes=0-1\r\n";
    check(hinted, b"brick", b"brick")
}

#[test]
fn every_wrong_framing_is_refused_and_stores_nothing() -> Result<()> {
    let server = Server::start("")?;
    let check = |lines: &str, after: &[u8], expected: Answer<'_>| -> Result<()> {
        let reply = put(&server, lines, after, Then::End)?;
        expected.check(&format!("{lines:?} {after:?}"), &reply);
        store(&server, b"the node goes on")?;
        Ok(())
    };
    let early = Message(400, "ended early");
    check("Content-Length: 9\r\n", b"brick", early)?;
    check("Content-Length: 9\r\n", b"", early)?;
    let chunked = "Transfer-Encoding: chunked\r\n";
    for after in [
        &b"5\r\nbri"[..],              // cut within a chunk
        b"5\r\nbrick\r\n",             // cut before the last chunk
        b"5\r\nbrick\r\n0\r\n",        // cut within the trailers
        b"x\r\nbrick\r\n0\r\n\r\n",    // no number
        b"-5\r\nbrick\r\n0\r\n\r\n",   // a sign
        b"5brick\r\n0\r\n\r\n",        // no end of the line
        b"4\r\nbrick\r\n0\r\n\r\n",    // too short a number
        b"fffffffffffffffff\r\nbrick", // a number beyond 64 bits
        b"",                           // nothing at all
    ] {
        check(chunked, after, early)?;
    }
    // What is refused before there is a request has an answer without a body.
    for lines in [
        "Content-Length: five\r\n",
        "Content-Length: -5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 99999999999999999999999\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: chunked, gzip\r\n",
        "No colon\r\n",
        "Space : x\r\n",
        " Folded: x\r\n",
        "Nul: \0\r\n",
    ] {
        check(lines, b"brick", Empty(400))?;
    }
    let reply = server.fetch(&format!(
        "/bricking/default/brick-exists/{}",
        brick_name(b"brick")
    ))?;
    Message(404, "Brick not found").check("the brick", &reply);
    Ok(())
}

/// Two lengths that contradict each other are how requests are smuggled past a
/// proxy: either the request is refused, or the connection ends after it.
#[test]
fn a_request_with_both_framings_is_the_last_of_its_connection() -> Result<()> {
    let server = Server::start("")?;
    let mut connection = server.connect()?;
    let smuggled = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let request = format!(
        "PUT /bricking/default/put-brick HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\
         Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"
    );
    connection.send_bytes(request.as_bytes())?;
    let reply = connection.read_reply("PUT")?;
    assert!(reply.closes, "{}: {:?}", reply.status, reply.headers);
    let rest = connection.wait_for_close()?;
    assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
    Ok(())
}

/// Bytes beyond the stated length are the next request, whatever they are.
#[test]
fn what_is_beyond_the_stated_length_is_not_part_of_the_brick() -> Result<()> {
    let server = Server::start("")?;
    let mut connection = server.connect()?;
    let head = "PUT /bricking/default/put-brick HTTP/1.1\r\nHost: localhost\r\n";
    connection
        .send_bytes(format!("{head}Content-Length: 5\r\n\r\nbrick more\r\n\r\n").as_bytes())?;
    let first = connection.read_reply("PUT")?;
    Exactly(201, named(b"brick").as_bytes()).check("the brick", &first);
    let second = connection.read_reply("PUT")?;
    Empty(400).check("the rest", &second);
    assert!(connection.wait_for_close()?.is_empty());
    Ok(())
}

#[test]
fn pipelined_requests_are_answered_in_their_order() -> Result<()> {
    let server = Server::start("")?;
    let brick = bytes(7, 70_000);
    let name = brick_name(&brick);
    let lines = |method: &str, route: &str, more: &str| {
        format!("{method} /bricking/default/{route} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n")
    };
    let length = format!("Content-Length: {}\r\n", brick.len());
    let get = lines("GET", &format!("get-brick/{name}"), "");
    let head = lines("HEAD", &format!("get-brick/{name}"), "");
    let exists = lines("GET", &format!("brick-exists/{name}"), "");
    let absent = lines("GET", "brick-exists/absent", "");
    let all = [
        lines("PUT", "put-brick", &length).as_bytes(),
        &brick,
        [&*get, &head, &absent, &exists].concat().as_bytes(),
    ]
    .concat();
    let mut connection = server.connect()?;
    connection.send_bytes(&all)?;
    for (method, expected) in [
        ("PUT", Exactly(201, named(&brick).as_bytes())),
        ("GET", Exactly(200, &brick)),
        ("HEAD", Empty(200)),
        ("GET", Message(404, "Brick not found")),
        ("GET", Exactly(200, b"true")),
    ] {
        expected.check(method, &connection.read_reply(method)?);
    }
    assert!(connection.is_usable());
    Ok(())
}

#[test]
fn the_body_is_asked_for_when_the_client_waits_for_that() -> Result<()> {
    let server = Server::start("")?;
    for body in [Body::Sized(bytes(1, 5000)), Body::Chunked(bytes(2, 5000))] {
        let mut request = server.request("PUT", "/bricking/default/put-brick");
        request.body = body;
        let reply = server.ask(&request.header("Expect", "100-continue"))?;
        assert_eq!((reply.status, &*reply.interim), (201, &[100][..]));
    }
    Ok(())
}

#[test]
fn http_1_0_is_answered_and_the_connection_ends() -> Result<()> {
    let server = Server::start("")?;
    let name = store(&server, b"brick")?;
    let check = |request: String, expected: Answer<'_>| -> Result<()> {
        let mut connection = server.connect()?;
        connection.send_bytes(request.as_bytes())?;
        let reply = connection.read_reply("")?;
        expected.check(&request, &reply);
        assert!(reply.closes, "{request}");
        assert!(connection.wait_for_close()?.is_empty(), "{request}");
        Ok(())
    };
    let put = "PUT /bricking/default/put-brick HTTP/1.0\r\n";
    check(
        format!("{put}Content-Length: 5\r\n\r\nbrick"),
        Exactly(201, named(b"brick").as_bytes()),
    )?;
    check(format!("{put}\r\n"), Exactly(201, named(b"").as_bytes()))?;
    let get = format!("GET /bricking/default/get-brick/{name} HTTP/1.0\r\n");
    check(format!("{get}\r\n"), Exactly(200, b"brick"))?;
    check(
        format!("{get}Range: bytes=1-2\r\n\r\n"),
        Exactly(206, b"ri"),
    )
}

#[test]
fn a_client_that_goes_away_in_the_middle_leaves_nothing_behind() -> Result<()> {
    let server = Server::start("")?;
    let brick = bytes(5, 100_000);
    let head = format!(
        "PUT /bricking/default/put-brick HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n",
        brick.len()
    );
    for sent in [0, 1, 50_000, 99_999] {
        let mut connection = server.connect()?;
        connection.send_bytes(&[head.as_bytes(), &brick[..sent]].concat())?;
        drop(connection);
    }
    let name = brick_name(&brick);
    let exists = format!("/bricking/default/brick-exists/{name}");
    Message(404, "Brick not found").check("cut short", &server.fetch(&exists)?);
    store(&server, &brick)?;
    Exactly(200, b"true").check("then whole", &server.fetch(&exists)?);
    Ok(())
}
