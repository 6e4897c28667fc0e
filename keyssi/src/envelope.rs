//! The symmetric envelope of bricks and brick maps: AES-256-GCM with a nonce
//! of 16 bytes.
//!
//! ```text
//! ciphertext (as long as the plaintext) || iv (16) || aad (32) || tag (16)
//! ```
//!
//! **Source:** keyssi specification §5.1, dsu specification §1.3.

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::aes::Aes256;
use aes_gcm::aes::cipher::consts::U16;
use aes_gcm::{AesGcm, Nonce, Tag};
use rand_core::CryptoRng;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::encryption_key::{EncryptionKey, salt};

/// GCM derives the counter of a 16-byte nonce by GHASH.
type Cipher = AesGcm<Aes256, U16>;

const IV_BYTES: usize = 16;
const AAD_BYTES: usize = 32;
const TAG_BYTES: usize = 16;

/// How much longer an envelope is than its plaintext.
pub const OVERHEAD_BYTES: usize = IV_BYTES + AAD_BYTES + TAG_BYTES;

/// The bytes cannot be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// Shorter than iv, aad and tag.
    #[error("an envelope has at least {OVERHEAD_BYTES} bytes, found {found}")]
    TooShort {
        /// Number of bytes.
        found: usize,
    },
    /// Another key, or altered bytes.
    #[error("the envelope was not sealed with this key")]
    NotAuthentic,
    /// More than the 64 GiB that the cipher takes.
    #[error("the plaintext is too long for one envelope")]
    TooLong,
}

/// Encrypts with iv and aad from `random`.
///
/// # Errors
/// [`EnvelopeError::TooLong`] beyond 64 GiB.
pub fn seal(
    key: &EncryptionKey,
    plaintext: &[u8],
    random: &mut impl CryptoRng,
) -> Result<Vec<u8>, EnvelopeError> {
    let mut iv = [0; IV_BYTES];
    let mut aad = [0; AAD_BYTES];
    random.fill_bytes(&mut iv);
    random.fill_bytes(&mut aad);
    seal_with(key, plaintext, iv, aad)
}

/// Encrypts with iv and aad computed from the key (`avoidRandom`), so that
/// equal plaintexts give equal envelopes.
///
/// The nonce of a key is then always the same: **two different plaintexts
/// under one key give away both.** Only for keys that are used once.
///
/// # Errors
/// [`EnvelopeError::TooLong`] beyond 64 GiB.
pub fn seal_deterministic(key: &EncryptionKey, plaintext: &[u8]) -> Result<Vec<u8>, EnvelopeError> {
    let text = salt(key.as_bytes(), AAD_BYTES);
    let mut iv = [0; IV_BYTES];
    let mut aad = [0; AAD_BYTES];
    for (place, byte) in iv.iter_mut().zip(text.bytes()) {
        *place = byte;
    }
    for (place, byte) in aad.iter_mut().zip(text.bytes()) {
        *place = byte;
    }
    seal_with(key, plaintext, iv, aad)
}

fn seal_with(
    key: &EncryptionKey,
    plaintext: &[u8],
    iv: [u8; IV_BYTES],
    aad: [u8; AAD_BYTES],
) -> Result<Vec<u8>, EnvelopeError> {
    let cipher = Cipher::new(key.as_bytes().into());
    let mut envelope = Vec::with_capacity(plaintext.len() + OVERHEAD_BYTES);
    envelope.extend_from_slice(plaintext);
    let tag = cipher
        .encrypt_inout_detached(&Nonce::from(iv), &aad, envelope.as_mut_slice().into())
        .map_err(|_| EnvelopeError::TooLong)?;
    envelope.extend_from_slice(&iv);
    envelope.extend_from_slice(&aad);
    envelope.extend_from_slice(&tag);
    Ok(envelope)
}

/// Decrypts an envelope.
///
/// # Errors
/// [`EnvelopeError`] if it is too short, or not sealed with this key.
pub fn open(key: &EncryptionKey, envelope: &[u8]) -> Result<Zeroizing<Vec<u8>>, EnvelopeError> {
    let parts = split(envelope).ok_or(EnvelopeError::TooShort {
        found: envelope.len(),
    })?;
    let cipher = Cipher::new(key.as_bytes().into());
    let mut plaintext = Zeroizing::new(parts.ciphertext.to_vec());
    cipher
        .decrypt_inout_detached(
            &Nonce::from(*parts.iv),
            parts.aad,
            plaintext.as_mut_slice().into(),
            &Tag::from(*parts.tag),
        )
        .map_err(|_| EnvelopeError::NotAuthentic)?;
    Ok(plaintext)
}

/// An envelope, cut from its end.
struct Parts<'a> {
    ciphertext: &'a [u8],
    iv: &'a [u8; IV_BYTES],
    aad: &'a [u8; AAD_BYTES],
    tag: &'a [u8; TAG_BYTES],
}

fn split(envelope: &[u8]) -> Option<Parts<'_>> {
    let (rest, tag) = envelope.split_last_chunk()?;
    let (rest, aad) = rest.split_last_chunk()?;
    let (ciphertext, iv) = rest.split_last_chunk()?;
    Some(Parts {
        ciphertext,
        iv,
        aad,
        tag,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_random::Counter;
    use proptest::prelude::*;

    fn key() -> EncryptionKey {
        EncryptionKey::from_bytes([7; 32])
    }

    #[test]
    fn every_changed_bit_is_noticed() {
        let envelope = seal(&key(), b"plain", &mut Counter(1)).unwrap();
        for index in 0..envelope.len() {
            let mut changed = envelope.clone();
            changed[index] ^= 1;
            assert_eq!(open(&key(), &changed), Err(EnvelopeError::NotAuthentic));
        }
        let other = EncryptionKey::from_bytes([8; 32]);
        assert_eq!(open(&other, &envelope), Err(EnvelopeError::NotAuthentic));
    }

    #[test]
    fn short_envelopes_are_refused() {
        let empty = seal(&key(), b"", &mut Counter(1)).unwrap();
        assert_eq!(empty.len(), OVERHEAD_BYTES);
        assert_eq!(open(&key(), &empty).unwrap().as_slice(), b"");
        for found in [0, 16, 63] {
            let refused = open(&key(), &empty[..found]);
            assert_eq!(refused, Err(EnvelopeError::TooShort { found }));
        }
    }

    #[test]
    fn the_deterministic_nonce_is_a_text_of_the_key() {
        let envelope = seal_deterministic(&key(), b"plain").unwrap();
        assert_eq!(envelope, seal_deterministic(&key(), b"plain").unwrap());
        let (iv, aad) = (&envelope[5..21], &envelope[21..53]);
        assert_eq!(iv, &aad[..16]);
        assert!(aad.iter().all(u8::is_ascii_hexdigit));
        assert_eq!(open(&key(), &envelope).unwrap().as_slice(), b"plain");
    }

    proptest! {
        #[test]
        fn opening_undoes_sealing(key: [u8; 32], plaintext: Vec<u8>, seed: u64) {
            let key = EncryptionKey::from_bytes(key);
            let envelope = seal(&key, &plaintext, &mut Counter(seed)).unwrap();
            prop_assert_eq!(envelope.len(), plaintext.len() + OVERHEAD_BYTES);
            let opened = open(&key, &envelope).unwrap();
            prop_assert_eq!(opened.as_slice(), &plaintext);
        }

        #[test]
        fn other_bytes_are_refused(bytes: Vec<u8>) {
            prop_assert!(open(&key(), &bytes).is_err());
        }
    }
}
