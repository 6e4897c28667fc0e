//! Witnesses that lie, hang or talk nonsense cost their own line and nothing else.
//!
//! *Bug that this looks for:* a cosignature that is kept and does not hold; one bad witness that
//! keeps the others' lines back; a log that does not learn where a witness stands. *Mechanism:* peers
//! on loopback, one of which keeps to the rules of witnesses, each of the others with one vice.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use ledger::{Collected, WitnessAnswer, Witnesses, collect};
use translog::{
    AddCheckpoint, Checkpoint, KeyName, LogKey, Origin, Policy, SignedNote, TileId, TileSet,
    WitnessKey, WitnessRecord, judge, leaf_hash,
};

/// Longer than a witness may take, by far, for a busy machine.
const TIME_MAX: Duration = Duration::from_mins(1);

fn origin() -> Origin {
    Origin::parse("log.example/a").unwrap()
}

fn log_key() -> LogKey {
    LogKey::from_seed(&origin(), &[1; 32])
}

fn witness_key(seed: u8) -> WitnessKey {
    let name = KeyName::parse(&format!("witness.example/{seed}")).unwrap();
    WitnessKey::from_seed(&name, &[seed; 32])
}

/// The log's one tile at this size.
fn tiles(size: u64) -> TileSet {
    let leaves: Vec<u8> = (0..size)
        .flat_map(|it| leaf_hash(&it.to_be_bytes()))
        .collect();
    let mut tiles = TileSet::new();
    if let Ok(id) = TileId::new(0, 0, u16::try_from(size).unwrap()) {
        tiles.insert(id, &leaves).unwrap();
    }
    tiles
}

fn checkpoint(size: u64) -> Checkpoint {
    Checkpoint {
        origin: origin(),
        size,
        root: tiles(size).root(size).unwrap(),
        extensions: Vec::new(),
    }
}

fn note(size: u64) -> SignedNote {
    let checkpoint = checkpoint(size);
    SignedNote::new(&checkpoint, log_key().sign(&checkpoint))
}

fn policy(witnesses: &[u8]) -> Policy {
    let lines = witnesses.iter().map(|seed| {
        let key = witness_key(*seed);
        format!("witness w{seed} {}", key.verifier())
    });
    let log = format!("log {}", log_key().verifier());
    let lines: Vec<String> = [log].into_iter().chain(lines).collect();
    Policy::parse(&format!("{}\nquorum none\n", lines.join("\n"))).unwrap()
}

/// A peer that answers each request with what `answer` makes of its body. It ends with the test.
fn peer(answer: impl Fn(&str) -> Vec<u8> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let body = receive(&stream);
            // The client may have gone already.
            let _ = (&stream).write_all(&answer(&body));
        }
    });
    format!("http://{address}/some/prefix")
}

/// Reads a request; requires the route and gives the body.
fn receive(stream: &TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    reader.read_line(&mut line).unwrap();
    assert_eq!(line, "POST /some/prefix/add-checkpoint HTTP/1.1\r\n");
    while line != "\r\n" {
        line.clear();
        reader.read_line(&mut line).unwrap();
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    String::from_utf8(body).unwrap()
}

fn http(status: &str, kind: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nConnection: close\r\n");
    format!("{head}Content-Length: {length}\r\n\r\n{body}").into_bytes()
}

fn size_answer(size: u64) -> Vec<u8> {
    http("409 Conflict", "text/x.tlog.size", &format!("{size}\n"))
}

/// A witness that keeps to the rules, and has cosigned a checkpoint of this size.
fn honest(seed: u8, size: u64) -> String {
    let record = (size > 0).then(|| WitnessRecord {
        size,
        root: checkpoint(size).root,
    });
    let record = Mutex::new(record);
    let logs = [log_key().verifier().clone()];
    peer(move |body| {
        let request = AddCheckpoint::parse(body).unwrap();
        let mut record = record.lock().unwrap();
        match judge(record.as_ref(), &request, &logs) {
            Ok(Checkpoint { size, root, .. }) => {
                *record = Some(WitnessRecord { size, root });
                let line = witness_key(seed).cosign(&checkpoint(size), 1_700_000_000);
                http("200 OK", "text/plain", &line.to_string())
            }
            Err(translog::Refusal::WrongOld { size }) => size_answer(size),
            Err(refusal) => http(
                &format!("{} no", refusal.status()),
                "text/plain",
                "refused\n",
            ),
        }
    })
}

/// Asks for cosignatures of the checkpoint of a size; gives also which proofs were made.
async fn ask(witnesses: &mut Witnesses, size: u64, policy: &Policy) -> (Collected, Vec<u64>) {
    let made = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&made);
    let proofs = move |old, new| {
        seen.lock().unwrap().push(old);
        let proof = tiles(new).consistency_proof(old, new).ok();
        std::future::ready(proof).boxed()
    };
    let collected = collect(witnesses, &note(size), policy, &proofs).await;
    let made = made.lock().unwrap().clone();
    (collected, made)
}

#[tokio::test]
async fn a_witness_is_followed_as_the_log_grows() {
    let url = honest(2, 5);
    let mut witnesses = Witnesses::new([url.as_str()]).unwrap();
    let policy = policy(&[2]);
    // It is learned where the witness stands, and after that known.
    for (size, expected) in [(9, vec![5]), (9, vec![]), (20, vec![9]), (21, vec![20])] {
        let (collected, made) = ask(&mut witnesses, size, &policy).await;
        assert!(collected.refusals.is_empty(), "{:?}", collected.refusals);
        assert_eq!(made, expected, "{size}");
        let mut cosigned = note(size);
        cosigned.add(collected.lines[0].clone()).unwrap();
        let keys = [witness_key(2).verifier().clone()];
        let verified = translog::verify_note(&cosigned, &keys).unwrap();
        assert_eq!(verified.cosigned.len(), 1);
    }
    // The log was put back to an older state.
    let (collected, _) = ask(&mut witnesses, 10, &policy).await;
    assert_eq!(collected.refusals[0].1, WitnessAnswer::Ahead { size: 21 });
}

#[tokio::test]
async fn bad_witnesses_cost_their_own_line_only() {
    let cosign = |seed, size| {
        let line = witness_key(seed).cosign(&checkpoint(size), 1).to_string();
        http("200 OK", "text/plain", &line)
    };
    let forged = {
        let mut line = witness_key(2).cosign(&checkpoint(9), 1);
        line.bytes[70] ^= 1;
        http("200 OK", "text/plain", &line.to_string())
    };
    let by_log = http(
        "200 OK",
        "text/plain",
        &log_key().sign(&checkpoint(9)).to_string(),
    );
    let endless = http("200 OK", "text/plain", &"x".repeat(200_000));
    let canned: Vec<(&str, Vec<u8>)> = vec![
        ("of no use", cosign(2, 8)),
        ("of no use", cosign(7, 9)),
        ("of no use", forged),
        ("of no use", by_log),
        ("of no use", http("200 OK", "text/html", "<html>")),
        ("of no use", http("200 OK", "text/plain", "")),
        ("of no use", endless),
        ("of no use", size_answer(3)),
        ("larger", size_answer(10)),
        ("larger", size_answer(u64::MAX)),
        ("of no use", http("409 no", "text/x.tlog.size", "9x\n")),
        ("refused with 409", http("409 no", "text/plain", "9\n")),
        ("contradicts", http("422 no", "text/plain", "no\n")),
        ("refused with 403", http("403 no", "text/plain", "no\n")),
        ("refused with 500", http("500 no", "text/plain", "")),
        ("refused with 302", http("302 no", "text/plain", "")),
        (
            "cannot be reached",
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n".to_vec(),
        ),
        ("cannot be reached", b"nonsense\r\n\r\n".to_vec()),
        ("cannot be reached", Vec::new()),
    ];
    let (mut expected, mut urls) = (Vec::new(), vec![honest(3, 0)]);
    for (words, answer) in canned {
        expected.push(words);
        urls.push(peer(move |_| answer.clone()));
    }
    // One that takes the connection and says nothing, and one that is not there.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    urls.push(format!("http://{}", silent.local_addr().unwrap()));
    let gone = TcpListener::bind("127.0.0.1:0").unwrap();
    urls.push(format!("http://{}", gone.local_addr().unwrap()));
    expected.extend(["no answer in time", "no connection"]);
    urls.push(honest(4, 0));
    // Only now, so that none of the others gets its port.
    drop(gone);

    let started = Instant::now();
    // As a service does it: in a task of its own.
    let task = tokio::spawn(async move {
        let mut witnesses = Witnesses::new(urls.iter().map(String::as_str)).unwrap();
        ask(&mut witnesses, 9, &policy(&[2, 3, 4])).await.0
    });
    let collected = task.await.unwrap();
    assert!(started.elapsed() < TIME_MAX, "{:?}", started.elapsed());
    let mut names: Vec<String> = collected
        .lines
        .iter()
        .map(|it| it.name.to_string())
        .collect();
    names.sort();
    assert_eq!(names, ["witness.example/3", "witness.example/4"]);
    let found: Vec<String> = collected
        .refusals
        .iter()
        .map(|(_, why)| why.to_string())
        .collect();
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.contains(expected), "{found}: {expected} expected");
    }
}

#[test]
fn addresses_are_judged_and_passwords_in_them_not_shown() {
    for bad in ["", "witness.example", "ftp://h/", "http://"] {
        assert!(Witnesses::new([bad]).is_err(), "{bad}");
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut witnesses = Witnesses::new(["http://user:secret@127.0.0.1:1/x?y#z"]).unwrap();
    let (collected, _) = runtime.block_on(ask(&mut witnesses, 3, &policy(&[2])));
    assert_eq!(collected.refusals[0].0, "http://127.0.0.1:1/x");
    let shown = format!("{:?}", collected.refusals);
    assert!(!shown.contains("secret"), "{shown}");
}
