//! Anchors and their values, made and signed here from the specification
//! (keyssi §6.1, §6.2, §6.6) so that a mistake of the product cannot hide.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k256::ecdsa::signature::Signer as _;
use k256::ecdsa::{Signature, SigningKey};
use sha2::{Digest as _, Sha256};

/// The time of first values, 13 digits.
pub(crate) const FIRST_TIME: u64 = 1_700_000_000_000;

/// The base58 form that goes into paths.
pub(crate) fn wrap(plain: &str) -> String {
    bs58::encode(plain).into_string()
}

/// The name that a brick map with this content would have.
pub(crate) fn hash(content: &str) -> String {
    bs58::encode(Sha256::digest(content)).into_string()
}

/// The plain id of the constant anchor named by `name`.
pub(crate) fn constant(domain: &str, name: &str) -> String {
    format!("ssi:cza:{domain}:{}::v0", hash(name))
}

/// The plain value of a constant anchor.
pub(crate) fn link(content: &str) -> String {
    format!("ssi:hl:default:{}::v0", hash(content))
}

/// A private key.
#[derive(Debug, Clone)]
pub(crate) struct Key(SigningKey);

impl Key {
    /// The key called `name`, always the same one.
    #[expect(clippy::expect_used, reason = "one name in 2^128 is of no key")]
    pub(crate) fn of(name: &str) -> Self {
        let bytes = Sha256::digest(name);
        Self(SigningKey::from_slice(&bytes).expect("a hash within the order of the curve"))
    }

    /// The base64 text of the public key.
    pub(crate) fn public(&self) -> String {
        STANDARD.encode(self.0.verifying_key().to_sec1_point(false).as_bytes())
    }

    /// The base64 text of the private key.
    pub(crate) fn secret(&self) -> String {
        STANDARD.encode(self.0.to_bytes())
    }

    /// The base64 text of the signature over what the parts make together.
    pub(crate) fn sign(&self, parts: [&str; 4]) -> String {
        let signature: Signature = self.0.sign(parts.concat().as_bytes());
        STANDARD.encode(signature.to_bytes())
    }
}

/// A signed anchor as its owner knows it.
#[derive(Debug, Clone)]
pub(crate) struct Chain {
    /// The plain id.
    pub(crate) id: String,
    /// Who signs the next value.
    pub(crate) owner: Key,
    /// The plain values, oldest first.
    pub(crate) values: Vec<String>,
}

impl Chain {
    /// The anchor of the key called `name`, without values.
    pub(crate) fn new(domain: &str, name: &str) -> Self {
        let owner = Key::of(name);
        Self {
            id: format!("ssi:sza:{domain}::{}:v0", owner.public()),
            owner,
            values: Vec::new(),
        }
    }

    /// The last plain value; empty when there is none.
    pub(crate) fn last(&self) -> &str {
        self.values.last().map_or("", String::as_str)
    }

    /// The time of the next value.
    pub(crate) fn time(&self) -> u64 {
        FIRST_TIME + self.values.len() as u64
    }

    /// A next value that the node must take; other content for another `name`.
    pub(crate) fn next(&self, name: &str) -> String {
        let content = format!("{name} {}", self.values.len());
        let time = self.time().to_string();
        signed_link(&self.owner, [&self.id, &hash(&content), self.last(), &time])
    }

    /// A next value that hands the anchor to another key.
    pub(crate) fn transfer(&self, to: &Key) -> String {
        let (key, time) = (to.public(), self.time().to_string());
        let signature = self.owner.sign([&self.id, &key, self.last(), &time]);
        format!("ssi:transfer:default:{key}:{time}/{signature}:v0")
    }

    /// Adds a value that the node has taken.
    pub(crate) fn push(&mut self, value: String) {
        self.values.push(value);
    }

    /// The values, borrowed.
    pub(crate) fn plain_values(&self) -> Vec<&str> {
        self.values.iter().map(String::as_str).collect()
    }
}

/// A value signed over these parts: anchor id, hash, last value, time.
pub(crate) fn signed_link(key: &Key, parts: [&str; 4]) -> String {
    let [_, hash, _, time] = parts;
    let signature = key.sign(parts);
    format!("ssi:shl:default:{hash}:{time}|{signature}:v0")
}
