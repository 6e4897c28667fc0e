//! Where spans wait to be sent.

use std::time::Duration;

use opentelemetry::Context;
use opentelemetry::trace::SpanKind;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use tokio::sync::mpsc;

use super::SpanCounts;

/// Spans that wait at a time; a span is about a kilobyte.
const SPANS_MAX: usize = 4096;
/// The name of a request's span as `tracing` has it; a collector is shown its operation.
const REQUEST: &str = "request";

/// The end of the queue into which spans go.
pub(super) struct Queue {
    spans: mpsc::Sender<SpanData>,
    counts: SpanCounts,
}

impl Queue {
    /// A queue, and the end from which spans are taken.
    pub(super) fn new(counts: SpanCounts) -> (Self, mpsc::Receiver<SpanData>) {
        let (spans, taken) = mpsc::channel(SPANS_MAX);
        (Self { spans, counts }, taken)
    }
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Queue").finish_non_exhaustive()
    }
}

impl SpanProcessor for Queue {
    fn on_start(&self, _span: &mut Span, _context: &Context) {}

    fn on_end(&self, mut span: SpanData) {
        if span.name == REQUEST {
            span.span_kind = SpanKind::Server;
            let named = span.attributes.iter().find(|it| it.key.as_str() == "op");
            if let Some(operation) = named {
                span.name = operation.value.as_str().into_owned().into();
            }
        }
        if self.spans.try_send(span).is_err() {
            self.counts.add("dropped", 1);
        }
    }

    /// The sender empties the queue when the node stops.
    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}
