//! How far the scrub of a store is, in one form for all stores.

use prometheus::core::Collector;

use super::sampled::{Family, Kind, sampled_of};

/// A scrub at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScrubFigures {
    /// Whether it looks at the store now.
    pub is_running: bool,
    /// Bytes that the present pass has read; 0 between passes.
    pub pass_bytes: u64,
    /// Damaged things that the present pass has found.
    pub pass_damaged: u64,
    /// When the last whole pass ended, in milliseconds since the epoch; 0 before the first.
    pub last_ended_ms: u64,
    /// Bytes that it read.
    pub last_bytes: u64,
    /// Damaged things that it found.
    pub last_damaged: u64,
}

const RUNNING: &str = "kiln_scrub_running";
const PASS_BYTES: &str = "kiln_scrub_pass_bytes";
const PASS_DAMAGED: &str = "kiln_scrub_pass_damaged";
const LAST: &str = "kiln_scrub_last_pass_timestamp_seconds";
const LAST_BYTES: &str = "kiln_scrub_last_pass_bytes";
const LAST_DAMAGED: &str = "kiln_scrub_last_pass_damaged";

const fn gauge(name: &'static str, help: &'static str) -> Family {
    Family {
        name,
        help,
        kind: Kind::Gauge,
        labels: &[],
    }
}

const FAMILIES: &[Family] = &[
    gauge(RUNNING, "1 while the scrub looks at the store."),
    gauge(
        PASS_BYTES,
        "Bytes that the present pass of the scrub has read; 0 between passes.",
    ),
    gauge(
        PASS_DAMAGED,
        "Damaged things that the present pass of the scrub has found.",
    ),
    gauge(
        LAST,
        "When the last whole pass of the scrub ended, in seconds since the epoch; 0 before the first.",
    ),
    gauge(
        LAST_BYTES,
        "Bytes that the last whole pass of the scrub read.",
    ),
    gauge(
        LAST_DAMAGED,
        "Damaged things that the last whole pass of the scrub found.",
    ),
];

/// A collector of the scrub of the store called `store`.
///
/// # Errors
/// When the store is known already.
pub fn scrub(
    store: &'static str,
    read: impl Fn() -> ScrubFigures + Send + Sync + 'static,
) -> prometheus::Result<Box<dyn Collector>> {
    sampled_of(FAMILIES, Some(("store", store)), move |samples| {
        let figures = read();
        for (name, value) in [
            (RUNNING, u64::from(figures.is_running)),
            (PASS_BYTES, figures.pass_bytes),
            (PASS_DAMAGED, figures.pass_damaged),
            (LAST, figures.last_ended_ms / 1000),
            (LAST_BYTES, figures.last_bytes),
            (LAST_DAMAGED, figures.last_damaged),
        ] {
            samples.set(name, &[], value);
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn each_store_has_its_own_scrub() {
        let metrics = Metrics::new().unwrap();
        for store in ["bricks", "anchors"] {
            let read = || ScrubFigures {
                last_ended_ms: 7_900,
                ..ScrubFigures::default()
            };
            metrics.register(scrub(store, read).unwrap()).unwrap();
        }
        let text = String::from_utf8(metrics.text().unwrap()).unwrap();
        let line = "kiln_scrub_last_pass_timestamp_seconds{store=\"anchors\"} 7\n";
        assert!(text.contains(line), "{text}");
    }
}
