//! Private keys as English words.
//!
//! The word list is that of BIP-39, the checksum is not: it hashes the JSON
//! text of the key, read as signed 32-bit numbers.
//!
//! **Source:** keyssi specification §4.3.

use sha2::{Digest, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

/// The 2048 English words of BIP-39, one per line, in alphabetical order.
const WORDS: &str = include_str!("bip39-english.txt");
const BITS_PER_WORD: usize = 11;
/// The checksum has one bit for each 32 bits of key.
const KEY_BITS_PER_CHECK_BIT: usize = 32;
const BYTES_PER_NUMBER: usize = 4;
/// 32 key bits and one check bit make three words.
const WORDS_PER_NUMBER: usize = 3;

/// Why bytes have no phrase, or a phrase names no bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MnemonicError {
    /// Only multiples of four bytes have a phrase; keys that lost a leading
    /// zero byte have none.
    #[error("only keys of a multiple of four bytes have a phrase, found {found} bytes")]
    KeyLength {
        /// Number of bytes.
        found: usize,
    },
    /// Not a multiple of three words.
    #[error("a phrase has a multiple of three words, found {found}")]
    WordCount {
        /// Number of words.
        found: usize,
    },
    /// A word that is not in the list. It is not repeated here: phrases are
    /// secret.
    #[error("word {index} of the phrase is not in the list")]
    UnknownWord {
        /// Place of the word, from 0.
        index: usize,
    },
}

/// What a phrase holds.
#[derive(Clone)]
pub struct DecodedPhrase {
    /// The bytes of the key. Secret.
    pub key: Zeroizing<Vec<u8>>,
    /// False if the last word does not fit the others. The reference never
    /// looks; a user should be warned.
    pub checksum_matches: bool,
}

/// The words of a key, separated by single spaces.
///
/// # Errors
/// [`MnemonicError::KeyLength`] unless the length is a multiple of four.
pub fn encode(key: &[u8]) -> Result<Zeroizing<String>, MnemonicError> {
    if !key.len().is_multiple_of(BYTES_PER_NUMBER) {
        return Err(MnemonicError::KeyLength { found: key.len() });
    }
    let words: Vec<&str> = WORDS.lines().collect();
    let mut bits = Zeroizing::new(Vec::with_capacity(key.len() * 9));
    bits.extend(bits_of(key));
    bits.extend(checksum(key));
    // Room for all, so that growing leaves no copy behind. No word has more
    // than eight letters.
    let count = bits.len() / BITS_PER_WORD;
    let mut phrase = Zeroizing::new(String::with_capacity(count * 9));
    for group in bits.chunks(BITS_PER_WORD) {
        if !phrase.is_empty() {
            phrase.push(' ');
        }
        let index = group
            .iter()
            .fold(0, |index, &bit| (index << 1) | usize::from(bit));
        phrase.push_str(words.get(index).copied().unwrap_or_default());
    }
    Ok(phrase)
}

/// The key that a phrase names. Words are separated by white space; the
/// checksum is reported, not enforced.
///
/// # Errors
/// [`MnemonicError`] if a word is unknown or the number of words is wrong.
pub fn decode(phrase: &str) -> Result<DecodedPhrase, MnemonicError> {
    let words: Vec<&str> = WORDS.lines().collect();
    let found = phrase.split_whitespace().count();
    if !found.is_multiple_of(WORDS_PER_NUMBER) {
        return Err(MnemonicError::WordCount { found });
    }
    let mut bits = Zeroizing::new(Vec::with_capacity(found * BITS_PER_WORD));
    for (index, word) in phrase.split_whitespace().enumerate() {
        let value = words
            .binary_search(&word)
            .map_err(|_| MnemonicError::UnknownWord { index })?;
        bits.extend(
            (0..BITS_PER_WORD)
                .rev()
                .map(|place| value >> place & 1 == 1),
        );
    }
    let key_bits = bits.len() / (KEY_BITS_PER_CHECK_BIT + 1) * KEY_BITS_PER_CHECK_BIT;
    let (key_bits, check_bits) = bits.split_at(key_bits);
    let key: Vec<u8> = key_bits
        .chunks(8)
        .map(|byte| {
            byte.iter()
                .fold(0, |byte, &bit| (byte << 1) | u8::from(bit))
        })
        .collect();
    let key = Zeroizing::new(key);
    let checksum_matches = checksum(&key) == check_bits;
    Ok(DecodedPhrase {
        key,
        checksum_matches,
    })
}

/// One bit per four bytes: the first bits of the SHA-256 of the key written as
/// a JSON list of signed 32-bit big-endian numbers.
fn checksum(key: &[u8]) -> Vec<bool> {
    let numbers = key.chunks(BYTES_PER_NUMBER).map(|chunk| {
        let unsigned = chunk
            .iter()
            .fold(0_u32, |number, &byte| (number << 8) | u32::from(byte));
        unsigned.cast_signed().to_string()
    });
    let list = Zeroizing::new(numbers.collect::<Vec<_>>());
    let json = Zeroizing::new(format!("[{}]", list.join(",")));
    let digest = Sha256::digest(json.as_bytes());
    bits_of(&digest)
        .take(key.len() / BYTES_PER_NUMBER)
        .collect()
}

/// The bits of bytes, the highest first.
fn bits_of(bytes: &[u8]) -> impl Iterator<Item = bool> {
    let bits = |byte: &u8| {
        let byte = *byte;
        (0..8).rev().map(move |place| byte >> place & 1 == 1)
    };
    bytes.iter().flat_map(bits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_list_is_complete_and_sorted() {
        let words: Vec<&str> = WORDS.lines().collect();
        assert_eq!(words.len(), 2048);
        assert!(words.is_sorted());
        assert!(words.iter().all(|word| word.len() <= 8));
    }

    #[test]
    fn what_has_no_phrase_is_refused() {
        for found in [1, 31, 33] {
            let refused = encode(&vec![7; found]).unwrap_err();
            assert_eq!(refused, MnemonicError::KeyLength { found });
        }
        assert_eq!(
            decode("zoo zoo").err(),
            Some(MnemonicError::WordCount { found: 2 })
        );
        assert_eq!(
            decode("zoo Zoo zoo").err(),
            Some(MnemonicError::UnknownWord { index: 1 })
        );
    }

    #[test]
    fn a_wrong_last_word_is_reported() {
        let phrase = encode(&[0; 16]).unwrap();
        assert!(decode(&phrase).unwrap().checksum_matches);
        let (start, last) = phrase.rsplit_once(' ').unwrap();
        let other = if last == "zoo" { "abandon" } else { "zoo" };
        let decoded = decode(&format!(" {start}\n{other}\t")).unwrap();
        assert!(!decoded.checksum_matches);
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(numbers in proptest::collection::vec(any::<u32>(), 1..10)) {
            let key: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
            let decoded = decode(&encode(&key).unwrap()).unwrap();
            prop_assert_eq!(decoded.key.as_slice(), &key);
            prop_assert!(decoded.checksum_matches);
        }

        #[test]
        fn any_text_is_refused_or_read(text in "([a-z]{3,5} ){0,6}") {
            let _ = decode(&text).map(|decoded| decoded.key.len());
        }
    }
}
