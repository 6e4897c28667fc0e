//! `/ipfs/{cid}`: forms that are not given, the probe, and requests that are no routes.

use anyhow::Result;
use testkit::http::Reply;
use testkit::server::Server;

use crate::answer::Answer::{Body, Empty, Message};
use crate::{archive, bytes, put_all};

#[test]
fn other_forms_are_not_acceptable() -> Result<()> {
    let server = Server::start("")?;
    let brick = bytes(1, 500);
    put_all(&server, std::slice::from_ref(&brick), "stored")?;
    let cid = archive::base32(&archive::cid(&brick));
    let ask = |query: &str, accept: Option<&str>| -> Result<Reply> {
        let request = server.request("GET", &format!("/ipfs/{cid}{query}"));
        let request = match accept {
            Some(accept) => request.header("Accept", accept),
            None => request,
        };
        Ok(server.ask(&request)?)
    };
    for query in [
        "?format=",
        "?format=tar",
        "?format=ipns-record",
        "?format=dag-json",
        "?format=RAW",
        "?format=car&car-version=2",
        "?format=car&car-order=bfs",
    ] {
        let reply = ask(query, Some("application/vnd.ipld.raw"))?;
        Message(406, "format=raw").check(query, &reply);
    }
    for accept in [
        "*/*",
        "application/*",
        "text/html",
        "application/json",
        "application/vnd.ipld.car; version=2",
        "application/vnd.ipld.raw;q=0",
    ] {
        Message(406, "format=raw").check(accept, &ask("", Some(accept))?);
    }
    Message(400, "format=raw").check("no form", &ask("", None)?);
    Ok(())
}

#[test]
fn a_probe_is_answered_as_by_a_gateway() -> Result<()> {
    let server = Server::start("")?;
    let check = |method: &str, form: &str, expected: &[u8]| -> Result<()> {
        let target = format!("/ipfs/bafkqaaa?format={form}");
        let reply = server.ask(&server.request(method, &target))?;
        Body(200, expected).check(&target, &reply);
        Ok(())
    };
    // {"roots": [the identity CID of nothing], "version": 1}.
    let link = b"\xd8\x2a\x45\x00\x01\x55\x00\x00";
    let header = [b"\x19\xa2\x65roots\x81", &link[..], b"\x67version\x01"].concat();
    check("GET", "raw", b"")?;
    check("GET", "car", &header)?;
    check("HEAD", "raw", b"")?;
    check("HEAD", "car", b"")
}

#[test]
fn requests_that_are_no_routes() -> Result<()> {
    let server = Server::start("")?;
    let cid = archive::base32(&archive::cid(b"x"));
    let check = |method: &str, target: &str| -> Result<()> {
        let reply = server.ask(&server.request(method, target))?;
        Empty(404).check(&format!("{method} {target}"), &reply);
        Ok(())
    };
    for target in ["/ipfs", "/ipfs/", "/ipfs//", "/ipns/x", "/IPFS/x"] {
        check("GET", target)?;
    }
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        check(method, &format!("/ipfs/{cid}?format=raw"))?;
    }
    let preflight = server.request("OPTIONS", &format!("/ipfs/{cid}"));
    Empty(200).check("OPTIONS", &server.ask(&preflight)?);
    let read_only = Server::start("[node]\nread_only = true")?;
    let reply = read_only.fetch(&format!("/ipfs/{cid}?format=raw"))?;
    Message(404, "Brick not found").check("read-only mode", &reply);
    Ok(())
}
