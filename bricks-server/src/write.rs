//! Storing a brick.

use axum::body::Body;
use axum::response::Response;
use brickstore::{BrickStoreError, Put, PutTerms, Quota, StorageLimit};
use bytes::Bytes;
use http::StatusCode;
use http::request::Parts;
use keyssi::{BrickHash, Domain};
use node::{Allowance, ApiError, Reserved};
use sha2::{Digest, Sha256};

use crate::{Bricks, over_quota, store_error};

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
    store(bricks, head, &domain, vec![(hash, bytes)]).await?;
    Ok(node::message(StatusCode::CREATED, &hash.to_string()))
}

/// Stores bricks, all or none, within what the caller and the domain may use.
pub(crate) async fn store(
    bricks: &Bricks,
    head: &Parts,
    domain: &Domain,
    sent: Vec<(BrickHash, Bytes)>,
) -> Result<Vec<Put>, ApiError> {
    let allowance = Allowance::of(head)?;
    let reserved = reserve(bricks, allowance, domain, &sent).await?;
    let terms = terms(allowance, domain)?;
    let puts = bricks.store.put_many(domain, sent, terms).await;
    let stored = |puts: &Vec<Put>| puts.iter().filter(|put| **put == Put::Stored).count();
    reserved.done(puts.as_ref().map_or(0, stored) as u64);
    puts.map_err(|error| put_error(error, allowance))
}

/// What a caller is told of a put that failed. Where his account is that of many, he may have stored
/// nothing of what fills it.
fn put_error(error: BrickStoreError, allowance: &Allowance) -> ApiError {
    match error {
        BrickStoreError::QuotaExceeded {
            which: which @ (Quota::AccountBricks | Quota::AccountBytes),
            limit,
            used,
            asked,
        } if allowance.shares_storage() => over_quota(
            "the storage quota of anonymous callers together",
            which.unit(),
            [limit, used, asked],
        ),
        other => store_error(other),
    }
}

/// Counts bricks as those of today. Where the day is limited, those that are there already are not
/// counted, not even while the request runs: they are answered however much was used.
async fn reserve(
    bricks: &Bricks,
    allowance: &Allowance,
    domain: &Domain,
    sent: &[(BrickHash, Bytes)],
) -> Result<Reserved, ApiError> {
    if !allowance.limits_bricks(domain) {
        return allowance.bricks(domain, sent.len() as u64);
    }
    let hashes = sent.iter().map(|(hash, _)| *hash).collect();
    let found = bricks.store.which_are_there(domain, hashes).await;
    let found = found.map_err(store_error)?;
    let new = found.iter().filter(|is_there| !**is_there).count();
    allowance.bricks(domain, new as u64)
}

/// What the bricks must fit into, and to whom they count.
fn terms(allowance: &Allowance, domain: &Domain) -> Result<PutTerms, ApiError> {
    let quotas = allowance.storage(domain);
    let account = quotas.account.parse();
    let account = account.map_err(|error| {
        let text = "the node does not know to whom the brick counts";
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, text).because(error)
    })?;
    let limit = |[bricks, bytes]: [Option<u64>; 2]| StorageLimit { bricks, bytes };
    Ok(PutTerms {
        now_ms: node::clock_ms(),
        domain: limit(quotas.of_domain),
        account: Some(account),
        account_limit: limit(quotas.of_account),
    })
}
