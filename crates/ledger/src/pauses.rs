//! When something is tried again: growing, jittered waits up to a deadline.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// The waits between the attempts of one piece of work.
pub(crate) struct Pauses {
    /// The first wait, at most; it doubles with each.
    pub(crate) first: Duration,
    /// Any wait, at most.
    pub(crate) longest: Duration,
    pub(crate) deadline: Instant,
    /// How many there were.
    pub(crate) waited: u32,
}

impl Pauses {
    /// Waits before the next attempt, `least` and a part that grows; false, at once, when it would
    /// come too late.
    pub(crate) async fn pause(&mut self, least: Duration) -> bool {
        let spread = self.first.saturating_mul(1 << self.waited.min(16));
        let next = Instant::now() + least + fraction_of(spread.min(self.longest));
        if next >= self.deadline {
            return false;
        }
        self.waited = self.waited.saturating_add(1);
        sleep_until(next).await;
        true
    }
}

/// A random part of a duration, so that clients that failed together do not come back together;
/// all of it if the system has no randomness.
fn fraction_of(whole: Duration) -> Duration {
    match getrandom::u32() {
        Ok(random) => whole.mul_f64(f64::from(random) / f64::from(u32::MAX)),
        Err(_) => whole,
    }
}
