//! Traces: the spans of requests, sent to a collector by OTLP over HTTP where one is configured.
//!
//! A collector that is slow or down holds nothing up: spans wait in a bounded queue, what does not
//! fit is counted and dropped, and each sending has a time limit.
//!
//! **Source:** OTLP 1.x over HTTP with protobuf; W3C Trace Context for who is whose parent.

mod headers;
mod queue;
mod sender;

use anyhow::Context as _;
use opentelemetry::KeyValue;
use opentelemetry::trace::{
    SpanContext, SpanId, Status, TraceContextExt, TraceFlags, TraceId, TraceState,
    TracerProvider as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use prometheus::IntCounterVec;
use tracing::{Span, Subscriber};
use tracing_opentelemetry::{OpenTelemetryLayer, OpenTelemetrySpanExt};
use tracing_subscriber::registry::LookupSpan;

use crate::metrics::{Metrics, Outcome};
use crate::observability_config::OtlpConfig;
use crate::trace_context::TraceContext;
use queue::Queue;
pub(crate) use sender::Sender;

/// Where spans are made and queued. The [`Sender`] on the other end sends them.
pub(crate) struct Tracing {
    tracer: SdkTracer,
}

/// What became of spans, by outcome.
#[derive(Clone)]
struct SpanCounts(IntCounterVec);

impl Tracing {
    /// Traces as configured; `None` where they are sent nowhere.
    ///
    /// # Errors
    /// When the headers for the collector cannot be read or used.
    pub(crate) fn new(
        config: &OtlpConfig,
        metrics: &Metrics,
    ) -> anyhow::Result<Option<(Self, Sender)>> {
        if !config.is_on() {
            return Ok(None);
        }
        let counts = SpanCounts::new(metrics)?;
        let (queue, spans) = Queue::new(counts.clone());
        let resource = Resource::builder_empty()
            .with_attributes([
                KeyValue::new("service.name", "kiln"),
                KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            ])
            .build();
        let sender = Sender::new(config, &resource, spans, counts).context("otlp")?;
        let by_chance = Sampler::TraceIdRatioBased(config.sample_ratio);
        let provider = SdkTracerProvider::builder()
            .with_span_processor(queue)
            .with_sampler(Sampler::ParentBased(Box::new(by_chance)))
            .with_resource(resource)
            .build();
        let tracer = provider.tracer("kiln");
        Ok(Some((Self { tracer }, sender)))
    }

    /// What makes spans of ours spans of a trace.
    pub(crate) fn layer<S>(&self) -> OpenTelemetryLayer<S, SdkTracer>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.tracer.clone())
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_target(false)
            .with_context_activation(false)
    }
}

impl SpanCounts {
    fn new(metrics: &Metrics) -> anyhow::Result<Self> {
        let options = prometheus::Opts::new(
            "kiln_spans_total",
            "Spans by what became of them: sent, dropped (the queue was full), failed (the \
             collector did not take them).",
        );
        let counter = IntCounterVec::new(options, &["outcome"])?;
        for outcome in ["sent", "dropped", "failed"] {
            counter.with_label_values(&[outcome]).reset();
        }
        metrics.register(Box::new(counter.clone()))?;
        Ok(Self(counter))
    }

    fn add(&self, outcome: &str, spans: usize) {
        let counter = self.0.with_label_values(&[outcome]);
        counter.inc_by(spans as u64);
    }
}

/// Makes a span part of the trace that a request brought.
pub(crate) fn continue_trace(span: &Span, trace: &TraceContext) {
    let flags = if trace.is_sampled {
        TraceFlags::SAMPLED
    } else {
        TraceFlags::default()
    };
    let remote = SpanContext::new(
        TraceId::from_bytes(trace.trace_id),
        SpanId::from_bytes(trace.parent_id),
        flags,
        true,
        trace.state.parse().unwrap_or(TraceState::NONE),
    );
    let parent = opentelemetry::Context::new().with_remote_span_context(remote);
    // It fails only where spans are sent nowhere.
    let _ = span.set_parent(parent);
}

/// Says in a request's span what became of it.
pub(crate) fn finish(
    span: &Span,
    outcome: Outcome,
    status: Option<u16>,
    received_bytes: u64,
    sent_bytes: u64,
) {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    span.set_attribute("outcome", outcome.as_str());
    if let Some(status) = status {
        span.set_attribute("http.response.status_code", i64::from(status));
    }
    span.set_attribute("bytes_in", number(received_bytes));
    span.set_attribute("bytes_out", number(sent_bytes));
    if outcome == Outcome::Failed {
        span.set_status(Status::error(""));
    }
}
