//! The keys that identifiers hold, and what is done with them.
//!
//! **Source:** keyssi specification §3 (field table), §3.6, §3.7, §4.2; dsu
//! specification §1.2.

use zeroize::Zeroizing;

use super::derive::base58_key;
use super::{KeySsi, SsiKind, UseError};
use crate::anchor::{AnchorId, AnchorSigner, SignError};
use crate::base64;
use crate::encryption_key::EncryptionKey;
use crate::keys::{PrivateKey, PublicKey};
use crate::signature::Signature;

/// A signature of an `own` identifier, which travels with its public key
/// because the identifiers that verify it hold a hash of the key only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnershipProof {
    /// The signature.
    pub signature: Signature,
    /// The key that verifies it.
    pub public_key: PublicKey,
}

impl KeySsi {
    /// The private key of a `seed` or an `own`, its bytes as they are stored.
    ///
    /// # Errors
    /// [`UseError`] if the type holds none, or none that is valid.
    pub fn private_key(&self) -> Result<PrivateKey, UseError> {
        self.check_usable()?;
        let kind = self.kind();
        match kind {
            SsiKind::Seed | SsiKind::Own => {
                let bytes = Zeroizing::new(base64::decode_lenient(self.specific()));
                PrivateKey::from_bytes(&bytes).map_err(UseError::BadKey)
            }
            _ => Err(UseError::NoKey { kind }),
        }
    }

    /// The public key of an identifier that can verify signatures: `seed`,
    /// `sread`, `sza`, `pk`, `transfer` (of the new owner) and `own`.
    ///
    /// Base64 is read leniently; hybrid points are refused (§4.1).
    ///
    /// # Errors
    /// [`UseError`] if the type holds none, or none that is valid.
    pub fn public_key(&self) -> Result<PublicKey, UseError> {
        self.check_usable()?;
        let kind = self.kind();
        let text = match kind {
            SsiKind::Seed | SsiKind::Own => return Ok(self.private_key()?.public_key()),
            SsiKind::SRead | SsiKind::SZa | SsiKind::PublicKey => self.control(),
            SsiKind::Transfer => self.specific(),
            _ => return Err(UseError::NoKey { kind }),
        };
        PublicKey::from_sec1(&base64::decode_lenient(text)).map_err(UseError::BadKey)
    }

    /// The key that opens the bricks: of `seed`, `sread`, `const`, `array`,
    /// `wallet`, `se` and `vs`. `None` for a `vs` without key, whose data are
    /// not encrypted.
    ///
    /// What `own` and `oread` call a key is public and is not given out
    /// (§3.6). A `vs` with a broken key is refused; the reference would go on
    /// without encryption.
    ///
    /// # Errors
    /// [`UseError`] if the type holds none, or none that is valid.
    pub fn encryption_key(&self) -> Result<Option<EncryptionKey>, UseError> {
        self.check_usable()?;
        let kind = self.kind();
        let bytes = match kind {
            SsiKind::Seed => {
                let key = self.private_key()?;
                return Ok(Some(EncryptionKey::hash_of(key.as_bytes())));
            }
            SsiKind::SRead => base58_key(self.specific())?,
            SsiKind::Const | SsiKind::Array | SsiKind::Wallet | SsiKind::SymmetricKey => {
                Zeroizing::new(base64::decode_lenient(self.specific()))
            }
            SsiKind::Versionless if self.control().is_empty() => return Ok(None),
            SsiKind::Versionless => base58_key(self.control())?,
            SsiKind::Path => return Err(UseError::NeedsSlotKey),
            _ => return Err(UseError::NoKey { kind }),
        };
        let key = EncryptionKey::from_slice(&bytes).ok_or(UseError::BadSymmetricKey)?;
        Ok(Some(key))
    }

    /// Signs with the key of a `seed`.
    ///
    /// # Errors
    /// [`UseError`] if the identifier is no `seed` or its key is not valid.
    pub fn sign(&self, data: &[u8]) -> Result<Signature, UseError> {
        let kind = self.kind();
        if kind == SsiKind::Own {
            return Err(UseError::NoKey { kind });
        }
        Ok(self.private_key()?.sign(data))
    }

    /// Signs with the key of an `own`.
    ///
    /// # Errors
    /// [`UseError`] if the identifier is no `own` or its key is not valid.
    pub fn prove_ownership(&self, data: &[u8]) -> Result<OwnershipProof, UseError> {
        let kind = self.kind();
        if kind != SsiKind::Own {
            return Err(UseError::NoKey { kind });
        }
        let key = self.private_key()?;
        Ok(OwnershipProof {
            signature: key.sign(data),
            public_key: key.public_key(),
        })
    }

    /// Checks the text of a signature, read as the reference reads it. What
    /// cannot be a signature does not verify.
    ///
    /// # Errors
    /// [`UseError`] if the identifier has no usable public key.
    pub fn verify(&self, data: &[u8], signature: &str) -> Result<bool, UseError> {
        let key = self.public_key()?;
        let signature = Signature::from_text(signature);
        Ok(signature.is_ok_and(|signature| key.verify(data, &signature)))
    }

    /// Level and token of an `own`.
    ///
    /// # Errors
    /// [`UseError`] if the identifier is no `own` or holds none.
    pub fn level_and_token(&self) -> Result<(&str, &str), UseError> {
        let kind = self.kind();
        match kind {
            SsiKind::Own => self.control().split_once('/').ok_or(UseError::BadToken),
            _ => Err(UseError::NoKey { kind }),
        }
    }

    /// Total size and chunk size in bytes that a `size` holds.
    #[must_use]
    pub fn sizes(&self) -> Option<(u64, u64)> {
        if self.kind() != SsiKind::Size {
            return None;
        }
        Some((self.specific().parse().ok()?, self.control().parse().ok()?))
    }

    /// The data that an `embed` holds, from base64 (§3.7).
    #[must_use]
    pub fn embedded_data(&self) -> Option<Zeroizing<Vec<u8>>> {
        (self.kind() == SsiKind::Embed)
            .then(|| Zeroizing::new(base64::decode_lenient(self.specific())))
    }
}

impl AnchorSigner {
    /// A writer for the anchor of a `seed`, with the seed's bricks domain and
    /// hint.
    ///
    /// # Errors
    /// [`UseError`] if the identifier has no private key or no valid anchor.
    pub fn of_seed(seed: &KeySsi) -> Result<Self, UseError> {
        let key = seed.private_key()?;
        let id = AnchorId::of(seed)?;
        let kind = seed.kind();
        let signer = Self::new(id, key, &seed.bricks_domain(), seed.hint().cloned());
        signer.map_err(|_: SignError| UseError::NoKey { kind })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::KeyError;

    fn parse(text: &str) -> KeySsi {
        KeySsi::parse(text).unwrap()
    }

    #[test]
    fn keys_of_other_lengths_are_refused() {
        let short = base64::encode(&[7; 31]);
        for text in [
            format!("ssi:const:d:{short}::v0"),
            format!("ssi:se:d:{short}::v0"),
            "ssi:sread:d:abc::v0".to_owned(),
            "ssi:sread:d:0OIl::v0".to_owned(),
            "ssi:vs:d:/x:abc:v0".to_owned(),
            "ssi:vs:d:/x:0OIl:v0".to_owned(),
        ] {
            let refused = parse(&text).encryption_key();
            assert_eq!(refused, Err(UseError::BadSymmetricKey), "{text}");
        }
        assert_eq!(parse("ssi:vs:d:/x::v0").encryption_key(), Ok(None));
    }

    #[test]
    fn public_names_give_no_key() {
        for kind in [
            SsiKind::Own,
            SsiKind::ORead,
            SsiKind::Zat,
            SsiKind::SZa,
            SsiKind::CZa,
        ] {
            let ssi = parse(&format!("ssi:{kind}:d:BQ==:0/t:v0"));
            assert_eq!(ssi.encryption_key(), Err(UseError::NoKey { kind }));
        }
    }

    #[test]
    fn proofs_of_ownership_verify() {
        let own = parse("ssi:own:d:BQ==:0/token:v0");
        let proof = own.prove_ownership(b"data").unwrap();
        assert!(proof.public_key.verify(b"data", &proof.signature));
        assert_eq!(own.verify(b"data", &proof.signature.to_text()), Ok(true));
        assert_eq!(own.level_and_token(), Ok(("0", "token")));
        let kind = SsiKind::Own;
        assert_eq!(own.sign(b"data"), Err(UseError::NoKey { kind }));
    }

    #[test]
    fn signatures_that_are_none_do_not_verify() {
        let seed = parse("ssi:seed:d:BQ==::v0");
        let signature = seed.sign(b"data").unwrap().to_text();
        assert_eq!(seed.verify(b"data", &signature), Ok(true));
        assert_eq!(seed.verify(b"data", "!!!!"), Ok(false));
        let bad_key = parse("ssi:sza:d::AAAA:v0").verify(b"data", &signature);
        assert_eq!(bad_key, Err(UseError::BadKey(KeyError::BadPoint)));
    }
}
