//! The console's files, at `/` of the admin listener. They are the same on every node and hold no
//! secret, so no credential is asked for them; whatever they show is asked of the API, with one.
//!
//! **Source:** `docs/admin.md`.

use axum::body::Body;
use axum::response::Response;
use console::{CONTENT_SECURITY_POLICY, File};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

/// The answer to a request for a file of the page; `None` for any other request.
pub(super) fn answer(head: &Parts) -> Option<Response> {
    let is_head = head.method == Method::HEAD;
    if !is_head && head.method != Method::GET {
        return None;
    }
    let file = console::file(head.uri.path())?;
    let etag = HeaderValue::from_str(&file.etag).ok()?;
    let (status, body) = match is_known(&head.headers, file) {
        true => (StatusCode::NOT_MODIFIED, Body::empty()),
        false if is_head => (StatusCode::OK, Body::empty()),
        false => (StatusCode::OK, Body::from(file.bytes)),
    };
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::ETAG, etag);
    if status == StatusCode::OK {
        headers.insert(header::CONTENT_LENGTH, file.bytes.len().into());
    }
    for (name, value) in [
        (header::CONTENT_TYPE, file.media_type),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        // Asked for again each time, so that the page is always that of the node's own version.
        (header::CACHE_CONTROL, "no-cache"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Some(answer)
}

/// Whether the browser has the file as it is.
fn is_known(headers: &HeaderMap, file: &File) -> bool {
    headers.get_all(header::IF_NONE_MATCH).iter().any(|value| {
        let tags = value.to_str().unwrap_or_default().split(',');
        let mut tags = tags.map(|tag| tag.trim().trim_start_matches("W/"));
        tags.any(|tag| tag == file.etag)
    })
}
