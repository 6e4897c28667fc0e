//! The checked versions of one anchor, and the head that a client remembers.
//!
//! The reference believes the list that a server gives it; here the whole
//! signature chain is checked, from the first entry on. What no check can tell
//! is whether the list is the newest: a first-time reader takes an old history
//! for the present one. Who has seen the anchor before compares with the
//! [`SeenHead`] that it remembered.
//!
//! **Source:** dsu specification §4, §9 (`dsuVersion`), §14-12, §14-13; keyssi
//! specification §6.2 to §6.7.

use keyssi::{AnchorId, AnchorValue, AnchorValueError, EntryError, Head, Timestamp};
use thiserror::Error;

use crate::content::BrickRef;
use crate::moment::Moment;

/// Longest text of one value that is decoded. The strict reading takes 2 KiB;
/// old hints may be longer. Decoding base58 takes quadratic time, so a server
/// must not choose the length.
const VALUE_CHARS_MAX: usize = 16 * 1024;

/// The values of an anchor, oldest first, every one of them checked.
#[derive(Debug, Clone, Default)]
pub struct History {
    values: Vec<AnchorValue>,
    head: Option<Head>,
}

/// The history does not hold together.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("version {version} of the history does not belong there")]
pub struct HistoryFault {
    /// The first version that is wrong, from 0.
    pub version: usize,
    /// What is wrong with it.
    #[source]
    pub source: HistoryFaultKind,
}

/// What is wrong with one entry of a history.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HistoryFaultKind {
    /// Far longer than any value.
    #[error("the value has {found} characters, at most {VALUE_CHARS_MAX} are read")]
    TooLong {
        /// Length of the text in bytes.
        found: usize,
    },
    /// The text is no value of an anchor.
    #[error("the text is not an anchor value")]
    NotAValue(#[source] AnchorValueError),
    /// A forged, reordered, missing or foreign entry.
    #[error("the value does not continue the history")]
    NotTheNext(#[source] EntryError),
}

/// The head of a history as it was when it was last seen. Not secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenHead {
    /// How many versions there were.
    pub versions: usize,
    /// The last of them, in the wrapped form; empty if there were none.
    pub last_value: String,
}

/// The history that is shown is not a continuation of the one seen before:
/// the server shows an old one, or another one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Rollback {
    /// Versions that were there are not shown any more.
    #[error("the history has {shown} versions, but {seen} were seen before")]
    Shorter {
        /// Number of versions seen before.
        seen: usize,
        /// Number of versions shown now.
        shown: usize,
    },
    /// At the place of the head that was seen stands another value.
    #[error("version {version} of the history is not the one that was seen before")]
    Replaced {
        /// Place of the remembered head, from 0.
        version: usize,
        /// The value that was seen.
        seen: String,
        /// The value that is shown.
        shown: String,
    },
}

impl History {
    /// Checks the values that a server gave for the anchor `id`, oldest first,
    /// in the plain or the wrapped form. An empty list is an anchor without
    /// versions.
    ///
    /// # Errors
    /// [`HistoryFault`] names the first version that is forged or misplaced.
    pub fn check(id: &AnchorId, values: &[String]) -> Result<Self, HistoryFault> {
        // Each value is read when those before it have been checked: reading costs, and what a
        // server made up ends at the first signature.
        let (mut read, mut unread) = (Vec::with_capacity(values.len()), None);
        let texts = values.iter().enumerate();
        let in_turn = texts.map_while(|(version, text)| match read_value(text) {
            Ok(value) => {
                read.push(value.clone());
                Some(value)
            }
            Err(source) => {
                unread = Some(HistoryFault { version, source });
                None
            }
        });
        let head = keyssi::check_history(id, in_turn).map_err(|fault| {
            let source = HistoryFaultKind::NotTheNext(fault.source);
            let version = fault.index;
            HistoryFault { version, source }
        })?;
        match unread {
            Some(fault) => Err(fault),
            None => Ok(Self { values: read, head }),
        }
    }

    /// How many versions there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// True if nothing was anchored.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The values, oldest first.
    #[must_use]
    pub fn values(&self) -> &[AnchorValue] {
        &self.values
    }

    /// The newest value.
    #[must_use]
    pub fn latest(&self) -> Option<&AnchorValue> {
        self.values.last()
    }

    /// The state on which the next value is signed.
    #[must_use]
    pub const fn head(&self) -> Option<&Head> {
        self.head.as_ref()
    }

    /// The value of version `version`, from 0.
    #[must_use]
    pub fn version(&self, version: usize) -> Option<&AnchorValue> {
        self.values.get(version)
    }

    /// The brick map of a version. `None` if there is no such version, if it
    /// hands the anchor over (`transfer`) and so has no brick map, or if a
    /// stored value names neither a brick nor a domain that can be.
    #[must_use]
    pub fn brick_map(&self, version: usize) -> Option<BrickRef> {
        brick_map_of(self.version(version)?)
    }

    /// The newest version that has a brick map, and that brick map.
    #[must_use]
    pub fn latest_brick_map(&self) -> Option<(usize, BrickRef)> {
        (0..self.len())
            .rev()
            .find_map(|version| Some((version, self.brick_map(version)?)))
    }

    /// When a version was signed, in the words of the signer. `None` for
    /// constant anchors, whose value carries no time, and for times beyond 64
    /// bits (§14-12).
    #[must_use]
    pub fn time(&self, version: usize) -> Option<Moment> {
        let time = self.version(version)?.timestamp()?;
        time.as_str().parse().ok().map(Moment::from_millis)
    }

    /// The version that was the newest at `moment`: the last of those from the
    /// first on that were signed by then. Values without a time count as
    /// always there.
    #[must_use]
    pub fn at_time(&self, moment: Moment) -> Option<usize> {
        self.at(&Timestamp::from_millis(moment.millis()))
    }

    /// As [`History::at_time`], for times of any length (§14-12).
    #[must_use]
    pub fn at(&self, limit: &Timestamp) -> Option<usize> {
        let is_past = |value: &&AnchorValue| value.timestamp().is_none_or(|time| time <= limit);
        let past = self.values.iter().take_while(is_past).count();
        past.checked_sub(1)
    }

    /// The newest version up to `version` that has a brick map.
    #[must_use]
    pub fn with_map(&self, version: usize) -> Option<usize> {
        let mut versions = (0..=version).rev();
        versions.find(|version| self.brick_map(*version).is_some())
    }

    /// What to remember of this history.
    #[must_use]
    pub fn seen_head(&self) -> SeenHead {
        SeenHead {
            versions: self.len(),
            last_value: self.latest().map_or("", AnchorValue::as_str).to_owned(),
        }
    }

    /// Checks that this history continues the one that was seen before.
    ///
    /// # Errors
    /// [`Rollback`] if the remembered head is not where it was.
    pub fn extends(&self, seen: &SeenHead) -> Result<(), Rollback> {
        let Some(version) = seen.versions.checked_sub(1) else {
            return Ok(());
        };
        let Some(shown) = self.version(version) else {
            return Err(Rollback::Shorter {
                seen: seen.versions,
                shown: self.len(),
            });
        };
        if shown.as_str() != seen.last_value {
            return Err(Rollback::Replaced {
                version,
                seen: seen.last_value.clone(),
                shown: shown.as_str().to_owned(),
            });
        }
        Ok(())
    }
}

/// The brick map that a value names.
fn brick_map_of(value: &AnchorValue) -> Option<BrickRef> {
    Some(BrickRef {
        domain: value.domain().parse().ok()?,
        hash: value.brick_map_hash()?.parse().ok()?,
    })
}

fn read_value(text: &str) -> Result<AnchorValue, HistoryFaultKind> {
    let found = text.len();
    if found > VALUE_CHARS_MAX {
        return Err(HistoryFaultKind::TooLong { found });
    }
    AnchorValue::parse_stored(text).map_err(HistoryFaultKind::NotAValue)
}

#[cfg(test)]
mod tests;
