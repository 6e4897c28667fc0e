//! Many bricks in one request (`have-bricks`, `get-bricks`, `put-bricks`) and bricks as IPFS blocks
//! (`/ipfs/…`): `docs/http-batch.md`, against the real binary.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

#[path = "../common/answer.rs"]
mod answer;
mod archive;
mod budget;
mod damage;
mod durable;
mod gateway;
mod gateway_forms;
mod put;
mod questions;
mod refusals;

use anyhow::Result;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use testkit::http::{Body, Reply};
use testkit::server::Server;

/// The largest brick that a wallet sends: the SDK's default chunk and its envelope.
const LARGEST: usize = 10_000_064;

const HAVE: &str = "/bricking/default/have-bricks";
const GET: &str = "/bricking/default/get-bricks";
const PUT: &str = "/bricking/default/put-bricks";

/// The name of a brick: the base58 form of its SHA-256.
fn name(brick: &[u8]) -> String {
    bs58::encode(Sha256::digest(brick)).into_string()
}

fn names(bricks: &[Vec<u8>]) -> Vec<String> {
    bricks.iter().map(|brick| name(brick)).collect()
}

/// Bytes that are no text, `length` of them, others for another `seed`.
fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let blocks = (0_u64..).flat_map(|it| {
        let block = [seed.to_le_bytes(), it.to_le_bytes()].concat();
        Sha256::digest(block)
    });
    blocks.take(length).collect()
}

fn post(server: &Server, target: &str, body: impl Into<Vec<u8>>) -> Result<Reply> {
    Ok(server.ask(&server.request("POST", target).body(body))?)
}

fn post_chunked(server: &Server, target: &str, body: Vec<u8>) -> Result<Reply> {
    let mut request = server.request("POST", target);
    request.body = Body::Chunked(body);
    Ok(server.ask(&request)?)
}

fn post_json(server: &Server, target: &str, body: &Value) -> Result<Reply> {
    post(server, target, body.to_string())
}

/// The JSON of an answer with status 200 and the type of JSON.
fn json_of(reply: &Reply) -> Value {
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("content-type"), Some("application/json"));
    serde_json::from_slice(&reply.body).unwrap()
}

/// Which of these bricks the node says that it has.
fn have(server: &Server, names: &[String]) -> Result<Vec<bool>> {
    let found = json_of(&post_json(server, HAVE, &json!(names))?);
    Ok(serde_json::from_value(found)?)
}

/// Roots and blocks that the node gives for these names.
fn get(server: &Server, names: &[String]) -> Result<archive::Archive> {
    let reply = post_json(server, GET, &json!(names))?;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(
        reply.header("content-type"),
        Some("application/vnd.ipld.car")
    );
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    Ok(archive::read(&reply.body))
}

/// Puts bricks in one request; all must be `outcome`.
fn put_all(server: &Server, bricks: &[Vec<u8>], outcome: &str) -> Result<()> {
    let reply = post(server, PUT, archive::of(bricks))?;
    let expected: Vec<Value> = bricks
        .iter()
        .map(|brick| json!({ "hash": name(brick), "outcome": outcome }))
        .collect();
    assert_eq!(json_of(&reply), json!(expected));
    Ok(())
}
