//! Log lines to stderr: stdout carries data only.

use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// Starts logging. `filter` is a `tracing` filter such as `info` or `node=debug`; what cannot be
/// parsed falls back to `info`.
pub fn start_logging(format: LogFormat, filter: Option<&str>) {
    let filter = filter
        .and_then(|text| EnvFilter::try_new(text).ok())
        .unwrap_or_else(|| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let started = match format {
        LogFormat::Human => lines.with_target(false).with_ansi(false).try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
    // Only a second start in one process fails; the first one keeps working.
    drop(started);
}
