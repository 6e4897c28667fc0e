//! The day of a node's counters, which begins at midnight in UTC.

use std::thread;
use std::time::{Duration, SystemTime};

const DAY_SECONDS: u64 = 24 * 60 * 60;
/// What a test that counts over a day may take, in seconds.
const TEST_SECONDS: u64 = 60;

/// Waits for the next day when less than a minute is left of this one, so that what a test counts
/// is not counted over two.
pub fn wait_if_it_ends_soon() {
    let since_1970 = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let left = DAY_SECONDS - since_1970.as_secs() % DAY_SECONDS;
    if left <= TEST_SECONDS {
        // One more for the part of a second that was cut off.
        thread::sleep(Duration::from_secs(left + 1));
    }
}
