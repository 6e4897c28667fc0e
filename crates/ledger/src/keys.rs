//! How the ledger lies on disk.
//!
//! ```text
//! anchors:    domain id (4) ‖ anchor id (text) ‖ 00 ‖ version (8, big-endian)
//!                                               ->  place in the log (8, big-endian) ‖ value (text)
//! heads:      domain id (4) ‖ anchor id (text)  ->  versions (8, big-endian)
//!                                                   ‖ length of the key (2, big-endian)
//!                                                   ‖ key of the last transfer (text, may be empty)
//!                                                   ‖ last value (text)
//! log:        domain id (4) ‖ "e" ‖ place (8)               ->  entry (74), see translog::Entry
//!             domain id (4) ‖ "h" ‖ level (1) ‖ number (8)  ->  root of 256^level leaves (32)
//!             domain id (4) ‖ "s"                           ->  size (8) ‖ root (32)
//!             domain id (4) ‖ "n"                           ->  newest signed note (text)
//!             domain id (4) ‖ "c"                           ->  newest note that has its cosignatures
//!             domain id (4) ‖ "l"                           ->  its name and the logs that it continues
//!                                                               (JSON), see lineage
//!             domain id (4) ‖ "o"                           ->  why the log is on hold (JSON), see hold
//!             domain id (4) ‖ "r"                           ->  when (ms, 8) the hold of all logs was
//!                                                               lifted for it, see holds
//!             domain id (4) ‖ "p" ‖ sequence (8)            ->  root on a chain (JSON)
//!             domain id (4) ‖ "q"                           ->  last sequence (8)
//!             domain id (4) ‖ "t" ‖ size (8)                ->  newest block (8) ‖ signed note (text)
//!                                                               whose root is to be published
//! openings:   domain id (4) ‖ place (8)  ->  salt (32) ‖ version (8) ‖ anchor id (text)
//! outbox:     domain id (4) ‖ "q" ‖ place (8)              ->  version (8) ‖ anchor id (text)
//!             domain id (4) ‖ "t"                          ->  which ledger it carries to (text)
//!             domain id (4) ‖ "x" ‖ anchor id (text)       ->  conflict (JSON)
//!             domain id (4) ‖ "d" ‖ anchor id (text) ‖ 00 ‖ version (8)
//!                                                           ->  where it was carried to (JSON)
//! documents:  SHA-256 of the path (32)  ->  the document as it was sent
//! meta:       "anchors/" domain id (4)  ->  number of anchors (8, big-endian)
//!             "restored"            ->  why all logs are on hold (JSON), see holds
//!             "format", "domain/…", "scrub" see the engine
//! ```
//! Anchor ids are base58, so they hold no zero byte. Versions and places count from 0. Leaf hashes
//! (level 0) are not stored: they are the hashes of the entries.

use engine::{DomainId, Family};
use keyssi::Head;
use sha2::{Digest, Sha256};

/// Format number of the layout above. Format 1 had no log: a version was its value alone.
pub(crate) const FORMAT: u32 = 2;
pub(crate) const ANCHORS: &str = "anchors";
pub(crate) const HEADS: &str = "heads";
pub(crate) const LOG: &str = "log";
pub(crate) const OPENINGS: &str = "openings";
pub(crate) const OUTBOX: &str = "outbox";
pub(crate) const DOCUMENTS: &str = "documents";
pub(crate) const TOTALS_PREFIX: &[u8] = b"anchors/";
pub(crate) const SCRUB: &[u8] = b"scrub";
pub(crate) const RESTORED: &[u8] = b"restored";

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
        name: LOG,
        tune: |_| {},
    },
    Family {
        name: OPENINGS,
        tune: |_| {},
    },
    Family {
        name: OUTBOX,
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

/// A number and a text: a version is stored as its place in the log and its value, the queue and
/// the openings hold a version's number and its anchor.
pub(crate) fn encode_numbered(place: u64, value: &str) -> Vec<u8> {
    [&place.to_be_bytes(), value.as_bytes()].concat()
}

/// Reads what [`encode_numbered`] wrote.
pub(crate) fn decode_numbered(stored: &[u8]) -> Option<(u64, &str)> {
    let (place, value) = stored.split_first_chunk::<8>()?;
    let value = std::str::from_utf8(value).ok()?;
    Some((u64::from_be_bytes(*place), value))
}

/// Key of a log's record of one kind.
pub(crate) fn log(domain: DomainId, kind: LogRecord) -> Vec<u8> {
    let number = |tag: u8, number: u64| [&[tag][..], &number.to_be_bytes()].concat();
    let rest = match kind {
        LogRecord::Entry(place) => number(b'e', place),
        LogRecord::Hash { level, number } => [&[b'h', level][..], &number.to_be_bytes()].concat(),
        LogRecord::State => vec![b's'],
        LogRecord::Note => vec![b'n'],
        LogRecord::Cosigned => vec![b'c'],
        LogRecord::Lineage => vec![b'l'],
        LogRecord::Hold => vec![b'o'],
        LogRecord::Lifted => vec![b'r'],
        LogRecord::Publication(sequence) => number(b'p', sequence),
        LogRecord::LastSequence => vec![b'q'],
        LogRecord::Pending(size) => number(b't', size),
    };
    [&domain.to_bytes()[..], &rest].concat()
}

/// What a log consists of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LogRecord {
    Entry(u64),
    Hash { level: u8, number: u64 },
    State,
    Note,
    Cosigned,
    Lineage,
    Hold,
    Lifted,
    Publication(u64),
    LastSequence,
    Pending(u64),
}

pub(crate) fn opening(domain: DomainId, place: u64) -> Vec<u8> {
    [&domain.to_bytes()[..], &place.to_be_bytes()].concat()
}

/// Key of a record of the outbox.
pub(crate) fn outbox(domain: DomainId, kind: OutboxRecord<'_>) -> Vec<u8> {
    let domain = domain.to_bytes();
    match kind {
        OutboxRecord::Queued(place) => [&domain[..], b"q", &place.to_be_bytes()].concat(),
        OutboxRecord::Target => [&domain[..], b"t"].concat(),
        OutboxRecord::Conflict(anchor) => [&domain[..], b"x", anchor.as_bytes()].concat(),
        OutboxRecord::Carried { anchor, version } => [
            &domain[..],
            b"d",
            anchor.as_bytes(),
            &[0],
            &version.to_be_bytes(),
        ]
        .concat(),
    }
}

/// What an outbox consists of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum OutboxRecord<'a> {
    Queued(u64),
    /// Which ledger the outbox carries to.
    Target,
    Conflict(&'a str),
    Carried {
        anchor: &'a str,
        version: u64,
    },
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
