//! When a request is made again.

use std::time::Duration;

use tokio::time::Instant;

use super::peer::AdapterError;
use super::{AdapterOptions, Client};
use crate::error::LedgerError;
use crate::pauses;

/// The waits between the attempts of one piece of work.
pub(super) struct Pauses {
    unit_of_time: Duration,
    pauses: pauses::Pauses,
}

impl Pauses {
    pub(super) const fn until(deadline: Instant, options: &AdapterOptions) -> Self {
        Self {
            unit_of_time: options.unit_of_time,
            pauses: pauses::Pauses {
                first: options.retry_wait,
                longest: options.retry_wait_max,
                deadline,
                waited: 0,
            },
        }
    }

    /// Waits before the next attempt; false, at once, when it would not help or come too late.
    pub(super) async fn pause(&mut self, failure: &AdapterError) -> bool {
        if !failure.may_pass() {
            return false;
        }
        let least = match failure {
            AdapterError::Status { status: 429, .. } => self.unit_of_time,
            _ => Duration::ZERO,
        };
        self.pauses.pause(least).await
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
