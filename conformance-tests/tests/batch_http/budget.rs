//! Batches and the bytes that a node may hold at a time.

use anyhow::Result;
use testkit::server::Server;

use crate::answer::Answer::Message;
use crate::{LARGEST, PUT, archive, bytes, get, names, post, put_all};

#[test]
fn an_answer_may_be_larger_than_all_that_the_node_may_hold() -> Result<()> {
    let server = Server::start("[limits]\nbody_bytes_in_flight_max = 33554432")?;
    let bricks: Vec<Vec<u8>> = (0..6).map(|it| bytes(it, LARGEST)).collect();
    for brick in &bricks {
        put_all(&server, std::slice::from_ref(brick), "stored")?;
    }
    // 60 MB through 32 MiB.
    let found = get(&server, &names(&bricks))?;
    assert!(found.blocks == bricks, "other bricks came back");
    Ok(())
}

#[test]
fn a_batch_is_at_most_half_of_what_the_node_may_hold() -> Result<()> {
    let server = Server::start("[limits]\nbody_bytes_in_flight_max = 33554432")?;
    let two: Vec<Vec<u8>> = (0..2).map(|it| bytes(it, LARGEST)).collect();
    let reply = post(&server, PUT, archive::of(&two))?;
    Message(413, "limit of 16777216 bytes").check("two", &reply);
    put_all(&server, &two[..1], "stored")
}
