//! Where we answer otherwise than was recorded. Each rule knows its vectors by
//! their content, and what the answer must be instead: it computes it from the
//! vector alone, without the code under test.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::case::Vector;
use crate::{anchor_rules, identifier_rules};

/// One row of the checked-in table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    pub(crate) id: String,
    /// Where the specification asks for it.
    pub(crate) section: String,
    pub(crate) reason: String,
    /// What we answer instead.
    pub(crate) answer: String,
    /// `file: name` of the vectors of the checked-in set.
    pub(crate) vectors: BTreeSet<String>,
}

/// The fields that differ, with our answers. `None` if the rule has nothing to
/// say about the vector, also because it cannot be read as the rule needs.
pub(crate) type Patch = Option<Map<String, Value>>;

/// A rule in code: its name in the table, the files it is for, and its answer
/// to a vector of which these fields were recorded.
#[derive(Clone, Copy)]
pub(crate) struct Rule {
    pub(crate) id: &'static str,
    pub(crate) files: &'static [&'static str],
    pub(crate) patch: fn(&Vector, &Map<String, Value>) -> Patch,
}

/// All rules.
pub(crate) fn all() -> Vec<Rule> {
    [identifier_rules::RULES, anchor_rules::RULES].concat()
}

/// Answers of a rule from field and value.
pub(crate) fn patch<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    fields
        .into_iter()
        .map(|(field, value)| (field.to_owned(), value))
        .collect()
}

/// The base58 of a text, by another implementation.
pub(crate) fn wrap(plain: &str) -> String {
    bs58::encode(plain.as_bytes()).into_string()
}

/// The bytes of a text without colons, by another implementation.
pub(crate) fn unwrapped(text: &str) -> Option<Vec<u8>> {
    if text.contains(':') {
        return Some(text.as_bytes().to_vec());
    }
    bs58::decode(text).into_vec().ok()
}

/// The plain form of either form.
pub(crate) fn plain(text: &str) -> Option<String> {
    String::from_utf8(unwrapped(text)?).ok()
}

/// The segments of an identifier in either form.
pub(crate) struct Parts {
    pub(crate) prefix: String,
    pub(crate) kind: String,
    pub(crate) domain: String,
    pub(crate) specific: String,
    pub(crate) control: String,
    pub(crate) version: String,
    pub(crate) hint: Option<String>,
}

impl Parts {
    pub(crate) fn of(text: &str) -> Option<Self> {
        let plain = plain(text)?;
        let mut parts = plain.splitn(7, ':').map(str::to_owned);
        Some(Self {
            prefix: parts.next()?,
            kind: parts.next()?,
            domain: parts.next()?,
            specific: parts.next()?,
            control: parts.next()?,
            version: parts.next()?,
            hint: parts.next(),
        })
    }

    /// The type and fields again, and the hint if there is one.
    pub(crate) fn plain(&self) -> String {
        let hint = self.hint.as_ref().map(|hint| format!(":{hint}"));
        format!("{}{}", self.plain_without_hint(), hint.unwrap_or_default())
    }

    pub(crate) fn plain_without_hint(&self) -> String {
        let (kind, domain, specific) = (&self.kind, &self.domain, &self.specific);
        let (control, version) = (&self.control, &self.version);
        format!("ssi:{kind}:{domain}:{specific}:{control}:{version}")
    }

    /// All that a `result` has about these parts.
    pub(crate) fn result(&self, specific_field: &str) -> Map<String, Value> {
        let specific = format!("result.{specific_field}");
        patch([
            ("result.type", self.kind.as_str().into()),
            ("result.domain", self.domain.as_str().into()),
            (&specific, self.specific.as_str().into()),
            ("result.control", self.control.as_str().into()),
            ("result.vn", self.version.as_str().into()),
            ("result.hint", self.hint.clone().into()),
            ("result.has_hint", self.hint.is_some().into()),
            ("result.plain", self.plain().into()),
            ("result.base58", wrap(&self.plain()).into()),
            ("result.no_hint_plain", self.plain_without_hint().into()),
            (
                "result.no_hint_base58",
                wrap(&self.plain_without_hint()).into(),
            ),
        ])
    }
}

/// A recorded text.
pub(crate) fn recorded<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    fields.get(name).and_then(Value::as_str)
}
