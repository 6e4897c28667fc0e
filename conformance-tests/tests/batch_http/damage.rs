//! A brick that is damaged on disk is never served, and an answer that meets one is cut off.
//!
//! *Bug:* a client takes an answer that ended early for a whole one, or wrong bytes for a brick.
//! *Mechanism:* a stored brick is altered in the blob files of a stopped node.

use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::json;
use testkit::http::{Connection, HttpError, Reply, Request, ask};
use testkit::process::{Launch, NodeProcess};
use testkit::server::{Server, write_file};

use crate::answer::Answer::Message;
use crate::{GET, HAVE, PUT, archive, bytes, name, names};

const DAMAGED: [u8; 6000] = [b'x'; 6000];

/// A node with three bricks, the second of which is damaged, and its folder.
fn damaged_node() -> Result<(NodeProcess, tempfile::TempDir, [Vec<u8>; 3])> {
    let bricks = [bytes(1, 6000), DAMAGED.to_vec(), bytes(2, 100_000)];
    let server = Server::start("")?;
    crate::put_all(&server, &bricks, "stored")?;
    let data = server.data();
    let (mut process, folder) = server.into_parts();
    // Each start moves what the log holds into blob files, where damage does not stop a start.
    ensure!(process.stop()?.success());
    let start = || NodeProcess::start(&Launch::kiln_serve(&data, None)?);
    process = start()?;
    ensure!(process.stop()?.success());
    ensure!(alter(&data.join("bricks"))? > 0, "nothing was altered");
    Ok((start()?, folder, bricks))
}

/// Changes every run of the damaged brick's bytes in the files of a folder; gives how many.
fn alter(folder: &Path) -> Result<usize> {
    let (from, to) = ([b'x'; 64], [b'y'; 64]);
    let mut altered = 0;
    for entry in folder.read_dir()? {
        let path = entry?.path();
        let mut content = std::fs::read(&path)?;
        let before = altered;
        while let Some(at) = content.windows(64).position(|window| window == from) {
            content[at..at + 64].copy_from_slice(&to);
            altered += 1;
        }
        if altered > before {
            write_file(&path, &content)?;
        }
    }
    Ok(altered)
}

fn post(process: &NodeProcess, target: &str, body: Vec<u8>) -> Result<Reply, HttpError> {
    let address = process.address();
    ask(address, &Request::to(address, "POST", target).body(body))
}

#[test]
fn an_answer_that_meets_a_damaged_brick_is_cut_off() -> Result<()> {
    let (process, _folder, bricks) = damaged_node()?;
    let asked = json!(names(&bricks)).to_string();
    let cut = post(&process, GET, asked.clone().into_bytes());
    assert!(matches!(cut, Err(HttpError::Closed)), "{cut:?}");
    // What came before the cut, as it is on the wire.
    let limit = testkit::http::ANSWER_WAIT;
    let mut connection = Connection::open(process.address(), limit)?;
    let head = format!(
        "POST {GET} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n{asked}",
        process.address(),
        asked.len()
    );
    connection.send_bytes(head.as_bytes())?;
    let wire = connection.wait_for_close()?;
    let holds = |part: &[u8]| wire.windows(part.len()).any(|window| window == part);
    assert!(!holds(b"\r\n0\r\n\r\n"), "the answer has an end");
    assert!(!holds(&[b'x'; 32]) && !holds(&[b'y'; 32]), "damaged bytes");
    assert!(!holds(&bricks[2][..64]), "it went on behind the damage");
    Ok(())
}

#[test]
fn a_damaged_brick_is_refused_elsewhere_and_healed_by_a_put() -> Result<()> {
    let (process, _folder, bricks) = damaged_node()?;
    let reply = post(&process, HAVE, json!(names(&bricks)).to_string().into())?;
    assert_eq!(reply.text(), "[true,true,true]");
    // Before anything of the answer has gone out, there is a status to say it with.
    let first = json!([name(&DAMAGED), name(&bricks[0])]).to_string();
    let reply = post(&process, GET, first.clone().into())?;
    Message(500, "damaged").check("the first one", &reply);
    let address = process.address();
    let cid = archive::base32(&archive::cid(&DAMAGED));
    for format in ["raw", "car"] {
        let target = format!("/ipfs/{cid}?format={format}");
        let reply = ask(address, &Request::to(address, "GET", &target))?;
        Message(500, "damaged").check(&target, &reply);
    }
    let reply = post(&process, PUT, archive::of(&bricks))?;
    let outcomes: serde_json::Value = serde_json::from_slice(&reply.body)?;
    let outcomes = [0, 1, 2].map(|it| outcomes[it]["outcome"].clone());
    assert_eq!(outcomes, ["present", "stored", "present"]);
    let reply = post(&process, GET, first.into())?;
    let found = archive::read(&reply.body);
    assert_eq!(found.blocks, [DAMAGED.to_vec(), bricks[0].clone()]);
    Ok(())
}
