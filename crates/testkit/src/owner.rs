//! The owner of a signed anchor: a key, and the values that it signs.

use keyssi::{AnchorId, AnchorSigner, AnchorValue, Domain, Head, PrivateKey, Timestamp, base64};

/// Time of the first entries, in milliseconds since the epoch: 13 digits, as the rules want it.
/// Tests have no clock; entries are told apart by their hashes.
pub const FIRST_MS: u64 = 1_700_000_000_000;

/// A part does not make a key, an anchor id or a value.
#[derive(Debug, thiserror::Error)]
#[error("the owner cannot sign: {0}")]
pub struct OwnerError(String);

/// Someone who can write one signed anchor.
#[derive(Debug, Clone)]
pub struct Owner {
    signer: AnchorSigner,
    head: Option<Head>,
}

impl Owner {
    /// The owner of the anchor that `key`, a private key of 32 bytes, names in `domain`.
    ///
    /// # Errors
    /// [`OwnerError`] when `key` is none, as all but about one of 2^128 are.
    pub fn new(domain: &Domain, key: &[u8]) -> Result<Self, OwnerError> {
        let key = PrivateKey::from_bytes(key).map_err(refused)?;
        let public = base64::encode(&key.public_key().to_raw());
        let id = AnchorId::parse_plain(&format!("ssi:sza:{domain}::{public}:v0"));
        let signer = AnchorSigner::new(id.map_err(refused)?, key, domain.as_str(), None);
        Ok(Self {
            signer: signer.map_err(refused)?,
            head: None,
        })
    }

    /// The wrapped anchor id, as it stands in a path.
    #[must_use]
    pub fn id(&self) -> &str {
        self.signer.id().as_str()
    }

    /// Whether the anchor has a value yet, as far as the owner knows.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.head.is_some()
    }

    /// Signs a value that names the brick map `hash` at the time `now_ms` and follows the head; the
    /// first one when there is no head. Wrapped, as it stands in a path.
    ///
    /// # Errors
    /// [`OwnerError`] when `hash` is none.
    pub fn sign(&self, hash: &str, now_ms: u64) -> Result<String, OwnerError> {
        let now = Timestamp::from_millis(now_ms);
        let value = match &self.head {
            None => self.signer.create(hash, &now),
            Some(head) => self.signer.append(head, hash, &now),
        };
        Ok(value.map_err(refused)?.as_str().to_owned())
    }

    /// Takes `last`, a wrapped value, as the head; `None` when the anchor is absent.
    ///
    /// # Errors
    /// [`OwnerError`] when it is none.
    pub fn follow(&mut self, last: Option<&str>) -> Result<(), OwnerError> {
        let head = last.map(|last| Head::restore(last, None));
        self.head = head.transpose().map_err(refused)?;
        Ok(())
    }
}

/// The one value of a constant anchor: an unsigned link to the brick map `hash`. Wrapped.
///
/// # Errors
/// [`OwnerError`] when `hash` is none.
pub fn constant_value(domain: &Domain, hash: &str) -> Result<String, OwnerError> {
    let value = AnchorValue::parse(&format!("ssi:hl:{domain}:{hash}::v0"));
    Ok(value.map_err(refused)?.as_str().to_owned())
}

/// The wrapped id of the constant anchor named by `hash`, the base58 text of 32 bytes.
///
/// # Errors
/// [`OwnerError`] when `hash` is none.
pub fn constant_id(domain: &Domain, hash: &str) -> Result<String, OwnerError> {
    let id = AnchorId::parse_plain(&format!("ssi:cza:{domain}:{hash}::v0"));
    Ok(id.map_err(refused)?.as_str().to_owned())
}

fn refused(error: impl std::fmt::Display) -> OwnerError {
    OwnerError(error.to_string())
}

#[cfg(test)]
mod tests {
    use keyssi::BrickHash;

    use super::*;

    #[test]
    fn what_an_owner_signs_follows_the_rules() {
        let domain: Domain = "default".parse().unwrap();
        let mut owner = Owner::new(&domain, &[7; 32]).unwrap();
        let mut values = Vec::new();
        for version in 0..3_u64 {
            let hash = BrickHash::of(&version.to_be_bytes()).to_string();
            let value = owner.sign(&hash, FIRST_MS + version).unwrap();
            owner.follow(Some(&value)).unwrap();
            values.push(AnchorValue::parse_wrapped(&value).unwrap());
        }
        let id = AnchorId::parse_wrapped(owner.id()).unwrap();
        assert!(keyssi::check_history(&id, values).is_ok());
    }

    #[test]
    fn a_constant_anchor_takes_its_value() {
        let domain: Domain = "default".parse().unwrap();
        let hash = BrickHash::of(b"x").to_string();
        let id = AnchorId::parse_wrapped(&constant_id(&domain, &hash).unwrap()).unwrap();
        let value = constant_value(&domain, &hash).unwrap();
        let value = AnchorValue::parse_wrapped(&value).unwrap();
        assert!(keyssi::create(&id, &value).is_ok());
    }
}
