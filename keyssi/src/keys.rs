//! secp256k1 keys of any stored length, signing and verifying.
//!
//! **Source:** keyssi specification §3.1, §4.1, §4.2.

use std::fmt;

use k256::ecdsa::signature::Signer as _;
use k256::ecdsa::signature::hazmat::PrehashVerifier as _;
use k256::ecdsa::{self, SigningKey, VerifyingKey};
use k256::elliptic_curve::{Generate as _, ecdh};
use rand_core::CryptoRng;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::signature::Signature;

/// Length of a scalar and of a coordinate.
const SCALAR_BYTES: usize = 32;
/// Length of `04 || X || Y`.
pub(crate) const PUBLIC_RAW_BYTES: usize = 65;
const PUBLIC_COMPRESSED_BYTES: usize = 33;

/// The bytes are no key of the curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Zero, or not below the order of the group.
    #[error("a private key is a number from 1 up to the order of the group")]
    PrivateOutOfRange,
    /// Neither a 65-byte uncompressed nor a 33-byte compressed point, or a
    /// point that is not on the curve. Hybrid points are refused.
    #[error("a public key is a compressed or uncompressed point of the curve")]
    BadPoint,
    /// Not the DER or PEM structure that is expected.
    #[error("the key is not in the expected DER or PEM form")]
    BadEncoding,
}

/// A private key: the bytes exactly as they were stored, and the number that
/// they name.
///
/// Stored keys have no fixed length: the reference drops leading zero bytes.
/// The bytes are never padded or cut, because other keys are hashes of them
/// (§3.1). They are wiped on drop and not shown by `Debug`.
#[derive(Clone)]
pub struct PrivateKey {
    bytes: Zeroizing<Vec<u8>>,
    signer: SigningKey,
}

impl PrivateKey {
    /// Takes big-endian bytes of any length.
    ///
    /// # Errors
    /// [`KeyError::PrivateOutOfRange`] if the number is not in range.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
        let significant = bytes.get(zeros..).unwrap_or_default();
        let mut scalar = Zeroizing::new([0; SCALAR_BYTES]);
        let padding = SCALAR_BYTES
            .checked_sub(significant.len())
            .ok_or(KeyError::PrivateOutOfRange)?;
        if let Some(place) = scalar.get_mut(padding..) {
            place.copy_from_slice(significant);
        }
        let signer =
            SigningKey::from_slice(scalar.as_slice()).map_err(|_| KeyError::PrivateOutOfRange)?;
        Ok(Self {
            bytes: Zeroizing::new(bytes.to_vec()),
            signer,
        })
    }

    /// Makes a new key of 32 bytes.
    pub fn generate(random: &mut impl CryptoRng) -> Self {
        let signer = SigningKey::generate_from_rng(random);
        let bytes = Zeroizing::new(signer.to_bytes().to_vec());
        Self { bytes, signer }
    }

    /// The bytes as they were given. Secret.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The point that belongs to the key.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        PublicKey(*self.signer.verifying_key())
    }

    /// Signs the SHA-256 of `data` with the nonce of RFC 6979, so signing
    /// needs no randomness and is repeatable.
    #[must_use]
    pub fn sign(&self, data: &[u8]) -> Signature {
        let signature: ecdsa::Signature = self.signer.sign(data);
        Signature::from_ecdsa(signature)
    }

    /// The X coordinate of the shared point, 32 bytes.
    pub(crate) fn shared_secret(&self, other: &PublicKey) -> Zeroizing<[u8; SCALAR_BYTES]> {
        let shared = ecdh::diffie_hellman(self.signer.as_nonzero_scalar(), other.0.as_affine());
        Zeroizing::new((*shared.raw_secret_bytes()).into())
    }
}

impl PartialEq for PrivateKey {
    fn eq(&self, other: &Self) -> bool {
        self.bytes.ct_eq(other.bytes.as_slice()).into()
    }
}

impl Eq for PrivateKey {}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey").finish_non_exhaustive()
    }
}

/// A public key: a point of the curve.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Takes `04 || X || Y` (65 bytes) or the compressed form (33 bytes).
    ///
    /// # Errors
    /// [`KeyError::BadPoint`] for anything else, hybrid points included.
    pub fn from_sec1(bytes: &[u8]) -> Result<Self, KeyError> {
        match (bytes.first(), bytes.len()) {
            (Some(4), PUBLIC_RAW_BYTES) | (Some(2 | 3), PUBLIC_COMPRESSED_BYTES) => {
                VerifyingKey::from_sec1_bytes(bytes)
                    .map(Self)
                    .map_err(|_| KeyError::BadPoint)
            }
            _ => Err(KeyError::BadPoint),
        }
    }

    /// `04 || X || Y`: the form that identifiers carry.
    #[must_use]
    pub fn to_raw(&self) -> [u8; PUBLIC_RAW_BYTES] {
        let mut raw = [0; PUBLIC_RAW_BYTES];
        let point = self.0.to_sec1_point(false);
        for (place, byte) in raw.iter_mut().zip(point.as_bytes()) {
            *place = *byte;
        }
        raw
    }

    /// Checks a signature of `data`, with any of the two values of s.
    #[must_use]
    pub fn verify(&self, data: &[u8], signature: &Signature) -> bool {
        self.verify_parts(&[data], signature)
    }

    /// Checks a signature of the concatenation of `parts`.
    #[must_use]
    pub(crate) fn verify_parts(&self, parts: &[&[u8]], signature: &Signature) -> bool {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(part);
        }
        let checked = self
            .0
            .verify_prehash(&hash.finalize(), &signature.with_low_s());
        checked.is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", crate::base64::encode(&self.to_raw()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(low: u8) -> PrivateKey {
        PrivateKey::from_bytes(&[low]).unwrap()
    }

    #[test]
    fn any_length_in_range_is_a_private_key() {
        let padded = |length: usize| {
            let mut bytes = vec![0; length];
            bytes[length - 1] = 5;
            PrivateKey::from_bytes(&bytes).unwrap()
        };
        for length in [1, 2, 31, 32, 33, 40] {
            let key = padded(length);
            assert_eq!(key.as_bytes().len(), length);
            assert_eq!(key.public_key(), padded(1).public_key());
        }
        assert_ne!(padded(32), padded(31));
        for bytes in [&[][..], &[0], &[0; 32], &[0xff; 32], &[1; 33]] {
            let refused = PrivateKey::from_bytes(bytes).err();
            assert_eq!(refused, Some(KeyError::PrivateOutOfRange), "{bytes:?}");
        }
    }

    #[test]
    fn all_parts_of_a_private_key_are_wiped_on_drop() {
        fn wiped<T: zeroize::ZeroizeOnDrop>(_: &T) {}
        let key = key(1);
        // Naming every field: a new one must be wiped too.
        let PrivateKey { bytes, signer } = &key;
        wiped(bytes);
        wiped(signer);
        wiped(&key.shared_secret(&key.public_key()));
    }

    #[test]
    fn debug_shows_no_private_bytes() {
        let key = PrivateKey::from_bytes(b"0123456789abcdef0123456789abcdef").unwrap();
        assert_eq!(format!("{key:?}"), "PrivateKey { .. }");
    }

    #[test]
    fn both_values_of_s_verify() {
        let signature = key(7).sign(b"data");
        let mut bytes = signature.to_bytes();
        let order = [
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
            0xff, 0xfe, 0xba, 0xae, 0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c,
            0xd0, 0x36, 0x41, 0x41_u8,
        ];
        let mut borrow = 0_i16;
        for index in (0..32).rev() {
            let difference = i16::from(order[index]) - i16::from(bytes[32 + index]) - borrow;
            borrow = i16::from(difference < 0);
            bytes[32 + index] = u8::try_from(difference.rem_euclid(256)).unwrap();
        }
        let complement = Signature::from_bytes(&bytes).unwrap();
        assert_ne!(complement, signature);
        for signature in [signature, complement] {
            assert!(key(7).public_key().verify(b"data", &signature));
            assert!(!key(7).public_key().verify(b"Data", &signature));
            assert!(!key(8).public_key().verify(b"data", &signature));
        }
        assert_eq!(key(7).sign(b"data"), key(7).sign(b"data"));
    }

    #[test]
    fn points_are_checked() {
        let raw = key(3).public_key().to_raw();
        assert_eq!(PublicKey::from_sec1(&raw), Ok(key(3).public_key()));
        let compressed = [&[2 + raw[64] % 2], &raw[1..33]].concat();
        assert_eq!(PublicKey::from_sec1(&compressed), Ok(key(3).public_key()));
        let with_tag = |tag: u8| [&[tag], &raw[1..]].concat();
        let mut off_curve = raw.to_vec();
        off_curve[64] ^= 1;
        let cases = [
            vec![],
            vec![0],
            raw[..64].to_vec(),
            [&raw[..], &[0]].concat(),
            with_tag(6),
            with_tag(7),
            with_tag(2),
            off_curve,
            [&[4][..], &[0; 64]].concat(),
            [&[2][..], &[0xff; 32]].concat(),
            [&[5][..], &raw[1..33]].concat(),
        ];
        for bytes in cases {
            assert_eq!(
                PublicKey::from_sec1(&bytes),
                Err(KeyError::BadPoint),
                "{bytes:?}"
            );
        }
    }

    #[test]
    fn both_sides_share_a_secret() {
        let shared = key(3).shared_secret(&key(9).public_key());
        assert_eq!(shared, key(9).shared_secret(&key(3).public_key()));
        assert_eq!(shared[..], key(27).public_key().to_raw()[1..33]);
    }

    proptest! {
        #[test]
        fn what_is_signed_verifies(secret in 1_u64.., data: Vec<u8>) {
            let key = PrivateKey::from_bytes(&secret.to_be_bytes()).unwrap();
            let signature = key.sign(&data);
            prop_assert!(key.public_key().verify(&data, &signature));
            let read = Signature::from_text(&signature.to_text()).unwrap();
            prop_assert!(key.public_key().verify(&data, &read));
        }
    }
}
