//! The small text forms that notes, policies and proofs share: base64, decimal numbers, hex.
//!
//! Each value has one text only: what a parser here takes, the printer gives back byte for byte.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{Hash, PROOF_HASHES_MAX};

/// Standard alphabet, padded.
pub(crate) fn base64_text(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Standard alphabet, padded, unused bits zero.
pub(crate) fn base64_bytes(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// The base64 of exactly `N` bytes.
pub(crate) fn base64_array<const N: usize>(text: &str) -> Option<[u8; N]> {
    base64_bytes(text)?.try_into().ok()
}

/// A decimal number without sign and without leading zeros.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let leading_zero = text.len() > 1 && text.starts_with('0');
    if !digits || leading_zero {
        return None;
    }
    text.parse().ok()
}

/// Eight lower-case hex digits.
pub(crate) fn id_text(id: [u8; 4]) -> String {
    format!("{:08x}", u32::from_be_bytes(id))
}

/// A line with the base64 of each hash.
pub(crate) fn hash_lines(hashes: &[Hash]) -> String {
    let line = |hash: &Hash| base64_text(hash) + "\n";
    hashes.iter().map(line).collect()
}

/// Lines with a hash each up to an empty line, at most as many as a proof has, and what follows.
pub(crate) fn split_hashes(lines: &str) -> Option<(Vec<Hash>, &str)> {
    let mut hashes = Vec::new();
    let mut rest = lines;
    loop {
        let (line, after) = rest.split_once('\n')?;
        rest = after;
        if line.is_empty() {
            return Some((hashes, rest));
        }
        if hashes.len() == PROOF_HASHES_MAX {
            return None;
        }
        hashes.push(base64_array(line)?);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_text() {
        for (text, expected) in [
            ("0", Some(0)),
            ("7", Some(7)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("", None),
            ("00", None),
            ("01", None),
            ("+1", None),
            ("-1", None),
            (" 1", None),
            ("1 ", None),
            ("٣", None),
        ] {
            assert_eq!(decimal(text), expected, "{text:?}");
        }
    }

    #[test]
    fn bytes_have_one_base64_text() {
        assert_eq!(base64_bytes("AAE="), Some(vec![0, 1]));
        // Unused bits set, padding missing or doubled, URL alphabet, white space.
        for text in ["AAF=", "AAE", "AAE==", "AA-_", "AAE=\n", " AAE="] {
            assert_eq!(base64_bytes(text), None, "{text:?}");
        }
        assert_eq!(base64_array::<3>("AAE="), None);
    }
}
