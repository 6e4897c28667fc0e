//! The time of an anchor entry: decimal text of any length.
//!
//! The reference client adds to the *text* of a timestamp when its clock lags,
//! so stored timestamps can have any number of digits and do not fit integers.
//!
//! **Source:** keyssi specification §6.3, §6.5 rule 4, §7.6.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// What a writer adds to the previous time when its own clock lags behind it.
const LAG_STEP_MS: u32 = 10_000;

/// Milliseconds since the epoch as decimal digits, at least one.
///
/// The text is kept as it is, because it is part of what is signed. Two
/// timestamps are equal if their numbers are equal, whatever leading zeros
/// their texts have.
#[derive(Clone)]
pub struct Timestamp(Box<str>);

/// The text is not a timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
#[error("a timestamp is one or more decimal digits")]
pub struct TimestampError;

impl Timestamp {
    /// The time `millis` milliseconds after the epoch.
    #[must_use]
    pub fn from_millis(millis: u64) -> Self {
        Self(millis.to_string().into())
    }

    /// The digits as they were given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The time that a writer puts on an entry that follows one of the time
    /// `previous`: now, or ten seconds after `previous` if the clock lags.
    ///
    /// Unlike in the reference the addition is one of numbers (§6.3).
    #[must_use]
    pub fn following(previous: &Self, now: &Self) -> Self {
        if now >= previous {
            return now.clone();
        }
        let mut carry = LAG_STEP_MS;
        let mut reversed = Vec::with_capacity(previous.0.len() + 1);
        let mut digits = previous.significant().chars().rev();
        loop {
            let digit = digits.next().and_then(|digit| digit.to_digit(10));
            if digit.is_none() && carry == 0 {
                break;
            }
            let sum = digit.unwrap_or(0) + carry;
            reversed.extend(char::from_digit(sum % 10, 10));
            carry = sum / 10;
        }
        let text: String = reversed.into_iter().rev().collect();
        Self(text.into())
    }

    /// The digits without leading zeros; empty for zero.
    fn significant(&self) -> &str {
        self.0.trim_start_matches('0')
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(TimestampError);
        }
        Ok(Self(text.into()))
    }
}

impl Ord for Timestamp {
    fn cmp(&self, other: &Self) -> Ordering {
        let (left, right) = (self.significant(), other.significant());
        left.len().cmp(&right.len()).then_with(|| left.cmp(right))
    }
}

impl PartialOrd for Timestamp {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Timestamp {
    fn eq(&self, other: &Self) -> bool {
        self.significant() == other.significant()
    }
}

impl Eq for Timestamp {}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timestamp({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn only_decimal_digits_are_a_timestamp() {
        for text in [
            "", " 1", "1 ", "+1", "-1", "0x10", "1e3", "1.5", "123abc", "١", "NaN",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(TimestampError), "{text:?}");
        }
        assert_eq!(time("0017").as_str(), "0017");
    }

    #[test]
    fn numbers_beyond_64_bits_are_ordered() {
        let ordered = [
            "0",
            "1",
            "1699999999999",
            "1700000000000",
            "9223372036854775808",
            "18446744073709551615",
            "18446744073709551616",
            "17000000000001000010000",
            "17000000000001000010000100001",
            "17000000000001000010000100002",
        ];
        for pair in ordered.windows(2) {
            let [low, high] = pair else { unreachable!() };
            assert!(time(low) < time(high), "{low} {high}");
            assert!(time(&format!("000{low}")) < time(high), "{low} {high}");
        }
        assert_eq!(time("007"), time("7"));
        assert_eq!(time("000"), time("0"));
    }

    #[test]
    fn a_lagging_clock_gives_ten_seconds_after_the_previous_entry() {
        let check = |previous: &str, now: &str, expected: &str| {
            let next = Timestamp::following(&time(previous), &time(now));
            assert_eq!(next.as_str(), expected, "{previous} {now}");
        };
        check("1700000000000", "1700000000001", "1700000000001");
        check("1700000000000", "1700000000000", "1700000000000");
        check("1700000000000", "1699999999999", "1700000010000");
        check("1699999995000", "5", "1700000005000");
        check("99999999999999999999", "5", "100000000000000009999");
        check("1", "0", "10001");
        check("99", "0", "10099");
        check("9999", "0", "19999");
    }

    proptest! {
        #[test]
        fn order_is_that_of_integers(left: u64, right: u64) {
            let (a, b) = (Timestamp::from_millis(left), Timestamp::from_millis(right));
            prop_assert_eq!(a.cmp(&b), left.cmp(&right));
        }

        #[test]
        fn lag_is_added_to_the_number(previous in 1_u64..u64::MAX - 10_000) {
            let next = Timestamp::following(&Timestamp::from_millis(previous), &time("0"));
            prop_assert_eq!(next.as_str(), (previous + 10_000).to_string());
        }
    }
}
