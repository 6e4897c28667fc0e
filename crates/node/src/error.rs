//! The one error that handlers return, and its one form on the wire: `{"message": "<text>"}`.
//!
//! What a client reads and what an operator reads are kept apart: `message` goes out, `cause` is
//! logged where the error is turned into a response and nowhere else.
//!
//! **Source:** `http-api.md` §1: a text result or error is sent as `{"message": …}` without a
//! content type.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use crate::metrics::Refusal;

/// An error as a client sees it.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    message: String,
    retry_after_s: Option<u32>,
    /// Why, where the status alone does not tell.
    reason: Option<Refusal>,
    cause: Option<anyhow::Error>,
}

impl ApiError {
    /// An error with the text that the client reads: what is wrong and what to do.
    #[must_use]
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            retry_after_s: None,
            reason: None,
            cause: None,
        }
    }

    /// 400 with a reason.
    #[must_use]
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 507: the node's disk is full.
    #[must_use]
    pub fn out_of_space() -> Self {
        Self::new(
            StatusCode::INSUFFICIENT_STORAGE,
            "the node's disk is full and nothing was acknowledged; try again when there is room",
        )
    }

    /// 503: the node cannot do this now; `retry_after_s` tells when to try again.
    #[must_use]
    pub fn unavailable(message: impl Into<String>, retry_after_s: u32) -> Self {
        let mut error = Self::new(StatusCode::SERVICE_UNAVAILABLE, message);
        error.retry_after_s = Some(retry_after_s);
        error
    }

    /// 429: the caller is to come again after `retry_after_s` seconds.
    #[must_use]
    pub fn slow_down(message: impl Into<String>, retry_after_s: u32) -> Self {
        let mut error = Self::new(StatusCode::TOO_MANY_REQUESTS, message);
        error.retry_after_s = Some(retry_after_s);
        error
    }

    /// Counts it among the refusals because of a quota, whatever its status.
    #[must_use]
    pub fn of_quota(mut self) -> Self {
        self.reason = Some(Refusal("quota"));
        self
    }

    /// The status that the client will see.
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// Says which item of a batch is meant; `index` counts from 0.
    #[must_use]
    pub fn at(mut self, index: usize) -> Self {
        self.message = format!("item {index}: {}", self.message);
        self
    }

    /// Adds what the operator should read in the log.
    #[must_use]
    pub fn because(mut self, cause: impl Into<anyhow::Error>) -> Self {
        self.cause = Some(cause.into());
        self
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if let Some(cause) = &self.cause {
            let status = self.status.as_u16();
            tracing::error!(status, cause = format!("{cause:#}"), "request failed");
        }
        let mut response = message(self.status, &self.message);
        if self.status == StatusCode::UNAUTHORIZED {
            // RFC 9110 §15.5.2 demands one. Browsers show no dialogue for this scheme.
            let challenge = HeaderValue::from_static("Bearer realm=\"kiln\"");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(seconds) = self.retry_after_s {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(reason) = self.reason {
            response.extensions_mut().insert(reason);
        }
        response
    }
}

/// A response whose body is `{"message": "<text>"}`.
#[must_use]
pub fn message(status: StatusCode, text: &str) -> Response {
    json(status, &serde_json::json!({ "message": text }))
}

/// A response whose body is the JSON of `value`, without spaces and without a content type.
#[must_use]
pub fn json(status: StatusCode, value: &serde_json::Value) -> Response {
    raw(status, value.to_string())
}

/// A response with this body and no content type.
#[must_use]
pub fn raw(status: StatusCode, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response
}

/// A response without a body.
#[must_use]
pub fn empty(status: StatusCode) -> Response {
    raw(status, Body::empty())
}
