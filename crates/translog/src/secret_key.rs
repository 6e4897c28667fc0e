//! Secret keys, which sign as a log or as a witness. Made from seeds: randomness is the caller's.
//!
//! ```text
//! PRIVATE+KEY+<name>+<key id, 8 hex digits>+<base64(type || seed)>
//! ```
//!
//! **Source:** `translog.md` §4 and §8. The text form is that of the Go package
//! `golang.org/x/mod/sumdb/note`.

use std::fmt;

use ed25519_dalek::{Signer as _, SigningKey};
use zeroize::Zeroizing;

use crate::key::{cosigned_message, typed_key};
use crate::{Checkpoint, KeyError, KeyKind, KeyName, Origin, SignatureLine, VerifierKey, text};

/// The secret key of a log. It signs what it is given: that no two of its checkpoints contradict
/// each other is upon whoever holds it.
#[derive(Clone)]
pub struct LogKey(SecretKey);

impl LogKey {
    /// The key of this log made from 32 secret random bytes.
    #[must_use]
    pub fn from_seed(origin: &Origin, seed: &[u8; 32]) -> Self {
        let name = origin.key_name().clone();
        Self(SecretKey::new(name, KeyKind::Log, seed))
    }

    /// Reads the secret text form.
    ///
    /// # Errors
    /// [`KeyError`], which never holds the text.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        SecretKey::parse(text, KeyKind::Log).map(Self)
    }

    /// The secret text form, wiped when dropped.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        self.0.to_text()
    }

    /// The public key.
    #[must_use]
    pub fn verifier(&self) -> &VerifierKey {
        &self.0.verifier
    }

    /// Signs a checkpoint of this log. A checkpoint with another origin than the key's name is
    /// signed too, but no verifier takes that for a log's signature.
    #[must_use]
    pub fn sign(&self, checkpoint: &Checkpoint) -> SignatureLine {
        let signature = self.0.signing.sign(checkpoint.to_string().as_bytes());
        self.0.line(signature.to_bytes().to_vec())
    }
}

impl fmt::Debug for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogKey({})", self.0.verifier)
    }
}

/// The secret key of a witness, which may serve this one witness and nothing else.
#[derive(Clone)]
pub struct WitnessKey(SecretKey);

impl WitnessKey {
    /// The key of this witness made from 32 secret random bytes.
    #[must_use]
    pub fn from_seed(name: &KeyName, seed: &[u8; 32]) -> Self {
        Self(SecretKey::new(name.clone(), KeyKind::Witness, seed))
    }

    /// Reads the secret text form.
    ///
    /// # Errors
    /// [`KeyError`], which never holds the text.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        SecretKey::parse(text, KeyKind::Witness).map(Self)
    }

    /// The secret text form, wiped when dropped.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        self.0.to_text()
    }

    /// The public key.
    #[must_use]
    pub fn verifier(&self) -> &VerifierKey {
        &self.0.verifier
    }

    /// Says that at this time (POSIX seconds) the checkpoint was the newest and largest seen, and
    /// consistent with all seen before.
    #[must_use]
    pub fn cosign(&self, checkpoint: &Checkpoint, time_s: u64) -> SignatureLine {
        let message = cosigned_message(&checkpoint.to_string(), time_s);
        let signature = self.0.signing.sign(message.as_bytes());
        let mut bytes = time_s.to_be_bytes().to_vec();
        bytes.extend(signature.to_bytes());
        self.0.line(bytes)
    }
}

impl fmt::Debug for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WitnessKey({})", self.0.verifier)
    }
}

/// A signing key (wiped when dropped) with its public half.
#[derive(Clone)]
struct SecretKey {
    signing: SigningKey,
    verifier: VerifierKey,
}

impl SecretKey {
    const PREFIX: &str = "PRIVATE+KEY+";

    fn new(name: KeyName, kind: KeyKind, seed: &[u8; 32]) -> Self {
        let signing = SigningKey::from_bytes(seed);
        let verifier = VerifierKey::new(name, kind, signing.verifying_key());
        Self { signing, verifier }
    }

    fn parse(text: &str, expected: KeyKind) -> Result<Self, KeyError> {
        let rest = text.strip_prefix(Self::PREFIX);
        let mut parts = rest.ok_or(KeyError::Malformed)?.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(KeyError::Malformed);
        };
        let name = KeyName::parse(name).map_err(KeyError::Name)?;
        let bytes = text::base64_bytes(key).map(Zeroizing::new);
        let (kind, seed) = typed_key(&bytes.ok_or(KeyError::Malformed)?)?;
        let seed = Zeroizing::new(seed);
        if kind != expected {
            return Err(KeyError::Type(kind.byte()));
        }
        let key = Self::new(name, kind, &seed);
        if text::id_text(key.verifier.id()) == id {
            Ok(key)
        } else {
            Err(KeyError::Id)
        }
    }

    fn to_text(&self) -> Zeroizing<String> {
        let mut typed = Zeroizing::new([0; 33]);
        if let Some((first, seed)) = typed.split_first_mut() {
            *first = self.verifier.kind().byte();
            seed.copy_from_slice(self.signing.as_bytes());
        }
        let key = Zeroizing::new(text::base64_text(typed.as_slice()));
        let (name, id) = (self.verifier.name(), text::id_text(self.verifier.id()));
        // In one allocation, for one that grows would leave a copy behind.
        let bytes = Self::PREFIX.len() + name.as_str().len() + id.len() + key.len() + 2;
        let mut text = Zeroizing::new(String::with_capacity(bytes));
        for part in [Self::PREFIX, name.as_str(), "+", &id, "+", &key] {
            text.push_str(part);
        }
        text
    }

    fn line(&self, bytes: Vec<u8>) -> SignatureLine {
        SignatureLine {
            name: self.verifier.name().clone(),
            id: self.verifier.id(),
            bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log_key() -> LogKey {
        LogKey::from_seed(&Origin::parse("log.example/a").unwrap(), &[7; 32])
    }

    #[test]
    fn the_secret_text_is_given_back_and_takes_no_change() {
        let key = log_key();
        let text = key.to_text();
        assert!(
            text.starts_with("PRIVATE+KEY+log.example/a+"),
            "another form"
        );
        let again = LogKey::parse(&text).unwrap();
        assert_eq!(again.verifier(), key.verifier());
        assert_eq!(*again.to_text(), *text);
        for (place, old) in text.char_indices() {
            for new in "A0z+/= \n".chars().filter(|new| *new != old) {
                let mut changed = text.to_string();
                changed.replace_range(place..=place, &new.to_string());
                assert!(LogKey::parse(&changed).is_err(), "a change at {place}");
            }
        }
        for wrong in [
            "",
            "PRIVATE+KEY+",
            "PRIVATE+KEY+a+00000000",
            &format!("{}\n", *text),
        ] {
            assert!(LogKey::parse(wrong).is_err());
        }
    }

    #[test]
    fn a_log_key_is_no_witness_key() {
        let name = KeyName::parse("log.example/a").unwrap();
        let witness = WitnessKey::from_seed(&name, &[7; 32]);
        assert_ne!(witness.verifier().id(), log_key().verifier().id());
        let refused = WitnessKey::parse(&log_key().to_text()).unwrap_err();
        assert_eq!(refused, KeyError::Type(0x01));
        let refused = LogKey::parse(&witness.to_text()).unwrap_err();
        assert_eq!(refused, KeyError::Type(0x04));
        let again = WitnessKey::parse(&witness.to_text()).unwrap();
        assert_eq!(again.verifier(), witness.verifier());
    }

    #[test]
    fn debug_shows_the_public_key_only() {
        let shown = format!("{:?}", log_key());
        assert_eq!(shown, format!("LogKey({})", log_key().verifier()));
    }
}
