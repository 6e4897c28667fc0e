//! The name of a brick: the SHA-256 of its stored bytes.
//!
//! **Source:** keyssi specification §2 (`hash`), dsu specification §1 and §2.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::base58;

/// 32 bytes take at most 44 base58 digits. Anything longer is refused before
/// any arithmetic is done on it.
const TEXT_CHARS_MAX: usize = 44;

/// The SHA-256 of a brick, written as base58 (usually 43 or 44 characters).
///
/// The only way from text to this type is parsing, so a value of it is always
/// 32 bytes and never a path or a made-up name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BrickHash([u8; 32]);

/// The text is not the name of a brick.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BrickHashError {
    /// More characters than 32 bytes can take.
    #[error("a brick hash has at most {TEXT_CHARS_MAX} characters, found {found}")]
    TooLong {
        /// Length of the text in bytes.
        found: usize,
    },
    /// A character outside the base58 alphabet.
    #[error("a brick hash is base58 text")]
    NotBase58(#[source] base58::Base58Error),
    /// Base58, but of another number of bytes.
    #[error("a brick hash names 32 bytes, found {found}")]
    WrongLength {
        /// Number of bytes that the text names.
        found: usize,
    },
}

impl BrickHash {
    /// The hash of `bytes`, which are a brick as it is stored.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Takes the 32 bytes of a SHA-256 that was computed elsewhere.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes of the SHA-256.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for BrickHash {
    type Err = BrickHashError;

    /// Parses the base58 text of exactly 32 bytes. Base58 without checksum has
    /// one text per byte string, so equal hashes always have equal texts.
    fn from_str(text: &str) -> Result<Self, BrickHashError> {
        if text.len() > TEXT_CHARS_MAX {
            return Err(BrickHashError::TooLong { found: text.len() });
        }
        let bytes = base58::decode(text).map_err(BrickHashError::NotBase58)?;
        let found = bytes.len();
        bytes
            .try_into()
            .map(Self)
            .map_err(|_| BrickHashError::WrongLength { found })
    }
}

impl fmt::Display for BrickHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base58::encode(&self.0))
    }
}

impl fmt::Debug for BrickHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BrickHash({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_empty_brick_has_the_known_name() {
        let hash = BrickHash::of(b"");
        assert_eq!(
            hash.to_string(),
            "GKot5hBsd81kMupNCXHaqbhv3huEbxAFMLnpcX2hniwn"
        );
        assert_eq!(
            "GKot5hBsd81kMupNCXHaqbhv3huEbxAFMLnpcX2hniwn".parse(),
            Ok(hash)
        );
        assert_eq!(
            format!("{hash:?}"),
            "BrickHash(GKot5hBsd81kMupNCXHaqbhv3huEbxAFMLnpcX2hniwn)"
        );
    }

    #[test]
    fn boundaries_of_the_length() {
        let zeros = "1".repeat(32);
        assert_eq!(zeros.parse(), Ok(BrickHash::from_bytes([0; 32])));
        let largest = BrickHash::from_bytes([0xff; 32]);
        assert_eq!(largest.to_string().len(), 44);
        assert_eq!(largest.to_string().parse(), Ok(largest));
        let cases = [
            (String::new(), BrickHashError::WrongLength { found: 0 }),
            ("1".repeat(31), BrickHashError::WrongLength { found: 31 }),
            ("1".repeat(33), BrickHashError::WrongLength { found: 33 }),
            ("1".repeat(45), BrickHashError::TooLong { found: 45 }),
            // 2^256, one more than the largest 32-byte number.
            (
                base58::encode(&{
                    let mut over = [0; 33];
                    over[0] = 1;
                    over
                }),
                BrickHashError::WrongLength { found: 33 },
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<BrickHash>(), Err(expected), "{text}");
        }
        assert!(matches!(
            "../../etc/passwd".parse::<BrickHash>(),
            Err(BrickHashError::NotBase58(_))
        ));
    }

    proptest! {
        #[test]
        fn text_round_trips(bytes: [u8; 32]) {
            let hash = BrickHash::from_bytes(bytes);
            prop_assert_eq!(hash.to_string().parse::<BrickHash>(), Ok(hash));
        }

        #[test]
        fn any_text_is_refused_or_canonical(text in "\\PC{0,60}") {
            if let Ok(hash) = text.parse::<BrickHash>() {
                prop_assert_eq!(hash.to_string(), text);
            }
        }
    }
}
