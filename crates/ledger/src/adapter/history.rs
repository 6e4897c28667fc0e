//! An adapter's history of an anchor, each value parsed.

use keyssi::{AnchorValue, AnchorValueError, Head};
use serde::Deserialize;

use super::peer::AdapterError;

/// All values of an anchor, oldest first.
#[derive(Debug, Default)]
pub(super) struct History(Vec<Version>);

/// One value. Parsed while it is read, so that a hostile answer ends with the first that is none.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Version {
    /// The wrapped form.
    text: Box<str>,
    /// The key that a transfer hands the anchor to.
    new_key: Option<Box<str>>,
}

impl TryFrom<String> for Version {
    type Error = AnchorValueError;

    fn try_from(text: String) -> Result<Self, AnchorValueError> {
        let value = AnchorValue::parse_stored(&text)?;
        Ok(Self {
            text: value.as_str().into(),
            new_key: value.new_key().map(Into::into),
        })
    }
}

impl History {
    /// Reads the answer of `getAllVersions`.
    pub(super) fn parse(body: &[u8]) -> Result<Self, AdapterError> {
        let versions = serde_json::from_slice(body).map_err(|_| AdapterError::Nonsense {
            expected: "a JSON array of anchor values",
        })?;
        Ok(Self(versions))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn holds(&self, value: &AnchorValue) -> bool {
        self.0.iter().any(|it| *it.text == *value.as_str())
    }

    /// What the next value is judged against; `None` for an absent anchor.
    pub(super) fn head(&self) -> Result<Option<Head>, AdapterError> {
        let Some(last) = self.0.last() else {
            return Ok(None);
        };
        let transferred_to = self.0.iter().rev().find_map(|it| it.new_key.as_deref());
        let head = Head::restore(&last.text, transferred_to);
        head.map(Some).map_err(|_| AdapterError::Nonsense {
            expected: "a history that can go on",
        })
    }

    /// The values in their wrapped form.
    pub(super) fn into_texts(self) -> Vec<String> {
        self.0.into_iter().map(|it| it.text.into()).collect()
    }
}

/// Reads the answer of `getLastVersion`: an empty one means that there is none.
pub(super) fn parse_last(body: &[u8]) -> Result<Option<AnchorValue>, AdapterError> {
    let nonsense = || AdapterError::Nonsense {
        expected: "an anchor value or nothing",
    };
    if body.is_empty() {
        return Ok(None);
    }
    let text = std::str::from_utf8(body).map_err(|_| nonsense())?;
    let value = AnchorValue::parse_stored(text).map_err(|_| nonsense())?;
    Ok(Some(value))
}
