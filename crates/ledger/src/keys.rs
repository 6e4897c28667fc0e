//! How the ledger lies on disk.
//!
//! ```text
//! anchors:    domain id (4) ‖ anchor id (text) ‖ 00 ‖ version (8, big-endian)  ->  value (text)
//! heads:      domain id (4) ‖ anchor id (text)  ->  versions (8, big-endian)
//!                                                   ‖ length of the key (2, big-endian)
//!                                                   ‖ key of the last transfer (text, may be empty)
//!                                                   ‖ last value (text)
//! documents:  SHA-256 of the path (32)  ->  the document as it was sent
//! meta:       "anchors/" domain id (4)  ->  number of anchors (8, big-endian)
//!             "format", "domain/…"          see the engine
//! ```
//! Anchor ids are base58, so they hold no zero byte. Versions count from 0.

use engine::{DomainId, Family};
use keyssi::Head;
use sha2::{Digest, Sha256};

/// Format number of the layout above.
pub(crate) const FORMAT: u32 = 1;
pub(crate) const ANCHORS: &str = "anchors";
pub(crate) const HEADS: &str = "heads";
pub(crate) const DOCUMENTS: &str = "documents";
pub(crate) const TOTALS_PREFIX: &[u8] = b"anchors/";

/// Documents from this size are kept out of the tables.
const BLOB_BYTES_MIN: u64 = 4 << 10;

pub(crate) const FAMILIES: &[Family] = &[
    Family {
        name: ANCHORS,
        tune: |_| {},
    },
    Family {
        name: HEADS,
        tune: |_| {},
    },
    Family {
        name: DOCUMENTS,
        tune: |options| {
            options.set_enable_blob_files(true);
            options.set_min_blob_size(BLOB_BYTES_MIN);
            // Documents are overwritten; without collection the old ones would stay for ever.
            options.set_enable_blob_gc(true);
        },
    },
];

pub(crate) fn head(domain: DomainId, anchor: &str) -> Vec<u8> {
    [&domain.to_bytes(), anchor.as_bytes()].concat()
}

pub(crate) fn versions_of(domain: DomainId, anchor: &str) -> Vec<u8> {
    [&domain.to_bytes(), anchor.as_bytes(), &[0]].concat()
}

pub(crate) fn version(domain: DomainId, anchor: &str, version: u64) -> Vec<u8> {
    [
        &domain.to_bytes(),
        anchor.as_bytes(),
        &[0],
        &version.to_be_bytes(),
    ]
    .concat()
}

/// The domain, anchor id and version in a key of [`ANCHORS`].
pub(crate) fn parse_version(key: &[u8]) -> Option<(DomainId, &str, u64)> {
    let (front, version) = key.split_last_chunk::<8>()?;
    let anchor = front.get(4..)?.strip_suffix(&[0])?;
    let anchor = std::str::from_utf8(anchor).ok()?;
    Some((
        DomainId::from_key(key)?,
        anchor,
        u64::from_be_bytes(*version),
    ))
}

pub(crate) fn document(path: &str) -> [u8; 32] {
    Sha256::digest(path.as_bytes()).into()
}

pub(crate) fn totals(domain: DomainId) -> Vec<u8> {
    [TOTALS_PREFIX, &domain.to_bytes()].concat()
}

/// The head of an anchor as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredHead {
    pub(crate) versions: u64,
    pub(crate) transferred_to: Option<String>,
    pub(crate) value: String,
}

impl StoredHead {
    pub(crate) fn new(versions: u64, head: &Head) -> Self {
        Self {
            versions,
            transferred_to: head.transferred_to().map(str::to_owned),
            value: head.value().as_str().to_owned(),
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let key = self.transferred_to.as_deref().unwrap_or_default();
        // 88 characters at most: the rules admit no longer key.
        let length = u16::try_from(key.len()).unwrap_or(u16::MAX).to_be_bytes();
        [
            &self.versions.to_be_bytes()[..],
            &length,
            key.as_bytes(),
            self.value.as_bytes(),
        ]
        .concat()
    }

    pub(crate) fn decode(stored: &[u8]) -> Option<Self> {
        let (versions, rest) = stored.split_first_chunk::<8>()?;
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let (key, value) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        let key = std::str::from_utf8(key).ok()?;
        Some(Self {
            versions: u64::from_be_bytes(*versions),
            transferred_to: (!key.is_empty()).then(|| key.to_owned()),
            value: std::str::from_utf8(value).ok()?.to_owned(),
        })
    }
}

pub(crate) fn decode_count(stored: &[u8]) -> Option<u64> {
    stored.try_into().ok().map(u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_comes_back_as_it_was_and_a_torn_one_does_not() {
        for transferred_to in [None, Some("key".to_owned())] {
            let head = StoredHead {
                versions: 7,
                transferred_to,
                value: "value".to_owned(),
            };
            let stored = head.encode();
            assert_eq!(StoredHead::decode(&stored), Some(head));
            assert_eq!(StoredHead::decode(&stored[..9]), None);
        }
    }
}
