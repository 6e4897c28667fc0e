//! The trace that a request to an adapter is part of: that of the request which it is made for.
//!
//! **Source:** W3C Trace Context, level 1, §3.2 and §3.3.

use opentelemetry::trace::TraceContextExt;
use reqwest::header::{HeaderMap, HeaderValue};
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// Adds the headers of the present trace; none where spans are sent nowhere.
pub(super) fn add_to(headers: &mut HeaderMap) {
    let context = tracing::Span::current().context();
    let span = context.span();
    let span = span.span_context();
    if !span.is_valid() {
        return;
    }
    let flags = span.trace_flags().to_u8();
    let parent = format!("00-{}-{}-{flags:02x}", span.trace_id(), span.span_id());
    let state = span.trace_state().header();
    for (name, text) in [("traceparent", parent), ("tracestate", state)] {
        if let Ok(value) = HeaderValue::from_str(&text)
            && !text.is_empty()
        {
            headers.insert(name, value);
        }
    }
}
