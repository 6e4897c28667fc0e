//! The key of a chain account.
//!
//! **Source:** SEC 2 (secp256k1); Ethereum yellow paper, appendix F; EIP-2 (low s).

use std::fmt;

use alloy_primitives::{Address, B256, hex, keccak256};
use k256::ecdsa::SigningKey;
use thiserror::Error;
use zeroize::Zeroizing;

/// Bytes of a key.
const KEY_BYTES: usize = 32;

/// The private key of an account on EVM chains. Wiped when dropped; never printed.
#[derive(Clone)]
pub struct ChainKey {
    key: SigningKey,
    address: Address,
}

/// The text is no private key. It is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
#[error("a chain key is 0x and 64 hex digits, between 1 and the order of secp256k1")]
pub struct ChainKeyError;

/// A signature with what tells which of the possible keys made it.
#[derive(Clone, Copy)]
pub(crate) struct Recoverable {
    /// First number.
    pub(crate) r: B256,
    /// Second number, the lower of the two that verify (EIP-2).
    pub(crate) s: B256,
    /// Whether the y coordinate of the point is odd.
    pub(crate) y_odd: u8,
}

impl ChainKey {
    /// Reads `0x` and 64 hex digits; white space around them is passed over.
    ///
    /// # Errors
    /// [`ChainKeyError`].
    pub fn parse(text: &str) -> Result<Self, ChainKeyError> {
        let digits = text.trim().strip_prefix("0x").ok_or(ChainKeyError)?;
        if digits.len() != 2 * KEY_BYTES {
            return Err(ChainKeyError);
        }
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        hex::decode_to_slice(digits, bytes.as_mut_slice()).map_err(|_| ChainKeyError)?;
        let key = SigningKey::from_slice(bytes.as_slice()).map_err(|_| ChainKeyError)?;
        let address = address_of(&key);
        Ok(Self { key, address })
    }

    /// The account.
    #[must_use]
    pub fn address(&self) -> Address {
        self.address
    }

    /// Signs a hash, always in the same way (RFC 6979), with low s.
    pub(crate) fn sign(&self, hash: &B256) -> Recoverable {
        let (signature, recovery) = self.key.sign_prehash_recoverable(hash.as_slice());
        let (r, s) = signature.split_bytes();
        Recoverable {
            r: B256::from_slice(&r),
            s: B256::from_slice(&s),
            y_odd: u8::from(recovery.is_y_odd()),
        }
    }
}

impl fmt::Debug for ChainKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChainKey({})", self.address)
    }
}

/// The last 20 bytes of Keccak-256 of the two coordinates of the public key.
fn address_of(key: &SigningKey) -> Address {
    let point = key.verifying_key().to_sec1_point(false);
    let coordinates = point.as_bytes().get(1..).unwrap_or_default();
    Address::from_word(keccak256(coordinates))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_that_of_the_key() {
        // Of EIP-155, and the first account of the mnemonic that test chains use.
        let known = [
            (
                "0x4646464646464646464646464646464646464646464646464646464646464646",
                "0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F",
            ),
            (
                "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
                "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
            ),
        ];
        for (key, address) in known {
            let read = ChainKey::parse(&format!(" {key}\n")).unwrap();
            assert_eq!(read.address().to_string(), address);
            let printed = format!("{read:?}");
            assert!(!printed.contains(&key[2..]), "{printed}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let order = "0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
        let wrong = [
            String::new(),
            "0x".to_owned(),
            order.to_owned(),
            format!("0x{}", "0".repeat(64)),
            format!("0x{}", "1".repeat(63)),
            format!("0x{}", "1".repeat(65)),
            format!("0x{}g", "1".repeat(63)),
            format!("0x0x{}", "1".repeat(62)),
            "1".repeat(64),
        ];
        for text in wrong {
            assert!(ChainKey::parse(&text).is_err(), "{text}");
        }
    }
}
