//! What is said of an identifier: its fields without secrets, its meaning, its anchor.

use std::fmt::Display;

use keyssi::{AnchorId, AnchorValue, KeySsi, SsiFamily};
use serde_json::{Map, Value, json};

use crate::meaning;

/// What a thing is and what it allows. Holds no secrets.
pub(crate) struct Explanation {
    /// The kind of thing, one word for programs.
    pub(crate) kind: &'static str,
    /// What it is, in words.
    pub(crate) what: String,
    /// Whether it must be kept secret; `None` for what is unknown.
    pub(crate) secret: Option<bool>,
    /// Further facts: a word, and its text or number.
    pub(crate) facts: Vec<(&'static str, Value)>,
    /// What its holder can do.
    pub(crate) allows: Vec<String>,
    /// What its holder cannot do.
    pub(crate) denies: Vec<String>,
}

impl Explanation {
    /// A thing of which nothing is known yet but what it is.
    pub(crate) fn new(kind: &'static str, what: impl Into<String>) -> Self {
        Self {
            kind,
            what: what.into(),
            secret: Some(false),
            facts: Vec::new(),
            allows: Vec::new(),
            denies: Vec::new(),
        }
    }

    /// Adds a fact.
    #[must_use]
    pub(crate) fn fact(mut self, word: &'static str, text: impl Display) -> Self {
        self.facts.push((word, text.to_string().into()));
        self
    }

    /// Adds a number of things.
    #[must_use]
    pub(crate) fn count(mut self, word: &'static str, count: usize) -> Self {
        self.facts.push((word, count.into()));
        self
    }

    /// Adds what the holder can do.
    #[must_use]
    pub(crate) fn allows(mut self, text: &str) -> Self {
        self.allows.push(text.to_owned());
        self
    }

    /// Adds what the holder cannot do.
    #[must_use]
    pub(crate) fn denies(mut self, text: &str) -> Self {
        self.denies.push(text.to_owned());
        self
    }

    /// What is to be said of an identifier, which may be the value of an anchor.
    pub(crate) fn of_key(ssi: &KeySsi) -> Self {
        let meaning = meaning::of(ssi.kind());
        let owned = |texts: &[&str]| texts.iter().map(|&it| it.to_owned()).collect();
        let mut explanation = Self {
            kind: "keyssi",
            what: meaning.what.to_owned(),
            secret: Some(meaning::is_secret(ssi)),
            facts: texts(fields(ssi)),
            allows: owned(meaning.allows),
            denies: owned(meaning.denies),
        };
        if let Ok(value) = AnchorValue::parse(&ssi.plain()) {
            explanation.facts.extend(texts(value_facts(&value)));
        }
        if let Some((total, chunk)) = ssi.sizes() {
            let facts = [("total bytes", total), ("chunk bytes", chunk)];
            explanation
                .facts
                .extend(facts.map(|(word, bytes)| (word, bytes.into())));
        }
        if ssi
            .kind()
            .family()
            .is_some_and(|it| it != SsiFamily::HashLink)
        {
            explanation.facts.push(match AnchorId::of(ssi) {
                Ok(id) => ("anchor id", id.as_str().into()),
                Err(error) => ("anchor id", format!("none: {error}").into()),
            });
        }
        explanation
    }

    /// The form for programs.
    pub(crate) fn json(&self) -> Value {
        let facts: Map<String, Value> = self
            .facts
            .iter()
            .map(|(word, fact)| (word.replace(' ', "_"), fact.clone()))
            .collect();
        json!({
            "kind": self.kind,
            "what": self.what,
            "secret": self.secret,
            "facts": facts,
            "allows": self.allows,
            "cannot": self.denies,
        })
    }

    /// The form for people.
    pub(crate) fn rows(&self) -> Vec<(&str, String)> {
        let mut rows = vec![("what", self.what.clone())];
        if let Some(secret) = self.secret {
            let text = if secret {
                "yes: keep it to yourself"
            } else {
                "no"
            };
            rows.push(("secret", text.to_owned()));
        }
        for (word, fact) in &self.facts {
            let text = fact
                .as_str()
                .map_or_else(|| fact.to_string(), str::to_owned);
            rows.push((*word, text));
        }
        for (word, texts) in [("allows", &self.allows), ("cannot", &self.denies)] {
            for (index, text) in texts.iter().enumerate() {
                rows.push((if index == 0 { word } else { "" }, text.clone()));
            }
        }
        rows
    }
}

fn texts(facts: Vec<(&'static str, String)>) -> Vec<(&'static str, Value)> {
    facts
        .into_iter()
        .map(|(word, text)| (word, text.into()))
        .collect()
}

/// The public fields of an identifier.
fn fields(ssi: &KeySsi) -> Vec<(&'static str, String)> {
    let mut facts = vec![("type", ssi.kind().to_string())];
    if let Some(family) = ssi.kind().family() {
        facts.push(("family", family.name().to_owned()));
    }
    facts.push(("domain", ssi.domain().to_owned()));
    if ssi.bricks_domain() != ssi.domain() {
        facts.push(("bricks domain", ssi.bricks_domain().into_owned()));
    }
    facts.push(("version", ssi.version().to_string()));
    if let Some(hint) = ssi.hint() {
        facts.push(("hint", hint.normal_text()));
    }
    facts
}

fn value_facts(value: &AnchorValue) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    if let Some(hash) = value.brick_map_hash() {
        facts.push(("brick", hash.to_owned()));
    }
    if let Some(key) = value.new_key() {
        facts.push(("new key", key.to_owned()));
    }
    if let Some(timestamp) = value.timestamp() {
        facts.push(("timestamp", timestamp.as_str().to_owned()));
        if let Some(date) = timestamp.as_str().parse().ok().and_then(date) {
            facts.push(("time", date));
        }
    }
    if let Some(signature) = value.signature_text() {
        facts.push(("signature", signature.to_owned()));
    }
    facts
}

/// The date of so many milliseconds since the epoch, if it is one that calendars have.
pub(crate) fn date(millis: u64) -> Option<String> {
    // The first of January of the year 10000, which the format does not have.
    const MILLIS_MAX: u64 = 253_402_300_800_000;
    let time = std::time::UNIX_EPOCH.checked_add(std::time::Duration::from_millis(millis))?;
    (millis < MILLIS_MAX).then(|| httpdate::fmt_http_date(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_outside_the_calendar_have_no_words() {
        assert_eq!(date(0).unwrap(), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(
            date(253_402_300_799_999).unwrap(),
            "Fri, 31 Dec 9999 23:59:59 GMT"
        );
        assert_eq!(date(253_402_300_800_000), None);
        assert_eq!(date(u64::MAX), None);
    }

    #[test]
    fn no_secret_is_in_what_is_said_of_a_key() {
        let ssi = KeySsi::constant("default", "guess me").unwrap();
        let said = format!(
            "{}{:?}",
            Explanation::of_key(&ssi).json(),
            Explanation::of_key(&ssi).rows()
        );
        assert!(!said.contains(ssi.specific()), "{said}");
        assert!(!said.contains(ssi.wrapped().as_str()), "{said}");
    }
}
