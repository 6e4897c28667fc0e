//! When something is tried again: growing, jittered waits up to a deadline.

use std::time::Duration;

use tokio::time::Instant;

use super::peer::AdapterError;
use super::{AdapterOptions, Client};
use crate::error::LedgerError;

/// The waits between the attempts of one piece of work.
pub(super) struct Pauses<'a> {
    options: &'a AdapterOptions,
    deadline: Instant,
    waited: u32,
}

impl<'a> Pauses<'a> {
    pub(super) const fn until(deadline: Instant, options: &'a AdapterOptions) -> Self {
        Self {
            options,
            deadline,
            waited: 0,
        }
    }

    /// Waits before the next attempt; false, at once, when it would not help or come too late.
    pub(super) async fn pause(&mut self, failure: &AdapterError) -> bool {
        if !failure.may_pass() {
            return false;
        }
        let spread = self
            .options
            .retry_wait
            .saturating_mul(1 << self.waited.min(16));
        let jitter = fraction_of(spread.min(self.options.retry_wait_max));
        let wait = match failure {
            AdapterError::Status { status: 429, .. } => self.options.unit_of_time + jitter,
            _ => jitter,
        };
        let next = Instant::now() + wait;
        if next >= self.deadline {
            return false;
        }
        self.waited = self.waited.saturating_add(1);
        tokio::time::sleep_until(next).await;
        true
    }
}

impl Client {
    /// The time that one request may take.
    pub(super) fn request_time(&self, deadline: Instant) -> Duration {
        let left = deadline.saturating_duration_since(Instant::now());
        left.min(self.options.request_time_max)
    }

    /// Asks what can be asked again safely, until there is an answer or the time is over.
    pub(super) async fn retrying<T, F: Future<Output = Result<T, AdapterError>>>(
        &self,
        deadline: Instant,
        ask: impl Fn(Duration) -> F,
    ) -> Result<T, LedgerError> {
        let mut pauses = Pauses::until(deadline, &self.options);
        loop {
            let failure = match ask(self.request_time(deadline)).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            if !pauses.pause(&failure).await {
                return Err(failure.into());
            }
        }
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
