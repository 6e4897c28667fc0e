//! The back ends, each with the whole suite.

mod adapter;
mod chain;
mod direct;
mod embedded;
mod optimistic;
mod peer;
mod roots;
mod store;

use std::time::{Duration, Instant};

/// Longest wait for what takes milliseconds on a machine with nothing else to do.
const PATIENCE: Duration = Duration::from_mins(2);

/// Looks until it holds.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
