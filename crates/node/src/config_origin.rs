//! Where the values of the configuration were read from, so that who is told that one is wrong
//! knows where to mend it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use toml::{Table, Value};

use crate::config::{Config, ConfigError};

/// Where a value was read from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// Nobody said anything.
    #[default]
    Default,
    /// The ApiHub's own configuration.
    ApiHub,
    /// The configuration file.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
    /// An option of the command.
    CommandLine(&'static str),
}

/// A value that a rule names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Section and key.
    pub key: String,
    /// The value as TOML writes it; addresses that may hold a password are left out.
    pub value: String,
    /// Where it was read from.
    pub origin: Origin,
}

/// Where each `section.key` was read from. What is not in it has its default.
#[derive(Clone, Debug, Default)]
pub struct Origins(BTreeMap<String, Origin>);

impl Origins {
    /// All keys of the table come from there.
    pub(crate) fn note_all(&mut self, table: &Table, origin: &Origin) {
        for (section, value) in table {
            match value {
                Value::Table(keys) => {
                    for key in keys.keys() {
                        self.note(&format!("{section}.{key}"), origin.clone());
                    }
                }
                _ => self.note(section, origin.clone()),
            }
        }
    }

    /// The key comes from there.
    pub(crate) fn note(&mut self, key: &str, origin: Origin) {
        self.0.insert(key.to_owned(), origin);
    }

    /// In words, by `section.key` (a list by its name: `domain`); what has its default is left out.
    #[must_use]
    pub fn in_words(&self) -> BTreeMap<&str, String> {
        let set = self
            .0
            .iter()
            .filter(|(_, origin)| **origin != Origin::Default);
        set.map(|(key, origin)| (key.as_str(), origin.to_string()))
            .collect()
    }

    /// Adds to a refusal the values that its rule names, and where they were read from.
    #[must_use]
    pub fn explain(&self, config: &Config, error: ConfigError) -> ConfigError {
        let (shown, _) = config.redacted();
        let (ConfigError::Invalid(rule), Ok(all)) = (&error, Value::try_from(&shown)) else {
            return error;
        };
        let mut settings = Vec::new();
        for (section, value) in all.as_table().into_iter().flatten() {
            match value {
                Value::Table(keys) => self.named_in_section(rule, section, keys, &mut settings),
                Value::Array(entries) => {
                    for entry in entries.iter().filter_map(Value::as_table) {
                        self.named_in_entry(rule, section, section, entry, &mut settings);
                    }
                }
                _ => {}
            }
        }
        // A rule may name what would help; what nobody has set is not what is wrong.
        let was_set = |setting: &Setting| setting.origin != Origin::Default;
        if settings.iter().any(was_set) {
            settings.retain(was_set);
        }
        if settings.is_empty() {
            return error;
        }
        let rule = rule.clone();
        ConfigError::Refused { rule, settings }
    }

    fn named_in_section(
        &self,
        rule: &str,
        section: &str,
        keys: &Table,
        settings: &mut Vec<Setting>,
    ) {
        for (key, value) in keys {
            let path = format!("{section}.{key}");
            if let Value::Array(entries) = value {
                for entry in entries.iter().filter_map(Value::as_table) {
                    self.named_in_entry(rule, &path, &path, entry, settings);
                }
            }
            if names(rule, &path) {
                settings.push(self.setting(&path, &path, value));
            }
        }
    }

    /// What the rule names of one entry of a list (`[[domain]]`, say), if it is about that one. Such
    /// a rule says which entry it means, by its `name` or `issuer`.
    fn named_in_entry(
        &self,
        rule: &str,
        list: &str,
        path: &str,
        entry: &Table,
        settings: &mut Vec<Setting>,
    ) {
        let mut ids = ["name", "issuer"].into_iter();
        let id = ids.find_map(|key| Some((key, entry.get(key)?.as_str()?)));
        let Some((id_key, id)) = id.filter(|(_, id)| names(rule, id)) else {
            return;
        };
        let found = settings.len();
        for (key, value) in entry {
            if let Value::Table(nested) = value {
                for (under, value) in nested {
                    let short = format!("{key}.{under}");
                    if names(rule, &short) {
                        let shown = format!("{path}.{short} of {id:?}");
                        settings.push(self.setting(&shown, list, value));
                    }
                }
            } else if names(rule, &format!("{path}.{key}")) || (names(rule, key) && key != "name") {
                let shown = format!("{path}.{key} of {id:?}");
                settings.push(self.setting(&shown, list, value));
            }
        }
        // What is missing has no value; the entry has a place all the same.
        if settings.len() == found && rule.contains(path) {
            let id = Value::String(id.to_owned());
            settings.push(self.setting(&format!("{path}.{id_key}"), list, &id));
        }
    }

    fn setting(&self, shown: &str, key: &str, value: &Value) -> Setting {
        Setting {
            key: shown.to_owned(),
            value: text(value),
            origin: self.0.get(key).cloned().unwrap_or_default(),
        }
    }
}

/// A value as it may be shown. What holds tables is long, and may hold headers with keys.
fn text(value: &Value) -> String {
    match value {
        Value::Table(_) => "…".to_owned(),
        Value::Array(entries) if entries.iter().any(Value::is_table) => "…".to_owned(),
        _ => public(&value.to_string()),
    }
}

/// The text of a value as it may be shown: no address that holds a password.
pub(crate) fn public(value: &str) -> String {
    if value.contains("://") && value.contains('@') {
        return "…".to_owned();
    }
    value.to_owned()
}

/// Whether the text holds the name as a word of its own.
fn names(text: &str, name: &str) -> bool {
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    text.match_indices(name).any(|(at, _)| {
        let before = text.get(..at).and_then(|it| it.chars().next_back());
        let mut after = text.get(at + name.len()..).unwrap_or_default().chars();
        let ends = match after.next() {
            Some('.') => !after.next().is_some_and(is_part),
            Some(next) => !is_part(next),
            None => true,
        };
        ends && !before.is_some_and(|it| is_part(it) || it == '.')
    })
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("the default"),
            Self::ApiHub => f.write_str("from the ApiHub's apihub.json"),
            Self::File(path) => write!(f, "from the file {}", path.display()),
            Self::Variable(name) => write!(f, "from the variable {name}"),
            Self::CommandLine(option) => write!(f, "from {option}"),
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}, {}", self.key, self.value, self.origin)
    }
}

/// The settings in a row.
pub(crate) fn row(settings: &[Setting]) -> String {
    let texts: Vec<_> = settings.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

#[cfg(test)]
mod tests;
