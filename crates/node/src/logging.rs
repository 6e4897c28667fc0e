//! Log lines to stderr: stdout carries data only. Spans of requests go to a collector as well, where
//! one is configured.
//!
//! A filter such as `trace` is for our own crates. Libraries are heard from INFO up, whatever the
//! filter says: below that some of them print what they send and receive.

use tracing::level_filters::LevelFilter;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::config::LogFormat;
use crate::traces::Tracing;

/// The crates whose lines and spans never hold a secret, at whatever level.
const OWN: [&str; 13] = [
    "anchor_service",
    "bricks_server",
    "brickstore",
    "car",
    "client",
    "dsu",
    "engine",
    "evm",
    "keyssi",
    "kiln",
    "ledger",
    "node",
    "translog",
];

/// Starts logging. `filter` is a `tracing` filter such as `info` or `node=debug`; what cannot be
/// parsed falls back to `info`.
pub fn start_logging(format: LogFormat, filter: Option<&str>) {
    start(format, filter, None);
}

/// As [`start_logging`]; spans go to `traces` too.
pub(crate) fn start(format: LogFormat, filter: Option<&str>, traces: Option<&Tracing>) {
    let filter = filter
        .and_then(|text| EnvFilter::try_new(text).ok())
        .unwrap_or_else(|| EnvFilter::new("info"));
    let filter = filter.and(filter_fn(is_harmless));
    let lines = lines(format).with_filter(filter);
    let traces = traces.map(|traces| traces.layer().with_filter(filter_fn(is_own_span)));
    let started = tracing_subscriber::registry()
        .with(lines)
        .with(traces)
        .try_init();
    // Only a second start in one process fails; the first one keeps working.
    drop(started);
}

fn lines<S>(format: LogFormat) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match format {
        LogFormat::Human => lines.with_target(false).with_ansi(false).boxed(),
        LogFormat::Json => lines.json().boxed(),
    }
}

fn is_own(target: &str) -> bool {
    let name = target.split("::").next().unwrap_or_default();
    OWN.contains(&name)
}

fn is_harmless(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= LevelFilter::INFO || is_own(metadata.target())
}

fn is_own_span(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && *metadata.level() <= LevelFilter::DEBUG && is_own(metadata.target())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_crates_are_known_by_the_front_of_a_target() {
        for own in ["kiln::request", "node", "ledger::adapter::peer"] {
            assert!(is_own(own), "{own}");
        }
        for other in ["hyper", "nodes::x", "reqwest::connect", ""] {
            assert!(!is_own(other), "{other}");
        }
    }
}
