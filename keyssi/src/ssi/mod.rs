//! Identifiers: their fields, parsing and both serialisations.
//!
//! ```text
//! plain   = "ssi:" type ":" domain ":" specific ":" control ":" vn [ ":" hint ]
//! wrapped = base58( utf8( plain ) )
//! ```
//!
//! **Source:** keyssi specification §1 and §3.

mod create;
mod derive;
mod hint;
mod kind;
mod parse;
mod secrets;

use std::borrow::Cow;
use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::base58;

pub use create::{ArrayElements, ArrayElementsError, PhraseError};
pub use derive::UseError;
pub use hint::{Hint, HintError};
pub use kind::{SsiFamily, SsiKind, UnknownKind};
pub use parse::SsiError;
pub(crate) use parse::{Segments, is_wrapped, unwrap, wrapped_chars_max};
pub use secrets::OwnershipProof;

/// The version of the algorithms of an identifier. Only `v0` has any.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Version {
    /// `v0`.
    #[default]
    V0,
    /// Any other text. Every use of the identifier's keys fails.
    Other(Box<str>),
    /// No such segment in a stored identifier; the reference writes the word
    /// `undefined`.
    Missing,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V0 => "v0",
            Self::Other(text) => text,
            Self::Missing => "undefined",
        })
    }
}

/// The fields of an identifier besides its type.
#[derive(Clone, Default)]
pub struct SsiFields<'a> {
    /// Domain, without colons.
    pub domain: &'a str,
    /// Type-specific text, without colons.
    pub specific: &'a str,
    /// Control text, without colons.
    pub control: &'a str,
    /// Version, `v0` by default.
    pub version: Version,
    /// Hint, none by default.
    pub hint: Option<Hint>,
}

/// An identifier of any type.
///
/// Many types carry secrets in the specific and the control field. The value
/// wipes both when it is dropped (hints are public), `Debug` shows the type and the domain only, equality is decided in
/// constant time, and there is no `Display`.
#[derive(Clone)]
pub struct KeySsi {
    kind: SsiKind,
    domain: String,
    specific: Zeroizing<String>,
    control: Zeroizing<String>,
    version: Version,
    hint: Option<Hint>,
}

impl KeySsi {
    /// Puts an identifier together.
    ///
    /// The control field of an `se` is always empty, as in the reference.
    ///
    /// # Errors
    /// [`SsiError::ColonInField`] if a field holds a colon.
    pub fn new(kind: SsiKind, fields: SsiFields<'_>) -> Result<Self, SsiError> {
        let texts = [fields.domain, fields.specific, fields.control];
        if texts.iter().any(|text| text.contains(':')) {
            return Err(SsiError::ColonInField);
        }
        let control = match kind {
            SsiKind::SymmetricKey => "",
            _ => fields.control,
        };
        Ok(Self {
            kind,
            domain: fields.domain.to_owned(),
            specific: Zeroizing::new(fields.specific.to_owned()),
            control: Zeroizing::new(control.to_owned()),
            version: fields.version,
            hint: fields.hint,
        })
    }

    /// An identifier of another type that keeps domain, version and hint.
    /// The new fields are encodings of our own, which have no colons.
    pub(crate) fn derived(&self, kind: SsiKind, specific: &str, control: &str) -> Self {
        Self {
            kind,
            domain: self.domain.clone(),
            specific: Zeroizing::new(specific.to_owned()),
            control: Zeroizing::new(control.to_owned()),
            version: self.version.clone(),
            hint: self.hint.clone(),
        }
    }

    /// The same identifier with another hint.
    #[must_use]
    pub fn with_hint(mut self, hint: Option<Hint>) -> Self {
        self.hint = hint;
        self
    }

    /// The type.
    #[must_use]
    pub const fn kind(&self) -> SsiKind {
        self.kind
    }

    /// The domain as written, possibly empty. One that begins with `$` names an
    /// environment variable, see [`KeySsi::resolve_domain`].
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The domain that holds the bricks: that of the hint, else [`Self::domain`].
    #[must_use]
    pub fn bricks_domain(&self) -> Cow<'_, str> {
        let hinted = self.hint.as_ref().and_then(Hint::bricks_domain);
        hinted.map_or(Cow::Borrowed(self.domain()), Cow::Owned)
    }

    /// The type-specific field; secret for most types.
    #[must_use]
    pub fn specific(&self) -> &str {
        &self.specific
    }

    /// The control field; secret for `vs`.
    #[must_use]
    pub fn control(&self) -> &str {
        &self.control
    }

    /// The version.
    #[must_use]
    pub const fn version(&self) -> &Version {
        &self.version
    }

    /// The hint.
    #[must_use]
    pub const fn hint(&self) -> Option<&Hint> {
        self.hint.as_ref()
    }

    /// The colon-separated form with the hint.
    #[must_use]
    pub fn plain(&self) -> Zeroizing<String> {
        let mut text = self.plain_without_hint();
        if let Some(hint) = &self.hint {
            let hint = hint.normal_text();
            // Room for all at once, so that no secret stays in an old buffer.
            let mut longer = Zeroizing::new(String::with_capacity(text.len() + 1 + hint.len()));
            longer.push_str(&text);
            longer.push(':');
            longer.push_str(&hint);
            text = longer;
        }
        text
    }

    /// The colon-separated form without the hint.
    #[must_use]
    pub fn plain_without_hint(&self) -> Zeroizing<String> {
        let version = self.version.to_string();
        let parts = [
            "ssi",
            self.kind.name(),
            &self.domain,
            &self.specific,
            &self.control,
            &version,
        ];
        // Room for all at once, so that no secret stays in an old buffer.
        let length: usize = parts.iter().map(|part| part.len() + 1).sum();
        let mut plain = Zeroizing::new(String::with_capacity(length));
        for part in parts {
            if !plain.is_empty() {
                plain.push(':');
            }
            plain.push_str(part);
        }
        plain
    }

    /// The base58 form with the hint: the default everywhere.
    #[must_use]
    pub fn wrapped(&self) -> Zeroizing<String> {
        Zeroizing::new(base58::encode(self.plain().as_bytes()))
    }

    /// The base58 form without the hint.
    #[must_use]
    pub fn wrapped_without_hint(&self) -> Zeroizing<String> {
        Zeroizing::new(base58::encode(self.plain_without_hint().as_bytes()))
    }

    /// Replaces a domain of the form `$NAME` by what `lookup` gives for `NAME`,
    /// or by an empty domain. Other domains stay.
    ///
    /// Only for identifiers from trusted local configuration: the reference
    /// does this on every read, also for identifiers that came from outside,
    /// and thereby publishes its environment (§1.4).
    #[must_use]
    pub fn resolve_domain(mut self, lookup: impl FnOnce(&str) -> Option<String>) -> Self {
        if let Some(name) = self.domain.strip_prefix('$') {
            self.domain = lookup(name).unwrap_or_default();
        }
        self
    }
}

impl PartialEq for KeySsi {
    fn eq(&self, other: &Self) -> bool {
        self.plain()
            .as_bytes()
            .ct_eq(other.plain().as_bytes())
            .into()
    }
}

impl Eq for KeySsi {}

impl fmt::Debug for KeySsi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("KeySsi");
        fields.field("kind", &self.kind.name());
        fields.field("domain", &self.domain);
        fields.finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_secret() {
        let text = "ssi:seed:default:c2VjcmV0:control:v0:{\"embedded\":\"inside\"}";
        let shown = format!("{:?}", KeySsi::parse(text).unwrap());
        for secret in ["c2VjcmV0", "control", "inside"] {
            assert!(!shown.contains(secret), "{shown}");
        }
        assert!(shown.contains("seed") && shown.contains("default"));
    }

    #[test]
    fn secret_fields_are_wiped_on_drop() {
        fn wiped<T: zeroize::ZeroizeOnDrop>(_: &T) {}
        let ssi = KeySsi::parse("ssi:vs:d:/x:AAAA:v0").unwrap();
        wiped(&ssi.specific);
        wiped(&ssi.control);
        wiped(&ssi.plain());
        wiped(&ssi.wrapped());
    }

    #[test]
    fn fields_take_no_colons() {
        let fields = SsiFields {
            specific: "a:b",
            ..SsiFields::default()
        };
        assert_eq!(
            KeySsi::new(SsiKind::Alias, fields),
            Err(SsiError::ColonInField)
        );
    }

    #[test]
    fn equality_is_that_of_the_text() {
        let parse = |text: &str| KeySsi::parse(text).unwrap();
        assert_eq!(parse("ssi:seed:d:AAAA::"), parse("ssi:seed:d:AAAA::v0"));
        assert_ne!(parse("ssi:seed:d:AAAA::v0"), parse("ssi:seed:d:AAAB::v0"));
        assert_ne!(
            parse("ssi:seed:d:AAAA::v0"),
            parse("ssi:seed:d:AAAA::v0:{}")
        );
    }

    #[test]
    fn only_a_leading_dollar_is_resolved() {
        let resolve = |text: &str| {
            let ssi = KeySsi::parse(text).unwrap();
            ssi.resolve_domain(|name| (name == "HOME_DOMAIN").then(|| "home".to_owned()))
        };
        assert_eq!(resolve("ssi:seed:$HOME_DOMAIN:AAAA::v0").domain(), "home");
        assert_eq!(resolve("ssi:seed:$OTHER:AAAA::v0").domain(), "");
        assert_eq!(resolve("ssi:seed:a$b:AAAA::v0").domain(), "a$b");
        assert_eq!(
            KeySsi::parse("ssi:seed:$HOME:AAAA::v0")
                .unwrap()
                .plain()
                .as_str(),
            "ssi:seed:$HOME:AAAA::v0"
        );
    }
}
