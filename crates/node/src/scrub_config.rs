//! `[scrub]`: reading and checking everything that is stored, in the background.

use serde::{Deserialize, Serialize};

/// `[scrub]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScrubConfig {
    /// Off: only when an operator asks for it.
    pub enabled: bool,
    /// Bytes that each store reads per second while no client waits for it; an eighth while one does.
    pub bytes_per_second: u64,
    /// Time from the end of one pass to the beginning of the next, in seconds.
    pub pause_between_s: u64,
}

impl Default for ScrubConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            // A terabyte takes a day and a half.
            bytes_per_second: 8 << 20,
            pause_between_s: 24 * 60 * 60,
        }
    }
}
