//! Base58 with the Bitcoin alphabet and no checksum: the text form of hashes
//! and the wrapping of identifiers.
//!
//! The conversion takes the whole byte string as one big-endian number, so its
//! cost grows with the square of the length. Callers that take text from the
//! network limit its length first.
//!
//! **Source:** keyssi specification §2.

use thiserror::Error;

/// The text is not base58.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
#[error("character {at} is not in the base58 alphabet")]
pub struct Base58Error {
    /// Byte offset of the first character outside the alphabet.
    pub at: usize,
}

/// Encodes bytes: one `1` for every leading zero byte, then the digits of the
/// rest. No bytes give an empty text.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    bs58::encode(bytes).into_string()
}

/// Decodes a text. An empty text gives no bytes.
///
/// # Errors
/// [`Base58Error`] if any character is outside the alphabet. White space and
/// characters beyond ASCII count as outside, unlike in the reference.
pub fn decode(text: &str) -> Result<Vec<u8>, Base58Error> {
    if let Some(at) = text.bytes().position(|byte| !is_digit(byte)) {
        return Err(Base58Error { at });
    }
    bs58::decode(text)
        .into_vec()
        .map_err(|_| Base58Error { at: 0 })
}

/// True if the byte is one of the 58 digits: the letters and digits of ASCII
/// without `0`, `I`, `O` and `l`.
pub(crate) const fn is_digit(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() && !matches!(byte, b'0' | b'I' | b'O' | b'l')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn leading_zero_bytes_become_ones() {
        assert_eq!(encode(&[]), "");
        assert_eq!(encode(&[0]), "1");
        assert_eq!(encode(&[0, 0, 1]), "112");
        assert_eq!(encode(b"hello"), "Cn8eVZg");
        assert_eq!(decode("112").unwrap(), [0, 0, 1]);
        assert_eq!(decode("").unwrap(), Vec::<u8>::new());
    }

    #[test]
    fn characters_outside_the_alphabet_are_named() {
        for text in ["0", "I", "O", "l", " ", "\n", "+", "é", "\u{0}", "\u{141}"] {
            assert_eq!(decode(text), Err(Base58Error { at: 0 }), "{text:?}");
        }
        assert_eq!(decode("abc0"), Err(Base58Error { at: 3 }));
        let message = Base58Error { at: 3 }.to_string();
        assert_eq!(message, "character 3 is not in the base58 alphabet");
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(decode(&encode(&bytes)).unwrap(), bytes);
        }

        #[test]
        fn any_text_is_refused_or_round_trips(text in "\\PC*") {
            if let Ok(bytes) = decode(&text) {
                prop_assert_eq!(encode(&bytes), text);
            }
        }
    }
}
