//! Base58 with the Bitcoin alphabet and no checksum: the text form of hashes
//! and the wrapping of identifiers.
//!
//! The conversion takes the whole byte string as one big-endian number, so its
//! cost grows with the square of the length. Callers that take text from the
//! network limit its length first.
//!
//! **Source:** keyssi specification §2.

use thiserror::Error;
use zeroize::Zeroizing;

/// The text is not base58.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
#[error("character {at} is not in the base58 alphabet")]
pub struct Base58Error {
    /// Byte offset of the first character outside the alphabet.
    pub at: usize,
}

/// The 58 digits in the order of their values.
const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// Value of each ASCII character, [`NO_DIGIT`] for those outside the alphabet.
const DIGIT_VALUES: [u8; 128] = digit_values();
const NO_DIGIT: u8 = 0xff;

/// Five digits are taken at a time: the largest power of 58 that fits a limb.
const DIGITS_PER_LIMB: usize = 5;
const LIMB_BASE: u64 = 58 * 58 * 58 * 58 * 58;

/// Encodes bytes: one `1` for every leading zero byte, then the digits of the
/// rest. No bytes give an empty text.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
    // Wrapped identifiers are secret, so what is left of them here is wiped.
    let mut limbs = Zeroizing::new(big_endian_limbs(bytes.get(zeros..).unwrap_or_default()));
    // Digits in reverse order: the least significant first. Room for all, so
    // that growing leaves no copy behind.
    let room = bytes.len() * 138 / 100 + 2 * DIGITS_PER_LIMB;
    let mut digits: Zeroizing<Vec<u8>> = Zeroizing::new(Vec::with_capacity(room));
    let mut start = 0;
    while let Some(rest) = limbs.get_mut(start..).filter(|rest| !rest.is_empty()) {
        let mut remainder = 0;
        for limb in rest.iter_mut() {
            let dividend = (remainder << 32) | u64::from(*limb);
            *limb = low_half(dividend / LIMB_BASE);
            remainder = dividend % LIMB_BASE;
        }
        for _ in 0..DIGITS_PER_LIMB {
            digits.push(digit_of(remainder % 58));
            remainder /= 58;
        }
        start += rest.iter().take_while(|&&limb| limb == 0).count();
    }
    while digits.last() == Some(&b'1') {
        digits.pop();
    }
    let mut text = String::with_capacity(zeros + digits.len());
    text.extend(std::iter::repeat_n('1', zeros));
    text.extend(digits.iter().rev().copied().map(char::from));
    text
}

/// Decodes a text. An empty text gives no bytes.
///
/// # Errors
/// [`Base58Error`] if any character is outside the alphabet. White space and
/// characters beyond ASCII count as outside, unlike in the reference.
pub fn decode(text: &str) -> Result<Vec<u8>, Base58Error> {
    let zeros = text.bytes().take_while(|&byte| byte == b'1').count();
    let digits = text.as_bytes().get(zeros..).unwrap_or_default();
    // Least significant limb first.
    let mut limbs = Zeroizing::new(Vec::with_capacity(digits.len() / DIGITS_PER_LIMB + 1));
    for (index, chunk) in digits.chunks(DIGITS_PER_LIMB).enumerate() {
        let mut scale: u64 = 1;
        let mut carry: u64 = 0;
        for (offset, &byte) in chunk.iter().enumerate() {
            let value = value_of(byte).ok_or(Base58Error {
                at: zeros + index * DIGITS_PER_LIMB + offset,
            })?;
            scale *= 58;
            carry = carry * 58 + u64::from(value);
        }
        for limb in limbs.iter_mut() {
            let sum = u64::from(*limb) * scale + carry;
            *limb = low_half(sum);
            carry = sum >> 32;
        }
        if carry > 0 {
            limbs.push(low_half(carry));
        }
    }
    let mut bytes = Vec::with_capacity(zeros + limbs.len() * 4);
    bytes.resize(zeros, 0);
    let significant = limbs.iter().rev().flat_map(|limb| limb.to_be_bytes());
    bytes.extend(significant.skip_while(|&byte| byte == 0));
    Ok(bytes)
}

/// The bytes as one number in limbs of 32 bits, the most significant first.
fn big_endian_limbs(bytes: &[u8]) -> Vec<u32> {
    let short = bytes.len() % 4;
    let (head, tail) = bytes.split_at(short);
    let limb = |chunk: &[u8]| {
        chunk
            .iter()
            .fold(0, |limb, &byte| (limb << 8) | u32::from(byte))
    };
    let first = (short > 0).then(|| limb(head));
    first.into_iter().chain(tail.chunks(4).map(limb)).collect()
}

/// The lower 32 bits.
const fn low_half(number: u64) -> u32 {
    (number & 0xffff_ffff) as u32
}

/// The character of a digit value below 58.
fn digit_of(value: u64) -> u8 {
    usize::try_from(value)
        .ok()
        .and_then(|index| ALPHABET.get(index).copied())
        .unwrap_or(b'1')
}

/// The value of a character of the alphabet.
fn value_of(byte: u8) -> Option<u8> {
    DIGIT_VALUES
        .get(usize::from(byte))
        .copied()
        .filter(|&value| value != NO_DIGIT)
}

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, where an index out of range is an error"
)]
const fn digit_values() -> [u8; 128] {
    let mut values = [NO_DIGIT; 128];
    let mut value: u8 = 0;
    while value < 58 {
        values[ALPHABET[value as usize] as usize] = value;
        value += 1;
    }
    values
}

/// True if the byte is one of the 58 digits.
pub(crate) fn is_digit(byte: u8) -> bool {
    value_of(byte).is_some()
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
        fn both_ways_agree_with_another_implementation(
            zeros in 0_usize..5,
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let bytes = [vec![0; zeros], bytes].concat();
            let text = bs58::encode(&bytes).into_string();
            prop_assert_eq!(&encode(&bytes), &text);
            prop_assert_eq!(decode(&text).unwrap(), bytes);
        }

        #[test]
        fn any_text_is_refused_or_round_trips(text in "\\PC*") {
            if let Ok(bytes) = decode(&text) {
                prop_assert_eq!(encode(&bytes), text);
            }
        }
    }
}
