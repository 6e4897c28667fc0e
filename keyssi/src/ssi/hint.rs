//! The hint of an identifier: JSON after the sixth colon.
//!
//! **Source:** keyssi specification §1.6.

use thiserror::Error;

use crate::json::Json;

/// Runtime only; never written.
const DSU_VERSION: &str = "dsuVersion";

/// Any JSON value but `null`; in practice an object with a `bricksDomain`.
#[derive(Debug, Clone, PartialEq)]
pub struct Hint(Json);

/// The text is not a hint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HintError {
    /// Not JSON, or nested deeper than 64 levels.
    #[error("a hint is JSON text")]
    NotJson,
    /// The reference reads `null` but cannot write it.
    #[error("a hint is not null")]
    Null,
}

impl Hint {
    /// Reads JSON text as JavaScript does.
    ///
    /// # Errors
    /// [`HintError`] if it is not JSON or is `null`.
    pub fn parse(text: &str) -> Result<Self, HintError> {
        match Json::parse(text) {
            None => Err(HintError::NotJson),
            Some(Json::Null) => Err(HintError::Null),
            // Beyond the doubles: would be written as `null`.
            Some(Json::Number(number)) if !number.is_finite() => Err(HintError::Null),
            Some(value) => Ok(Self(value)),
        }
    }

    /// The text that goes into an identifier: compact JSON as JavaScript writes
    /// it, without a `dsuVersion` at the top level.
    #[must_use]
    pub fn normal_text(&self) -> String {
        match &self.0 {
            Json::Object(members) if members.has(DSU_VERSION) => {
                let mut kept = members.clone();
                kept.remove(DSU_VERSION);
                Json::Object(kept).print()
            }
            value => value.print(),
        }
    }

    /// The domain that holds the bricks, if the hint names one.
    #[must_use]
    pub fn bricks_domain(&self) -> Option<String> {
        self.text("bricksDomain").filter(|name| !name.is_empty())
    }

    /// Where the data of an embedded file lies, if the hint says so.
    #[must_use]
    pub fn embedded(&self) -> Option<String> {
        self.text("embedded")
    }

    /// The pinned version of the DSU as JSON text (usually a quoted text). It
    /// is kept while running and never written.
    #[must_use]
    pub fn dsu_version_json(&self) -> Option<String> {
        self.member(DSU_VERSION).map(Json::print)
    }

    /// True if the hint is an object whose member `name` is `true`.
    #[must_use]
    pub fn is_set(&self, name: &str) -> bool {
        self.member(name) == Some(&Json::Bool(true))
    }

    fn text(&self, name: &str) -> Option<String> {
        match self.member(name) {
            Some(Json::Text(text)) => text.decoded(),
            _ => None,
        }
    }

    fn member(&self, name: &str) -> Option<&Json> {
        self.0.as_object()?.get(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(text: &str) -> Result<String, HintError> {
        Hint::parse(text).map(|hint| hint.normal_text())
    }

    #[test]
    fn the_version_is_dropped_at_the_top_level_only() {
        assert_eq!(normal(r#"{"dsuVersion":1}"#).as_deref(), Ok("{}"));
        assert_eq!(
            normal(r#"{"dsuVersion":1,"n":{"dsuVersion":2}}"#).as_deref(),
            Ok(r#"{"n":{"dsuVersion":2}}"#)
        );
        assert_eq!(
            normal(r#"["dsuVersion"]"#).as_deref(),
            Ok(r#"["dsuVersion"]"#)
        );
        assert_eq!(normal("5.0").as_deref(), Ok("5"));
    }

    #[test]
    fn null_and_other_texts_are_refused() {
        assert_eq!(normal(" null "), Err(HintError::Null));
        assert_eq!(normal("-1e400"), Err(HintError::Null));
        assert_eq!(normal("[1e400]").as_deref(), Ok("[null]"));
        assert_eq!(normal(""), Err(HintError::NotJson));
        assert_eq!(normal("undefined"), Err(HintError::NotJson));
    }

    #[test]
    fn known_members_are_read() {
        let hint = Hint::parse(
            r#"{"bricksDomain":"a\u0062","embedded":"0,5,x","dsuVersion":"v","avoidRandom":true}"#,
        )
        .unwrap();
        assert_eq!(hint.bricks_domain().as_deref(), Some("ab"));
        assert_eq!(hint.embedded().as_deref(), Some("0,5,x"));
        assert_eq!(hint.dsu_version_json().as_deref(), Some("\"v\""));
        assert!(hint.is_set("avoidRandom"));
        let empty = Hint::parse(r#"{"bricksDomain":"","avoidRandom":"true"}"#).unwrap();
        assert_eq!(empty.bricks_domain(), None);
        assert!(!empty.is_set("avoidRandom"));
        assert_eq!(Hint::parse("5").unwrap().bricks_domain(), None);
    }
}
