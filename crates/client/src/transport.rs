//! HTTP calls with limits on time and size, and repetitions of what is safe to repeat.
//!
//! One time limit: how long nothing may move, in either direction. So a transfer of any size gets
//! through, and a stalled one does not. An answer counts as moving only when some kilobytes have
//! come, so that a node cannot hold a caller for ever with a byte now and then.
//!
//! Redirects are not followed, cookies are not kept, proxies of the environment are not used.

mod answer;
mod send;

use std::time::Duration;

use causes::with_causes;
use reqwest::redirect;

pub(crate) use answer::{Answer, Opened};
pub(crate) use send::{Call, Payload};

use crate::error::ClientError;
use crate::events::{Event, Events};
use crate::options::ClientOptions;

/// Longer than a request after the other, shorter than what servers keep: a call on a connection
/// that is just being closed fails.
const POOL_IDLE: Duration = Duration::from_secs(20);

/// Makes calls for one client.
#[derive(Debug)]
pub(crate) struct Transport {
    http: reqwest::Client,
    pub(crate) options: ClientOptions,
    pub(crate) events: Events,
}

impl Transport {
    pub(crate) fn new(options: ClientOptions) -> Result<Self, ClientError> {
        // An error means that the program has chosen a provider itself: that one is used.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let setup = |what: &str| {
            let what = what.to_owned();
            move |error| ClientError::Setup {
                what,
                source: Some(error),
            }
        };
        let authorities = reqwest::Certificate::from_pem_bundle(&options.authorities).map_err(
            setup("what should be certificates of authorities (PEM) is malformed"),
        )?;
        if authorities.is_empty() && !options.authorities.is_empty() {
            return Err(ClientError::Setup {
                what: "what should be certificates of authorities (PEM) holds none".to_owned(),
                source: None,
            });
        }
        let builder = || {
            reqwest::Client::builder()
                .user_agent(concat!("kiln/", env!("CARGO_PKG_VERSION")))
                .redirect(redirect::Policy::none())
                .referer(false)
                .no_proxy()
                .connect_timeout(options.connect_timeout)
                .pool_idle_timeout(POOL_IDLE)
                .pool_max_idle_per_host(options.parallel.max(1))
        };
        // A machine without any root certificates can still speak to a node without TLS, and to
        // those that the given authorities vouch for; every other https node is refused.
        let http = builder()
            .tls_certs_merge(authorities.clone())
            .build()
            .or_else(|_| builder().tls_certs_only(authorities).build())
            .map_err(setup("the HTTP client cannot be set up"))?;
        Ok(Self {
            http,
            options,
            events: Events::default(),
        })
    }

    /// One attempt: the whole answer, whatever its status.
    pub(crate) async fn send(&self, call: &Call<'_>) -> Result<Answer, ClientError> {
        self.open(call).await?.whole(call.answer_bytes_max).await
    }

    /// One attempt; what may pass is an error.
    pub(crate) async fn once(&self, call: &Call<'_>) -> Result<Answer, ClientError> {
        let answer = self.send(call).await?;
        match answer.transient() {
            None => Ok(answer),
            Some(failure) => Err(failure),
        }
    }

    /// Attempts until there is an answer that will stay the same, or no attempt is left. For calls
    /// that are safe to repeat.
    pub(crate) async fn repeat(&self, call: &Call<'_>) -> Result<Answer, ClientError> {
        let mut attempt = 1;
        loop {
            let failure = match self.once(call).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            if !self.pause(attempt, &failure).await {
                return Err(failure);
            }
            attempt += 1;
        }
    }

    /// Waits before the next attempt, if one is left and may help; else false.
    pub(crate) async fn pause(&self, attempt: u32, failure: &ClientError) -> bool {
        if attempt >= self.options.attempts_max || !failure.may_pass() {
            return false;
        }
        let wait = self.wait_after(attempt, failure);
        if let Some(url) = failure.url() {
            self.events.emit(&Event::Retry {
                url: url.clone(),
                attempt,
                wait,
                what: with_causes(failure),
            });
        }
        tokio::time::sleep(wait).await;
        true
    }

    /// Waits after losing to another writer for the `attempt`th time: writers that come back at once
    /// meet again, and with many of them one could lose for ever. A fraction of the usual wait,
    /// which is for a node in trouble: here the node is well and a commit takes little time.
    pub(crate) async fn pause_among_writers(&self, attempt: u32) {
        let spread = (self.options.retry_wait / 8).saturating_mul(attempt);
        tokio::time::sleep(fraction_of(spread.min(self.options.retry_wait_max))).await;
    }

    /// Exponential with full jitter: clients that failed together do not come back together. What
    /// the node asks for in `Retry-After` is added, up to the limit.
    fn wait_after(&self, attempt: u32, failure: &ClientError) -> Duration {
        let doublings = attempt.saturating_sub(1).min(16);
        let wait_max = self.options.retry_wait_max;
        let spread = self.options.retry_wait.saturating_mul(1 << doublings);
        let jitter = fraction_of(spread.min(wait_max));
        let asked = match failure {
            ClientError::Busy { retry_after, .. } => retry_after.unwrap_or_default(),
            _ => Duration::ZERO,
        };
        asked.saturating_add(jitter).min(wait_max)
    }
}

/// A random part of a duration; all of it if the system has no randomness.
fn fraction_of(whole: Duration) -> Duration {
    match getrandom::u32() {
        Ok(random) => whole.mul_f64(f64::from(random) / f64::from(u32::MAX)),
        Err(_) => whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::NodeUrl;

    fn transport(options: ClientOptions) -> Transport {
        Transport::new(options).unwrap()
    }

    fn busy(seconds: u64) -> ClientError {
        ClientError::Busy {
            url: NodeUrl::from(&"http://h/".parse().unwrap()),
            status: 503,
            message: String::new(),
            retry_after: Some(Duration::from_secs(seconds)),
        }
    }

    #[test]
    fn waits_grow_are_jittered_and_are_bounded() {
        let it = transport(ClientOptions {
            retry_wait: Duration::from_millis(100),
            retry_wait_max: Duration::from_secs(3),
            ..ClientOptions::default()
        });
        for (attempt, most_ms) in [(1, 100), (2, 200), (5, 1600), (6, 3000), (u32::MAX, 3000)] {
            let waits: Vec<Duration> = (0..50).map(|_| it.wait_after(attempt, &busy(0))).collect();
            let most = Duration::from_millis(most_ms);
            assert!(waits.iter().all(|wait| *wait <= most), "{attempt}");
            // 50 draws of 32 bits that are all alike happen never.
            assert!(waits.iter().any(|wait| *wait != waits[0]), "{attempt}");
        }
    }

    #[test]
    fn what_the_node_asks_for_is_honoured_up_to_the_limit() {
        let it = transport(ClientOptions {
            retry_wait_max: Duration::from_secs(5),
            ..ClientOptions::default()
        });
        let wait = it.wait_after(1, &busy(2));
        assert!(wait >= Duration::from_secs(2) && wait < Duration::from_secs(3));
        assert_eq!(it.wait_after(1, &busy(3600)), Duration::from_secs(5));
    }
}
