//! Many bricks in one request: `have-bricks`, `get-bricks`, `put-bricks`.
//!
//! **Source:** `docs/http-batch.md`. The reference has none of these; a client that gets a 404
//! without a body from `have-bricks` uses the routes for one brick.

use std::collections::HashSet;

use axum::body::Body;
use axum::response::Response;
use brickstore::Put;
use bytes::Bytes;
use car::{CarError, CarEvent, CarLimits, CarParser, brick_cid};
use http::request::Parts;
use http::{HeaderValue, StatusCode, Version, header};
use keyssi::BrickHash;
use node::{ApiError, Share};
use serde_json::json;

use crate::stream::Reading;
use crate::{Bricks, hash_list, read, store_error, write};

/// Hashes in one `have-bricks`.
const HAVE_MAX: usize = 10_000;
/// Bricks in one `get-bricks`. One request occupies its connection for all of them.
const GET_MAX: usize = 1_000;
/// Blocks in one `put-bricks`: each costs a look-up, and an element of the answer.
const PUT_MAX: usize = 10_000;
/// What a hash costs while its question is answered, in bytes: itself, what is found, its part of
/// the answer.
const HASH_COST: u64 = 128;
/// What a block costs beside its bytes: its place in the body, and its element of the answer,
/// which is built as a value and written as text.
const BLOCK_COST: u64 = 512;
/// Largest header of an archive that is taken: more roots than there may be blocks.
const HEADER_BYTES_MAX: usize = 1 << 20;
const CAR: HeaderValue = HeaderValue::from_static(car::MEDIA_TYPE);
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// `POST /bricking/:domain/have-bricks`: which of these bricks are there.
pub(crate) async fn have(
    bricks: &Bricks,
    domain: &str,
    head: &Parts,
    body: Body,
) -> Result<Response, ApiError> {
    let (domain, body) = bricks.domain_or_discard(domain, head, body).await?;
    let (hashes, share) = receive_hashes(bricks, head, body, HAVE_MAX).await?;
    let found = bricks.store.which_are_there(&domain, hashes).await;
    let found = found.map_err(store_error)?;
    Ok(json_answer(&json!(found), share))
}

/// `POST /bricking/:domain/get-bricks`: an archive of those of the bricks that are there, in the
/// order asked for. The first is read before the answer begins; what goes wrong behind it cuts the
/// body off.
pub(crate) async fn get(
    bricks: &Bricks,
    domain: &str,
    head: &Parts,
    body: Body,
) -> Result<Response, ApiError> {
    let (domain, body) = bricks.domain_or_discard(domain, head, body).await?;
    if head.version < Version::HTTP_11 {
        node::discard(&head.headers, body).await;
        return Err(ApiError::new(
            StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            "this answer has no stated length, and in HTTP/1.0 its end could not be told from its \
             being cut off; ask with HTTP/1.1",
        ));
    }
    let (mut hashes, share) = receive_hashes(bricks, head, body, GET_MAX).await?;
    let mut seen = HashSet::new();
    hashes.retain(|hash| seen.insert(*hash));
    let sizes = bricks.store.sizes(&domain, hashes.clone()).await;
    let sizes = sizes.map_err(store_error)?;
    let roots: Vec<_> = hashes.iter().map(brick_cid).collect();
    let present = hashes
        .into_iter()
        .zip(sizes)
        .filter_map(|(hash, size)| Some((hash, size?)));
    let store = (bricks.store.clone(), bricks.budget.clone());
    let header = car::header(&roots);
    let mut reading = Reading::new(store, domain, present.collect(), header, share);
    reading.advance().await?;
    let mut answer = node::raw(StatusCode::OK, reading.into_body());
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, CAR);
    headers.insert(header::CACHE_CONTROL, read::NO_STORE);
    Ok(answer)
}

/// `POST /bricking/:domain/put-bricks`: stores the bricks of an archive, all or none, and answers
/// for each once they are on disk.
pub(crate) async fn put(
    bricks: &Bricks,
    domain: &str,
    head: &Parts,
    body: Body,
) -> Result<Response, ApiError> {
    let (domain, body) = bricks.domain_or_discard(domain, head, body).await?;
    let limits = bricks.limits.body(bricks.limits.batch_bytes());
    let archive = node::receive(&head.headers, body, &limits, &bricks.budget, |_| ()).await?;
    let brick_bytes_max = bricks.limits.brick_bytes_max;
    // Hashing takes long enough to hold up others.
    let parsed = tokio::task::spawn_blocking(move || parse_archive(archive, brick_bytes_max)).await;
    let blocks =
        parsed.map_err(|error| ApiError::unavailable("the node is ending", 5).because(error))??;
    // Before the write: what is stored must be answered.
    let share = bricks.share(blocks.len() as u64 * BLOCK_COST).await?;
    let hashes: Vec<BrickHash> = blocks.iter().map(|(hash, _)| *hash).collect();
    let puts = write::store(bricks, head, &domain, blocks).await?;
    let outcomes: Vec<_> = hashes
        .iter()
        .zip(puts)
        .map(|(hash, put)| json!({ "hash": hash.to_string(), "outcome": outcome(put) }))
        .collect();
    Ok(json_answer(&json!(outcomes), share))
}

fn outcome(put: Put) -> &'static str {
    match put {
        Put::Stored => "stored",
        Put::Existing => "present",
    }
}

async fn receive_hashes(
    bricks: &Bricks,
    head: &Parts,
    body: Body,
    hashes_max: usize,
) -> Result<(Vec<BrickHash>, Share), ApiError> {
    let limits = bricks.limits.body(bricks.limits.json_bytes_max);
    let json = node::receive(&head.headers, body, &limits, &bricks.budget, |_| ()).await?;
    let hashes = hash_list::parse(&json, hashes_max)?;
    let share = bricks.share(hashes.len() as u64 * HASH_COST).await?;
    Ok((hashes, share))
}

/// The bricks of an archive, each hashed to its name; slices of the archive, which live as long as
/// its share of the budget.
fn parse_archive(
    archive: Bytes,
    brick_bytes_max: u64,
) -> Result<Vec<(BrickHash, Bytes)>, ApiError> {
    let mut parser = CarParser::new(CarLimits {
        header_bytes_max: HEADER_BYTES_MAX,
        block_bytes_max: usize::try_from(brick_bytes_max).unwrap_or(usize::MAX),
    });
    parser.push(archive);
    let mut blocks = Vec::new();
    loop {
        let index = blocks.len();
        match parser.next() {
            Ok(Some(CarEvent::Header { .. })) => {}
            Ok(Some(CarEvent::Block { .. })) if index == PUT_MAX => {
                let text =
                    format!("the archive has more than {PUT_MAX} blocks; send fewer at once");
                return Err(ApiError::bad_request(text));
            }
            Ok(Some(CarEvent::Block { cid, data })) => {
                let hash = car::brick_hash(&cid);
                let hash = hash.map_err(|error| refusal(index, &error))?;
                blocks.push((hash, data));
            }
            Ok(None) => break,
            Err(error) => return Err(parser_refusal(index, &error)),
        }
    }
    parser
        .finish()
        .map_err(|error| refusal(blocks.len(), &error))?;
    Ok(blocks)
}

fn parser_refusal(index: usize, error: &CarError) -> ApiError {
    match error {
        CarError::BlockTooLarge { .. } => {
            let text = format!("block {index}: {error}; nothing was stored");
            ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, text)
        }
        CarError::HeaderTooLarge { .. }
        | CarError::MalformedHeader(_)
        | CarError::UnsupportedVersion { .. } => {
            ApiError::bad_request(format!("{error}; nothing was stored"))
        }
        _ => refusal(index, error),
    }
}

fn refusal(index: usize, error: &dyn std::error::Error) -> ApiError {
    ApiError::bad_request(format!("block {index}: {error}; nothing was stored"))
}

/// JSON that is counted against the budget until it is sent.
fn json_answer(value: &serde_json::Value, share: Share) -> Response {
    let json = node::hold(value.to_string().into_bytes(), share);
    let mut answer = node::raw(StatusCode::OK, json);
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, JSON);
    headers.insert(header::CACHE_CONTROL, read::NO_STORE);
    answer
}
