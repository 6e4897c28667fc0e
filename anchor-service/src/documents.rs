//! Versionless DSUs: one mutable document per path, the last writer wins.
//!
//! **Source:** `http-api.md` §5. The key is the raw text after `/versionlessdsu/`, query string
//! included, and only its hash is stored, so no path can lead anywhere.

use axum::body::Body;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use node::ApiError;

use crate::anchors::ledger_error;
use crate::{Anchors, busy};

/// `PUT /versionlessdsu/<path>`: 200 once it is on disk.
pub(crate) async fn put(
    service: &Anchors,
    path: &str,
    head: &Parts,
    body: Body,
) -> Result<Response, ApiError> {
    let limits = service.limits.body(service.limits.document_bytes_max);
    let bytes = node::receive(&head.headers, body, &limits, &service.budget, |_| ()).await?;
    let stored = service.backends.embedded().put_document(path, bytes).await;
    stored.map_err(|error| ledger_error("", error))?;
    Ok(node::empty(StatusCode::OK))
}

/// `GET /versionlessdsu/<path>`: the bytes, or 404 without a body.
pub(crate) async fn get(service: &Anchors, path: &str) -> Result<Response, ApiError> {
    // Its size is not known before it is read, its limit is.
    let most = service.limits.document_bytes_max;
    let mut share = service.budget.acquire(most).await.map_err(|_| busy())?;
    let found = service.backends.embedded().document(path).await;
    let Some(bytes) = found.map_err(|error| ledger_error("", error))? else {
        return Ok(node::empty(StatusCode::NOT_FOUND));
    };
    share.shrink_to(bytes.len() as u64);
    let mut answer = node::raw(StatusCode::OK, Body::from(node::hold(bytes, share)));
    let kind = HeaderValue::from_static("application/octet-stream");
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(answer)
}
