//! Connections of all listeners of the process.

use prometheus::{IntCounter, IntGauge, Registry};

/// Counts connections. Cheap to clone.
#[derive(Clone)]
pub(crate) struct ConnectionMetrics {
    open: IntGauge,
    accepted: IntCounter,
    refused: IntCounter,
}

/// One open connection, until it is dropped.
pub(crate) struct OpenConnection(IntGauge);

impl ConnectionMetrics {
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let metrics = Self {
            open: IntGauge::new("kiln_connections_open", "Connections that are open now.")?,
            accepted: IntCounter::new("kiln_connections_total", "Connections taken so far.")?,
            refused: IntCounter::new(
                "kiln_connections_refused_total",
                "Connections turned away because as many were open as may be.",
            )?,
        };
        registry.register(Box::new(metrics.open.clone()))?;
        registry.register(Box::new(metrics.accepted.clone()))?;
        registry.register(Box::new(metrics.refused.clone()))?;
        Ok(metrics)
    }

    /// A connection was taken.
    pub(crate) fn open(&self) -> OpenConnection {
        self.accepted.inc();
        self.open.inc();
        OpenConnection(self.open.clone())
    }

    /// A connection was turned away.
    pub(crate) fn refused(&self) {
        self.refused.inc();
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}
