//! Answers in the form that an EthAdapter gives them.
//!
//! **Source:** `ledger.md` §1, §1.1, §2.1 (statuses of the contract).

use axum::body::{Body, HttpBody};
use axum::response::{IntoResponse, Response};
use causes::with_causes;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use keyssi::AppendError;
use ledger::{Entry, LedgerError};
use serde_json::json;
use sha2::{Digest, Sha256};

/// What the contract would have said.
const LEDGER_STATUS: HeaderName = HeaderName::from_static("x-anchoring-status");

/// Any text. It has the type of JSON whatever it is, and an empty one no character set.
pub(super) fn text(status: StatusCode, body: impl Into<Body>) -> Response {
    let mut answer = node::raw(status, body);
    let kind = if answer.body().is_end_stream() {
        "application/json"
    } else {
        "application/json; charset=utf-8"
    };
    let kind = HeaderValue::from_static(kind);
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    answer
}

/// Stands for a transaction's hash: what was written, hashed. No chain knows it.
pub(super) fn transaction(entries: &[Entry]) -> String {
    let mut hash = Sha256::new();
    for entry in entries {
        for part in [entry.id.as_str(), " ", entry.value.as_str(), "\n"] {
            hash.update(part);
        }
    }
    let digits = hash.finalize().into_iter().flat_map(|byte| {
        let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
        [digit(byte >> 4), digit(byte & 15)]
    });
    "0x".chars().chain(digits).collect()
}

/// What a single write gets that the ledger did not take.
pub(super) fn refused(error: &LedgerError) -> Response {
    let Some(status) = contract_status(error) else {
        log(error);
        return timed_out();
    };
    let answer = text(
        StatusCode::PRECONDITION_REQUIRED,
        "Smart contract invocation failed",
    );
    with_status(answer, status)
}

/// What a batch gets that the ledger did not take. The contract has one status for all reasons.
pub(super) fn batch_refused(error: &LedgerError) -> Response {
    if contract_status(error).is_none() {
        log(error);
        return timed_out();
    }
    with_status(timed_out(), 104)
}

/// What a write gets whose identifiers are none, or whose ledger cannot be used now.
pub(super) fn timed_out() -> Response {
    text(StatusCode::REQUEST_TIMEOUT, "Transaction timeout.")
}

/// What a read gets that the ledger did not answer.
pub(super) fn read_failed(action: &str, error: &LedgerError) -> Response {
    log(error);
    failure(action, &error.to_string())
}

/// The JSON of a failed read, in the form of OpenDSU's wrapped errors.
pub(super) fn failure(action: &str, message: &str) -> Response {
    let wrapped = json!({
        "originalMessage": message,
        "previousError": { "message": message },
        "debug_message": format!("Failed {action}"),
        "rootCause": "unknown",
    });
    text(StatusCode::INTERNAL_SERVER_ERROR, wrapped.to_string())
}

/// Where an EthAdapter would end its process.
pub(super) fn bad_request(message: &str) -> Response {
    text(
        StatusCode::BAD_REQUEST,
        json!({ "message": message }).to_string(),
    )
}

/// Without the token of the listener.
pub(super) fn unauthorized() -> Response {
    let message = "this listener wants the header Authorization: Bearer and its token";
    let body = json!({ "message": message }).to_string();
    let mut answer = text(StatusCode::UNAUTHORIZED, body);
    let scheme = HeaderValue::from_static("Bearer");
    answer
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, scheme);
    answer
}

/// The page of Express for a route that is not there.
pub(super) fn no_route(method: &Method, path: &str) -> Response {
    let mut shown = String::new();
    for character in path.chars() {
        match character {
            '&' => shown.push_str("&amp;"),
            '<' => shown.push_str("&lt;"),
            '>' => shown.push_str("&gt;"),
            '"' => shown.push_str("&quot;"),
            '\'' => shown.push_str("&#39;"),
            other => shown.push(other),
        }
    }
    let page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <title>Error</title>\n</head>\n<body>\n<pre>Cannot {method} {shown}</pre>\n\
         </body>\n</html>\n"
    );
    let mut answer = node::raw(StatusCode::NOT_FOUND, page);
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    for (name, value) in headers {
        let value = HeaderValue::from_static(value);
        answer.headers_mut().insert(name, value);
    }
    answer.into_response()
}

/// The contract's status for a refusal; `None` when the ledger did not judge.
fn contract_status(error: &LedgerError) -> Option<u16> {
    Some(match error {
        LedgerError::AlreadyExists => 105,
        LedgerError::Absent => 106,
        LedgerError::Create(_) => 103,
        LedgerError::Append(AppendError::ConstantAnchor) => 107,
        LedgerError::Append(_) => 104,
        _ => return None,
    })
}

fn with_status(mut answer: Response, status: u16) -> Response {
    let value = HeaderValue::from(status);
    answer.headers_mut().insert(LEDGER_STATUS, value);
    answer
}

fn log(error: &LedgerError) {
    tracing::error!(cause = with_causes(error), "the ledger cannot be used");
}
