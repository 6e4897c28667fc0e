//! The name of a domain as a server accepts it.
//!
//! The reference takes any characters; a server must not, because domain names
//! become folder names, URL segments and configuration keys.
//!
//! **Source:** keyssi specification §1.2 (table) and §1.4.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Longest accepted domain name. Names in use have a dozen characters; the
/// limit keeps anchor ids below the 255 characters of a file name.
const CHARS_MAX: usize = 64;

/// A domain name: 1 to 64 characters of `A-Z a-z 0-9 . _ -`, not beginning
/// with `.` or `-`, without `..`. Case matters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain(Box<str>);

/// The text is not a domain name that we accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DomainError {
    /// No characters at all.
    #[error("a domain name is not empty")]
    Empty,
    /// More than 64 characters.
    #[error("a domain name has at most {CHARS_MAX} characters, found {found}")]
    TooLong {
        /// Length of the text in bytes.
        found: usize,
    },
    /// A character outside the accepted set, among them the `$` that makes the
    /// reference read an environment variable.
    #[error("a domain name holds letters, digits, '.', '_' and '-' only")]
    BadCharacter,
    /// A first character that could be read as a hidden file or an option.
    #[error("a domain name does not begin with '.' or '-'")]
    BadStart,
    /// Two dots in a row, which could be read as a parent folder.
    #[error("a domain name does not hold two dots in a row")]
    DoubleDot,
}

impl Domain {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Domain {
    type Err = DomainError;

    fn from_str(text: &str) -> Result<Self, DomainError> {
        if text.is_empty() {
            return Err(DomainError::Empty);
        }
        if text.len() > CHARS_MAX {
            return Err(DomainError::TooLong { found: text.len() });
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if !text.bytes().all(allowed) {
            return Err(DomainError::BadCharacter);
        }
        if text.starts_with(['.', '-']) {
            return Err(DomainError::BadStart);
        }
        if text.contains("..") {
            return Err(DomainError::DoubleDot);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Domain({:?})", self.as_str())
    }
}

impl Borrow<str> for Domain {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Domain {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, expected: Option<DomainError>) {
        assert_eq!(text.parse::<Domain>().err(), expected, "{text:?}");
    }

    #[test]
    fn names_in_use_are_accepted() {
        for text in ["default", "vault", "a", "0", "_x", "EPI.prod-2_b", "x."] {
            check(text, None);
        }
        check(&"a".repeat(64), None);
    }

    #[test]
    fn dangerous_names_are_refused() {
        check("", Some(DomainError::Empty));
        check(&"a".repeat(65), Some(DomainError::TooLong { found: 65 }));
        for text in [
            "$HOME", "a/b", "a\\b", "a:b", "a b", "a\0", "é", "a\n", "%2e",
        ] {
            check(text, Some(DomainError::BadCharacter));
        }
        for text in [".", ".a", "-a", "..", "../a"] {
            assert!(text.parse::<Domain>().is_err(), "{text:?}");
        }
        check(".hidden", Some(DomainError::BadStart));
        check("-option", Some(DomainError::BadStart));
        check("a..b", Some(DomainError::DoubleDot));
    }

    #[test]
    fn a_map_of_domains_is_searched_by_text() {
        let domain: Domain = "default".parse().unwrap();
        let map = HashMap::from([(domain, 7)]);
        assert_eq!(map.get("default"), Some(&7));
    }

    proptest! {
        #[test]
        fn any_text_is_refused_or_kept(text in "\\PC{0,70}") {
            if let Ok(domain) = text.parse::<Domain>() {
                prop_assert_eq!(domain.to_string(), text);
            }
        }
    }
}
