//! ECDSA signatures over secp256k1 and SHA-256.
//!
//! **Source:** keyssi specification §4.2.

use std::fmt;

use k256::ecdsa;
use thiserror::Error;

use crate::base64;

/// Length of r and of s.
const HALF_BYTES: usize = 32;

/// A signature: two numbers from 1 up to the order of the group.
///
/// Not unique: for every valid signature of some data there are others of the
/// same data by the same key, so it never identifies anything.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature(ecdsa::Signature);

/// The bytes are no signature; nothing verifies under them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
#[error("a signature is two numbers from 1 up to the order of the group")]
pub struct SignatureError;

impl Signature {
    /// Reads base64 text as the reference does, see
    /// [`base64::decode_lenient`] and [`Self::from_bytes`].
    ///
    /// # Errors
    /// [`SignatureError`] where the reference's verification answers false for
    /// any data: too short, zero, or out of range.
    pub fn from_text(text: &str) -> Result<Self, SignatureError> {
        Self::from_bytes(&base64::decode_lenient(text))
    }

    /// Reads r from the first 32 bytes and s from *all* the rest, which may
    /// have leading zeros or be shorter than 32 bytes.
    ///
    /// # Errors
    /// [`SignatureError`] if there is no s or a number is out of range.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SignatureError> {
        let (r, rest) = bytes
            .split_first_chunk::<HALF_BYTES>()
            .ok_or(SignatureError)?;
        let zeros = rest.iter().take_while(|&&byte| byte == 0).count();
        let significant = rest.get(zeros..).unwrap_or_default();
        let mut s = [0; HALF_BYTES];
        let padding = HALF_BYTES
            .checked_sub(significant.len())
            .ok_or(SignatureError)?;
        if let Some(place) = s.get_mut(padding..) {
            place.copy_from_slice(significant);
        }
        ecdsa::Signature::from_scalars(*r, s)
            .map(Self)
            .map_err(|_| SignatureError)
    }

    /// Reads the ASN.1 form that ECIES envelopes carry.
    ///
    /// # Errors
    /// [`SignatureError`] if it is not DER or a number is out of range.
    pub fn from_der(der: &[u8]) -> Result<Self, SignatureError> {
        ecdsa::Signature::from_der(der)
            .map(Self)
            .map_err(|_| SignatureError)
    }

    /// `r || s`, 32 bytes each, big-endian.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 2 * HALF_BYTES] {
        self.0.to_bytes().into()
    }

    /// The base64 of [`Self::to_bytes`]: always 88 characters.
    #[must_use]
    pub fn to_text(&self) -> String {
        base64::encode(&self.to_bytes())
    }

    /// The ASN.1 form that ECIES envelopes carry.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        self.0.to_der().as_bytes().to_vec()
    }

    pub(crate) const fn from_ecdsa(signature: ecdsa::Signature) -> Self {
        Self(signature)
    }

    /// With the lower of the two values of s that verify alike. The library
    /// refuses the higher one, the specification does not.
    pub(crate) fn with_low_s(&self) -> ecdsa::Signature {
        self.0.normalize_s()
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({})", self.to_text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The order of the group.
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xfe, 0xba, 0xae, 0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36,
        0x41, 0x41,
    ];

    fn number(low: u8) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[31] = low;
        bytes
    }

    fn order_less_one() -> [u8; 32] {
        let mut bytes = ORDER;
        bytes[31] -= 1;
        bytes
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        let accepted = |r: [u8; 32], s: &[u8]| Signature::from_bytes(&[&r[..], s].concat()).is_ok();
        assert!(accepted(number(1), &number(1)));
        assert!(accepted(order_less_one(), &order_less_one()));
        assert!(!accepted(number(0), &number(1)));
        assert!(!accepted(number(1), &number(0)));
        assert!(!accepted(ORDER, &number(1)));
        assert!(!accepted(number(1), &ORDER));
        assert!(!accepted(number(1), &[0xff; 32]));
        assert!(!accepted(number(1), &[1; 33]));
        assert!(!accepted(number(1), &[]));
        assert!(Signature::from_bytes(&[]).is_err());
        assert!(Signature::from_bytes(&[1; 31]).is_err());
    }

    #[test]
    fn s_is_the_rest_whatever_its_length() {
        let canonical = Signature::from_bytes(&[number(3), number(7)].concat()).unwrap();
        for s in [vec![7], vec![0, 7], [vec![0; 40], vec![7]].concat()] {
            let bytes = [number(3).to_vec(), s].concat();
            assert_eq!(Signature::from_bytes(&bytes), Ok(canonical));
        }
        assert_eq!(Signature::from_text(&canonical.to_text()), Ok(canonical));
        assert_eq!(Signature::from_der(&canonical.to_der()), Ok(canonical));
        assert_eq!(canonical.to_text().len(), 88);
    }

    #[test]
    fn a_trailing_byte_after_der_is_refused() {
        let signature = Signature::from_bytes(&[number(3), number(7)].concat()).unwrap();
        let mut der = signature.to_der();
        der.push(0);
        assert_eq!(Signature::from_der(&der), Err(SignatureError));
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_or_read(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(signature) = Signature::from_bytes(&bytes) {
                prop_assert_eq!(Signature::from_bytes(&signature.to_bytes()), Ok(signature));
            }
            let _ = Signature::from_der(&bytes);
        }
    }
}
