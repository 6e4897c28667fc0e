//! `/ipfs/{cid}`: what a standard tool gets, and what it is refused.
//!
//! **Source:** <https://specs.ipfs.tech/http-gateways/trustless-gateway/>.

use anyhow::Result;
use testkit::http::{Reply, Request};
use testkit::server::Server;

use crate::answer::Answer::{Body, Empty, Message};
use crate::{LARGEST, archive, bytes, name, post, put_all};

fn ask(server: &Server, method: &str, target: &str, headers: &[(&str, &str)]) -> Result<Reply> {
    let request = server.request(method, target);
    let add = |request: Request, (name, value): &(&str, &str)| request.header(name, value);
    Ok(server.ask(&headers.iter().fold(request, add))?)
}

/// The headers of an answer that gives a block in this form.
fn check_headers(case: &str, reply: &Reply, cid: &str, (form, ending): (&str, &str)) {
    let check = |header: &str, expected: &str| {
        assert_eq!(reply.header(header), Some(expected), "{case}: {header}");
    };
    check("etag", &format!("\"{cid}.{form}\""));
    check("cache-control", "public, max-age=29030400, immutable");
    check("x-content-type-options", "nosniff");
    let disposition = format!("attachment; filename=\"{cid}.{ending}\"");
    check("content-disposition", &disposition);
    check("x-ipfs-path", &format!("/ipfs/{cid}"));
    check("content-location", &format!("/ipfs/{cid}?format={form}"));
    check("vary", "Accept");
    check("access-control-allow-origin", "*");
}

#[test]
fn a_brick_is_given_raw_and_as_an_archive() -> Result<()> {
    let server = Server::start("")?;
    // The last is larger than what IPFS tools usually take.
    for (seed, length) in [(1, 0), (2, 1), (3, 4096), (4, 1 << 20), (5, LARGEST)] {
        let brick = bytes(seed, length);
        put_all(&server, std::slice::from_ref(&brick), "stored")?;
        let cid = archive::base32(&archive::cid(&brick));
        let whole = archive::of(std::slice::from_ref(&brick));
        let target = |query: &str| format!("/ipfs/{cid}{query}");
        let raw = "application/vnd.ipld.raw";
        let car = "application/vnd.ipld.car";
        let requests = [
            (target("?format=raw"), "*/*", &brick),
            (target(""), raw, &brick),
            (target("?format=raw"), car, &brick),
            (target("/?format=car"), "*/*", &whole),
            (target("?a=b&format=car&dag-scope=all"), raw, &whole),
            (target(""), "application/vnd.ipld.car; version=1", &whole),
        ];
        for (target, accept, expected) in requests {
            for method in ["GET", "HEAD"] {
                let case = format!("{method} {target} {accept}");
                let reply = ask(&server, method, &target, &[("Accept", accept)])?;
                let sent: &[u8] = if method == "HEAD" { &[] } else { expected };
                Body(200, sent).check(&case, &reply);
                let length = expected.len().to_string();
                assert_eq!(reply.header("content-length"), Some(&*length), "{case}");
                let (kind, form) = if expected == &brick {
                    (raw, ("raw", "bin"))
                } else {
                    let kind = "application/vnd.ipld.car; version=1; order=dfs; dups=n";
                    (kind, ("car", "car"))
                };
                assert_eq!(reply.header("content-type"), Some(kind), "{case}");
                check_headers(&case, &reply, &cid, form);
            }
        }
    }
    Ok(())
}

#[test]
fn a_cid_may_be_written_in_any_base() -> Result<()> {
    let server = Server::start("")?;
    let brick = bytes(1, 500);
    put_all(&server, std::slice::from_ref(&brick), "stored")?;
    let cid = archive::cid(&brick);
    let canonical = archive::base32(&cid);
    let hex: Vec<String> = cid.iter().map(|byte| format!("{byte:02x}")).collect();
    for text in [
        canonical.clone(),
        canonical.to_uppercase(),
        format!("z{}", bs58::encode(&cid).into_string()),
        format!("f{}", hex.concat()),
    ] {
        let reply = server.fetch(&format!("/ipfs/{text}?format=raw"))?;
        Body(200, &brick).check(&text, &reply);
        let etag = format!("\"{canonical}.raw\"");
        assert_eq!(reply.header("etag"), Some(&*etag), "{text}");
        let path = format!("/ipfs/{text}");
        assert_eq!(reply.header("x-ipfs-path"), Some(&*path));
    }
    Ok(())
}

#[test]
fn every_domain_is_looked_into() -> Result<()> {
    let server = Server::start("[[domain]]\nname = \"one\"\n[[domain]]\nname = \"two\"\n")?;
    let brick = bytes(1, 500);
    let target = "/bricking/two/put-bricks";
    let reply = post(&server, target, archive::of(std::slice::from_ref(&brick)))?;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let cid = archive::base32(&archive::cid(&brick));
    let reply = server.fetch(&format!("/ipfs/{cid}?format=raw"))?;
    Body(200, &brick).check("two", &reply);
    Ok(())
}

#[test]
fn a_known_block_is_not_sent_again_and_a_raw_one_has_ranges() -> Result<()> {
    let server = Server::start("")?;
    let brick = bytes(1, 500);
    put_all(&server, std::slice::from_ref(&brick), "stored")?;
    let cid = archive::base32(&archive::cid(&brick));
    for (form, ending) in [("raw", "bin"), ("car", "car")] {
        let target = format!("/ipfs/{cid}?format={form}");
        let known = format!("\"{cid}.{form}\"");
        let reply = ask(&server, "GET", &target, &[("If-None-Match", &known)])?;
        Empty(304).check(&target, &reply);
        check_headers(&target, &reply, &cid, (form, ending));
        let other = [("If-None-Match", "\"other\"")];
        assert_eq!(ask(&server, "GET", &target, &other)?.status, 200);
    }
    let raw = format!("/ipfs/{cid}?format=raw");
    let reply = ask(&server, "GET", &raw, &[("Range", "bytes=10-19")])?;
    Body(206, &brick[10..20]).check("a range", &reply);
    assert_eq!(reply.header("content-range"), Some("bytes 10-19/500"));
    let reply = ask(&server, "GET", &raw, &[("Range", "bytes=500-")])?;
    Message(416, "none of them in this range").check("a range", &reply);
    let car = format!("/ipfs/{cid}?format=car");
    let reply = ask(&server, "GET", &car, &[("Range", "bytes=10-19")])?;
    Body(200, &archive::of(&[brick])).check("an archive has none", &reply);
    Ok(())
}

#[test]
fn absent_blocks_are_404_and_not_kept_by_caches() -> Result<()> {
    let server = Server::start("")?;
    let cid = archive::base32(&archive::cid(b"absent"));
    for form in ["raw", "car"] {
        let target = format!("/ipfs/{cid}?format={form}");
        let reply = server.fetch(&target)?;
        Message(404, "Brick not found").check(&target, &reply);
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        assert_eq!(reply.header("etag"), None);
        let reply = server.ask(&server.request("HEAD", &target))?;
        Empty(404).check(&target, &reply);
        // A client that wants only what is at hand.
        let only = [("Cache-Control", "only-if-cached")];
        Empty(412).check(&target, &ask(&server, "GET", &target, &only)?);
    }
    let brick = bytes(1, 500);
    put_all(&server, std::slice::from_ref(&brick), "stored")?;
    let cid = archive::base32(&archive::cid(&brick));
    let below = server.fetch(&format!("/ipfs/{cid}/below?format=car"))?;
    Message(404, "nothing below").check("below", &below);
    Ok(())
}

#[test]
fn cids_that_name_no_brick_are_refused_with_a_reason() -> Result<()> {
    let server = Server::start("")?;
    let brick = bytes(1, 500);
    put_all(&server, std::slice::from_ref(&brick), "stored")?;
    let cid = archive::cid(&brick);
    let with = |before: &[u8]| archive::base32(&[before, &cid[4..]].concat());
    let canonical = archive::base32(&cid);
    let check = |text: &str, part: &str| -> Result<()> {
        for form in ["raw", "car"] {
            let reply = server.fetch(&format!("/ipfs/{text}?format={form}"))?;
            Message(400, part).check(text, &reply);
        }
        Ok(())
    };
    // Version 0: the base58 of the multihash alone.
    check(&bs58::encode(&cid[2..]).into_string(), "version 0")?;
    check(&with(b"\x01\x70\x12\x20"), "codec")?;
    check(&with(b"\x01\x71\x12\x20"), "codec")?;
    check(&with(b"\x01\x55\x16\x20"), "sha2-256")?;
    check(&archive::base32(b"\x01\x55\x00\x03abc"), "sha2-256")?;
    check(
        &archive::base32(b"\x01\x55\x12\x14aaaaaaaaaaaaaaaaaaaa"),
        "sha2-256",
    )?;
    for text in [
        "x",
        "bafk",
        &canonical[..50],
        &canonical[1..],
        &name(&brick),
        "..",
        "%2e%2e",
        "bafkreih%20",
    ] {
        check(text, "not a CID")?;
    }
    Ok(())
}
