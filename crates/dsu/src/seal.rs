//! Making bricks: the envelope of a chunk, and that of a brick map.
//!
//! The reference draws the key of every brick at random. Here it is derived,
//! so that uploading the same file of the same DSU again, after a crash, gives
//! the same bricks and what is stored already is skipped:
//!
//! ```text
//! secret = HMAC-SHA256(key of the DSU, "kiln brick secret v1")
//! K      = HMAC-SHA256(secret, "kiln brick key v1" || offset (u64, big endian) || SHA-256(chunk))
//! iv     = HMAC-SHA256(K, "iv")[..16]          aad = HMAC-SHA256(K, "aad")
//! ```
//!
//! - Nobody without the key of the DSU can guess K. `secret` comes from the
//!   writer's key: of a `seed`, readers do not hold it either.
//! - K is used for one chunk only, so the fixed nonce never meets a second
//!   plaintext.
//! - The offset makes equal chunks of one file different bricks; the reference
//!   refuses repeated ones (dsu §14-9). Equal chunks at equal offsets of two
//!   files of one DSU are one brick, which who sees the bricks can notice.
//!
//! Readers notice nothing: K stands in the brick map like a random one.
//!
//! **Source:** dsu specification §1.3, §2, §4.

use std::convert::Infallible;
use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use keyssi::envelope::{self, EnvelopeError};
use keyssi::{
    BrickHash, Domain, DomainError, EncryptionKey, Hint, KeySsi, SsiError, SsiKind, UseError,
};
use rand_core::{CryptoRng, TryCryptoRng, TryRng};
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::brick_map::{BrickMap, BrickMapError};
use crate::entry::Entry;

/// Bytes of plaintext in a brick that we make: the brick as it is stored, 64
/// bytes longer, has at most 1 MiB and so passes every tool that takes blocks
/// of that size.
pub const CHUNK_BYTES_DEFAULT: usize = 1_048_576 - envelope::OVERHEAD_BYTES;

/// Length of the iv of an envelope.
const IV_BYTES: usize = 16;
/// What keeps the derived secret apart from other uses of the same key.
const SECRET_LABEL: &[u8] = b"kiln brick secret v1";
/// The same for the keys of bricks.
const KEY_LABEL: &[u8] = b"kiln brick key v1";
/// The same for the nonces of brick maps that avoid randomness.
const MAP_NONCE_LABEL: &[u8] = b"kiln map nonce v1";
/// The hint that asks for an envelope without randomness.
const AVOID_RANDOM: &str = "avoidRandom";

/// Makes the bricks of one DSU. Holds its secrets; `Debug` shows the domains.
#[derive(Clone)]
pub struct BrickSealer {
    domain: Domain,
    bricks_domain: Domain,
    hint: Option<Hint>,
    secret: Zeroizing<[u8; 32]>,
    map_key: EncryptionKey,
}

/// A chunk of a file as it is to be stored.
#[derive(Clone)]
pub struct SealedBrick {
    /// The name of the brick.
    pub hash: BrickHash,
    /// Where it is to be stored.
    pub domain: Domain,
    /// What is stored, 64 bytes longer than the chunk.
    pub bytes: Vec<u8>,
    /// What the brick map is to hold for it. Carries the key.
    pub entry: Entry,
}

/// A brick map as it is to be stored.
#[derive(Clone)]
pub struct SealedMap {
    /// The name of the brick, which the anchor value is to carry.
    pub hash: BrickHash,
    /// Where it is to be stored.
    pub domain: Domain,
    /// What is stored.
    pub bytes: Vec<u8>,
}

/// The identifier cannot write DSUs.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SealerError {
    /// A type that can read at most, or has no bricks (`vs`).
    #[error("an identifier of type '{kind}' cannot write to a DSU")]
    CannotWrite {
        /// The type.
        kind: SsiKind,
    },
    /// The key inside the identifier is none.
    #[error("the identifier holds no usable key")]
    Key(#[source] UseError),
    /// The domain of the DSU or of its bricks is none that a node serves.
    #[error("the domain of the identifier is malformed")]
    Domain(#[source] DomainError),
}

/// A brick cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SealError {
    /// More than the cipher takes (64 GiB).
    #[error("the chunk is too long for one brick")]
    Envelope(#[source] EnvelopeError),
    /// The links to the brick cannot be written.
    #[error("the identifiers of the brick cannot be written")]
    Link(#[source] SsiError),
}

/// A brick is not the brick map that it should be.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum OpenMapError {
    /// The bytes are not those that the anchor value names.
    #[error("the brick map hashes to {actual} instead of {expected}")]
    WrongHash {
        /// The hash in the anchor value.
        expected: BrickHash,
        /// The hash of the bytes.
        actual: BrickHash,
    },
    /// The identifier has no key that opens brick maps.
    #[error("the identifier opens no brick maps")]
    NoKey(#[source] UseError),
    /// Another key, or an anchor value that names something else.
    #[error("the brick map was not sealed with the key of this DSU")]
    WrongKey(#[source] EnvelopeError),
    /// What was sealed is not a brick map.
    #[error("the opened brick is not a brick map")]
    Malformed(#[source] BrickMapError),
}

impl BrickSealer {
    /// A sealer for the DSU of `ssi`: a `seed`, `const`, `array` or `wallet`.
    ///
    /// # Errors
    /// [`SealerError`] if the identifier cannot write or is broken.
    pub fn new(ssi: &KeySsi) -> Result<Self, SealerError> {
        let kind = ssi.kind();
        let secret = match kind {
            SsiKind::Seed => {
                let key = ssi.private_key().map_err(SealerError::Key)?;
                authenticate(key.as_bytes(), &[SECRET_LABEL])
            }
            SsiKind::Const | SsiKind::Array | SsiKind::Wallet => {
                let key = map_key(ssi).map_err(SealerError::Key)?;
                authenticate(key.as_bytes(), &[SECRET_LABEL])
            }
            _ => return Err(SealerError::CannotWrite { kind }),
        };
        Ok(Self {
            domain: ssi.domain().parse().map_err(SealerError::Domain)?,
            bricks_domain: ssi.bricks_domain().parse().map_err(SealerError::Domain)?,
            hint: ssi.hint().cloned(),
            secret,
            map_key: map_key(ssi).map_err(SealerError::Key)?,
        })
    }

    /// The domain that the bricks are stored in.
    #[must_use]
    pub const fn bricks_domain(&self) -> &Domain {
        &self.bricks_domain
    }

    /// Seals the chunk that begins at byte `offset` of its file.
    ///
    /// Give every chunk its own offset, also when appending: equal chunks at
    /// equal offsets are equal bricks.
    ///
    /// # Errors
    /// [`SealError`] if the chunk has more than 64 GiB.
    pub fn seal(&self, offset: u64, chunk: &[u8]) -> Result<SealedBrick, SealError> {
        let (bytes, key) = self.envelope(offset, chunk)?;
        let hash = BrickHash::of(&bytes);
        let link = self.hash_link(&hash)?;
        Ok(SealedBrick {
            hash,
            domain: self.bricks_domain.clone(),
            bytes,
            entry: Entry::brick(&link, Some(&key)),
        })
    }

    /// The envelope of a chunk and the identifier of its key.
    pub(crate) fn envelope(
        &self,
        offset: u64,
        chunk: &[u8],
    ) -> Result<(Vec<u8>, KeySsi), SealError> {
        let key = self.brick_key(offset, chunk);
        let bytes =
            envelope::seal(&key, chunk, &mut nonce_of(&key)).map_err(SealError::Envelope)?;
        let key = KeySsi::symmetric_key(self.domain.as_str(), &key).map_err(SealError::Link)?;
        Ok((bytes, key))
    }

    /// Seals a brick map with the key of the DSU.
    ///
    /// The hint `avoidRandom` asks for an envelope that depends on the key and
    /// the map only. Its nonce is derived from both: that of the SDK depends on
    /// the key alone, so that two maps, as of a creation that is tried again,
    /// would give away both (dsu §1.3). Readers take the nonce from the
    /// envelope.
    ///
    /// # Errors
    /// [`SealError`] if the map has more than 64 GiB.
    pub fn seal_map(
        &self,
        map: &BrickMap,
        random: &mut impl CryptoRng,
    ) -> Result<SealedMap, SealError> {
        let json = Zeroizing::new(map.to_json());
        let hint = self.hint.as_ref();
        let sealed = if hint.is_some_and(|hint| hint.is_set(AVOID_RANDOM)) {
            let parts = [MAP_NONCE_LABEL, json.as_bytes()];
            let nonce = authenticate(self.map_key.as_bytes(), &parts);
            let nonce = EncryptionKey::from_bytes(*nonce);
            envelope::seal(&self.map_key, json.as_bytes(), &mut nonce_of(&nonce))
        } else {
            envelope::seal(&self.map_key, json.as_bytes(), random)
        };
        let bytes = sealed.map_err(SealError::Envelope)?;
        Ok(SealedMap {
            hash: BrickHash::of(&bytes),
            domain: self.bricks_domain.clone(),
            bytes,
        })
    }

    /// The link to a brick, with the hint of the DSU.
    pub(crate) fn hash_link(&self, hash: &BrickHash) -> Result<KeySsi, SealError> {
        let link = self.bare_link(hash)?;
        Ok(link.with_hint(self.hint.clone()))
    }

    /// The link to a brick without a hint.
    pub(crate) fn bare_link(&self, hash: &BrickHash) -> Result<KeySsi, SealError> {
        let domain = self.bricks_domain.as_str();
        KeySsi::hash_link(domain, &hash.to_string()).map_err(SealError::Link)
    }

    fn brick_key(&self, offset: u64, chunk: &[u8]) -> EncryptionKey {
        let digest = Sha256::digest(chunk);
        let parts = [KEY_LABEL, &offset.to_be_bytes(), &digest];
        EncryptionKey::from_bytes(*authenticate(self.secret.as_slice(), &parts))
    }
}

/// Opens the brick map that an anchor value names.
///
/// # Errors
/// [`OpenMapError`] says whether the bytes, the key or the content is wrong.
pub fn open_map(
    ssi: &KeySsi,
    expected: &BrickHash,
    bytes: &[u8],
) -> Result<BrickMap, OpenMapError> {
    let actual = BrickHash::of(bytes);
    if actual != *expected {
        let expected = *expected;
        return Err(OpenMapError::WrongHash { expected, actual });
    }
    let key = map_key(ssi).map_err(OpenMapError::NoKey)?;
    let json = envelope::open(&key, bytes).map_err(OpenMapError::WrongKey)?;
    BrickMap::parse(&json).map_err(OpenMapError::Malformed)
}

impl fmt::Debug for BrickSealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BrickSealer")
            .field("domain", &self.domain)
            .field("bricks_domain", &self.bricks_domain)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SealedBrick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_brick(f, "SealedBrick", &self.hash, &self.domain, &self.bytes)
    }
}

impl fmt::Debug for SealedMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_brick(f, "SealedMap", &self.hash, &self.domain, &self.bytes)
    }
}

pub(crate) fn debug_brick(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    hash: &BrickHash,
    domain: &Domain,
    bytes: &[u8],
) -> fmt::Result {
    f.debug_struct(name)
        .field("hash", hash)
        .field("domain", domain)
        .field("bytes", &bytes.len())
        .finish_non_exhaustive()
}

/// The key that opens the brick maps of a DSU. Only a `vs` has an identifier
/// that may carry no key, and it has no brick maps.
fn map_key(ssi: &KeySsi) -> Result<EncryptionKey, UseError> {
    let kind = ssi.kind();
    match kind {
        SsiKind::Seed
        | SsiKind::SRead
        | SsiKind::Const
        | SsiKind::Array
        | SsiKind::Wallet
        | SsiKind::Path => ssi.encryption_key()?.ok_or(UseError::NoKey { kind }),
        _ => Err(UseError::NoKey { kind }),
    }
}

/// HMAC-SHA256 over the parts, one after the other.
fn authenticate(key: &[u8], parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    #[expect(
        clippy::expect_used,
        reason = "HMAC takes keys of any length (RFC 2104)"
    )]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    Zeroizing::new(mac.finalize().into_bytes().into())
}

/// The nonce and the additional data of the one envelope that `key` seals.
fn nonce_of(key: &EncryptionKey) -> FixedBytes {
    let (iv, aad) = (b"iv".as_slice(), b"aad".as_slice());
    let iv = authenticate(key.as_bytes(), &[iv]);
    let aad = authenticate(key.as_bytes(), &[aad]);
    let iv = iv.iter().take(IV_BYTES);
    let bytes: Vec<u8> = iv.chain(aad.iter()).copied().collect();
    FixedBytes(bytes.into_iter())
}

/// Gives out what was computed before, as the envelope asks for it: first the
/// iv, then the additional data.
struct FixedBytes(std::vec::IntoIter<u8>);

impl TryRng for FixedBytes {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for (place, byte) in bytes.iter_mut().zip(&mut self.0) {
            *place = byte;
        }
        Ok(())
    }
}

impl TryCryptoRng for FixedBytes {}

#[cfg(test)]
pub(crate) mod tests;
