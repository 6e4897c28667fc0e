//! Reading bricks.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, header};
use keyssi::{BrickHash, Domain};
use node::ApiError;

use crate::conditional::{Part, is_known, part};
use crate::{Bricks, store_error};

/// A brick never changes under its name.
const IMMUTABLE: HeaderValue = HeaderValue::from_static("max-age=31536000, immutable");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const NO_CACHE: HeaderValue = HeaderValue::from_static("No-Cache");
const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");
/// What a byte of text costs at most in `downloadMultipleBricks`: the text, and its JSON, in which
/// a control character takes six bytes; and room for the buffer's growing.
const MULTIPLE_COPIES: u64 = 8;
/// Bricks that one `downloadMultipleBricks` may name.
const MULTIPLE_MAX: usize = 256;

/// `GET` and `HEAD /bricking/:domain/get-brick/:hash`.
pub(crate) async fn get(
    bricks: &Bricks,
    domain: &str,
    hash: &str,
    head: &Parts,
) -> Result<Response, ApiError> {
    let domain = bricks.domain(domain)?;
    let Some((hash, size)) = find(bricks, &domain, hash).await? else {
        return Ok(not_found(NO_STORE));
    };
    let etag = format!("\"{hash}\"");
    if is_known(&head.headers, &etag) {
        return Ok(with_caching(node::empty(StatusCode::NOT_MODIFIED), &etag));
    }
    let wanted = part(&head.headers, &etag, size);
    if wanted == Part::Unsatisfiable {
        let text = format!("the brick has {size} bytes, none of them in this range");
        let mut answer = node::message(StatusCode::RANGE_NOT_SATISFIABLE, &text);
        insert(
            &mut answer,
            header::CONTENT_RANGE,
            &format!("bytes */{size}"),
        );
        return Ok(answer);
    }
    let body = if head.method == Method::HEAD {
        None
    } else {
        let Some(bytes) = read(bricks, &domain, hash, size).await? else {
            return Ok(not_found(NO_STORE));
        };
        Some(bytes)
    };
    let (status, range) = match wanted {
        Part::Bytes(range) => (StatusCode::PARTIAL_CONTENT, range),
        Part::Whole | Part::Unsatisfiable => (StatusCode::OK, 0..size),
    };
    let length = range.end - range.start;
    let body = body.map_or_else(Body::empty, |bytes| Body::from(slice(&bytes, &range)));
    let mut answer = with_caching(node::raw(status, body), &etag);
    answer.headers_mut().insert(header::CONTENT_TYPE, OCTETS);
    answer
        .headers_mut()
        .insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    answer
        .headers_mut()
        .insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if status == StatusCode::PARTIAL_CONTENT {
        let span = format!(
            "bytes {}-{}/{size}",
            range.start,
            range.end.saturating_sub(1)
        );
        insert(&mut answer, header::CONTENT_RANGE, &span);
    }
    Ok(answer)
}

/// `GET` and `HEAD /bricking/:domain/brick-exists/:hash`: `true`, or 404.
pub(crate) async fn exists(
    bricks: &Bricks,
    domain: &str,
    hash: &str,
) -> Result<Response, ApiError> {
    let domain = bricks.domain(domain)?;
    if find(bricks, &domain, hash).await?.is_none() {
        return Ok(not_found(NO_CACHE));
    }
    let mut answer = node::raw(StatusCode::OK, "true");
    answer.headers_mut().insert(header::CACHE_CONTROL, NO_CACHE);
    Ok(answer)
}

/// `GET /bricking/:domain/downloadMultipleBricks?hashes=…&hashes=…`: a JSON array of the bricks as
/// text. What is not text cannot be sent this way and is refused, never damaged.
pub(crate) async fn get_multiple(
    bricks: &Bricks,
    domain: &str,
    query: &str,
) -> Result<Response, ApiError> {
    let domain = bricks.domain(domain)?;
    let names: Vec<&str> = query
        .split('&')
        .filter_map(|pair| pair.strip_prefix("hashes="))
        .collect();
    if names.is_empty() || names.len() > MULTIPLE_MAX {
        return Err(ApiError::bad_request(format!(
            "name between 1 and {MULTIPLE_MAX} bricks, as ?hashes=HASH&hashes=HASH"
        )));
    }
    let mut found = Vec::with_capacity(names.len());
    for name in names {
        let Some(brick) = find(bricks, &domain, name).await? else {
            return Ok(not_found(NO_STORE));
        };
        found.push(brick);
    }
    let total: u64 = found.iter().map(|(_, size)| size).sum();
    let total_max = bricks.limits.brick_bytes_max / MULTIPLE_COPIES;
    if total > total_max {
        return Err(ApiError::bad_request(format!(
            "these bricks have {total} bytes together, one answer holds {total_max}; ask for \
             fewer, or use get-brick"
        )));
    }
    let most = total.saturating_mul(MULTIPLE_COPIES);
    let mut share = bricks.budget.acquire(most).await.map_err(|_| busy())?;
    let mut texts = Vec::with_capacity(found.len());
    for (hash, _) in found {
        let read = bricks.store.get(&domain, hash).await;
        let Some(bytes) = read.map_err(store_error)? else {
            return Ok(not_found(NO_STORE));
        };
        let text = String::from_utf8(bytes).map_err(|_| {
            ApiError::bad_request(format!(
                "brick {hash} is not text and would be damaged in JSON; use get-brick"
            ))
        })?;
        texts.push(serde_json::Value::from(text));
    }
    let json = serde_json::Value::Array(texts).to_string().into_bytes();
    share.shrink_to(json.len() as u64);
    let mut answer = node::raw(StatusCode::OK, Body::from(node::hold(json, share)));
    answer.headers_mut().insert(header::CONTENT_TYPE, OCTETS);
    answer
        .headers_mut()
        .insert(header::CACHE_CONTROL, IMMUTABLE);
    Ok(answer)
}

/// A brick's parsed name and size, if the name is one and the brick is there.
async fn find(
    bricks: &Bricks,
    domain: &Domain,
    name: &str,
) -> Result<Option<(BrickHash, u64)>, ApiError> {
    let Ok(hash) = name.parse::<BrickHash>() else {
        return Ok(None);
    };
    let size = bricks.store.size(domain, hash).await.map_err(store_error)?;
    Ok(size.map(|size| (hash, size)))
}

/// A brick's checked bytes, counted against the budget until the last of them is sent.
async fn read(
    bricks: &Bricks,
    domain: &Domain,
    hash: BrickHash,
    size: u64,
) -> Result<Option<Bytes>, ApiError> {
    let share = bricks.budget.acquire(size).await.map_err(|_| busy())?;
    let bytes = bricks.store.get(domain, hash).await.map_err(store_error)?;
    Ok(bytes.map(|bytes| node::hold(bytes, share)))
}

fn slice(bytes: &Bytes, range: &std::ops::Range<u64>) -> Bytes {
    let at = |position: u64| {
        usize::try_from(position)
            .unwrap_or(usize::MAX)
            .min(bytes.len())
    };
    bytes.slice(at(range.start)..at(range.end))
}

fn not_found(caching: HeaderValue) -> Response {
    let mut answer = node::message(StatusCode::NOT_FOUND, "Brick not found");
    answer.headers_mut().insert(header::CACHE_CONTROL, caching);
    answer
}

fn with_caching(mut answer: Response, etag: &str) -> Response {
    answer
        .headers_mut()
        .insert(header::CACHE_CONTROL, IMMUTABLE);
    insert(&mut answer, header::ETAG, etag);
    answer
}

fn insert(answer: &mut Response, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}

fn busy() -> ApiError {
    ApiError::unavailable("the node holds as many body bytes as it may; try again", 1)
}
