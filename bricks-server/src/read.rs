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
pub(crate) const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
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
    let form = Form {
        etag: format!("\"{hash}\""),
        kind: OCTETS,
        caching: IMMUTABLE,
    };
    let answer = whole_or_part(bricks, (&domain, hash, size), &form, head).await?;
    Ok(answer.unwrap_or_else(|| not_found(NO_STORE)))
}

/// How a brick is shown.
pub(crate) struct Form {
    /// Its `ETag`, quotes included.
    pub(crate) etag: String,
    /// Its `Content-Type`.
    pub(crate) kind: HeaderValue,
    /// Its `Cache-Control`.
    pub(crate) caching: HeaderValue,
}

/// A brick of known size as it is, as a whole or the part asked for; `None` when it has gone.
pub(crate) async fn whole_or_part(
    bricks: &Bricks,
    (domain, hash, size): (&Domain, BrickHash, u64),
    form: &Form,
    head: &Parts,
) -> Result<Option<Response>, ApiError> {
    if is_known(&head.headers, &form.etag) {
        return Ok(Some(not_modified(form)));
    }
    let wanted = part(&head.headers, &form.etag, size);
    if wanted == Part::Unsatisfiable {
        return Ok(Some(unsatisfiable(size)));
    }
    let body = if head.method == Method::HEAD {
        None
    } else {
        let Some(bytes) = read(bricks, domain, hash, size).await? else {
            return Ok(None);
        };
        Some(bytes)
    };
    let (status, range) = match wanted {
        Part::Bytes(range) => (StatusCode::PARTIAL_CONTENT, range),
        Part::Whole | Part::Unsatisfiable => (StatusCode::OK, 0..size),
    };
    let length = range.end - range.start;
    let body = body.map_or_else(Body::empty, |bytes| Body::from(slice(&bytes, &range)));
    let mut answer = shown(node::raw(status, body), form, length);
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
    Ok(Some(answer))
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
    let mut share = bricks.share(most).await?;
    let mut texts = Vec::with_capacity(found.len());
    for (hash, _) in found {
        let read = bricks.store.get(&domain, hash, node::clock_ms()).await;
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
pub(crate) async fn read(
    bricks: &Bricks,
    domain: &Domain,
    hash: BrickHash,
    size: u64,
) -> Result<Option<Bytes>, ApiError> {
    let share = bricks.share(size).await?;
    let read = bricks.store.get(domain, hash, node::clock_ms()).await;
    let bytes = read.map_err(store_error)?;
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

/// 404 for a brick.
pub(crate) fn not_found(caching: HeaderValue) -> Response {
    let mut answer = node::message(StatusCode::NOT_FOUND, "Brick not found");
    answer.headers_mut().insert(header::CACHE_CONTROL, caching);
    answer
}

/// The answer to a client that has this content.
pub(crate) fn not_modified(form: &Form) -> Response {
    with_caching(node::empty(StatusCode::NOT_MODIFIED), form)
}

/// Adds what a body of `length` bytes in this form is said to be.
pub(crate) fn shown(answer: Response, form: &Form, length: u64) -> Response {
    let mut answer = with_caching(answer, form);
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, form.kind.clone());
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    answer
}

fn with_caching(mut answer: Response, form: &Form) -> Response {
    let caching = form.caching.clone();
    answer.headers_mut().insert(header::CACHE_CONTROL, caching);
    insert(&mut answer, header::ETAG, &form.etag);
    answer
}

fn unsatisfiable(size: u64) -> Response {
    let text = format!("the brick has {size} bytes, none of them in this range");
    let mut answer = node::message(StatusCode::RANGE_NOT_SATISFIABLE, &text);
    let span = format!("bytes */{size}");
    insert(&mut answer, header::CONTENT_RANGE, &span);
    answer
}

/// Sets a header, if its value can be one.
pub(crate) fn insert(answer: &mut Response, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}
