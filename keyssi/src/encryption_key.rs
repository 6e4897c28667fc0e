//! Symmetric keys, and deriving them from text.
//!
//! **Source:** keyssi specification §2 (`salt`, `KDF`).

use std::fmt;

use pbkdf2::pbkdf2_hmac;
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Length of a key.
const KEY_BYTES: usize = 32;
/// Length of the salt of [`EncryptionKey::from_password`] in characters.
const PASSWORD_SALT_CHARS: usize = 32;
/// Rounds of PBKDF2 that the types `const`, `array` and `wallet` use.
pub const DEFAULT_ITERATIONS: u32 = 1000;

/// A key of 32 bytes. Wiped on drop, not shown by `Debug`, compared in constant
/// time.
#[derive(Clone)]
pub struct EncryptionKey(Zeroizing<[u8; KEY_BYTES]>);

impl EncryptionKey {
    /// Takes the bytes of a key.
    #[must_use]
    pub fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Takes the bytes of a key, if there are exactly 32 of them.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self::from_bytes)
    }

    /// The key that belongs to the bytes of a private key or to other bytes.
    #[must_use]
    pub fn hash_of(bytes: &[u8]) -> Self {
        Self::from_bytes(Sha256::digest(bytes).into())
    }

    /// PBKDF2-HMAC-SHA256 with a salt that depends on the password only, so
    /// equal passwords give equal keys everywhere.
    ///
    /// The text is taken as it is: no Unicode normalisation.
    #[must_use]
    pub fn from_password(password: &[u8], iterations: u32) -> Self {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        let salt = salt(password, PASSWORD_SALT_CHARS);
        pbkdf2_hmac::<Sha256>(password, salt.as_bytes(), iterations, key.as_mut_slice());
        Self(key)
    }

    /// The bytes. Secret.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl PartialEq for EncryptionKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(other.0.as_slice()).into()
    }
}

impl Eq for EncryptionKey {}

impl fmt::Debug for EncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncryptionKey").finish_non_exhaustive()
    }
}

/// The first `chars` characters (at most 128) of the lower-case hexadecimal
/// SHA-512 of `bytes`. Used as ASCII bytes, so 32 characters hold 16 bytes.
pub(crate) fn salt(bytes: &[u8], chars: usize) -> Zeroizing<String> {
    let digest = Zeroizing::new(Sha512::digest(bytes));
    let halves = digest.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    let digits = halves.filter_map(|half| char::from_digit(u32::from(half), 16));
    // Room for all, so that growing leaves no copy behind.
    let mut text = Zeroizing::new(String::with_capacity(chars));
    text.extend(digits.take(chars));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_salt_is_text() {
        assert_eq!(salt(b"", 16).as_str(), "cf83e1357eefb8bd");
        assert_eq!(salt(b"", 200).len(), 128);
    }

    #[test]
    fn equal_passwords_give_equal_keys() {
        let key = |text: &str| EncryptionKey::from_password(text.as_bytes(), 10);
        assert_eq!(key("password"), key("password"));
        assert_ne!(key("password"), key("Password"));
        let composed = EncryptionKey::from_password("é".as_bytes(), 1);
        let decomposed = EncryptionKey::from_password("e\u{301}".as_bytes(), 1);
        assert_ne!(composed, decomposed);
    }

    #[test]
    fn keys_are_wiped_on_drop() {
        fn wiped<T: zeroize::ZeroizeOnDrop>(_: &T) {}
        let EncryptionKey(bytes) = EncryptionKey::from_bytes([7; 32]);
        wiped(&bytes);
    }

    #[test]
    fn only_32_bytes_are_a_key_and_debug_hides_them() {
        assert!(EncryptionKey::from_slice(&[7; 31]).is_none());
        assert!(EncryptionKey::from_slice(&[7; 33]).is_none());
        let key = EncryptionKey::from_slice(&[7; 32]).unwrap();
        assert_eq!(format!("{key:?}"), "EncryptionKey { .. }");
    }
}
