//! The brick routes of `kiln serve` beyond the recorded exchanges (http-api §2):
//! caching, ranges, limits, framing, and names that are not names of bricks.

#[path = "../common/answer.rs"]
mod answer;
mod framing;
mod limits;
mod multiple;
mod reads;

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};
use testkit::server::Server;

/// The name of a brick: the base58 form of its SHA-256.
fn brick_name(bytes: &[u8]) -> String {
    bs58::encode(Sha256::digest(bytes)).into_string()
}

/// Bytes that are no text, `length` of them, others for another `seed`.
fn bytes(seed: u8, length: usize) -> Vec<u8> {
    let blocks = (0_u64..).flat_map(|it| {
        let block = [&[seed], &it.to_le_bytes()[..]].concat();
        Sha256::digest(block)
    });
    blocks.take(length).collect()
}

/// Stores a brick in the domain `default` and gives its name.
fn store(server: &Server, brick: &[u8]) -> Result<String> {
    let reply = server.put("/bricking/default/put-brick", brick)?;
    let name = brick_name(brick);
    answer::Answer::Message(201, &name).check("put-brick", &reply);
    let stored = answer::message(&reply).context("no name")?;
    assert_eq!(stored, name, "the name of a brick of {} bytes", brick.len());
    Ok(name)
}
