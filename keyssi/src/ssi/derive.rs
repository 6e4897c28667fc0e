//! Derivation: from the key of an owner to that of a reader to the name of an
//! anchor.
//!
//! ```text
//! path  ─► seed ─► sread ─► sza          array, wallet ─► const ─► cza
//! own   ─► oread ─► zat                  shl ─► hl
//! ```
//!
//! **Source:** keyssi specification §3 (field table), §3.1 to §3.6.

use sha2::{Digest, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

use super::{KeySsi, SsiKind, Version};
use crate::anchor::{AnchorId, AnchorIdError};
use crate::brick_hash::BrickHash;
use crate::keys::{KeyError, PrivateKey};
use crate::{base58, base64};

/// Why an identifier cannot be used as asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UseError {
    /// Only version `v0` has algorithms.
    #[error("only identifiers of version v0 can be used")]
    UnknownVersion,
    /// The type's design was never completed (`pass` and the family of
    /// `secret`): such identifiers are parsed and printed only.
    #[error("identifiers of type '{kind}' cannot be used")]
    Unusable {
        /// The type.
        kind: SsiKind,
    },
    /// The type derives to nothing, not even to itself.
    #[error("identifiers of type '{kind}' derive to nothing")]
    NotDerivable {
        /// The type.
        kind: SsiKind,
    },
    /// A `path` needs the private key of its slot, see [`KeySsi::derive_path`].
    #[error("a path is derived with the key of its slot")]
    NeedsSlotKey,
    /// The type has no key of the kind that is needed.
    #[error("identifiers of type '{kind}' have no such key")]
    NoKey {
        /// The type.
        kind: SsiKind,
    },
    /// The field that should hold a private or public key does not.
    #[error("the identifier holds no valid key")]
    BadKey(#[source] KeyError),
    /// The field that should hold a symmetric key does not.
    #[error("the identifier holds no key of 32 bytes")]
    BadSymmetricKey,
    /// The control field of an `own` or `oread` has no level and token.
    #[error("the identifier holds no level and token")]
    BadToken,
    /// The anchor of the identifier is none that a server accepts.
    #[error("the identifier names no valid anchor")]
    BadAnchor(#[source] AnchorIdError),
}

impl KeySsi {
    /// The next identifier of the chain; `None` at its end. Domain, version and
    /// hint are carried along.
    ///
    /// # Errors
    /// [`UseError`] if the type has no derivation or the key is no key.
    pub fn derive(&self) -> Result<Option<Self>, UseError> {
        self.check_usable()?;
        let kind = self.kind();
        match kind {
            SsiKind::Seed => self.derive_seed().map(Some),
            SsiKind::SRead => Ok(Some(self.derived(SsiKind::SZa, "", self.control()))),
            SsiKind::Path => Err(UseError::NeedsSlotKey),
            SsiKind::Array | SsiKind::Wallet => {
                let constant = self.derived(SsiKind::Const, self.specific(), self.control());
                Ok(Some(constant))
            }
            SsiKind::Const => {
                let key = Zeroizing::new(base64::decode_lenient(self.specific()));
                let name = BrickHash::of(&key).to_string();
                Ok(Some(self.derived(SsiKind::CZa, &name, self.control())))
            }
            SsiKind::SignedHashLink => {
                Ok(Some(self.derived(SsiKind::HashLink, self.specific(), "")))
            }
            SsiKind::Own => self.derive_own().map(Some),
            SsiKind::ORead => {
                let (owner, rest) = self.control().split_once('/').ok_or(UseError::BadToken)?;
                let (_, token) = rest.split_once('/').ok_or(UseError::BadToken)?;
                Ok(Some(self.derived(SsiKind::Zat, token, owner)))
            }
            SsiKind::SymmetricKey | SsiKind::Size | SsiKind::Alias => {
                Err(UseError::NotDerivable { kind })
            }
            _ => Ok(None),
        }
    }

    /// The slot and the path inside it that a `path` names. Without a slash the
    /// slot is all but the last character and the path is all, an artefact of
    /// the reference that fixes keys.
    #[must_use]
    pub fn slot_and_path(&self) -> Option<(&str, &str)> {
        let text = self.specific();
        (self.kind() == SsiKind::Path).then(|| {
            text.split_once('/').unwrap_or_else(|| {
                let mut characters = text.chars();
                characters.next_back();
                (characters.as_str(), text)
            })
        })
    }

    /// The seed that a `path` names, given the private key of its slot.
    ///
    /// # Errors
    /// [`UseError`] if this is no `path` or the computed key is no key.
    pub fn derive_path(&self, slot_key: &[u8]) -> Result<Self, UseError> {
        self.check_usable()?;
        let kind = self.kind();
        let (_, path) = self.slot_and_path().ok_or(UseError::NoKey { kind })?;
        let mut hash = Sha256::new();
        hash.update(path);
        hash.update(lossy_text(slot_key).as_bytes());
        let key: Zeroizing<[u8; 32]> = Zeroizing::new(hash.finalize().into());
        PrivateKey::from_bytes(key.as_slice()).map_err(UseError::BadKey)?;
        let specific = Zeroizing::new(base64::encode(key.as_slice()));
        Ok(self.derived(SsiKind::Seed, &specific, ""))
    }

    /// The last identifier of the chain, without hint: what names the anchor.
    /// Its wrapped form is the anchor id. An identifier that derives to nothing
    /// names itself. For a `vs` see [`Self::versionless_name`].
    ///
    /// # Errors
    /// [`UseError`] if a derivation on the way fails.
    pub fn anchor(&self) -> Result<Self, UseError> {
        let mut last = self.clone();
        loop {
            match last.derive() {
                Ok(Some(next)) => last = next,
                Ok(None) | Err(UseError::NotDerivable { .. }) => return Ok(last.with_hint(None)),
                Err(error) => return Err(error),
            }
        }
    }

    /// The name under which a DSU without versions is stored: the hash of its
    /// path. `None` for all types but `vs`.
    #[must_use]
    pub fn versionless_name(&self) -> Option<BrickHash> {
        (self.kind() == SsiKind::Versionless).then(|| BrickHash::of(self.specific().as_bytes()))
    }

    fn derive_seed(&self) -> Result<Self, UseError> {
        let key = self.private_key()?;
        let name = Zeroizing::new(BrickHash::of(key.as_bytes()).to_string());
        let control = base64::encode(&key.public_key().to_raw());
        Ok(self.derived(SsiKind::SRead, &name, &control))
    }

    fn derive_own(&self) -> Result<Self, UseError> {
        let key = self.private_key()?;
        let (level, token) = self.control().split_once('/').ok_or(UseError::BadToken)?;
        let name = Zeroizing::new(BrickHash::of(key.as_bytes()).to_string());
        let owner = BrickHash::of(&key.public_key().to_raw());
        let control = format!("{owner}/{level}/{token}");
        Ok(self.derived(SsiKind::ORead, &name, &control))
    }

    /// Refuses other versions than `v0` and types that were never completed.
    pub(crate) fn check_usable(&self) -> Result<(), UseError> {
        let kind = self.kind();
        if kind == SsiKind::Pass || kind.is_unfinished() {
            return Err(UseError::Unusable { kind });
        }
        match self.version() {
            Version::V0 => Ok(()),
            _ => Err(UseError::UnknownVersion),
        }
    }
}

impl AnchorId {
    /// The id of the anchor that an identifier of either family leads to.
    ///
    /// # Errors
    /// [`UseError`] if a derivation on the way fails, or if it ends in an
    /// identifier that is no valid anchor id.
    pub fn of(ssi: &KeySsi) -> Result<Self, UseError> {
        let anchor = ssi.anchor()?;
        Self::parse_plain(&anchor.plain()).map_err(UseError::BadAnchor)
    }
}

/// Bytes as the reference reads them as text: one U+FFFD for every single byte
/// that does not begin a well-formed sequence, unlike the usual rule of one
/// for each ill-formed run.
fn lossy_text(bytes: &[u8]) -> Zeroizing<String> {
    let mut rest = bytes;
    // Every byte becomes three at most.
    let mut text = Zeroizing::new(String::with_capacity(bytes.len() * 3));
    loop {
        match std::str::from_utf8(rest) {
            Ok(valid) => {
                text.push_str(valid);
                return text;
            }
            Err(error) => {
                let (valid, after) = rest.split_at(error.valid_up_to());
                text.push_str(std::str::from_utf8(valid).unwrap_or_default());
                text.push(char::REPLACEMENT_CHARACTER);
                rest = after.get(1..).unwrap_or_default();
            }
        }
    }
}

/// Decodes the base58 of a symmetric key.
pub(super) fn base58_key(text: &str) -> Result<Zeroizing<Vec<u8>>, UseError> {
    base58::decode(text)
        .map(Zeroizing::new)
        .map_err(|_| UseError::BadSymmetricKey)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> KeySsi {
        KeySsi::parse(text).unwrap()
    }

    #[test]
    fn short_keys_share_the_anchor_but_not_the_reading_key() {
        let of = |length: usize| {
            let mut bytes = vec![0; length];
            bytes[length - 1] = 5;
            parse(&format!("ssi:seed:d:{}::v0", base64::encode(&bytes)))
        };
        let (short, padded) = (of(31), of(32));
        assert_eq!(short.anchor().unwrap(), padded.anchor().unwrap());
        assert_ne!(
            short.encryption_key().unwrap(),
            padded.encryption_key().unwrap()
        );
        assert_eq!(AnchorId::of(&short), AnchorId::of(&padded));
    }

    #[test]
    fn slots_and_paths_are_cut_at_the_first_slash() {
        let cases = [
            ("slot/a/b", ("slot", "a/b")),
            ("slot/", ("slot", "")),
            ("/a", ("", "a")),
            ("slot0", ("slot", "slot0")),
            ("é", ("", "é")),
            ("", ("", "")),
        ];
        for (specific, expected) in cases {
            let ssi = parse(&format!("ssi:path:d:{specific}::v0"));
            assert_eq!(ssi.slot_and_path(), Some(expected), "{specific}");
            assert_eq!(ssi.derive(), Err(UseError::NeedsSlotKey));
            assert_eq!(ssi.anchor(), Err(UseError::NeedsSlotKey));
        }
        assert_eq!(parse("ssi:seed:d:a/b::v0").slot_and_path(), None);
    }

    #[test]
    fn every_ill_formed_byte_is_replaced_by_itself() {
        let cases: [(&[u8], &str); 7] = [
            (b"plain", "plain"),
            (b"a\xe2\x82", "a\u{fffd}\u{fffd}"),
            (b"\xe2\x82\x41", "\u{fffd}\u{fffd}A"),
            (b"\xc0\xaf", "\u{fffd}\u{fffd}"),
            (b"\xed\xa0\x80", "\u{fffd}\u{fffd}\u{fffd}"),
            (b"\xf4\x90\x80\x80", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
            (b"\xf0\x9f\x90\xb4\xff", "🐴\u{fffd}"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(lossy_text(bytes).as_str(), expected, "{bytes:?}");
        }
    }

    #[test]
    fn what_cannot_be_derived_says_why() {
        let unusable = |kind| Err(UseError::Unusable { kind });
        let stuck = |kind| Err(UseError::NotDerivable { kind });
        let out_of_range = UseError::BadKey(KeyError::PrivateOutOfRange);
        let cases = [
            ("ssi:seed:d:AAAA::v1", Err(UseError::UnknownVersion)),
            ("ssi:seed:d:AAAA::v0", Err(out_of_range)),
            ("ssi:pass:d:AAAA::v0", unusable(SsiKind::Pass)),
            ("ssi:secret:d:AAAA::v0", unusable(SsiKind::Secret)),
            ("ssi:za:d:AAAA::v0", unusable(SsiKind::Za)),
            ("ssi:se:d:AAAA::v0", stuck(SsiKind::SymmetricKey)),
            ("ssi:size:d:1:2:v0", stuck(SsiKind::Size)),
            ("ssi:alias:d:x::v0", stuck(SsiKind::Alias)),
            ("ssi:own:d:BQ==:0:v0", Err(UseError::BadToken)),
            ("ssi:oread:d:x:y/0:v0", Err(UseError::BadToken)),
            ("ssi:sza:d::AAAA:v0", Ok(None)),
            ("ssi:hl:d:HASH::v0", Ok(None)),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text).derive(), expected, "{text}");
        }
        let alias = parse("ssi:alias:d:x::v0:{\"a\":1}").anchor().unwrap();
        assert_eq!(alias.plain().as_str(), "ssi:alias:d:x::v0");
        let no_anchor = AnchorId::of(&parse("ssi:alias:d:x::v0")).unwrap_err();
        assert_eq!(no_anchor, UseError::BadAnchor(AnchorIdError::WrongKind));
    }

    proptest! {
        #[test]
        fn any_identifier_derives_or_is_refused(
            index in 0..SsiKind::ALL.len(),
            specific in "[^:]{0,12}",
            control in "[^:]{0,12}",
        ) {
            let kind = SsiKind::ALL[index];
            let ssi = parse(&format!("ssi:{kind}:d:{specific}:{control}:v0"));
            let _ = (ssi.derive(), ssi.anchor(), ssi.derive_path(specific.as_bytes()));
            let _ = (ssi.encryption_key(), ssi.public_key(), ssi.private_key());
        }
    }
}
