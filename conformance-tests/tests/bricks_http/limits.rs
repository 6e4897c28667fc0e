//! How large a brick may be, and what storing one twice costs.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use anyhow::Result;
use testkit::http::{Body, Request};
use testkit::process::Launch;
use testkit::server::{Server, write_file};

use crate::answer::Answer::{Body as Exactly, Empty, Message};
use crate::{brick_name, bytes, store};

/// The default limit on a brick, in bytes.
const DEFAULT_MAX: usize = 16 << 20;
/// The SDK's default chunk and its envelope: no limit may be lower. Bytes.
const FLOOR: usize = 10_000_064;

fn put(server: &Server, body: Body) -> Request {
    let mut request = server.request("PUT", "/bricking/default/put-brick");
    request.body = body;
    request
}

/// The largest brick passes and one byte more does not, told by length or not,
/// waiting for `100 Continue` or not; after each the node takes bricks as before.
fn check_limit(server: &Server, limit: usize) -> Result<()> {
    let refusal = format!("the limit of {limit} bytes");
    let (largest, larger) = (bytes(1, limit), bytes(1, limit + 1));
    let name = brick_name(&larger);
    for body in [
        Body::Sized(larger.clone()),
        Body::Chunked(larger.clone()),
        Body::Sized(bytes(2, limit * 2)),
    ] {
        let reply = server.ask(&put(server, body.clone()))?;
        Message(413, &refusal).check("too large", &reply);
        let expecting = put(server, body).header("Expect", "100-continue");
        let reply = server.ask(&expecting)?;
        Message(413, &refusal).check("too large, asked first", &reply);
        store(server, b"small")?;
    }
    let reply = server.fetch(&format!("/bricking/default/brick-exists/{name}"))?;
    Message(404, "Brick not found").check("what was refused", &reply);
    let name = brick_name(&largest);
    let stored = format!("{{\"message\":\"{name}\"}}");
    for body in [Body::Chunked(largest.clone()), Body::Sized(largest.clone())] {
        let reply = server.ask(&put(server, body))?;
        Exactly(201, stored.as_bytes()).check("the largest", &reply);
    }
    let reply = server.fetch(&format!("/bricking/default/get-brick/{name}"))?;
    Exactly(200, &largest).check("the largest, read", &reply);
    Ok(())
}

#[test]
fn sixteen_mebibytes_pass_and_one_byte_more_does_not() -> Result<()> {
    check_limit(&Server::start("")?, DEFAULT_MAX)
}

#[test]
fn the_limit_can_be_lowered_to_what_wallets_send_and_no_further() -> Result<()> {
    let lowest = format!("[limits]\nbrick_bytes_max = {FLOOR}");
    check_limit(&Server::start(&lowest)?, FLOOR)?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("kiln.toml");
    let lower = format!("[limits]\nbrick_bytes_max = {}", FLOOR - 1);
    write_file(&file, lower.as_bytes())?;
    let output = Launch::kiln_serve(&folder.path().join("data"), Some(&file))?.run()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains("limits.brick_bytes_max"), "{stderr}");
    assert!(stderr.contains(&FLOOR.to_string()), "{stderr}");
    Ok(())
}

#[test]
fn a_refused_length_is_answered_without_asking_for_the_body() -> Result<()> {
    let server = Server::start("")?;
    let check = |target: &str, length: u64, status: u16| -> Result<()> {
        let mut connection = server.connect()?;
        let head = format!(
            "PUT {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\
             Expect: 100-continue\r\n\r\n"
        );
        connection.send_bytes(head.as_bytes())?;
        let reply = connection.read_reply("PUT")?;
        Message(status, "").check(target, &reply);
        assert_eq!(reply.interim, [0_u16; 0], "{target} asked for the body");
        Ok(())
    };
    check("/bricking/default/put-brick", DEFAULT_MAX as u64 + 1, 413)?;
    check("/bricking/default/put-brick", u64::MAX - 2, 413)?;
    check("/bricking/other/put-brick", 5, 404)
}

#[test]
fn a_brick_that_is_there_costs_no_write() -> Result<()> {
    // The scrub writes to the store, too.
    let server = Server::start("[scrub]\nenabled = false")?;
    // One that lies beside its key and one in a blob file.
    for (seed, length) in [(1, 100), (2, 100_000)] {
        let brick = bytes(seed, length);
        store(&server, &brick)?;
        let before = store_files(&server.data())?;
        for _ in 0..20 {
            store(&server, &brick)?;
        }
        assert_eq!(store_files(&server.data())?, before, "{length} bytes");
        store(&server, &bytes(seed + 100, length))?;
        let after = store_files(&server.data())?;
        assert_ne!(after, before, "a new brick of {length} bytes must show");
    }
    let reply = server.ask(&server.request("HEAD", "/bricking/default/put-brick"))?;
    Empty(404).check("HEAD", &reply);
    Ok(())
}

type FileStates = BTreeMap<String, (u64, SystemTime)>;

/// Size and time of change of each file of the brick store that holds data; the
/// engine's own diary (`LOG`) is not one.
fn store_files(data: &Path) -> Result<FileStates> {
    let mut files = BTreeMap::new();
    for entry in data.join("bricks").read_dir()? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let state = entry.metadata()?;
        if !name.starts_with("LOG") {
            files.insert(name, (state.len(), state.modified()?));
        }
    }
    assert!(!files.is_empty(), "the store has no files");
    Ok(files)
}
