//! Points in time: milliseconds since the epoch, and dates of brick maps.
//!
//! **Source:** dsu specification §3 (T), §4 (timestamps of anchor values).

use std::time::{Duration, UNIX_EPOCH};

/// The last second that has a date: 9999-12-31T23:59:59Z.
const LAST_MILLIS: u64 = 253_402_300_799_000;

/// Milliseconds since the epoch. The caller has the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

impl Moment {
    /// The moment `millis` milliseconds after the epoch.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// The date as brick maps hold it, in whole seconds:
    /// `Fri, 20 Nov 2026 15:56:36 GMT` (RFC 1123). Moments after the year 9999
    /// give its last second.
    #[must_use]
    pub fn http_date(self) -> String {
        httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(self.0.min(LAST_MILLIS)))
    }

    /// Reads a date of a brick map. `None` if it is not one.
    #[must_use]
    pub fn parse_http_date(text: &str) -> Option<Self> {
        let date = httpdate::parse_http_date(text).ok()?;
        let millis = date.duration_since(UNIX_EPOCH).ok()?.as_millis();
        u64::try_from(millis).ok().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_whole_seconds() {
        let check = |millis: u64, date: &str, back: u64| {
            assert_eq!(Moment::from_millis(millis).http_date(), date);
            assert_eq!(Moment::parse_http_date(date), Some(Moment(back)));
        };
        check(0, "Thu, 01 Jan 1970 00:00:00 GMT", 0);
        check(
            1_795_190_196_999,
            "Fri, 20 Nov 2026 15:56:36 GMT",
            1_795_190_196_000,
        );
        check(u64::MAX, "Fri, 31 Dec 9999 23:59:59 GMT", LAST_MILLIS);
    }

    #[test]
    fn other_texts_are_no_dates() {
        for text in ["", "yesterday", "1795190196000", "2026-11-20T15:56:36Z"] {
            assert_eq!(Moment::parse_http_date(text), None, "{text}");
        }
    }
}
