//! Limits of `docs/limits.md` against the real binary.
//!
//! *Bug that this looks for:* a quota that simultaneous writers overshoot, that a kill or a retry
//! counts wrongly, or that keeps anybody from reading. *Mechanism:* 64 writers on connections of
//! their own fill a domain; the node is killed; what is left is then filled to the last byte.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

#[path = "../common/damage.rs"]
mod damage;
mod scrub;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use keyssi::BrickHash;
use sha2::{Digest as _, Sha256};
use testkit::binaries::Binary;
use testkit::caller::Caller;
use testkit::day;
use testkit::http::{Body, Reply, Request, ask};
use testkit::owner::{FIRST_MS, Owner};
use testkit::process::{Launch, NodeProcess};
use testkit::random::Random;
use testkit::server::Server;

const PUT: &str = "/bricking/default/put-brick";
const WRITERS: usize = 64;
const QUOTA: u64 = 2_000_000;
/// Longest wait for what takes a moment; a busy machine takes longer.
const COUNTED_WAIT: Duration = Duration::from_secs(30);

fn name(brick: &[u8]) -> String {
    BrickHash::of(brick).to_string()
}

/// A brick of this length, unlike those of other numbers.
fn brick(number: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![7; length];
    let number = number.to_be_bytes();
    let known = length.min(number.len());
    bytes[..known].copy_from_slice(&number[8 - known..]);
    bytes
}

fn message(reply: &Reply) -> String {
    let json: serde_json::Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    json["message"].as_str().unwrap_or_default().to_owned()
}

/// The bricks that one writer was told to be stored.
fn write_until_refused(address: std::net::SocketAddr, writer: u64) -> Result<Vec<Vec<u8>>> {
    let mut caller = Caller::new(address);
    let mut random = Random::new(writer);
    let (mut stored, mut refused) = (Vec::new(), 0);
    for number in 0..200 {
        let length = 2_000 + usize::try_from(random.below(20_000))?;
        let bytes = brick(writer * 1_000 + number, length);
        let reply = caller.call("PUT", PUT, Some(bytes.clone()))?;
        match reply.status {
            201 => stored.push(bytes),
            507 => {
                let text = message(&reply);
                ensure!(text.contains("quota of the domain"), "{text}");
                refused += 1;
            }
            status => anyhow::bail!("{status} {}", reply.text()),
        }
        if refused == 5 {
            return Ok(stored);
        }
    }
    anyhow::bail!("writer {writer} was not refused")
}

fn check_store(data: &Path) -> Result<()> {
    let launch = Launch::of(Binary::Kiln)?.arg("store").arg("check");
    let output = launch.arg("--data").arg(data).run()?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{text}");
    Ok(())
}

#[test]
fn a_storage_quota_holds_to_the_byte_under_64_writers_and_over_a_kill() -> Result<()> {
    let config = format!(
        "[[domain]]\nname = \"default\"\nquota = {{ storage_bytes = {QUOTA} }}\n[scrub]\nenabled = false"
    );
    let server = Server::start(&config)?;
    let (data, address) = (server.data(), server.address());
    let writers: Vec<_> = (0..WRITERS as u64)
        .map(|writer| std::thread::spawn(move || write_until_refused(address, writer)))
        .collect();
    let mut stored = Vec::new();
    for writer in writers {
        stored.extend(writer.join().unwrap()?);
    }
    let used: u64 = stored.iter().map(|bytes| bytes.len() as u64).sum();
    ensure!(used <= QUOTA, "{used} bytes are stored");

    let (process, folder) = server.into_parts();
    process.kill_hard();
    let file = folder.path().join("kiln.toml");
    let process = NodeProcess::start(&Launch::kiln_serve(&data, Some(&file))?)?;
    let mut caller = Caller::new(process.address());
    let left = usize::try_from(QUOTA - used)?;
    let reply = caller.call("PUT", PUT, Some(brick(1 << 40, left + 1)))?;
    ensure!(reply.status == 507, "{} {}", reply.status, reply.text());
    let said = format!(
        "is {QUOTA} bytes, {used} are in use, and what was sent needs {}",
        left + 1
    );
    ensure!(message(&reply).contains(&said), "{}", reply.text());
    let last = brick(1 << 41, left);
    for _ in 0..2 {
        let reply = caller.call("PUT", PUT, Some(last.clone()))?;
        ensure!(reply.status == 201, "{} {}", reply.status, reply.text());
    }
    let reply = caller.call("PUT", PUT, Some(vec![9]))?;
    ensure!(reply.status == 507, "{}", reply.status);

    // Full, and everything is read, asked for, and answered as before.
    stored.push(last);
    for bytes in &stored {
        let target = format!("/bricking/default/get-brick/{}", name(bytes));
        let reply = caller.call("GET", &target, None)?;
        ensure!(
            reply.status == 200 && reply.body == *bytes,
            "{target} {}",
            reply.status
        );
    }
    let reply = caller.call("PUT", PUT, Some(stored[0].clone()))?;
    ensure!(reply.status == 201, "{} {}", reply.status, reply.text());
    ensure!(process.stop()?.success());
    check_store(&data)
}

/// Who has stored nothing is not told that a quota of his own is used up.
#[test]
fn a_quota_of_all_anonymous_callers_is_called_so() -> Result<()> {
    let server = Server::start("[limits.anonymous]\nstorage_bricks = 1")?;
    ensure!(server.put(PUT, brick(1, 100))?.status == 201);
    let refused = server.put(PUT, brick(2, 100))?;
    ensure!(
        refused.status == 507,
        "{} {}",
        refused.status,
        refused.text()
    );
    let said = "the storage quota of anonymous callers together is 1 bricks, 1 are in use";
    ensure!(message(&refused).starts_with(said), "{}", refused.text());
    Ok(())
}

#[test]
fn bytes_of_a_day_are_counted_as_they_come_and_over_a_restart() -> Result<()> {
    day::wait_if_it_ends_soon();
    let config = "[limits.anonymous]\nbytes_up_per_day = 10000\n\
                  [[domain]]\nname = \"default\"\nquota = { bytes_up_per_day = 14000 }";
    let server = Server::start(config)?;
    let put = |length: usize| server.put(PUT, brick(length as u64, length));
    ensure!(put(4_000)?.status == 201);
    ensure!(put(4_001)?.status == 201);
    let refused = put(4_002)?;
    ensure!(
        refused.status == 429,
        "{} {}",
        refused.status,
        refused.text()
    );
    ensure!(
        message(&refused).contains("at this address may have 10000 bytes"),
        "{}",
        refused.text()
    );
    let seconds: u32 = refused.header("retry-after").unwrap_or_default().parse()?;
    ensure!((1..=86_400).contains(&seconds), "{seconds}");
    // More than a day allows: waiting does not help.
    let larger = put(10_001)?;
    ensure!(larger.status == 413, "{} {}", larger.status, larger.text());
    ensure!(larger.header("retry-after").is_none());
    // Without a stated length it is cut off where the limit is.
    let mut chunked = server.request("PUT", PUT);
    chunked.body = Body::Chunked(brick(1, 50_000));
    let cut = server.ask(&chunked)?;
    // Which of the two depends on how much of it came in one piece: more than a day allows, or not.
    ensure!(
        matches!(cut.status, 413 | 429),
        "{} {}",
        cut.status,
        cut.text()
    );
    // Reads have no body, and go on.
    let target = format!("/bricking/default/get-brick/{}", name(&brick(4_000, 4_000)));
    ensure!(server.fetch(&target)?.status == 200);

    // The address begins anew with the process, the domain does not.
    let data = server.data();
    let (process, folder) = server.into_parts();
    ensure!(process.stop()?.success());
    let file = folder.path().join("kiln.toml");
    let process = NodeProcess::start(&Launch::kiln_serve(&data, Some(&file))?)?;
    let mut caller = Caller::new(process.address());
    let refused = caller.call("PUT", PUT, Some(brick(9, 9_000)))?;
    ensure!(
        refused.status == 429,
        "{} {}",
        refused.status,
        refused.text()
    );
    ensure!(
        message(&refused).starts_with("domain default may have"),
        "{}",
        refused.text()
    );
    ensure!(process.stop()?.success());
    Ok(())
}

#[test]
fn what_was_stored_is_acknowledged_and_no_way_leads_around_a_domain() -> Result<()> {
    day::wait_if_it_ends_soon();
    let config = "[metrics]\nlisten = \"127.0.0.1:0\"\n\
                  [[domain]]\nname = \"default\"\nquota = { bytes_down_per_day = 1000, storage_bytes = 5000 }\n\
                  [[domain]]\nname = \"slow\"\nquota = { requests_per_second = 1 }";
    let server = Server::start(config)?;
    let bytes = brick(1, 2_000);
    for _ in 0..100 {
        // Some 60 bytes each: more than a day allows, and no reason to withhold what was done.
        let reply = server.put(PUT, bytes.clone())?;
        ensure!(reply.status == 201, "{} {}", reply.status, reply.text());
    }
    let target = format!("/bricking/default/get-brick/{}", name(&bytes));
    // CIDv1 in base16: raw, SHA-256.
    let digest = Sha256::digest(&bytes);
    let digits: Vec<_> = digest.iter().map(|it| format!("{it:02x}")).collect();
    let cid = format!("f01551220{}", digits.concat());
    for target in [target, format!("/ipfs/{cid}?format=raw")] {
        let reply = server.fetch(&target)?;
        ensure!(
            reply.status == 413 && message(&reply).starts_with("domain default may have"),
            "{target}: {} {}",
            reply.status,
            reply.text()
        );
    }
    let full = server.put(PUT, brick(2, 4_000))?;
    ensure!(full.status == 507, "{} {}", full.status, full.text());
    let metrics = server.process().further_address("metrics");
    let metrics = metrics.map_err(anyhow::Error::msg)?;
    let request = Request::to(metrics, "GET", "/metrics");
    let line = "kiln_refusals_total{reason=\"quota\"} 3";
    // A request counts when its answer has gone, which its client may know before.
    let deadline = Instant::now() + COUNTED_WAIT;
    loop {
        let text = ask(metrics, &request)?.text();
        if text.lines().any(|it| it == line) {
            break;
        }
        ensure!(Instant::now() < deadline, "{text}");
        std::thread::sleep(Duration::from_millis(20));
    }

    let owner = Owner::new(&"slow".parse()?, &[7; 32])?;
    let value = owner.sign("a", FIRST_MS)?;
    let batch = serde_json::json!([{ "anchorId": owner.id(), "anchorValue": value }]);
    let target = "/anchor/create-or-update-multiple-anchors";
    let mut caller = Caller::new(server.address());
    let mut answers = Vec::new();
    for _ in 0..50 {
        let reply = caller.call("PUT", target, Some(batch.to_string().into_bytes()))?;
        answers.push(reply.status);
    }
    ensure!(answers.contains(&429), "{answers:?}");
    Ok(())
}

#[test]
fn requests_bricks_and_anchors_are_limited_and_existing_bricks_are_not() -> Result<()> {
    day::wait_if_it_ends_soon();
    let config = "[[domain]]\nname = \"default\"\n\
                  quota = { bricks_per_day = 2, anchors = 2, versions = 3 }\n\
                  [[domain]]\nname = \"slow\"\nquota = { requests_per_second = 1, requests_burst = 3 }";
    let server = Server::start(config)?;
    for (number, expected) in [(1, 201), (2, 201), (3, 429), (1, 201), (2, 201), (4, 429)] {
        let reply = server.put(PUT, brick(number, 100))?;
        ensure!(
            reply.status == expected,
            "{number}: {} {}",
            reply.status,
            reply.text()
        );
    }

    let mut owners = Vec::new();
    for (key, expected) in [(1, 201), (2, 201), (3, 507)] {
        let mut owner = Owner::new(&"default".parse()?, &[key; 32])?;
        let value = owner.sign("a", FIRST_MS)?;
        let target = format!("/anchor/default/create-anchor/{}/{value}", owner.id());
        let reply = server.put(&target, *b"")?;
        ensure!(
            reply.status == expected,
            "{} {}",
            reply.status,
            reply.text()
        );
        if expected == 201 {
            owner.follow(Some(&value))?;
            owners.push(owner);
        } else {
            ensure!(
                message(&reply).contains("2 anchors, 2 are in use"),
                "{}",
                reply.text()
            );
        }
    }
    for (later, expected) in [(1, 201), (2, 507)] {
        let value = owners[0].sign("b", FIRST_MS + later)?;
        let target = format!(
            "/anchor/default/append-to-anchor/{}/{value}",
            owners[0].id()
        );
        let reply = server.put(&target, *b"")?;
        ensure!(
            reply.status == expected,
            "{} {}",
            reply.status,
            reply.text()
        );
        owners[0].follow(Some(&value))?;
    }
    let target = format!("/anchor/default/get-all-versions/{}", owners[0].id());
    ensure!(server.fetch(&target)?.status == 200);

    // Fifty requests on one connection take far less than fifty seconds.
    let mut caller = Caller::new(server.address());
    let absent = format!("/bricking/slow/brick-exists/{}", name(b"absent"));
    let mut answers = Vec::new();
    for _ in 0..50 {
        let reply = caller.call("GET", &absent, None)?;
        if reply.status == 429 {
            ensure!(reply.header("retry-after") == Some("1"));
            ensure!(
                message(&reply).starts_with("domain slow may make 1 requests"),
                "{}",
                reply.text()
            );
        }
        answers.push(reply.status);
    }
    ensure!(
        answers[..3] == [404, 404, 404] && answers.contains(&429),
        "{answers:?}"
    );
    // Probes are not limited, other domains neither.
    ensure!(caller.call("GET", "/livez", None)?.status == 200);
    let elsewhere = absent.replace("slow", "default");
    ensure!(caller.call("GET", &elsewhere, None)?.status == 404);
    Ok(())
}
