//! A batch is durable as one: what was answered survives a kill, and of what was not, all or
//! nothing is there.
//!
//! *Bug:* a batch is written brick by brick, or answered before the sync. *Mechanism:* a node is
//! killed while batches arrive.

use std::sync::mpsc;

use anyhow::{Result, ensure};
use serde_json::json;
use testkit::caller::Caller;
use testkit::process::{Launch, NodeProcess};
use testkit::server::Server;
use testkit::store;

use crate::{HAVE, PUT, archive, bytes, names};

const BATCHES: usize = 12;
const BRICKS: usize = 60;

/// Bricks around the boundary to the blob files, so that a batch lies in both places.
fn batch(number: usize) -> Vec<Vec<u8>> {
    let brick = |it| bytes((number * BRICKS + it) as u64, 3000 + 40 * it);
    (0..BRICKS).map(brick).collect()
}

#[test]
fn a_kill_leaves_whole_batches() -> Result<()> {
    // Killed between answers, each time after another number of them.
    for kill_after in [0, 3, 8] {
        let server = Server::start("")?;
        let (data, address) = (server.data(), server.address());
        let (process, _folder) = server.into_parts();
        let (answered, answers) = mpsc::channel();
        let writer = std::thread::spawn(move || {
            let mut caller = Caller::new(address);
            for number in 0..BATCHES {
                let body = archive::of(&batch(number));
                match caller.call("POST", PUT, Some(body)) {
                    Ok(reply) if reply.status == 200 => answered.send(number).unwrap(),
                    Ok(reply) => panic!("{}", reply.text()),
                    // The node is gone.
                    Err(_) => return,
                }
            }
        });
        let mut acknowledged: Vec<usize> = answers.iter().take(kill_after).collect();
        process.kill_hard();
        acknowledged.extend(answers.iter());
        writer.join().unwrap();
        let process = NodeProcess::start(&Launch::kiln_serve(&data, None)?)?;
        let mut caller = Caller::new(process.address());
        for number in 0..BATCHES {
            let asked = json!(names(&batch(number))).to_string().into_bytes();
            let reply = caller.call("POST", HAVE, Some(asked))?;
            let found: Vec<bool> = serde_json::from_slice(&reply.body)?;
            let there = found.iter().filter(|it| **it).count();
            let case = format!("killed after {kill_after}: {there} bricks of batch {number}");
            ensure!(there == 0 || there == BRICKS, "{case}: a part of it");
            let must_be = acknowledged.contains(&number);
            ensure!(there == BRICKS || !must_be, "{case}: lost");
        }
        process.kill_hard();
        let checked = store::check(&data)?;
        ensure!(checked.is_well(), "{}", checked.text);
    }
    Ok(())
}
