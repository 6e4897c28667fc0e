//! One request: its head, its body in pieces, and the wait for the head of the answer.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use reqwest::{Body, Method, Request};
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::{Opened, Transport};
use crate::endpoint::{Endpoint, NodeUrl};
use crate::error::ClientError;

/// Bodies are handed over in pieces of this size, so that it is seen whether they move.
const PIECE_BYTES: usize = 64 << 10;

/// A request to a service.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) payload: Payload,
    /// Longest body of a good answer.
    pub(crate) answer_bytes_max: usize,
}

/// The body of a request. Cheap to clone, to be sent again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Payload {
    media_type: Option<&'static str>,
    pieces: Vec<Bytes>,
}

impl Payload {
    /// Bytes as they are.
    pub(crate) fn octets(bytes: Bytes) -> Self {
        Self::pieces("application/octet-stream", vec![bytes])
    }

    /// Pieces that follow one another.
    pub(crate) fn pieces(media_type: &'static str, pieces: Vec<Bytes>) -> Self {
        Self {
            media_type: Some(media_type),
            pieces,
        }
    }

    fn len(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum()
    }
}

impl<'a> Call<'a> {
    /// `GET` of a path below the service's base, with an answer of at most `answer_bytes_max`.
    pub(crate) fn get(endpoint: &'a Endpoint, path: &str, answer_bytes_max: usize) -> Self {
        Self {
            endpoint,
            method: Method::GET,
            url: endpoint.at(path),
            payload: Payload::default(),
            answer_bytes_max,
        }
    }

    /// A call with a body.
    pub(crate) fn with(mut self, method: Method, payload: Payload) -> Self {
        self.method = method;
        self.payload = payload;
        self
    }
}

impl Transport {
    /// Sends the request and gives the answer when its head is there; the body has yet to come.
    ///
    /// Nothing is repeated here. (The connection pool sends once more what it could not begin to
    /// send, because the connection was closed meanwhile.)
    pub(crate) async fn open(&self, call: &Call<'_>) -> Result<Opened, ClientError> {
        let shown = NodeUrl::from(&call.url);
        let idle = self.options.idle_timeout;
        let moved = Moved::now();
        let mut sending = std::pin::pin!(self.http.execute(request(call, &moved)));
        let response = loop {
            match timeout_at(moved.last() + idle, &mut sending).await {
                Ok(answer) => break answer,
                Err(_) if moved.last() + idle <= Instant::now() => {
                    let what = "it took nothing and answered nothing";
                    return Err(ClientError::TooSlow { url: shown, what });
                }
                // The body moved meanwhile.
                Err(_) => {}
            }
        };
        let response = response.map_err(|error| failed(&shown, error))?;
        Opened::new(shown, response, idle)
    }
}

/// When a request last moved.
#[derive(Clone)]
struct Moved(Arc<Mutex<Instant>>);

impl Moved {
    fn now() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    fn mark(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn last(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn request(call: &Call<'_>, moved: &Moved) -> Request {
    let mut request = Request::new(call.method.clone(), call.url.clone());
    *request.headers_mut() = call.endpoint.headers().clone();
    if let Some(media_type) = call.payload.media_type {
        let length = HeaderValue::from(call.payload.len());
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        // Stated, so that the node knows what is to come: a stream has no length of its own.
        headers.insert(CONTENT_LENGTH, length);
        let moved = moved.clone();
        let pieces = call.payload.pieces.clone().into_iter().flat_map(slices);
        let stream = futures_util::stream::iter(pieces).map(move |piece| {
            moved.mark();
            Ok::<Bytes, Infallible>(piece)
        });
        *request.body_mut() = Some(Body::wrap_stream(stream));
    }
    request
}

fn slices(mut bytes: Bytes) -> impl Iterator<Item = Bytes> {
    std::iter::from_fn(move || {
        let next = bytes.split_to(bytes.len().min(PIECE_BYTES));
        (!next.is_empty()).then_some(next)
    })
}

/// What a failure before the answer means.
fn failed(url: &NodeUrl, error: reqwest::Error) -> ClientError {
    let chain = std::iter::successors(std::error::Error::source(&error), |error| error.source());
    let is_no_http = chain
        .filter_map(|error| error.downcast_ref::<hyper::Error>())
        .any(|error| error.is_parse() || error.is_parse_too_large());
    if is_no_http {
        return ClientError::nonsense(url, "the answer is not HTTP");
    }
    ClientError::Unreachable {
        url: url.clone(),
        source: error.without_url(),
    }
}

/// Waits for a future at most as long as what is left of a limit, and counts the wait.
pub(super) async fn within<T>(
    limit: Duration,
    waited: &mut Duration,
    future: impl Future<Output = T>,
) -> Option<T> {
    let began = Instant::now();
    let done = timeout_at(began + limit.saturating_sub(*waited), future).await;
    *waited += began.elapsed();
    done.ok()
}
