//! Making new identifiers.
//!
//! All of them are of version `v0`. Hints are added with
//! [`KeySsi::with_hint`].
//!
//! **Source:** keyssi specification §3.1, §3.3, §3.7, §4.3.

use thiserror::Error;
use zeroize::Zeroizing;

use super::{KeySsi, SsiError, SsiFields, SsiKind};
use crate::base64;
use crate::encryption_key::{DEFAULT_ITERATIONS, EncryptionKey};
use crate::json::Json;
use crate::keys::{PrivateKey, PublicKey};
use crate::mnemonic::{self, MnemonicError};

/// The elements of an `array` or `wallet`, put together without separators:
/// `["a", "b"]` and `["ab"]` give the same key. Secret.
#[derive(Clone)]
pub struct ArrayElements(Zeroizing<String>);

/// The text is not a JSON list of Unicode text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
#[error("the elements of an array are a JSON list")]
pub struct ArrayElementsError;

impl ArrayElements {
    /// Takes texts.
    #[must_use]
    pub fn from_texts(texts: &[&str]) -> Self {
        Self(Zeroizing::new(texts.concat()))
    }

    /// Takes a JSON list, its elements turned into text as JavaScript does:
    /// `null` to nothing, numbers and booleans to their text, nested lists to
    /// their elements with commas between.
    ///
    /// # Errors
    /// [`ArrayElementsError`] if it is no list.
    pub fn from_json(json: &str) -> Result<Self, ArrayElementsError> {
        match Json::parse(json) {
            Some(Json::List(items)) => joined(&items, "").map(Zeroizing::new).map(Self),
            _ => None,
        }
        .ok_or(ArrayElementsError)
    }
}

/// `Array.prototype.join`.
fn joined(items: &[Json], separator: &str) -> Option<String> {
    let texts = items.iter().map(|item| match item {
        Json::Null => Some(String::new()),
        Json::Text(text) => text.decoded(),
        Json::List(nested) => joined(nested, ","),
        Json::Object(_) => Some("[object Object]".to_owned()),
        Json::Bool(_) | Json::Number(_) => Some(item.print()),
    });
    Some(texts.collect::<Option<Vec<_>>>()?.join(separator))
}

impl KeySsi {
    /// The owner's identifier for a private key.
    ///
    /// # Errors
    /// [`SsiError`] if the domain holds a colon.
    pub fn seed(domain: &str, key: &PrivateKey) -> Result<Self, SsiError> {
        let specific = Zeroizing::new(base64::encode(key.as_bytes()));
        Self::of_fields(SsiKind::Seed, domain, &specific, "")
    }

    /// The identifier of a constant DSU whose key comes from a text.
    ///
    /// # Errors
    /// [`SsiError`] if the domain holds a colon.
    pub fn constant(domain: &str, text: &str) -> Result<Self, SsiError> {
        Self::from_password(SsiKind::Const, domain, text)
    }

    /// The same from a list of elements.
    ///
    /// # Errors
    /// [`SsiError`] if the domain holds a colon.
    pub fn array(domain: &str, elements: &ArrayElements) -> Result<Self, SsiError> {
        Self::from_password(SsiKind::Array, domain, &elements.0)
    }

    /// The same for a wallet.
    ///
    /// # Errors
    /// [`SsiError`] if the domain holds a colon.
    pub fn wallet(domain: &str, elements: &ArrayElements) -> Result<Self, SsiError> {
        Self::from_password(SsiKind::Wallet, domain, &elements.0)
    }

    /// The key of one brick.
    ///
    /// # Errors
    /// [`SsiError`] if the domain holds a colon.
    pub fn symmetric_key(domain: &str, key: &EncryptionKey) -> Result<Self, SsiError> {
        let specific = Zeroizing::new(base64::encode(key.as_bytes()));
        Self::of_fields(SsiKind::SymmetricKey, domain, &specific, "")
    }

    /// A link to a brick.
    ///
    /// # Errors
    /// [`SsiError`] if a field holds a colon.
    pub fn hash_link(domain: &str, hash: &str) -> Result<Self, SsiError> {
        Self::of_fields(SsiKind::HashLink, domain, hash, "")
    }

    /// Data inside an identifier, as base64.
    ///
    /// # Errors
    /// [`SsiError`] if the domain holds a colon.
    pub fn embed(domain: &str, data: &[u8]) -> Result<Self, SsiError> {
        let specific = Zeroizing::new(base64::encode(data));
        Self::of_fields(SsiKind::Embed, domain, &specific, "")
    }

    /// A DSU without versions, encrypted if there is a key.
    ///
    /// # Errors
    /// [`SsiError`] if domain or path hold a colon.
    pub fn versionless(
        domain: &str,
        path: &str,
        key: Option<&EncryptionKey>,
    ) -> Result<Self, SsiError> {
        let encode = |key: &EncryptionKey| crate::base58::encode(key.as_bytes());
        let control = Zeroizing::new(key.map(encode).unwrap_or_default());
        Self::of_fields(SsiKind::Versionless, domain, path, &control)
    }

    /// Size in bytes of a big file and of its chunks.
    ///
    /// # Errors
    /// [`SsiError`] if the domain holds a colon.
    pub fn size(domain: &str, total_bytes: u64, chunk_bytes: u64) -> Result<Self, SsiError> {
        let (total, chunk) = (total_bytes.to_string(), chunk_bytes.to_string());
        Self::of_fields(SsiKind::Size, domain, &total, &chunk)
    }

    /// Another name.
    ///
    /// # Errors
    /// [`SsiError`] if a field holds a colon.
    pub fn alias(domain: &str, name: &str) -> Result<Self, SsiError> {
        Self::of_fields(SsiKind::Alias, domain, name, "")
    }

    /// A public key, and the type of identifier that it stands for.
    #[must_use]
    pub fn of_public_key(family: SsiKind, key: &PublicKey) -> Self {
        let control = base64::encode(&key.to_raw());
        let empty = Self {
            kind: SsiKind::PublicKey,
            domain: String::new(),
            specific: Zeroizing::default(),
            control: Zeroizing::default(),
            version: super::Version::V0,
            hint: None,
        };
        empty.derived(SsiKind::PublicKey, family.name(), &control)
    }

    /// The words of the key of a `seed`.
    ///
    /// # Errors
    /// [`MnemonicError`] if the key has no phrase.
    pub fn phrase(&self) -> Result<Zeroizing<String>, MnemonicError> {
        let key = Zeroizing::new(base64::decode_lenient(self.specific()));
        mnemonic::encode(&key)
    }

    /// The identifier of the given type whose key a phrase names.
    ///
    /// The checksum is not enforced, as in the reference; to warn of a wrong
    /// one use [`mnemonic::decode`].
    ///
    /// # Errors
    /// [`PhraseError`] if it is no phrase or the domain holds a colon.
    pub fn from_phrase(kind: SsiKind, domain: &str, phrase: &str) -> Result<Self, PhraseError> {
        let key = mnemonic::decode(phrase)?.key;
        let specific = Zeroizing::new(base64::encode(&key));
        Ok(Self::of_fields(kind, domain, &specific, "")?)
    }

    fn from_password(kind: SsiKind, domain: &str, text: &str) -> Result<Self, SsiError> {
        let key = EncryptionKey::from_password(text.as_bytes(), DEFAULT_ITERATIONS);
        let specific = Zeroizing::new(base64::encode(key.as_bytes()));
        Self::of_fields(kind, domain, &specific, "")
    }

    fn of_fields(
        kind: SsiKind,
        domain: &str,
        specific: &str,
        control: &str,
    ) -> Result<Self, SsiError> {
        let fields = SsiFields {
            domain,
            specific,
            control,
            ..SsiFields::default()
        };
        Self::new(kind, fields)
    }
}

/// Why a phrase and a domain do not make an identifier.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PhraseError {
    /// The phrase names no key.
    #[error(transparent)]
    Phrase(#[from] MnemonicError),
    /// The domain cannot stand in an identifier.
    #[error(transparent)]
    Domain(#[from] SsiError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_join_as_in_javascript() {
        let check = |json: &str, expected: &str| {
            let elements = ArrayElements::from_json(json).unwrap();
            assert_eq!(elements.0.as_str(), expected, "{json}");
        };
        check("[]", "");
        check("[\"a\",null,\"b\"]", "ab");
        check("[1,-0,1e21,true]", "101e+21true");
        check("[[\"x\",[\"y\",null]],{},[[]]]", "x,y,[object Object]");
        for json in ["\"a\"", "{}", "[", "[\"\\ud800\"]"] {
            assert!(ArrayElements::from_json(json).is_err(), "{json}");
        }
        assert_eq!(ArrayElements::from_texts(&["a", "b"]).0.as_str(), "ab");
    }

    #[test]
    fn keys_read_back() {
        let key = EncryptionKey::from_bytes([7; 32]);
        let brick = KeySsi::symmetric_key("d", &key).unwrap();
        assert_eq!(brick.encryption_key(), Ok(Some(key.clone())));
        let open = KeySsi::versionless("d", "/x", None).unwrap();
        assert_eq!(open.encryption_key(), Ok(None));
        let sealed = KeySsi::versionless("d", "/x", Some(&key)).unwrap();
        assert_eq!(sealed.encryption_key(), Ok(Some(key)));
        let private = PrivateKey::from_bytes(&[0, 5]).unwrap();
        let seed = KeySsi::seed("d", &private).unwrap();
        assert_eq!(seed.private_key(), Ok(private));
        let data = KeySsi::embed("d", b"a:b").unwrap().embedded_data();
        assert_eq!(data.unwrap().as_slice(), b"a:b");
        assert_eq!(KeySsi::size("d", 5, 2).unwrap().sizes(), Some((5, 2)));
    }

    #[test]
    fn domains_take_no_colons() {
        assert_eq!(KeySsi::alias("a:b", "c"), Err(SsiError::ColonInField));
        let refused = KeySsi::from_phrase(SsiKind::Seed, "d", "zoo zoo");
        let found = MnemonicError::WordCount { found: 2 };
        assert_eq!(refused, Err(PhraseError::Phrase(found)));
    }
}
