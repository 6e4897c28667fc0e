//! A token bucket per client address.
//!
//! **Source:** `http-api.md` §1 (headers, `/ready-probe`, 429 without a body). The reference gives
//! one request a second back, for every address and for ever (defect D39); here both figures are
//! configuration, the table is bounded, and loopback is exempt: it is the operator's own machine,
//! or a proxy behind which everybody would share one bucket.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Addresses that are remembered. A forgotten one starts with a full bucket.
const ADDRESSES_MAX: usize = 65_536;

/// The buckets of all addresses.
#[derive(Debug)]
pub(crate) struct RateLimiter {
    burst: u32,
    refill_per_second: u32,
    buckets: Mutex<HashMap<IpAddr, Bucket>>,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    seen: Instant,
}

impl RateLimiter {
    /// `burst` requests at once, `refill_per_second` in the long run, for each address.
    #[must_use]
    pub(crate) fn new(burst: u32, refill_per_second: u32) -> Self {
        Self {
            burst,
            refill_per_second,
            buckets: Mutex::default(),
        }
    }

    /// Requests that an address may make at once.
    #[must_use]
    pub(crate) fn burst(&self) -> u32 {
        self.burst
    }

    /// Takes one token; gives what is left, or `None` when there was none.
    pub(crate) fn take(&self, address: IpAddr, now: Instant) -> Option<u32> {
        if address.is_loopback() {
            return Some(self.burst);
        }
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= ADDRESSES_MAX && !buckets.contains_key(&address) {
            self.forget(&mut buckets, now);
        }
        let full = f64::from(self.burst);
        let bucket = buckets.entry(address).or_insert(Bucket {
            tokens: full,
            seen: now,
        });
        bucket.tokens = self.refilled(bucket, now);
        bucket.seen = now;
        if bucket.tokens < 1.0 {
            return None;
        }
        bucket.tokens -= 1.0;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and burst, a u32"
        )]
        Some(bucket.tokens as u32)
    }

    fn refilled(&self, bucket: &Bucket, now: Instant) -> f64 {
        let elapsed = now.saturating_duration_since(bucket.seen).as_secs_f64();
        (bucket.tokens + elapsed * f64::from(self.refill_per_second)).min(f64::from(self.burst))
    }

    /// Drops buckets that are full again, and if that is not enough, everything: an attacker with
    /// more addresses than the table holds is not stopped by a table.
    fn forget(&self, buckets: &mut HashMap<IpAddr, Bucket>, now: Instant) {
        buckets.retain(|_, bucket| self.refilled(bucket, now) < f64::from(self.burst));
        if buckets.len() >= ADDRESSES_MAX {
            buckets.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;

    const FAR: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

    #[test]
    fn a_bucket_empties_and_refills() {
        let limiter = RateLimiter::new(3, 2);
        let start = Instant::now();
        assert_eq!(
            [(); 4].map(|()| limiter.take(FAR, start)),
            [Some(2), Some(1), Some(0), None]
        );
        let later = start + Duration::from_secs(1);
        assert_eq!(
            [(); 3].map(|()| limiter.take(FAR, later)),
            [Some(1), Some(0), None]
        );
    }

    #[test]
    fn loopback_is_exempt_and_other_addresses_are_apart() {
        let limiter = RateLimiter::new(1, 1);
        let now = Instant::now();
        let near = IpAddr::V4(Ipv4Addr::LOCALHOST);
        assert_eq!(
            [(); 2].map(|()| limiter.take(near, now)),
            [Some(1), Some(1)]
        );
        assert_eq!(limiter.take(FAR, now), Some(0));
        assert_eq!(limiter.take("192.0.2.2".parse().unwrap(), now), Some(0));
    }

    #[test]
    fn the_table_is_bounded() {
        let limiter = RateLimiter::new(2, 1);
        let now = Instant::now();
        for n in 0..100_000_u32 {
            limiter.take(IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + n)), now);
        }
        assert!(limiter.buckets.lock().unwrap().len() <= ADDRESSES_MAX);
    }
}
