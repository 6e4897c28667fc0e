//! What a node counts, in Prometheus' text format.
//!
//! Every name begins with `kiln_` (but for the customary `process_`), units are seconds and bytes,
//! and labels are bounded: operations and reasons are static, domains are the configured ones.
//! `docs/metrics.md` lists all of them.

mod connections;
mod node;
mod process;
mod requests;
mod sampled;
mod scrub;
mod serving;
mod store;
mod tls;

use std::sync::Arc;

pub use prometheus::core::Collector;
use prometheus::{Encoder, Opts, Registry, TextEncoder};

pub(crate) use connections::ConnectionMetrics;
pub(crate) use node::collector as node_collector;
pub use requests::Refusal;
pub(crate) use requests::{Finished, Outcome, RequestMetrics, reason_of};
pub use sampled::{Family, Kind, Samples, sampled};
pub use scrub::{ScrubFigures, scrub};
pub use serving::routes;
pub(crate) use serving::serve;
pub use store::{HistogramFigures, StoreFigures, store};
pub(crate) use tls::collector as tls_collector;

/// The metrics of a process. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    requests: RequestMetrics,
    connections: ConnectionMetrics,
}

impl Metrics {
    /// Metrics of the process itself, its requests and its connections.
    ///
    /// # Errors
    /// When two metrics have one name.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let requests = RequestMetrics::new(&registry)?;
        let connections = ConnectionMetrics::new(&registry)?;
        registry.register(process::collector()?)?;
        let build = Opts::new(
            "kiln_build_info",
            "Always 1; the label says which version runs.",
        )
        .const_label("version", env!("CARGO_PKG_VERSION"));
        let build = prometheus::IntGauge::with_opts(build)?;
        build.set(1);
        registry.register(Box::new(build))?;
        Ok(Self(Arc::new(Inner {
            registry,
            requests,
            connections,
        })))
    }

    /// Adds a collector.
    ///
    /// # Errors
    /// When its names are taken.
    pub fn register(&self, collector: Box<dyn Collector>) -> prometheus::Result<()> {
        self.0.registry.register(collector)
    }

    /// All metrics as they are now, in the text format. Collectors may read a store: not for a
    /// thread that serves.
    ///
    /// # Errors
    /// When a collector gives what cannot be written.
    pub fn text(&self) -> prometheus::Result<Vec<u8>> {
        let mut text = Vec::new();
        // A family without a sample has nothing to say, and the encoder refuses it.
        let mut families = self.0.registry.gather();
        families.retain(|family| !family.get_metric().is_empty());
        TextEncoder::new().encode(&families, &mut text)?;
        Ok(text)
    }

    pub(crate) fn requests(&self) -> &RequestMetrics {
        &self.0.requests
    }

    pub(crate) fn connections(&self) -> &ConnectionMetrics {
        &self.0.connections
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_shows_itself_and_a_name_is_taken_once() {
        let metrics = Metrics::new().unwrap();
        let text = String::from_utf8(metrics.text().unwrap()).unwrap();
        for line in [
            "kiln_build_info{version=",
            "process_start_time_seconds ",
            "kiln_connections_open 0",
        ] {
            assert!(text.contains(line), "{line} is not in {text}");
        }
        let again = prometheus::IntGauge::new("kiln_connections_open", "again").unwrap();
        assert!(metrics.register(Box::new(again)).is_err());
    }
}
