//! Reading bricks: caching, conditions, ranges, misses, malformed names.

use anyhow::Result;
use testkit::http::{Reply, Request};
use testkit::server::Server;

use crate::answer::Answer::{self, Body, Empty, Message};
use crate::{bytes, store};

/// A brick whose position shows in its bytes.
const LENGTH: usize = 1000;

/// Lengths with a reason each, in bytes.
const INTERESTING_SIZES: [usize; 8] = [
    0,         // the empty brick has a name too
    1,         // the shortest with content
    4095,      // the last that the store keeps beside its key
    4096,      // the first that it keeps in a blob file
    65_535,    // less than one piece of a body
    65_536,    // one piece
    65_537,    // one piece and a byte
    1_048_641, // the SDK's small chunk and its envelope, and a byte
];

fn target(name: &str) -> String {
    format!("/bricking/default/get-brick/{name}")
}

fn get(server: &Server, method: &str, name: &str, headers: &[(&str, &str)]) -> Result<Reply> {
    let request = server.request(method, &target(name));
    let add = |request: Request, (name, value): &(&str, &str)| request.header(name, value);
    Ok(server.ask(&headers.iter().fold(request, add))?)
}

#[test]
fn what_is_put_is_got_with_headers_for_a_year() -> Result<()> {
    let server = Server::start("")?;
    for length in INTERESTING_SIZES {
        let brick = bytes(1, length);
        let name = store(&server, &brick)?;
        for method in ["GET", "HEAD"] {
            let case = format!("{method} of {length} bytes");
            let reply = get(&server, method, &name, &[])?;
            let sent: &[u8] = if method == "HEAD" { &[] } else { &brick };
            Body(200, sent).check(&case, &reply);
            let header = |name| reply.header(name).unwrap_or_default();
            assert_eq!(header("content-length"), length.to_string(), "{case}");
            assert_eq!(header("content-type"), "application/octet-stream", "{case}");
            assert_eq!(header("etag"), format!("\"{name}\""), "{case}");
            assert_eq!(header("accept-ranges"), "bytes", "{case}");
            assert_immutable(&case, &reply);
        }
        let exists = format!("/bricking/default/brick-exists/{name}");
        let reply = server.fetch(&exists)?;
        Body(200, b"true").check(&exists, &reply);
        assert_eq!(reply.header("cache-control"), Some("No-Cache"));
        let reply = server.ask(&server.request("HEAD", &exists))?;
        Empty(200).check(&exists, &reply);
    }
    Ok(())
}

fn assert_immutable(case: &str, reply: &Reply) {
    let caching = reply.header("cache-control").unwrap_or_default();
    assert!(caching.contains("immutable"), "{case}: {caching}");
    assert!(caching.contains("max-age=31536000"), "{case}: {caching}");
}

#[test]
fn ranges_give_those_bytes_or_say_that_there_are_none() -> Result<()> {
    let server = Server::start("")?;
    let brick = bytes(2, LENGTH);
    let name = store(&server, &brick)?;
    let check = |range: &str, expected: Option<(usize, usize)>| -> Result<()> {
        for method in ["GET", "HEAD"] {
            let case = format!("{method} {range}");
            let reply = get(&server, method, &name, &[("Range", range)])?;
            let (status, part) = match expected {
                Some((first, last)) => (206, &brick[first..=last]),
                None => (200, &brick[..]),
            };
            let sent = if method == "HEAD" { &[] } else { part };
            Body(status, sent).check(&case, &reply);
            let span = expected.map(|(first, last)| format!("bytes {first}-{last}/{LENGTH}"));
            assert_eq!(reply.header("content-range"), span.as_deref(), "{case}");
            let length = part.len().to_string();
            assert_eq!(
                reply.header("content-length"),
                Some(length.as_str()),
                "{case}"
            );
            assert_immutable(&case, &reply);
        }
        Ok(())
    };
    check("bytes=0-0", Some((0, 0)))?;
    check("bytes=0-999", Some((0, 999)))?;
    check("bytes=10-19", Some((10, 19)))?;
    check("bytes=999-999", Some((999, 999)))?;
    // An open end, an end beyond the brick, the largest number that fits.
    check("bytes=990-", Some((990, 999)))?;
    check("bytes=990-5000", Some((990, 999)))?;
    check("bytes=0-18446744073709551615", Some((0, 999)))?;
    // Suffixes, also of more than there is.
    check("bytes=-10", Some((990, 999)))?;
    check("bytes=-1000", Some((0, 999)))?;
    check("bytes=-5000", Some((0, 999)))?;
    // What is not one well-formed range of bytes is answered whole.
    for whole in [
        "bytes=9-0",
        "bytes=0-1,5-6",
        "bytes=",
        "bytes=-",
        "bytes=x-y",
        "bytes 0-1",
        "lines=0-1",
        "bytes=0-99999999999999999999999999",
    ] {
        check(whole, None)?;
    }
    let unsatisfiable = |name: &str, range: &str, length: usize| -> Result<()> {
        let reply = get(&server, "GET", name, &[("Range", range)])?;
        Message(416, "none of them in this range").check(range, &reply);
        let span = format!("bytes */{length}");
        assert_eq!(
            reply.header("content-range"),
            Some(span.as_str()),
            "{range}"
        );
        assert_eq!(
            reply.header("content-type"),
            None,
            "{range}: there are no octets"
        );
        Ok(())
    };
    for range in ["bytes=1000-", "bytes=1000-2000", "bytes=5000-", "bytes=-0"] {
        unsatisfiable(&name, range, LENGTH)?;
    }
    let empty = store(&server, b"")?;
    unsatisfiable(&empty, "bytes=0-", 0)
}

#[test]
fn a_known_brick_is_not_sent_again() -> Result<()> {
    let server = Server::start("")?;
    let brick = bytes(3, LENGTH);
    let name = store(&server, &brick)?;
    let own = format!("\"{name}\"");
    let check = |headers: &[(&str, &str)], expected: Answer<'_>| -> Result<()> {
        let reply = get(&server, "GET", &name, headers)?;
        let case = format!("{headers:?}");
        expected.check(&case, &reply);
        assert_eq!(reply.header("etag"), Some(own.as_str()), "{case}");
        assert_immutable(&case, &reply);
        Ok(())
    };
    let none_match = |tag| [("If-None-Match", tag)];
    let listed = format!("\"a\", {own}");
    let weak = format!("W/{own}");
    for known in [&own, "*", &listed, &weak] {
        check(&none_match(known), Empty(304))?;
    }
    for other in ["\"other\"", &name, "", "W/", "\"\""] {
        check(&none_match(other), Body(200, &brick))?;
    }
    // The condition comes before the range (RFC 9110 §13.2.2).
    check(
        &[("If-None-Match", &own), ("Range", "bytes=0-1")],
        Empty(304),
    )?;
    let ranged = |tag| [("If-Range", tag), ("Range", "bytes=0-1")];
    check(&ranged(&own), Body(206, &brick[..2]))?;
    check(&ranged("\"other\""), Body(200, &brick))?;
    check(&ranged("Wed, 21 Oct 2015 07:28:00 GMT"), Body(200, &brick))?;
    let reply = get(&server, "HEAD", &name, &none_match(&own))?;
    Empty(304).check("HEAD of a known brick", &reply);
    let absent = crate::brick_name(b"absent");
    let reply = get(&server, "GET", &absent, &none_match("*"))?;
    Message(404, "Brick not found").check("a condition on an absent brick", &reply);
    Ok(())
}

#[test]
fn a_miss_is_a_404_that_nobody_caches_whatever_the_name() -> Result<()> {
    let server = Server::start("[[domain]]\nname = \"default\"\n[[domain]]\nname = \"other\"\n")?;
    let name = store(&server, b"in default only")?;
    let check = |target: &str| -> Result<()> {
        for method in ["GET", "HEAD"] {
            let case = format!("{method} {target:.80}");
            let reply = server.ask(&server.request(method, target))?;
            let expected = if method == "HEAD" {
                Empty(404)
            } else {
                Body(404, b"{\"message\":\"Brick not found\"}")
            };
            expected.check(&case, &reply);
            let caching = reply.header("cache-control").unwrap_or_default();
            let is_kept = !caching.eq_ignore_ascii_case("no-store")
                && !caching.eq_ignore_ascii_case("no-cache");
            assert!(!is_kept, "{case}: {caching:?}");
            assert_eq!(reply.header("etag"), None, "{case}");
        }
        Ok(())
    };
    check(&format!("/bricking/other/get-brick/{name}"))?;
    check(&format!("/bricking/other/brick-exists/{name}"))?;
    let absent = crate::brick_name(b"absent");
    let (long, longer) = ("1".repeat(44), "a".repeat(12_000));
    let (cut, more) = (&name[1..], format!("{name}1"));
    let (lower, spaced) = (name.to_lowercase(), format!("{name}%20"));
    let hex = "00".repeat(32);
    for malformed in [
        &absent,           // the name of a brick that is not there
        "a",               // shorter than the five characters at which the reference hangs
        cut,               // one character less
        &more,             // one character more
        &long,             // 44 zero bytes
        &longer,           // far too long, yet within the limit of a header
        &lower,            // another name, or none
        &spaced,           // nothing is decoded
        &hex,              // the hash in another notation
        ".",               // this folder
        "..",              // the parent folder
        "...",             // a file name
        "%2e%2e",          // the parent folder, encoded
        "..%2f..%2fkiln",  // the same as a path
        "..%5c..%5ckiln",  // the same with the other slash
        "%00",             // the end of a C string
        "0OIl",            // the four letters that base58 has not
        "\u{e9}",          // not ASCII
        "\u{1f9f1}",       // not even in the basic plane
        "undefined",       // what JavaScript makes of nothing
        "Brick%20not%20f", // an error text
        "$HOME",           // an environment variable
        "bricks.lock",     // a file in the data folder
        "CURRENT",         // a file of the store
    ] {
        check(&target(malformed))?;
        check(&format!("/bricking/default/brick-exists/{malformed}"))?;
    }
    Ok(())
}

#[test]
fn paths_that_are_no_route_are_404_without_a_body() -> Result<()> {
    let server = Server::start("")?;
    let name = store(&server, b"a brick")?;
    let check = |method: &str, target: &str| -> Result<()> {
        let reply = server.ask(&server.request(method, target))?;
        Empty(404).check(&format!("{method} {target}"), &reply);
        Ok(())
    };
    for target in [
        "/bricking".to_owned(),
        "/bricking/".to_owned(),
        "/bricking/default".to_owned(),
        "/bricking/default/get-brick".to_owned(),
        "/bricking/default/get-brick/".to_owned(),
        "/bricking/default/get-brick//".to_owned(),
        format!("/bricking/default/get-brick/{name}/more"),
        format!("/bricking/default/get-brick/../{name}"),
        format!("/bricking/default/get-brick/{name}//"),
        format!("/bricking/default//get-brick/{name}"),
        format!("//bricking/default/get-brick/{name}"),
        format!("/Bricking/default/get-brick/{name}"),
        format!("/bricking/default/GET-BRICK/{name}"),
        format!("/bricking/default/get%2dbrick/{name}"),
        format!("/bricking/default/delete-brick/{name}"),
        "/bricking/default/put-brick".to_owned(),
        "/../../../../etc/hostname".to_owned(),
        "/bricks.lock".to_owned(),
    ] {
        check("GET", &target)?;
    }
    for method in ["POST", "DELETE", "PATCH", "PUT", "TRACE"] {
        check(method, &target(&name))?;
    }
    let reply = server.fetch(&target(&name))?;
    Body(200, b"a brick").check("after all of them", &reply);
    let reply = server.fetch(&format!("{}/?x=1#y", target(&name)))?;
    Body(200, b"a brick").check("one slash and a query", &reply);
    Ok(())
}

#[test]
fn an_unknown_domain_is_named_whatever_it_looks_like() -> Result<()> {
    let server = Server::start("")?;
    let name = store(&server, b"a brick")?;
    let long = "d".repeat(5000);
    let unknown = [
        "other",
        "Default",
        "default%20",
        "$HOME",
        "$PATH",
        "..",
        ".",
        "%2e%2e",
        "..%2f",
        &long,
        "caf\u{e9}",
        "a\"b",
    ];
    for domain in unknown {
        let text = format!("[Bricking] Domain '{domain}' not found!");
        for route in ["get-brick", "brick-exists"] {
            let reply = server.fetch(&format!("/bricking/{domain}/{route}/{name}"))?;
            Message(404, &text).check(domain, &reply);
        }
        let many = format!("/bricking/{domain}/downloadMultipleBricks?hashes={name}");
        Message(404, &text).check(domain, &server.fetch(&many)?);
        let reply = server.put(&format!("/bricking/{domain}/put-brick"), *b"x")?;
        Message(404, &text).check(domain, &reply);
    }
    Ok(())
}
