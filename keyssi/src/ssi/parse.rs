//! Two readings of identifiers: a strict one for all that comes from outside,
//! and that of the reference for what other software has stored.
//!
//! **Source:** keyssi specification §1.2 (algorithm, table of advice), §1.3.

use thiserror::Error;
use zeroize::Zeroizing;

use super::{Hint, HintError, KeySsi, SsiKind, UnknownKind, Version};
use crate::base58::{self, Base58Error};

/// Longest plain form of the strict reading. The reference has no limit that
/// works; ours is far above what is in use and bounds the cost of base58.
const PLAIN_BYTES_MAX: usize = 16 * 1024;

/// The text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SsiError {
    /// Longer than the strict reading accepts (16 KiB in the plain form).
    #[error("an identifier has at most {max} bytes in this form, found {found}")]
    TooLong {
        /// Length of the text in bytes.
        found: usize,
        /// The limit of the form.
        max: usize,
    },
    /// Without a colon, and not base58.
    #[error("the text is neither a plain nor a base58 identifier")]
    NotBase58(#[source] Base58Error),
    /// Base58 with leading `1`: another name of an identifier that has one.
    #[error("a wrapped identifier does not begin with '1'")]
    Alias,
    /// The base58 text does not hold UTF-8.
    #[error("a wrapped identifier holds UTF-8 text")]
    NotUtf8,
    /// Base58 that holds text without colons.
    #[error("the base58 text holds no identifier")]
    NotWrapped,
    /// The first segment is not `ssi`.
    #[error("an identifier begins with 'ssi:'")]
    WrongPrefix,
    /// Fewer than six segments.
    #[error("an identifier has at least six segments, found {found}")]
    MissingSegments {
        /// Number of segments.
        found: usize,
    },
    /// The second segment is no registered type.
    #[error(transparent)]
    UnknownKind(#[from] UnknownKind),
    /// The sixth segment is not `v` and a number.
    #[error("the version of an identifier is 'v' and a number")]
    BadVersion,
    /// White space at the end of a plain identifier.
    #[error("an identifier does not end in white space")]
    TrailingSpace,
    /// The seventh segment is no hint.
    #[error("the hint of the identifier is malformed")]
    BadHint(#[source] HintError),
    /// A field that cannot be written, because there is no escaping.
    #[error("a field of an identifier holds no colon")]
    ColonInField,
}

/// The parts of a plain identifier. Nothing is judged here.
pub(crate) struct Segments<'a> {
    pub(crate) prefix: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) domain: Option<&'a str>,
    pub(crate) specific: Option<&'a str>,
    pub(crate) control: Option<&'a str>,
    pub(crate) version: Option<&'a str>,
    /// All after the sixth colon, colons included.
    pub(crate) hint: Option<&'a str>,
}

impl<'a> Segments<'a> {
    /// Cuts at the first six colons.
    pub(crate) fn of(plain: &'a str) -> Self {
        let mut parts = plain.splitn(7, ':');
        Self {
            prefix: parts.next().unwrap_or_default(),
            kind: parts.next().unwrap_or_default(),
            domain: parts.next(),
            specific: parts.next(),
            control: parts.next(),
            version: parts.next(),
            hint: parts.next(),
        }
    }
}

/// True if the text is the base58 form: the plain form always has colons.
pub(crate) fn is_wrapped(text: &str) -> bool {
    !text.contains(':')
}

/// The longest wrapped form of a plain form of at most `plain_bytes_max`.
pub(crate) const fn wrapped_chars_max(plain_bytes_max: usize) -> usize {
    plain_bytes_max * 138 / 100 + 1
}

/// The plain text inside a wrapped one, strictly: no aliases, valid UTF-8.
pub(crate) fn unwrap(wrapped: &str) -> Result<Zeroizing<String>, SsiError> {
    if wrapped.starts_with('1') {
        return Err(SsiError::Alias);
    }
    let bytes = base58::decode(wrapped).map_err(SsiError::NotBase58)?;
    match String::from_utf8(bytes) {
        Ok(plain) if is_wrapped(&plain) => Err(SsiError::NotWrapped),
        Ok(plain) => Ok(Zeroizing::new(plain)),
        Err(error) => {
            drop(Zeroizing::new(error.into_bytes()));
            Err(SsiError::NotUtf8)
        }
    }
}

impl KeySsi {
    /// Reads the plain or the wrapped form, strictly: what the table of §1.2
    /// advises to refuse is refused. What only a server must refuse (domains)
    /// and what fails when it is used (keys, other versions) is accepted.
    ///
    /// # Errors
    /// [`SsiError`] says which rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, SsiError> {
        let max = if is_wrapped(text) {
            wrapped_chars_max(PLAIN_BYTES_MAX)
        } else {
            PLAIN_BYTES_MAX
        };
        if text.len() > max {
            let found = text.len();
            return Err(SsiError::TooLong { found, max });
        }
        if is_wrapped(text) {
            return Self::parse_plain(&unwrap(text)?);
        }
        Self::parse_plain(text)
    }

    /// Reads either form as the reference does, for identifiers that it has
    /// stored: any prefix, any version, missing segments, aliases, broken
    /// UTF-8, no limit of length.
    ///
    /// It differs from the reference where that cannot write what it has read:
    /// a trailing colon is no hint, and a `null` hint is refused. Types of
    /// which the reference loses the fields keep them here (§3.6 to §3.8).
    ///
    /// # Errors
    /// [`SsiError`] where the reference throws too, and for a `null` hint.
    pub fn parse_stored(text: &str) -> Result<Self, SsiError> {
        let plain = Zeroizing::new(if is_wrapped(text) {
            let bytes = Zeroizing::new(base58::decode(text).map_err(SsiError::NotBase58)?);
            match String::from_utf8_lossy(&bytes) {
                plain if is_wrapped(&plain) => return Err(SsiError::NotWrapped),
                plain => plain.into_owned(),
            }
        } else {
            text.to_owned()
        });
        let segments = Segments::of(&plain);
        let version = match segments.version {
            None => Version::Missing,
            Some("" | "v0") => Version::V0,
            Some(other) => Version::Other(other.into()),
        };
        Self::assemble(&segments, version)
    }

    fn parse_plain(plain: &str) -> Result<Self, SsiError> {
        let segments = Segments::of(plain);
        if segments.prefix != "ssi" {
            return Err(SsiError::WrongPrefix);
        }
        let Some(version) = segments.version else {
            let found = plain.split(':').count();
            return Err(SsiError::MissingSegments { found });
        };
        if plain.ends_with(char::is_whitespace) {
            return Err(SsiError::TrailingSpace);
        }
        let version = match version {
            "" | "v0" => Version::V0,
            other if is_version(other) => Version::Other(other.into()),
            _ => return Err(SsiError::BadVersion),
        };
        Self::assemble(&segments, version)
    }

    fn assemble(segments: &Segments<'_>, version: Version) -> Result<Self, SsiError> {
        let kind: SsiKind = segments.kind.parse()?;
        let hint = match segments.hint {
            None | Some("") => None,
            Some(text) => Some(Hint::parse(text).map_err(SsiError::BadHint)?),
        };
        let secret = |text: Option<&str>| Zeroizing::new(text.unwrap_or_default().to_owned());
        Ok(Self {
            kind,
            domain: segments.domain.unwrap_or_default().to_owned(),
            specific: secret(segments.specific),
            control: secret(segments.control),
            version,
            hint,
        })
    }
}

/// True for `v` and decimal digits.
fn is_version(text: &str) -> bool {
    let digits = text.strip_prefix('v').unwrap_or_default();
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PLAIN: &str = "ssi:seed:default:AAAA::v0";
    const WRAPPED: &str = "oTPbzwXcCW4eYnAZDnzd1scs3zu8sV19rw";

    fn refused(text: &str) -> SsiError {
        KeySsi::parse(text).unwrap_err()
    }

    #[test]
    fn both_forms_read_alike() {
        for text in [PLAIN, WRAPPED] {
            let ssi = KeySsi::parse(text).unwrap();
            assert_eq!(ssi.plain().as_str(), PLAIN);
            assert_eq!(ssi.wrapped().as_str(), WRAPPED);
        }
        let hinted = KeySsi::parse("ssi:sza:d::AAAA:v0:{ \"a\": \"b:c\" }").unwrap();
        assert_eq!(
            hinted.plain().as_str(),
            "ssi:sza:d::AAAA:v0:{\"a\":\"b:c\"}"
        );
        assert_eq!(hinted.plain_without_hint().as_str(), "ssi:sza:d::AAAA:v0");
    }

    #[test]
    fn the_strict_reading_says_what_is_wrong() {
        assert_eq!(refused("foo:seed:default:AAAA::v0"), SsiError::WrongPrefix);
        assert_eq!(refused(" ssi:seed:default:AAAA::v0"), SsiError::WrongPrefix);
        assert_eq!(refused("ssi:seed"), SsiError::MissingSegments { found: 2 });
        assert_eq!(
            refused("ssi:seed:d:AAAA:"),
            SsiError::MissingSegments { found: 5 }
        );
        assert_eq!(
            refused("ssi:SEED:d:AAAA::v0"),
            SsiError::UnknownKind(UnknownKind)
        );
        assert_eq!(refused("ssi:seed:d:AAAA::v0 "), SsiError::TrailingSpace);
        assert_eq!(refused("ssi:seed:d:AAAA::undefined"), SsiError::BadVersion);
        assert_eq!(refused("ssi:seed:d:AAAA::v"), SsiError::BadVersion);
        assert_eq!(
            refused("ssi:seed:d:AAAA::v0:{"),
            SsiError::BadHint(HintError::NotJson)
        );
        assert_eq!(
            refused("ssi:seed:d:AAAA::v0:null"),
            SsiError::BadHint(HintError::Null)
        );
        assert_eq!(refused(&format!("1{WRAPPED}")), SsiError::Alias);
        assert_eq!(refused("2n"), SsiError::NotWrapped);
        assert_eq!(
            refused(&base58::encode(b"ssi:seed:\xff:AAAA::v0")),
            SsiError::NotUtf8
        );
        assert!(matches!(
            refused(&format!("{WRAPPED} ")),
            SsiError::NotBase58(_)
        ));
        assert!(matches!(
            refused(&format!("{WRAPPED}\u{100}")),
            SsiError::NotBase58(_)
        ));
    }

    #[test]
    fn length_is_limited_in_the_strict_reading_only() {
        let of_length = |bytes: usize| {
            let rest = "ssi:embed:d:::v0".len();
            format!("ssi:embed:d:{}::v0", "A".repeat(bytes - rest))
        };
        let longest = KeySsi::parse(&of_length(PLAIN_BYTES_MAX)).unwrap();
        assert!(KeySsi::parse(&longest.wrapped()).is_ok());
        let too_long = of_length(PLAIN_BYTES_MAX + 1);
        let limits = SsiError::TooLong {
            found: PLAIN_BYTES_MAX + 1,
            max: PLAIN_BYTES_MAX,
        };
        assert_eq!(refused(&too_long), limits);
        let wrapped = "z".repeat(wrapped_chars_max(PLAIN_BYTES_MAX) + 1);
        assert!(matches!(refused(&wrapped), SsiError::TooLong { .. }));
        assert!(KeySsi::parse_stored(&too_long).is_ok());
    }

    #[test]
    fn the_stored_reading_takes_what_the_reference_takes() {
        let stored = |text: &str| KeySsi::parse_stored(text).unwrap().plain().to_string();
        assert_eq!(stored("foo:seed:default:AAAA::"), PLAIN);
        assert_eq!(stored(&format!("11{WRAPPED}")), PLAIN);
        assert_eq!(stored("ssi:seed:default"), "ssi:seed:default:::undefined");
        assert_eq!(
            stored("ssi:seed:default:AAAA::v0 "),
            "ssi:seed:default:AAAA::v0 "
        );
        assert_eq!(stored("ssi:seed:default:AAAA::v0:"), PLAIN);
        assert_eq!(
            KeySsi::parse_stored("ssi:seed:d:AAAA::v0:null").unwrap_err(),
            SsiError::BadHint(HintError::Null)
        );
    }

    fn field() -> impl Strategy<Value = String> {
        "[^:]{0,30}"
    }

    proptest! {
        #[test]
        fn serialising_undoes_parsing(
            index in 0..SsiKind::ALL.len(),
            domain in field(),
            specific in field(),
            control in field(),
            hint in proptest::option::of("\\{\"[a-z]{1,5}\":\"[^\"\\\\\\x00-\\x1f]{0,10}\"\\}"),
        ) {
            let kind = SsiKind::ALL[index];
            let fields = super::super::SsiFields {
                domain: &domain,
                specific: &specific,
                control: &control,
                version: Version::V0,
                hint: hint.map(|text| Hint::parse(&text).unwrap()),
            };
            let ssi = KeySsi::new(kind, fields).unwrap();
            prop_assert_eq!(&KeySsi::parse(&ssi.plain()).unwrap(), &ssi);
            prop_assert_eq!(&KeySsi::parse(&ssi.wrapped()).unwrap(), &ssi);
            prop_assert_eq!(&KeySsi::parse_stored(&ssi.wrapped()).unwrap(), &ssi);
        }

        #[test]
        fn any_text_is_refused_or_read(text in "(ssi:[a-z]{2,4}:)?\\PC{0,60}") {
            if let Ok(ssi) = KeySsi::parse(&text) {
                prop_assert_eq!(&KeySsi::parse_stored(&text).unwrap(), &ssi);
            }
            if let Ok(ssi) = KeySsi::parse_stored(&text) {
                prop_assert_eq!(KeySsi::parse_stored(&ssi.plain()).unwrap(), ssi);
            }
        }
    }
}
