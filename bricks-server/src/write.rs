//! Storing a brick.

use axum::body::Body;
use axum::response::Response;
use brickstore::PutTerms;
use http::StatusCode;
use http::request::Parts;
use keyssi::BrickHash;
use node::ApiError;
use sha2::{Digest, Sha256};

use crate::{Bricks, store_error};

/// `PUT /bricking/:domain/put-brick`: 201 with the hash once the brick is on disk.
pub(crate) async fn put(
    bricks: &Bricks,
    domain: &str,
    head: &Parts,
    body: Body,
) -> Result<Response, ApiError> {
    let (domain, body) = bricks.domain_or_discard(domain, head, body).await?;
    let mut hasher = Sha256::new();
    let limits = bricks.limits.body(bricks.limits.brick_bytes_max);
    let bytes = node::receive(&head.headers, body, &limits, &bricks.budget, |piece| {
        hasher.update(piece);
    })
    .await?;
    let hash = BrickHash::from_bytes(hasher.finalize().into());
    let terms = PutTerms::unlimited(node::clock_ms());
    bricks
        .store
        .put(&domain, hash, bytes, terms)
        .await
        .map_err(store_error)?;
    Ok(node::message(StatusCode::CREATED, &hash.to_string()))
}
