//! The figures of a store on this node's disk, in one form for all stores.

use prometheus::core::Collector;

use super::sampled::{Family, Kind, Samples, sampled_of};
use crate::system::clock_ms;

/// How every name of these begins.
const PREFIX: &str = "kiln_store_";
const STATE: &str = "kiln_store_state";
const LAST_WRITE: &str = "kiln_store_last_write_timestamp_seconds";

/// A store at one time.
#[derive(Clone, Debug, Default)]
pub struct StoreFigures {
    /// One of `states`.
    pub state: &'static str,
    /// All states that there are.
    pub states: &'static [&'static str],
    /// Seconds since the last write; `None` when there was none since the start.
    pub since_last_write_s: Option<u64>,
    /// Values by the end of their names, after `kiln_store_`.
    pub values: Vec<(&'static str, f64)>,
    /// Histograms likewise: upper bounds in rising order, the last one infinite, each with how many
    /// were at most that large; and their sum.
    pub histograms: Vec<HistogramFigures>,
}

/// A histogram: its name, buckets and sum.
pub type HistogramFigures = (&'static str, Vec<(f64, u64)>, f64);

const fn gauge(name: &'static str, help: &'static str) -> Family {
    family(name, help, Kind::Gauge)
}

const fn family(name: &'static str, help: &'static str, kind: Kind) -> Family {
    Family {
        name,
        help,
        kind,
        labels: &[],
    }
}

const FAMILIES: &[Family] = &[
    Family {
        name: STATE,
        help: "1 for the state that the store is in: ready, full, or poisoned (no writes until restarted).",
        kind: Kind::Gauge,
        labels: &["state"],
    },
    gauge(
        LAST_WRITE,
        "When something was last written and synced, in seconds since the epoch.",
    ),
    family(
        "kiln_store_batch_jobs",
        "Writes that were committed together.",
        Kind::Histogram,
    ),
    family(
        "kiln_store_batch_bytes",
        "Bytes that were committed together.",
        Kind::Histogram,
    ),
    family(
        "kiln_store_sync_seconds",
        "Time of a synced write of one batch.",
        Kind::Histogram,
    ),
    family(
        "kiln_store_failed_writes_total",
        "Batches that the disk did not take.",
        Kind::Counter,
    ),
    family(
        "kiln_store_background_errors_total",
        "Errors of RocksDB's own work in the background.",
        Kind::Counter,
    ),
    gauge(
        "kiln_store_volume_free_bytes",
        "Bytes free on the volume of the store.",
    ),
    gauge(
        "kiln_store_wal_bytes",
        "Bytes in write-ahead logs, which a start replays.",
    ),
    gauge(
        "kiln_store_memtable_bytes",
        "Bytes written and not yet flushed to tables.",
    ),
    gauge("kiln_store_table_bytes", "Bytes in RocksDB's tables."),
    gauge("kiln_store_blob_bytes", "Bytes in RocksDB's blob files."),
    gauge(
        "kiln_store_compaction_pending_bytes",
        "Bytes that RocksDB has still to compact.",
    ),
    gauge(
        "kiln_store_write_stopped",
        "1 while RocksDB holds writes up until it has compacted.",
    ),
    gauge(
        "kiln_store_write_delayed_bytes_per_second",
        "The rate to which RocksDB slows writes; 0 while it does not.",
    ),
];

/// A collector of the store called `store`; `read` gives its figures on the calling thread.
///
/// # Errors
/// When the store is known already.
pub fn store(
    store: &'static str,
    read: impl Fn() -> StoreFigures + Send + Sync + 'static,
) -> prometheus::Result<Box<dyn Collector>> {
    sampled_of(FAMILIES, Some(("store", store)), move |samples| {
        set(samples, &read());
    })
}

fn set(samples: &mut Samples, figures: &StoreFigures) {
    for state in figures.states {
        samples.set(STATE, &[state], u64::from(*state == figures.state));
    }
    if let Some(since) = figures.since_last_write_s {
        samples.set(LAST_WRITE, &[], (clock_ms() / 1000).saturating_sub(since));
    }
    for (name, value) in &figures.values {
        samples.set_fraction(&format!("{PREFIX}{name}"), &[], *value);
    }
    for (name, buckets, sum) in &figures.histograms {
        samples.set_histogram(&format!("{PREFIX}{name}"), &[], buckets, *sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn two_stores_stand_beside_each_other() {
        let metrics = Metrics::new().unwrap();
        for name in ["bricks", "anchors"] {
            let read = || StoreFigures {
                state: "full",
                states: &["ready", "full"],
                values: vec![("wal_bytes", 7.0)],
                ..StoreFigures::default()
            };
            metrics.register(store(name, read).unwrap()).unwrap();
        }
        let text = String::from_utf8(metrics.text().unwrap()).unwrap();
        for line in [
            "kiln_store_state{store=\"bricks\",state=\"full\"} 1",
            "kiln_store_state{store=\"anchors\",state=\"ready\"} 0",
            "kiln_store_wal_bytes{store=\"anchors\"} 7",
        ] {
            assert!(text.contains(line), "{line} is not in {text}");
        }
    }
}
