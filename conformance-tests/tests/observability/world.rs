//! A node whose every word is kept: its log in a file, its metrics, its spans.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use tempfile::TempDir;
use testkit::collector::{Collector, Sending};
use testkit::http::{Reply, Request, ask};
use testkit::server::{Server, write_file};

/// What every node here has in its configuration.
const CONFIG: &str = "[node]\nlog_format = \"json\"\n[metrics]\nlisten = \"127.0.0.1:0\"\n";

/// A running node, and where its words go.
pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) metrics: SocketAddr,
    pub(crate) folder: TempDir,
}

impl World {
    /// A node with more in its configuration, whose log has all there is.
    pub(crate) fn start(more: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let log = folder.path().join("log");
        let config = format!("{CONFIG}{more}");
        let server = Server::start_with(&config, |launch, _| {
            launch.stderr_to(&log).env("KILN_LOG", "trace")
        })?;
        let found = server.process().further_address("metrics");
        let metrics = found.map_err(|error| anyhow!(error))?;
        Ok(Self {
            server,
            metrics,
            folder,
        })
    }

    /// A file in the folder, for a configuration that names one.
    pub(crate) fn file(folder: &TempDir, name: &str, text: &str) -> Result<PathBuf> {
        let path = folder.path().join(name);
        write_file(&path, text.as_bytes())?;
        Ok(path)
    }

    /// `GET` on the listener of the metrics.
    pub(crate) fn fetch_metrics(&self, target: &str) -> Result<Reply> {
        Ok(ask(
            self.metrics,
            &Request::to(self.metrics, "GET", target),
        )?)
    }

    /// The metrics as they are now.
    pub(crate) fn metrics_text(&self) -> Result<String> {
        let reply = self.fetch_metrics("/metrics")?;
        anyhow::ensure!(reply.status == 200, "{}: {}", reply.status, reply.text());
        Ok(reply.text())
    }

    /// The value of a sample, by its name with its labels; 0 when there is none.
    pub(crate) fn metric(&self, sample: &str) -> Result<f64> {
        let text = self.metrics_text()?;
        let line = text.lines().find_map(|line| line.strip_prefix(sample));
        line.map_or(Ok(0.0), |value| Ok(value.trim().parse()?))
    }

    /// Ends the node, and gives its whole log.
    pub(crate) fn end(self) -> Result<String> {
        let (process, data) = self.server.into_parts();
        let status = process.stop()?;
        anyhow::ensure!(status.success(), "{status}");
        drop(data);
        Ok(std::fs::read_to_string(self.folder.path().join("log"))?)
    }
}

/// The section that sends traces to a collector.
pub(crate) fn otlp(collector: &Collector) -> String {
    format!(
        "[otlp]\nendpoint = {:?}\ntimeout_ms = 30000\n",
        collector.endpoint()
    )
}

/// The spans of what a collector was sent.
pub(crate) fn spans_in(sendings: &[Sending]) -> Result<Vec<Span>> {
    let mut spans = Vec::new();
    for sending in sendings {
        let request = ExportTraceServiceRequest::decode(&sending.body[..])
            .context("a sending is not what OTLP says")?;
        for of_resource in request.resource_spans {
            for of_scope in of_resource.scope_spans {
                spans.extend(of_scope.spans);
            }
        }
    }
    Ok(spans)
}
