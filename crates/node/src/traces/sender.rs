//! What sends spans to the collector.

use std::future::Future;
use std::time::Duration;

use anyhow::Context;
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

use super::{SpanCounts, headers};
use crate::observability_config::OtlpConfig;
use crate::oidc_config::is_loopback;

/// Spans of one sending.
const BATCH_MAX: usize = 512;
/// How long a span waits for others to be sent with.
const GATHER: Duration = Duration::from_secs(1);

/// Takes spans out of the queue and sends them.
pub(crate) struct Sender {
    spans: mpsc::Receiver<SpanData>,
    exporter: SpanExporter,
    time_max: Duration,
    counts: SpanCounts,
    /// Whether the last sending failed: said once, not once a second.
    is_failing: bool,
}

impl Sender {
    pub(super) fn new(
        config: &OtlpConfig,
        resource: &Resource,
        spans: mpsc::Receiver<SpanData>,
        counts: SpanCounts,
    ) -> anyhow::Result<Self> {
        // An error means that the process has one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let here = reqwest::Url::parse(&config.endpoint).is_ok_and(|url| is_loopback(&url));
        let builder = || {
            let builder = reqwest::Client::builder()
                .timeout(config.timeout())
                // A collector is where the configuration says.
                .redirect(reqwest::redirect::Policy::none());
            // A proxy of the operator's leads out, not to this machine.
            if here { builder.no_proxy() } else { builder }
        };
        // A machine without root certificates can still send to a collector without TLS.
        let client = builder()
            .build()
            .or_else(|_| builder().tls_certs_only([]).build())
            .context("there is no HTTP client for the collector")?;
        let mut exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_endpoint(&config.endpoint)
            .with_headers(headers::read(&config.headers_file)?)
            .with_timeout(config.timeout())
            .build()
            .context("otlp.endpoint cannot be used")?;
        exporter.set_resource(resource);
        Ok(Self {
            spans,
            exporter,
            time_max: config.timeout(),
            counts,
            is_failing: false,
        })
    }

    /// Sends until `stop`, then what is left.
    ///
    /// **Cancellation:** spans that were not sent are lost.
    pub(crate) async fn run(mut self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        let mut batch = Vec::with_capacity(BATCH_MAX);
        loop {
            tokio::select! {
                () = &mut stop => break,
                () = gather(&mut self.spans, &mut batch) => self.send(&mut batch).await,
            }
        }
        loop {
            while batch.len() < BATCH_MAX {
                let Ok(span) = self.spans.try_recv() else {
                    break;
                };
                batch.push(span);
            }
            if batch.is_empty() {
                return;
            }
            self.send(&mut batch).await;
        }
    }

    async fn send(&mut self, batch: &mut Vec<SpanData>) {
        let spans = batch.len();
        let sending = self.exporter.export(std::mem::take(batch));
        let sent = match timeout(self.time_max, sending).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("no answer in time".to_owned()),
        };
        match sent {
            Ok(()) => {
                self.counts.add("sent", spans);
                if std::mem::take(&mut self.is_failing) {
                    tracing::info!("spans are sent again");
                }
            }
            Err(error) => {
                self.counts.add("failed", spans);
                if !std::mem::replace(&mut self.is_failing, true) {
                    tracing::warn!(error, "spans cannot be sent; see otlp.endpoint");
                }
            }
        }
    }
}

/// Waits for spans: a whole batch, or what came within [`GATHER`] of the first.
///
/// **Cancellation:** what was taken is in `batch`.
async fn gather(spans: &mut mpsc::Receiver<SpanData>, batch: &mut Vec<SpanData>) {
    if batch.is_empty() {
        match spans.recv().await {
            Some(span) => batch.push(span),
            // Nobody makes spans any more; who waits here waits for the stop.
            None => std::future::pending().await,
        }
    }
    let deadline = Instant::now() + GATHER;
    while batch.len() < BATCH_MAX {
        match timeout_at(deadline, spans.recv()).await {
            Ok(Some(span)) => batch.push(span),
            Ok(None) | Err(_) => return,
        }
    }
}
