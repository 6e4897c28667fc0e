//! The history of an anchor on another ledger, each value parsed.

use keyssi::{AnchorId, AnchorValue, AnchorValueError, Head, HistoryError};
use serde::Deserialize;

/// All values of an anchor, oldest first.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct History(Vec<Version>);

/// One value. Parsed while it is read, so that a hostile answer ends with the first that is none.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Version {
    /// The wrapped form.
    text: Box<str>,
    /// The key that a transfer hands the anchor to.
    new_key: Option<Box<str>>,
}

/// Why what another ledger holds for an anchor is no history of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BrokenHistory {
    /// It holds what is no anchor value.
    #[error("entry {index} of the history is no anchor value")]
    Unreadable {
        /// Place of the entry, from 0.
        index: usize,
        /// What is wrong with it.
        #[source]
        source: AnchorValueError,
    },
    /// It holds what the rules forbid.
    #[error(transparent)]
    Forbidden(#[from] HistoryError),
}

impl From<AnchorValue> for Version {
    fn from(value: AnchorValue) -> Self {
        Self {
            text: value.as_str().into(),
            new_key: value.new_key().map(Into::into),
        }
    }
}

impl TryFrom<String> for Version {
    type Error = AnchorValueError;

    fn try_from(text: String) -> Result<Self, AnchorValueError> {
        AnchorValue::parse_stored(&text).map(Self::from)
    }
}

impl History {
    /// Reads values, plain or wrapped, and checks them by the rules from the first on. Takes a while
    /// for many: a signature is checked for each.
    pub(crate) fn checked(id: &AnchorId, texts: &[String]) -> Result<Self, BrokenHistory> {
        let parsed = texts.iter().enumerate().map(|(index, text)| {
            AnchorValue::parse_stored(text)
                .map_err(|source| BrokenHistory::Unreadable { index, source })
        });
        let values = parsed.collect::<Result<Vec<_>, _>>()?;
        keyssi::check_history(id, values.iter().cloned())?;
        Ok(Self(values.into_iter().map(Version::from).collect()))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn holds(&self, value: &AnchorValue) -> bool {
        self.0.iter().any(|it| *it.text == *value.as_str())
    }

    /// What the next value is judged against; `None` for an absent anchor.
    pub(crate) fn head(&self) -> Result<Option<Head>, AnchorValueError> {
        let Some(last) = self.0.last() else {
            return Ok(None);
        };
        let transferred_to = self.0.iter().rev().find_map(|it| it.new_key.as_deref());
        Head::restore(&last.text, transferred_to).map(Some)
    }

    /// The values in their wrapped form.
    pub(crate) fn into_texts(self) -> Vec<String> {
        self.0.into_iter().map(|it| it.text.into()).collect()
    }
}
