//! Base64 as identifiers carry it: the standard alphabet with padding when
//! written, and two readings, a strict one and that of the reference.
//!
//! **Source:** keyssi specification §2 (`base64 in`, `base64 out`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;

/// The text is not base64 in its canonical form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
#[error("the text is not padded standard base64 in canonical form")]
pub struct Base64Error;

/// Encodes with the standard alphabet and padding.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Decodes the one text that [`encode`] gives for some bytes.
///
/// # Errors
/// [`Base64Error`] for anything else: other alphabets, missing padding, white
/// space, bits left over in the last group.
pub fn decode_canonical(text: &str) -> Result<Vec<u8>, Base64Error> {
    STANDARD.decode(text).map_err(|_| Base64Error)
}

/// Decodes as the reference does: reading stops at the first `=`, both the
/// standard and the URL-safe alphabet count, every other character is
/// skipped, and the bits of an incomplete last group are dropped. Never fails.
#[must_use]
pub fn decode_lenient(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    let mut group: u32 = 0;
    let mut bits = 0;
    let digits = text.bytes().take_while(|&byte| byte != b'=');
    for value in digits.filter_map(value_of) {
        group = (group << 6) | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(((group >> bits) & 0xff) as u8);
            group &= (1 << bits) - 1;
        }
    }
    bytes
}

/// True if the text has no character that [`decode_lenient`] would skip: one
/// of the two alphabets, then nothing but padding.
pub(crate) fn is_clean(text: &str) -> bool {
    text.trim_end_matches('=')
        .bytes()
        .all(|byte| value_of(byte).is_some())
}

/// The value of a character in either alphabet.
const fn value_of(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_strict_reading_takes_one_text_per_byte_string() {
        assert_eq!(decode_canonical("aGVsbG8=").unwrap(), b"hello");
        for text in ["aGVsbG8", "aGVsbG8==", "aGVsbG9=", "-_-_", " aGVsbG8=", "a"] {
            assert_eq!(decode_canonical(text), Err(Base64Error), "{text}");
        }
    }

    #[test]
    fn the_lenient_reading_skips_what_it_does_not_know() {
        for text in [
            "aGVsbG8=",
            "aGVsbG8",
            "aG Vs*bG8=",
            "aGVsbG8==rest",
            "aGVsbG9",
        ] {
            assert_eq!(decode_lenient(text), b"hello", "{text}");
        }
        assert_eq!(decode_lenient("-_-_"), decode_lenient("+/+/"));
        assert_eq!(decode_lenient("a"), b"");
        assert_eq!(decode_lenient("=aGVs"), b"");
    }

    #[test]
    fn clean_texts_have_nothing_to_skip() {
        assert!(is_clean("aGVs-_+/bG8=="));
        assert!(is_clean(""));
        assert!(!is_clean("aG Vs"));
        assert!(!is_clean("aG=Vs"));
    }

    proptest! {
        #[test]
        fn both_readings_undo_encoding(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let text = encode(&bytes);
            prop_assert_eq!(&decode_canonical(&text).unwrap(), &bytes);
            prop_assert_eq!(&decode_lenient(&text), &bytes);
        }

        #[test]
        fn any_text_is_read_without_panic(text in "\\PC*") {
            let bytes = decode_lenient(&text);
            prop_assert!(bytes.len() <= text.len());
        }
    }
}
