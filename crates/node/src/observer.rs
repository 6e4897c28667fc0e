//! What is seen of a request: one span around all that happens for it, what is counted when it is
//! over, and its line in the log.
//!
//! A request is over when the last byte of its answer was taken, or when the client has gone: the
//! observation lives in the answer's body, and ends with it. Nothing of a request's path, query,
//! headers or body is seen but its operation, a domain that is served, its request id and trace id.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use hyper::body::{Body as _, Frame, SizeHint};
use tracing::Span;

use crate::domains::Domains;
use crate::metrics::{Finished, Outcome, Refusal, RequestMetrics, reason_of};
use crate::operation::{OTHER, Operation, OperationOf};
use crate::trace_context::{RequestIds, TraceContext};
use crate::traces;

/// The target of the request's span and line, for filters.
pub(crate) const TARGET: &str = "kiln::request";

/// Sees the requests of one listener.
pub(crate) struct Observer {
    requests: RequestMetrics,
    operations: Vec<OperationOf>,
    domains: Domains,
    ids: Arc<RequestIds>,
    line: Line,
}

/// Where the line of a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Debug,
    Info,
}

/// A request that is not over.
pub(crate) struct Observation {
    requests: RequestMetrics,
    operation: &'static str,
    is_head: bool,
    request_id: String,
    started: Instant,
    received: Arc<AtomicU64>,
    sent: u64,
    status: Option<StatusCode>,
    refusal: Option<&'static str>,
    is_whole: bool,
    /// Whether the answer ended early because it could not be read to its end here.
    is_broken: bool,
    span: Span,
    line: Line,
}

impl Observer {
    /// Sees requests that `operations` name, the first that knows one.
    pub(crate) fn new(
        requests: RequestMetrics,
        operations: Vec<OperationOf>,
        domains: Domains,
        line: Line,
    ) -> Self {
        Self {
            requests,
            operations,
            domains,
            ids: Arc::new(RequestIds::new()),
            line,
        }
    }

    /// The same for another listener, whose requests `operations` name.
    pub(crate) fn beside(&self, operations: Vec<OperationOf>) -> Self {
        Self {
            requests: self.requests.clone(),
            operations,
            domains: self.domains.clone(),
            ids: Arc::clone(&self.ids),
            line: self.line,
        }
    }

    /// A request has come. What comes back is the same request, its body being counted.
    pub(crate) fn begin(&self, request: Request<Body>) -> (Observation, Request<Body>) {
        let started = Instant::now();
        let operation = self.operation(request.method(), request.uri().path());
        let served = operation.domain.and_then(|name| self.domains.find(name));
        let domain = served.map(|(domain, _)| domain);
        let headers = request.headers();
        let (request_id, trace) = (self.ids.of(headers), TraceContext::of(headers));
        let span = tracing::info_span!(
            target: TARGET,
            "request",
            request_id,
            op = operation.name,
            domain = domain.as_ref().map(keyssi::Domain::as_str),
            trace_id = trace.as_ref().map(TraceContext::trace_id_text),
        );
        if let Some(trace) = &trace {
            traces::continue_trace(&span, trace);
        }
        self.requests.begin();
        let received = Arc::new(AtomicU64::new(0));
        let observation = Observation {
            requests: self.requests.clone(),
            operation: operation.name,
            is_head: request.method() == Method::HEAD,
            request_id,
            started,
            received: Arc::clone(&received),
            sent: 0,
            status: None,
            refusal: None,
            is_whole: false,
            is_broken: false,
            span,
            line: self.line,
        };
        let request = request.map(|body| {
            if body.is_end_stream() {
                return body;
            }
            Body::new(Received {
                body,
                bytes: received,
            })
        });
        (observation, request)
    }

    fn operation<'a>(&self, method: &Method, path: &'a str) -> Operation<'a> {
        let mut named = self.operations.iter().filter_map(|name| name(method, path));
        named.next().unwrap_or(Operation::new(OTHER))
    }
}

impl Observation {
    /// The span around all that happens for the request.
    pub(crate) fn span(&self) -> &Span {
        &self.span
    }

    /// The request is answered. What comes back is the answer with the request's id; the request is
    /// over when its body is.
    pub(crate) fn answered(mut self, mut answer: Response) -> Response {
        if let Ok(id) = HeaderValue::from_str(&self.request_id) {
            answer.headers_mut().insert("x-request-id", id);
        }
        let status = answer.status();
        let given = answer.extensions().get::<Refusal>().map(|it| it.0);
        self.status = Some(status);
        self.refusal = given.or_else(|| reason_of(status));
        let has_body = !self.is_head
            && !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
            && !answer.body().is_end_stream();
        if !has_body {
            self.is_whole = true;
            return answer;
        }
        let stated = answer.headers().get(header::CONTENT_LENGTH);
        let stated = stated.and_then(|length| length.to_str().ok()?.parse().ok());
        let length = stated.or_else(|| answer.body().size_hint().exact());
        answer.map(|body| {
            Body::new(Sent {
                body,
                length,
                seen: self,
            })
        })
    }
}

impl Drop for Observation {
    /// The request is over, one way or another.
    fn drop(&mut self) {
        let outcome = match self.status {
            Some(status) if self.is_whole => Outcome::of(status),
            _ if self.is_broken => Outcome::Failed,
            _ => Outcome::Cut,
        };
        let elapsed = self.started.elapsed();
        let received_bytes = self.received.load(Ordering::Relaxed);
        self.requests.finish(&Finished {
            operation: self.operation,
            outcome,
            refusal: self.refusal,
            elapsed,
            received_bytes,
            sent_bytes: self.sent,
        });
        let status = self.status.map(|status| status.as_u16());
        traces::finish(&self.span, outcome, status, received_bytes, self.sent);
        let elapsed_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        macro_rules! line {
            ($level:expr) => {
                tracing::event!(
                    target: TARGET,
                    parent: &self.span,
                    $level,
                    status,
                    outcome = outcome.as_str(),
                    refusal = self.refusal,
                    bytes_in = received_bytes,
                    bytes_out = self.sent,
                    elapsed_us,
                    "request"
                )
            };
        }
        match self.line {
            Line::Debug => line!(tracing::Level::DEBUG),
            Line::Info => line!(tracing::Level::INFO),
        }
    }
}

/// A request's body, counted.
struct Received {
    body: Body,
    bytes: Arc<AtomicU64>,
}

impl hyper::body::Body for Received {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(Ok(frame)) = &frame {
            let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer's body, counted. Whether it was whole is known when it goes: who sends it may stop
/// asking as soon as the stated length was given.
struct Sent {
    body: Body,
    length: Option<u64>,
    seen: Observation,
}

impl hyper::body::Body for Sent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                self.seen.sent += frame.data_ref().map_or(0, Bytes::len) as u64;
                let is_all = self.length.is_some_and(|length| self.seen.sent >= length);
                self.seen.is_whole = is_all || self.body.is_end_stream();
            }
            Some(Err(_)) => self.seen.is_broken = true,
            None => self.seen.is_whole = true,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;
    use crate::Config;
    use crate::domains::DomainTable;
    use crate::metrics::Metrics;

    fn observer(metrics: &Metrics) -> Observer {
        let config = Config::load(toml::Table::new(), None, []).unwrap();
        let domains = Domains::new(DomainTable::from_config(&config.domains));
        let name: OperationOf = |_, path| {
            let domain = path.strip_prefix("/thing/")?;
            Some(Operation::on("thing", domain))
        };
        let operations = vec![crate::operation::own as OperationOf, name];
        Observer::new(metrics.requests().clone(), operations, domains, Line::Debug)
    }

    fn request(path: &str) -> Request<Body> {
        Request::get(path).body(Body::from("four")).unwrap()
    }

    fn text(metrics: &Metrics) -> String {
        String::from_utf8(metrics.text().unwrap()).unwrap()
    }

    fn assert_has(metrics: &Metrics, line: &str) {
        let text = text(metrics);
        assert!(text.lines().any(|it| it == line), "{line} is not in {text}");
    }

    #[tokio::test]
    async fn a_request_counts_when_its_answer_is_read_to_the_end() {
        let metrics = Metrics::new().unwrap();
        let (seen, request) = observer(&metrics).begin(request("/thing/default"));
        request.into_body().collect().await.unwrap();
        assert_has(&metrics, "kiln_requests_in_flight 1");
        let answer = seen.answered(Response::new(Body::from("answer")));
        assert!(answer.headers().contains_key("x-request-id"));
        assert!(!text(&metrics).contains("kiln_requests_total{"));
        answer.into_body().collect().await.unwrap();
        assert_has(&metrics, "kiln_requests_in_flight 0");
        assert_has(
            &metrics,
            "kiln_requests_total{operation=\"thing\",outcome=\"ok\"} 1",
        );
        assert_has(&metrics, "kiln_received_bytes_total{operation=\"thing\"} 4");
        assert_has(&metrics, "kiln_sent_bytes_total{operation=\"thing\"} 6");
    }

    #[tokio::test]
    async fn a_client_that_goes_is_counted_as_gone() {
        let metrics = Metrics::new().unwrap();
        let observer = observer(&metrics);
        drop(observer.begin(request("/thing/x")));
        let (seen, _) = observer.begin(request("/thing/x"));
        drop(seen.answered(Response::new(Body::from("answer"))));
        assert_has(
            &metrics,
            "kiln_requests_total{operation=\"thing\",outcome=\"cut\"} 2",
        );
    }

    #[tokio::test]
    async fn refusals_have_their_own_reason_or_that_of_their_status() {
        let metrics = Metrics::new().unwrap();
        let observer = observer(&metrics);
        let refuse = |reason: Option<Refusal>| {
            let (seen, _) = observer.begin(request("/elsewhere"));
            let mut answer = crate::error::empty(StatusCode::FORBIDDEN);
            if let Some(reason) = reason {
                answer.extensions_mut().insert(reason);
            }
            drop(seen.answered(answer));
        };
        refuse(None);
        refuse(Some(Refusal("foreign_host")));
        assert_has(&metrics, "kiln_refusals_total{reason=\"forbidden\"} 1");
        assert_has(&metrics, "kiln_refusals_total{reason=\"foreign_host\"} 1");
        assert_has(
            &metrics,
            "kiln_requests_total{operation=\"other\",outcome=\"refused\"} 2",
        );
    }
}
