//! Bad credentials per address. After a few of them an address waits before its next credential is
//! looked at, longer with each further one. Nothing sleeps for it: who comes too early is told when
//! to come again. A good credential does not end the wait, and does not make the next bad one
//! cheaper, else whoever has one could guess others at full speed.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Bad credentials that cost nothing: keys are pasted wrongly, and many share one address.
const FREE: u32 = 10;
/// The first wait, doubled with each further bad credential.
const WAIT_FIRST: Duration = Duration::from_secs(1);
/// The longest.
const WAIT_MAX: Duration = Duration::from_mins(5);
/// Time without a bad credential after which an address begins anew.
const FORGET_AFTER: Duration = Duration::from_mins(10);
/// Addresses that are remembered, at some 50 bytes each.
const ADDRESSES_MAX: usize = 65_536;

/// The addresses with bad credentials.
#[derive(Debug, Default)]
pub(crate) struct Attempts(Mutex<HashMap<IpAddr, Failures>>);

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    last: Instant,
    /// Until when no credential is looked at.
    wait_until: Instant,
}

impl Attempts {
    /// Whether a credential from this address is to be looked at.
    ///
    /// # Errors
    /// The seconds to wait, at least 1.
    pub(crate) fn admit(&self, address: IpAddr, now: Instant) -> Result<(), u32> {
        let failures = self.table();
        let Some(known) = failures.get(&unit(address)) else {
            return Ok(());
        };
        let left = known.wait_until.saturating_duration_since(now);
        if left.is_zero() {
            return Ok(());
        }
        let seconds = u32::try_from(left.as_secs()).unwrap_or(u32::MAX);
        Err(seconds.saturating_add(1))
    }

    /// Notes a bad credential.
    pub(crate) fn failed(&self, address: IpAddr, now: Instant) {
        let mut failures = self.table();
        let unit = unit(address);
        if failures.len() >= ADDRESSES_MAX && !failures.contains_key(&unit) {
            make_room(&mut failures, now);
        }
        let known = failures.entry(unit).or_insert(Failures {
            count: 0,
            last: now,
            wait_until: now,
        });
        if known.is_over(now) {
            known.count = 0;
        }
        known.count = known.count.saturating_add(1);
        known.last = now;
        if let Some(beyond) = known.count.checked_sub(FREE + 1) {
            let wait = WAIT_FIRST.saturating_mul(1 << beyond.min(16)).min(WAIT_MAX);
            known.wait_until = now + wait;
        }
    }

    fn table(&self) -> MutexGuard<'_, HashMap<IpAddr, Failures>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Failures {
    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last) >= FORGET_AFTER && now >= self.wait_until
    }
}

/// Drops what is over, then those that are not waiting. If that is not enough all are dropped:
/// whoever has so many addresses is not stopped by a table.
fn make_room(failures: &mut HashMap<IpAddr, Failures>, now: Instant) {
    failures.retain(|_, known| !known.is_over(now));
    if failures.len() >= ADDRESSES_MAX {
        failures.retain(|_, known| known.wait_until > now);
    }
    if failures.len() >= ADDRESSES_MAX {
        failures.clear();
    }
}

/// What counts as one address: in IPv6 the network of 64 bits, of which one host has all.
fn unit(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = address.to_bits() & !u128::from(u64::MAX);
            Ipv6Addr::from_bits(network).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn fail(attempts: &Attempts, times: u32, now: Instant) {
        for _ in 0..times {
            attempts.failed(HERE, now);
        }
    }

    #[test]
    fn waits_begin_after_a_few_and_grow_to_a_limit() {
        let attempts = Attempts::default();
        let mut now = Instant::now();
        fail(&attempts, FREE, now);
        assert_eq!(attempts.admit(HERE, now), Ok(()));
        for wait in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
            fail(&attempts, 1, now);
            assert_eq!(attempts.admit(HERE, now), Err(wait + 1), "{wait}");
            let almost = now + Duration::from_millis(u64::from(wait) * 1000 - 1);
            assert_eq!(attempts.admit(HERE, almost), Err(1));
            now += Duration::from_secs(wait.into());
            assert_eq!(attempts.admit(HERE, now), Ok(()));
        }
        // Much later it begins anew.
        now += FORGET_AFTER;
        fail(&attempts, FREE, now);
        assert_eq!(attempts.admit(HERE, now), Ok(()));
    }

    #[test]
    fn a_network_of_64_bits_is_one_address() {
        let attempts = Attempts::default();
        let now = Instant::now();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        for n in 0..=FREE {
            attempts.failed(address(&format!("2001:db8::{n:x}:1")), now);
        }
        assert!(attempts.admit(address("2001:db8::ffff:9"), now).is_err());
        assert!(attempts.admit(address("2001:db8:0:1::1"), now).is_ok());
        for _ in 0..=FREE {
            attempts.failed(address("::ffff:192.0.2.1"), now);
        }
        assert!(attempts.admit(address("192.0.2.1"), now).is_err());
    }

    #[test]
    fn the_table_is_bounded_and_keeps_those_who_wait() {
        let attempts = Attempts::default();
        let now = Instant::now();
        fail(&attempts, FREE + 1, now);
        for n in 0..100_000 {
            attempts.failed(Ipv4Addr::from(0x0a00_0000 + n).into(), now);
        }
        assert!(attempts.table().len() <= ADDRESSES_MAX);
        assert!(attempts.admit(HERE, now).is_err());
    }
}
