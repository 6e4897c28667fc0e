//! Who stores what, and how much may be stored.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::Totals;
use crate::error::{BrickStoreError, Quota};

/// Longest name of an account, in bytes: it stands in the record of each of its bricks.
const ACCOUNT_BYTES_MAX: usize = 128;

/// Whose bricks count together, whatever their domain: an opaque name such as `key/<id>`, of 1 to
/// 128 visible ASCII characters. The store does not know what it means.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Account(Arc<str>);

/// A text is no account's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an account's name has 1 to {ACCOUNT_BYTES_MAX} visible ASCII characters")]
pub struct NotAnAccount;

impl Account {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name in a record; `None` when it is not one.
    pub(crate) fn from_record(name: &[u8]) -> Option<Self> {
        std::str::from_utf8(name).ok()?.parse().ok()
    }
}

impl FromStr for Account {
    type Err = NotAnAccount;

    fn from_str(name: &str) -> Result<Self, NotAnAccount> {
        let is_visible = name.bytes().all(|byte| byte.is_ascii_graphic());
        if name.is_empty() || name.len() > ACCOUNT_BYTES_MAX || !is_visible {
            return Err(NotAnAccount);
        }
        Ok(Self(name.into()))
    }
}

impl fmt::Display for Account {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// How much may be stored; `None` is without limit. What is there already stays, also when a limit
/// is set below it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StorageLimit {
    /// Number of bricks.
    pub bricks: Option<u64>,
    /// Their bytes together.
    pub bytes: Option<u64>,
}

/// The terms of a put.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PutTerms {
    /// The time in milliseconds since the epoch, kept for operators only.
    pub now_ms: u64,
    /// What the domain may hold.
    pub domain: StorageLimit,
    /// To whom new bricks are counted.
    pub account: Option<Account>,
    /// What that account may hold.
    pub account_limit: StorageLimit,
}

impl PutTerms {
    /// Without limits, counted to the domain only.
    #[must_use]
    pub fn unlimited(now_ms: u64) -> Self {
        Self {
            now_ms,
            ..Self::default()
        }
    }
}

impl StorageLimit {
    /// Adds `new` to `used`, if it fits; `quotas` are the names of the two limits.
    pub(crate) fn admit(
        &self,
        used: Totals,
        new: Totals,
        [of_bricks, of_bytes]: [Quota; 2],
    ) -> Result<Totals, BrickStoreError> {
        let fit = |which, limit: Option<u64>, used: u64, asked: u64| {
            let sum = used.saturating_add(asked);
            match limit {
                // What adds nothing passes, however full it is.
                Some(limit) if sum > limit && asked > 0 => Err(BrickStoreError::QuotaExceeded {
                    which,
                    limit,
                    used,
                    asked,
                }),
                _ => Ok(sum),
            }
        };
        Ok(Totals {
            bricks: fit(of_bricks, self.bricks, used.bricks, new.bricks)?,
            bytes: fit(of_bytes, self.bytes, used.bytes, new.bytes)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_short_and_visible() {
        let check = |name: &str, is_one| {
            assert_eq!(name.parse::<Account>().is_ok(), is_one, "{name:?}");
        };
        check("key/5Gh2", true);
        check(&"a".repeat(128), true);
        check(&"a".repeat(129), false);
        check("", false);
        check("two words", false);
        check("é", false);
        check("a\n", false);
    }
}
