//! `kiln witness serve`: it cosigns what continues what it cosigned, and nothing else, whatever
//! happens to it.
//!
//! *Bug that this looks for:* two histories of one log under one witness's signature; a cosignature
//! that was given and is forgotten; one that nobody else can verify. *Mechanism:* the real binary is
//! asked by logs that grow, fork, are not known or not signed; it is restarted, killed in the
//! middle, asked 64 times at once for histories that contradict each other, and started on files
//! that are damaged. Cosignatures are verified with nothing but Ed25519 and SHA-256.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod faults;
mod grown;
mod node;
mod put_back;
mod renewed;
mod restored;
mod server;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest, Sha256};
use translog::{Hash, SignatureLine, SignedNote};

use crate::grown::{Grown, ORIGIN, key};
use crate::server::{NAME, Witness, cosigned, hex, refused, told_size};

/// Verifies a cosignature by hand; gives its time.
fn verify(vkey: &str, line: &SignatureLine, body: &str) -> Result<u64> {
    let mut parts = vkey.splitn(3, '+');
    let mut part = || parts.next().context("a part of the key");
    let (name, id, typed) = (part()?, part()?, STANDARD.decode(part()?)?);
    ensure!(name == NAME && line.name.as_str() == name, "{vkey}");
    ensure!(typed.len() == 33 && typed[0] == 4, "{vkey}");
    let hash = Sha256::digest([name.as_bytes(), b"\n", &typed].concat());
    ensure!(hex(&hash[..4]) == id && line.id == hash[..4], "{vkey}");
    let (time, signature) = line.bytes.split_first_chunk().context("no time")?;
    let time = u64::from_be_bytes(*time);
    let statement = format!("cosignature/v1\ntime {time}\n{body}");
    let key = VerifyingKey::try_from(&typed[1..])?;
    key.verify_strict(statement.as_bytes(), &Signature::from_slice(signature)?)?;
    Ok(time)
}

#[test]
fn a_log_that_grows_is_cosigned() -> Result<()> {
    let log = Grown::new();
    let witness = Witness::start(&[log.key.verifier().to_string()])?;
    ensure!(witness.newest()?.is_none());
    let vkey = witness.vkey()?;
    let mut old = 0;
    let mut log = log;
    for size in [3, 10, 10, 11, 200] {
        log = log.to(size, "main");
        let request = log.request(old)?;
        let line = cosigned(&witness.submit(&request.to_string())?)?;
        let body = log.checkpoint().to_string();
        let time = verify(&vkey, &line, &body)?;
        ensure!(time > 1_700_000_000, "{time}");
        let newest = witness.newest()?.context("nothing is shown")?;
        ensure!(newest.text() == body && newest.signatures().contains(&line));
        let by_log = &log.note().signatures()[0].clone();
        ensure!(newest.signatures().contains(by_log), "{newest}");
        old = size as u64;
    }
    Ok(())
}

#[test]
fn each_refusal_has_its_status() -> Result<()> {
    let log = Grown::new().to(7, "main");
    let witness = Witness::start(&[log.key.verifier().to_string()])?;
    let submit = |request: &translog::AddCheckpoint| witness.submit(&request.to_string());
    cosigned(&submit(&log.request(0)?)?)?;
    let larger = log.to(20, "main");
    for old in [0, 3, 8] {
        let mut request = larger.request(old)?;
        ensure!(told_size(&submit(&request)?)? == 7);
        request.proof.clear();
        ensure!(told_size(&submit(&request)?)? == 7);
    }
    let mut request = larger.request(7)?;
    request.old = 21;
    refused(&submit(&request)?, 400)?;
    for place in 0..request.proof.len() {
        let mut request = larger.request(7)?;
        request.proof[place][0] ^= 1;
        refused(&submit(&request)?, 422)?;
    }
    let mut request = larger.request(7)?;
    request.proof.push(Hash::default());
    refused(&submit(&request)?, 422)?;

    let mut unknown = larger.request(7)?;
    let mut checkpoint = larger.checkpoint();
    checkpoint.origin = translog::Origin::parse("other.example/log")?;
    let by_other = key("other.example/log", 1).sign(&checkpoint);
    unknown.note = SignedNote::new(&checkpoint, by_other);
    refused(&submit(&unknown)?, 404)?;
    let mut unsigned = larger.request(7)?;
    let checkpoint = larger.checkpoint();
    unsigned.note = SignedNote::new(&checkpoint, key(ORIGIN, 2).sign(&checkpoint));
    refused(&submit(&unsigned)?, 403)?;
    let mut altered = larger.request(7)?;
    let mut line = altered.note.signatures()[0].clone();
    line.bytes[5] ^= 1;
    altered.note.add(line)?;
    refused(&submit(&altered)?, 403)?;

    let good = larger.request(7)?.to_string();
    for bad in ["", "old 7\n", &good[1..], &good[..good.len() - 1]] {
        refused(&witness.submit(bad)?, 400)?;
    }
    refused(&witness.submit(&"x".repeat(100_000))?, 413)?;
    for target in ["/", "/nothing", "/0/checkpoint", "/add-checkpoint/x"] {
        refused(&witness.fetch(target)?, 404)?;
    }
    ensure!(witness.fetch("/add-checkpoint")?.status == 405);
    // Nothing of this was taken, and the right request still is.
    ensure!(witness.newest()?.context("nothing")?.text() == log.checkpoint().to_string());
    cosigned(&witness.submit(&good)?)?;
    Ok(())
}

#[test]
fn a_split_view_is_refused_and_kept_as_evidence() -> Result<()> {
    let base = Grown::new().to(5, "main");
    let (seen, other) = (base.to(9, "main"), base.to(9, "other"));
    let witness = Witness::start(&[base.key.verifier().to_string()])?;
    cosigned(&witness.submit(&base.request(0)?.to_string())?)?;
    cosigned(&witness.submit(&seen.request(5)?.to_string())?)?;
    let submit = |request: translog::AddCheckpoint| witness.submit(&request.to_string());
    // The same size with other content, then larger ones of either branch.
    let mut same_size = other.request(5)?;
    same_size.old = 9;
    same_size.proof.clear();
    refused(&submit(same_size)?, 422)?;
    let evidence = std::fs::read_to_string(witness.state("fork"))?;
    for note in [seen.note(), other.note()] {
        ensure!(evidence.contains(note.text()), "{evidence}");
    }
    ensure!(told_size(&submit(other.request(5)?)?)? == 9);
    refused(&submit(other.to(30, "other").request(9)?)?, 422)?;
    cosigned(&submit(seen.to(30, "main").request(9)?)?)?;
    Ok(())
}

#[test]
fn of_conflicting_histories_at_once_exactly_one_is_cosigned() -> Result<()> {
    const AT_ONCE: usize = 64;
    let base = Grown::new().to(3, "main");
    let witness = Witness::start(&[base.key.verifier().to_string()])?;
    cosigned(&witness.submit(&base.request(0)?.to_string())?)?;
    let branches: Vec<Grown> = (0..AT_ONCE)
        .map(|it| base.to(100 + it % 7, &format!("branch {it}")))
        .collect();
    let barrier = std::sync::Barrier::new(AT_ONCE);
    let replies = std::thread::scope(|scope| {
        let ask = |branch: &Grown| -> Result<_> {
            let request = branch.request(3)?.to_string();
            barrier.wait();
            witness.submit(&request)
        };
        let threads: Vec<_> = branches
            .iter()
            .map(|branch| scope.spawn(move || ask(branch)))
            .collect();
        let replies = threads.into_iter().map(|it| it.join().unwrap());
        replies.collect::<Result<Vec<_>>>()
    })?;
    let won: Vec<usize> = (0..AT_ONCE)
        .filter(|it| replies[*it].status == 200)
        .collect();
    ensure!(won.len() == 1, "{won:?}");
    let winner = &branches[won[0]];
    let line = cosigned(&replies[won[0]])?;
    verify(&witness.vkey()?, &line, &winner.checkpoint().to_string())?;
    for (place, reply) in replies.iter().enumerate() {
        if place != won[0] {
            ensure!(told_size(reply)? == winner.size());
        }
    }
    // With a proof from the winner's size none of the others gets further.
    for (place, branch) in branches.iter().enumerate() {
        if place != won[0] {
            let larger = branch.to(150, &format!("branch {place}"));
            let request = larger.request(winner.size())?.to_string();
            refused(&witness.submit(&request)?, 422)?;
        }
    }
    ensure!(witness.newest()?.context("nothing")?.text() == winner.checkpoint().to_string());
    Ok(())
}
