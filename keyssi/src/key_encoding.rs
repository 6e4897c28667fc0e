//! The DER and PEM forms of keys.
//!
//! ```text
//! public   SPKI: SEQ { SEQ { ecPublicKey, secp256k1 }, BIT STRING 04||X||Y }
//! private  SEC1: SEQ { 1, OCTET STRING key, [0] secp256k1, [1] BIT STRING 04||X||Y }
//! ```
//!
//! **Source:** keyssi specification §4.1.

use zeroize::Zeroizing;

use crate::base64;
use crate::keys::{KeyError, PUBLIC_RAW_BYTES, PrivateKey, PublicKey};

/// All of the SPKI structure that precedes the raw public key.
const SPKI_PREFIX: [u8; 23] = [
    0x30, 0x56, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b,
    0x81, 0x04, 0x00, 0x0a, 0x03, 0x42, 0x00,
];
/// `[0] { OID 1.3.132.0.10 }` and the head of `[1] { BIT STRING }` up to the
/// raw public key.
const SEC1_SUFFIX: [u8; 14] = [
    0xa0, 0x07, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a, 0xa1, 0x44, 0x03, 0x42, 0x00,
];
/// `INTEGER 1`.
const SEC1_VERSION: [u8; 3] = [0x02, 0x01, 0x01];
const SEQUENCE: u8 = 0x30;
const OCTET_STRING: u8 = 0x04;

const PUBLIC_LABEL: &str = "PUBLIC KEY";
const PRIVATE_LABEL: &str = "EC PRIVATE KEY";
const PEM_COLUMNS: usize = 64;

impl PublicKey {
    /// The SPKI structure: always 88 bytes.
    #[must_use]
    pub fn to_spki_der(&self) -> Vec<u8> {
        [&SPKI_PREFIX[..], &self.to_raw()].concat()
    }

    /// Reads the SPKI structure with an uncompressed point.
    ///
    /// # Errors
    /// [`KeyError`] if it is another structure or no point of the curve.
    pub fn from_spki_der(der: &[u8]) -> Result<Self, KeyError> {
        match der.strip_prefix(&SPKI_PREFIX) {
            Some(raw) if raw.len() == PUBLIC_RAW_BYTES => Self::from_sec1(raw),
            _ => Err(KeyError::BadEncoding),
        }
    }

    /// PEM with lines of 64 characters and without a newline at the end.
    #[must_use]
    pub fn to_pem(&self) -> String {
        to_pem(PUBLIC_LABEL, &self.to_spki_der()).to_string()
    }

    /// Reads PEM; newlines may be those of any platform.
    ///
    /// # Errors
    /// [`KeyError`] if it is no PEM of a public key of the curve.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        Self::from_spki_der(&from_pem(PUBLIC_LABEL, pem)?)
    }
}

impl PrivateKey {
    /// The SEC1 structure with the private bytes as stored, short if short.
    #[must_use]
    pub fn to_sec1_der(&self) -> Zeroizing<Vec<u8>> {
        let public = self.public_key().to_raw();
        let key = self.as_bytes();
        let key_head = head(OCTET_STRING, key.len());
        let body = SEC1_VERSION.len() + key_head.len() + key.len();
        let body = body + SEC1_SUFFIX.len() + public.len();
        let parts = [
            &head(SEQUENCE, body)[..],
            &SEC1_VERSION,
            &key_head,
            key,
            &SEC1_SUFFIX,
            &public,
        ];
        Zeroizing::new(parts.concat())
    }

    /// Reads the SEC1 structure and checks that both halves belong together.
    ///
    /// # Errors
    /// [`KeyError`] if it is another structure, the key is out of range, or the
    /// public key is that of another private key.
    pub fn from_sec1_der(der: &[u8]) -> Result<Self, KeyError> {
        let (body, rest) = element(SEQUENCE, der).ok_or(KeyError::BadEncoding)?;
        let body = body.strip_prefix(&SEC1_VERSION);
        let (key, suffix) = body
            .and_then(|body| element(OCTET_STRING, body))
            .ok_or(KeyError::BadEncoding)?;
        let key = Self::from_bytes(key)?;
        let public = suffix.strip_prefix(&SEC1_SUFFIX);
        if !rest.is_empty() || public != Some(&key.public_key().to_raw()[..]) {
            return Err(KeyError::BadEncoding);
        }
        Ok(key)
    }

    /// PEM with lines of 64 characters and without a newline at the end.
    #[must_use]
    pub fn to_sec1_pem(&self) -> Zeroizing<String> {
        to_pem(PRIVATE_LABEL, &self.to_sec1_der())
    }

    /// Reads PEM; newlines may be those of any platform.
    ///
    /// # Errors
    /// [`KeyError`] if it is no PEM of a private key of the curve.
    pub fn from_sec1_pem(pem: &str) -> Result<Self, KeyError> {
        Self::from_sec1_der(&from_pem(PRIVATE_LABEL, pem)?)
    }
}

/// Tag and length of a DER element.
fn head(tag: u8, length: usize) -> Vec<u8> {
    let bytes = length.to_be_bytes();
    let significant = bytes.into_iter().skip_while(|&byte| byte == 0);
    let mut head = vec![tag];
    if length >= 0x80 {
        // The number of length bytes, at most eight, with the high bit set.
        head.push(significant.clone().fold(0x80, |count, _| count + 1));
    }
    if length == 0 {
        head.push(0);
    }
    head.extend(significant);
    head
}

/// Content of the element at the front of `der`, and what follows it.
fn element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = der.strip_prefix(&[tag])?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        if bytes.len() > size_of::<usize>() {
            return None;
        }
        let length = bytes
            .iter()
            .fold(0, |length, &byte| (length << 8) | usize::from(byte));
        (length, rest)
    };
    // One form per length, as DER demands.
    let canonical = head(tag, length);
    let is_canonical = der.starts_with(&canonical);
    is_canonical
        .then(|| rest.split_at_checked(length))
        .flatten()
}

fn to_pem(label: &str, der: &[u8]) -> Zeroizing<String> {
    let body = Zeroizing::new(base64::encode(der));
    let newlines = body.len() / PEM_COLUMNS + 2;
    let mut pem = Zeroizing::new(String::with_capacity(
        body.len() + newlines + 2 * label.len() + 32,
    ));
    pem.push_str("-----BEGIN ");
    pem.push_str(label);
    pem.push_str("-----");
    for (index, character) in body.chars().enumerate() {
        if index % PEM_COLUMNS == 0 {
            pem.push('\n');
        }
        pem.push(character);
    }
    pem.push_str("\n-----END ");
    pem.push_str(label);
    pem.push_str("-----");
    pem
}

fn from_pem(label: &str, pem: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let begin = format!("-----BEGIN {label}-----");
    let end = format!("-----END {label}-----");
    let body = pem.trim().strip_prefix(&begin);
    let body = body
        .and_then(|body| body.strip_suffix(&end))
        .ok_or(KeyError::BadEncoding)?;
    let text = Zeroizing::new(body.split_ascii_whitespace().collect::<String>());
    base64::decode_canonical(&text)
        .map(Zeroizing::new)
        .map_err(|_| KeyError::BadEncoding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_of_any_length_survive_both_forms() {
        for length in [1, 31, 32, 33, 60, 127, 128, 300] {
            let mut bytes = vec![0; length];
            bytes[length - 1] = 9;
            let key = PrivateKey::from_bytes(&bytes).unwrap();
            assert_eq!(PrivateKey::from_sec1_der(&key.to_sec1_der()).unwrap(), key);
            assert_eq!(PrivateKey::from_sec1_pem(&key.to_sec1_pem()).unwrap(), key);
            let public = key.public_key();
            assert_eq!(PublicKey::from_spki_der(&public.to_spki_der()), Ok(public));
            assert_eq!(PublicKey::from_pem(&public.to_pem()), Ok(public));
            let windows = public.to_pem().replace('\n', "\r\n") + "\r\n";
            assert_eq!(PublicKey::from_pem(&windows), Ok(public));
        }
    }

    #[test]
    fn mixed_up_halves_are_refused() {
        let one = PrivateKey::from_bytes(&[1]).unwrap();
        let two = PrivateKey::from_bytes(&[2]).unwrap();
        let mut der = one.to_sec1_der().to_vec();
        let place = der.len() - PUBLIC_RAW_BYTES;
        der[place..].copy_from_slice(&two.public_key().to_raw());
        assert_eq!(PrivateKey::from_sec1_der(&der), Err(KeyError::BadEncoding));
        let mut longer = one.to_sec1_der().to_vec();
        longer.push(0);
        assert_eq!(
            PrivateKey::from_sec1_der(&longer),
            Err(KeyError::BadEncoding)
        );
        assert!(PublicKey::from_pem(&one.to_sec1_pem()).is_err());
    }

    proptest! {
        #[test]
        fn changed_bytes_are_refused_or_read(place in 0_usize..200, byte: u8) {
            let key = PrivateKey::from_bytes(&[5; 32]).unwrap();
            let mut der = key.to_sec1_der().to_vec();
            let index = place % der.len();
            der[index] = byte;
            if let Ok(read) = PrivateKey::from_sec1_der(&der) {
                prop_assert_eq!(read.to_sec1_der().to_vec(), der);
            }
            let mut der = key.public_key().to_spki_der();
            let index = place % der.len();
            der[index] = byte;
            if let Ok(read) = PublicKey::from_spki_der(&der) {
                prop_assert_eq!(read.to_spki_der(), der);
            }
        }

        #[test]
        fn any_text_is_refused(text in "\\PC*") {
            prop_assert!(PrivateKey::from_sec1_pem(&text).is_err());
            prop_assert!(PrivateKey::from_sec1_der(text.as_bytes()).is_err());
        }
    }
}
