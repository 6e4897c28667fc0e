//! What a store does, in figures: counted where it happens, with atomics, and read whenever somebody
//! asks. Nothing here knows who asks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Upper bounds for jobs in a batch.
const JOBS: &[u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];
/// Upper bounds for bytes in a batch.
const BYTES: &[u64] = &[
    1 << 10,
    1 << 12,
    1 << 14,
    1 << 16,
    1 << 18,
    1 << 20,
    1 << 22,
    1 << 23,
    1 << 24,
    1 << 26,
];
/// Upper bounds for the time of a synced write, in microseconds: from a disk with its own battery
/// to one that is about to fail.
const SYNC_US: &[u64] = &[
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000,
    5_000_000,
];
const MICROS: f64 = 1e6;

/// The counters of one store.
#[derive(Debug)]
pub struct Stats {
    jobs: Histogram,
    bytes: Histogram,
    sync_us: Histogram,
    failed_writes: AtomicU64,
    started: Instant,
    /// Microseconds from `started` to the last write, and one: 0 means that there was none.
    last_write: AtomicU64,
}

/// A store's figures at one time. Names are as `docs/metrics.md` has them, without their beginning
/// `kiln_store_`; values are in seconds and bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// One of [`STATES`].
    pub state: &'static str,
    /// What is so large now, or has grown so far.
    pub values: Vec<(&'static str, f64)>,
    /// Distributions.
    pub histograms: Vec<HistogramFigures>,
}

/// The states of a store: it works, it met a full disk, or it takes no writes until it is restarted.
pub const STATES: [&str; 3] = ["ready", "full", "poisoned"];

/// A distribution at one time: its name, upper bounds each with how many were at most that large
/// (the last bound is infinite), and their sum.
pub type HistogramFigures = (&'static str, Vec<(f64, u64)>, f64);

/// How often something was how large.
#[derive(Debug)]
struct Histogram {
    bounds: &'static [u64],
    /// One more than bounds: the last one is for what is beyond them.
    counts: Vec<AtomicU64>,
    sum: AtomicU64,
}

impl Stats {
    pub(crate) fn new() -> Self {
        Self {
            jobs: Histogram::new(JOBS),
            bytes: Histogram::new(BYTES),
            sync_us: Histogram::new(SYNC_US),
            failed_writes: AtomicU64::new(0),
            started: Instant::now(),
            last_write: AtomicU64::new(0),
        }
    }

    /// A batch is being committed.
    pub(crate) fn batch(&self, jobs: usize, bytes: usize) {
        self.jobs.add(jobs as u64);
        self.bytes.add(bytes as u64);
    }

    /// A batch was written and synced.
    pub(crate) fn synced(&self, elapsed: Duration) {
        self.sync_us.add(micros(elapsed));
        let now = micros(self.started.elapsed()).saturating_add(1);
        self.last_write.store(now, Ordering::Relaxed);
    }

    /// A write failed.
    pub(crate) fn failed(&self) {
        self.failed_writes.fetch_add(1, Ordering::Relaxed);
    }

    /// How long ago the last write was; `None` when there was none since the store was opened.
    #[must_use]
    pub fn since_last_write(&self) -> Option<Duration> {
        let at = self.last_write.load(Ordering::Relaxed).checked_sub(1)?;
        let elapsed = self.started.elapsed();
        Some(elapsed.saturating_sub(Duration::from_micros(at)))
    }

    #[expect(clippy::cast_precision_loss, reason = "a counter, for people")]
    pub(crate) fn add_to(&self, figures: &mut Figures) {
        let failed = self.failed_writes.load(Ordering::Relaxed);
        figures.values.push(("failed_writes_total", failed as f64));
        figures.histograms.extend([
            self.jobs.figures("batch_jobs", 1.0),
            self.bytes.figures("batch_bytes", 1.0),
            self.sync_us.figures("sync_seconds", MICROS),
        ]);
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl Histogram {
    fn new(bounds: &'static [u64]) -> Self {
        Self {
            bounds,
            counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0),
        }
    }

    fn add(&self, value: u64) {
        let place = self.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get(place) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// `per_unit` of what was counted make one of what is shown.
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    fn figures(&self, name: &'static str, per_unit: f64) -> HistogramFigures {
        let bounds = self.bounds.iter().map(|bound| *bound as f64 / per_unit);
        let mut so_far = 0;
        let buckets = bounds
            .chain([f64::INFINITY])
            .zip(&self.counts)
            .map(|(bound, count)| {
                so_far += count.load(Ordering::Relaxed);
                (bound, so_far)
            });
        let buckets = buckets.collect();
        let sum = self.sum.load(Ordering::Relaxed) as f64 / per_unit;
        (name, buckets, sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_falls_under_the_first_bound_that_is_not_below_it() {
        let histogram = Histogram::new(&[1, 10]);
        for value in [0, 1, 2, 10, 11, 1000] {
            histogram.add(value);
        }
        let (_, buckets, sum) = histogram.figures("x", 10.0);
        assert_eq!(buckets, [(0.1, 2), (1.0, 4), (f64::INFINITY, 6)]);
        assert!((sum - 102.4).abs() < 1e-9);
    }

    #[test]
    fn the_last_write_is_known_once_there_was_one() {
        let stats = Stats::new();
        assert_eq!(stats.since_last_write(), None);
        stats.synced(Duration::from_millis(3));
        assert!(stats.since_last_write().is_some());
        let mut figures = Figures::default();
        stats.add_to(&mut figures);
        let sync = figures.histograms.iter().find(|it| it.0 == "sync_seconds");
        assert_eq!(sync.unwrap().1.last().unwrap().1, 1);
    }
}
