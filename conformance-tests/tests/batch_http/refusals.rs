//! What `put-bricks` refuses, always as a whole; and what holds for every batch route: unknown
//! domains, read-only mode, other methods, CORS, the rate limit.

use anyhow::Result;
use serde_json::json;
use testkit::server::Server;

use crate::answer::Answer::{Body, Empty, Message};
use crate::{GET, HAVE, PUT, archive, bytes, have, json_of, name, names, post, post_json, put_all};

/// Sends an archive, and checks its refusal and that none of `bricks` was stored.
fn check_refused(
    server: &Server,
    (status, part): (u16, &str),
    body: Vec<u8>,
    bricks: &[Vec<u8>],
) -> Result<()> {
    let reply = post(server, PUT, body)?;
    Message(status, part).check(part, &reply);
    let none = vec![false; bricks.len()];
    assert_eq!(have(server, &names(bricks))?, none, "{part}: stored");
    Ok(())
}

#[test]
fn one_wrong_block_refuses_all_and_is_named() -> Result<()> {
    let server = Server::start("")?;
    let good: Vec<Vec<u8>> = (0..3).map(|it| bytes(it, 5000)).collect();
    let with = |place: usize, wrong: &[u8]| {
        let mut sections: Vec<Vec<u8>> = good
            .iter()
            .map(|brick| archive::section(&archive::cid(brick), brick))
            .collect();
        sections.insert(place, wrong.to_vec());
        [archive::header(&[]), sections.concat()].concat()
    };
    let check = |place, part: &str, wrong: &[u8]| -> Result<()> {
        let text = format!("block {place}: ");
        check_refused(&server, (400, &text), with(place, wrong), &good)?;
        check_refused(&server, (400, part), with(place, wrong), &good)
    };
    let mut damaged = good[1].clone();
    damaged[4999] ^= 1;
    let cid = archive::cid(&good[1]);
    for place in 0..4 {
        check(place, "do not hash", &archive::section(&cid, &damaged))?;
    }
    let digest = &cid[4..];
    let named = |before: &[u8]| archive::section(&[before, digest].concat(), &good[1]);
    check(1, "codec", &named(b"\x01\x71\x12\x20"))?;
    check(1, "codec", &named(b"\x01\x70\x12\x20"))?;
    check(1, "version", &named(b"\x12\x20"))?;
    check(2, "sha2-256", &named(b"\x01\x55\x16\x20"))?;
    check(
        2,
        "sha2-256",
        &archive::section(b"\x01\x55\x00\x03abc", b"abc"),
    )?;
    check(3, "empty", b"\x00")?;
    check(3, "CID", b"\x01\x01")?;
    check(3, "length", &[0xff; 10])?;
    put_all(&server, &good, "stored")
}

#[test]
fn a_truncated_archive_stores_nothing() -> Result<()> {
    let server = Server::start("")?;
    let bricks = [bytes(1, 700), bytes(2, 5000)];
    let whole = archive::of(&bricks);
    let header = archive::header(&bricks.clone().map(|brick| archive::cid(&brick))).len();
    let first = header + archive::section(&archive::cid(&bricks[0]), &bricks[0]).len();
    let cuts = [0, 1, header - 1, header + 1, header + 30, header + 100];
    let late = [first - 1, first + 1, first + 2, first + 40, whole.len() - 1];
    for cut in cuts.into_iter().chain(late) {
        let body = whole[..cut].to_vec();
        check_refused(&server, (400, "cut off"), body, &bricks)?;
    }
    let reply = crate::post_chunked(&server, PUT, whole[..first + 9].to_vec())?;
    Message(400, "cut off").check("chunked", &reply);
    // The connection ends within the body.
    let mut connection = server.connect()?;
    let head = format!(
        "POST {PUT} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n",
        server.address(),
        whole.len()
    );
    connection.send_bytes(head.as_bytes())?;
    connection.send_bytes(&whole[..whole.len() - 1])?;
    connection.end_sending()?;
    Message(400, "ended early").check("hung up", &connection.read_reply("POST")?);
    assert_eq!(have(&server, &names(&bricks))?, [false; 2]);
    Ok(())
}

#[test]
fn what_is_no_archive_is_refused() -> Result<()> {
    let server = Server::start("")?;
    let check = |part, body: &[u8]| check_refused(&server, (400, part), body.to_vec(), &[]);
    check("not that of a CAR", b"\x08not CBOR")?;
    check("not that of a CAR", b"\x01\xa0")?;
    check("length", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")?;
    check("version 2", b"\x0a\xa1\x67version\x02")?;
    check("header has", b"\x81\x80\x40")?;
    // JSON of an array of strings, as a client of another route would send it.
    check("cut off", json!([name(b"x")]).to_string().as_bytes())
}

#[test]
fn what_is_too_large_is_refused_at_each_limit() -> Result<()> {
    let server = Server::start("[limits]\nbatch_bytes_max = 21000000\nbrick_bytes_max = 10000064")?;
    let largest = bytes(1, 10_000_064);
    let larger = bytes(2, 10_000_065);
    let small = bytes(3, 100);
    let body = archive::of(&[small.clone(), larger.clone()]);
    let bricks = [small.clone(), larger];
    check_refused(&server, (413, "block 1: "), body, &bricks)?;
    // Three of them are more than the batch may have; sized and chunked.
    let three: Vec<Vec<u8>> = (10..13).map(|it| bytes(it, 10_000_000)).collect();
    let body = archive::of(&three);
    check_refused(&server, (413, "21000000"), body.clone(), &three)?;
    let reply = crate::post_chunked(&server, PUT, body)?;
    Message(413, "21000000").check("chunked", &reply);
    assert_eq!(have(&server, &names(&three))?, [false; 3]);
    put_all(&server, &[largest, small], "stored")
}

#[test]
fn an_archive_has_a_limit_of_blocks() -> Result<()> {
    let server = Server::start("")?;
    let bricks: Vec<Vec<u8>> = (0..10_001_u32)
        .map(|it| it.to_le_bytes().to_vec())
        .collect();
    let body = archive::of(&bricks);
    check_refused(
        &server,
        (400, "more than 10000 blocks"),
        body,
        &bricks[..10_000],
    )?;
    put_all(&server, &bricks[..10_000], "stored")
}

#[test]
fn an_unknown_domain_is_named_and_its_body_not_asked_for() -> Result<()> {
    let server = Server::start("")?;
    let text = "[Bricking] Domain 'other' not found!";
    for route in ["have-bricks", "get-bricks", "put-bricks"] {
        let target = format!("/bricking/other/{route}");
        for length in [0, 10, 1_000_000] {
            let reply = post(&server, &target, vec![b'['; length])?;
            Message(404, text).check(&target, &reply);
        }
        let request = server.request("POST", &target);
        let request = request.header("Expect", "100-continue").body(*b"[]");
        let reply = server.ask(&request)?;
        Message(404, text).check(&target, &reply);
        assert_eq!(reply.interim, [0_u16; 0], "{target} asked for the body");
    }
    Ok(())
}

#[test]
fn other_methods_and_longer_paths_are_no_routes() -> Result<()> {
    let server = Server::start("")?;
    for target in [HAVE, GET, PUT] {
        for method in ["GET", "HEAD", "PUT", "DELETE", "PATCH"] {
            let reply = server.ask(&server.request(method, target))?;
            Empty(404).check(&format!("{method} {target}"), &reply);
        }
        let reply = post(&server, &format!("{target}/more"), *b"[]")?;
        Empty(404).check(target, &reply);
        let reply = server.ask(&server.request("OPTIONS", target))?;
        Empty(200).check(target, &reply);
        let allowed = reply.header("access-control-allow-methods");
        assert!(allowed.unwrap_or_default().contains("POST"), "{allowed:?}");
    }
    Ok(())
}

#[test]
fn a_browser_may_read_the_answers_and_every_request_counts() -> Result<()> {
    let server = Server::start("[rate_limit]\nburst = 77")?;
    for target in [HAVE, GET, PUT] {
        let request = server.request("POST", target).body(*b"[]");
        let reply = server.ask(&request.header("Origin", "http://wallet.example"))?;
        let header = |name| reply.header(name);
        assert_eq!(header("access-control-allow-origin"), Some("*"), "{target}");
        assert_eq!(header("access-control-allow-credentials"), None, "{target}");
        assert_eq!(header("x-ratelimit-limit"), Some("77"), "{target}");
    }
    Ok(())
}

#[test]
fn questions_are_answered_in_read_only_mode_and_writes_are_not() -> Result<()> {
    let server = Server::start("[node]\nread_only = true")?;
    let brick = bytes(1, 100);
    let asked = json!([name(&brick)]);
    assert_eq!(json_of(&post_json(&server, HAVE, &asked)?), json!([false]));
    let reply = post_json(&server, GET, &asked)?;
    assert_eq!(archive::read(&reply.body).roots, [archive::cid(&brick)]);
    let reply = post(&server, PUT, archive::of(&[brick]))?;
    Body(405, b"read only mode is active").check(PUT, &reply);
    // The same names below another service are no questions.
    let reply = post_json(&server, "/anchor/default/get-bricks", &asked)?;
    Body(405, b"read only mode is active").check("anchor", &reply);
    Ok(())
}
