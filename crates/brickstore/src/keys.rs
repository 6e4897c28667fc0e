//! How the brick store lies on disk.
//!
//! ```text
//! bricks:      domain id (4) ‖ hash (32)   ->  the brick as it was sent (a blob file from 4 KiB up)
//! brick_meta:  domain id (4) ‖ hash (32)   ->  bytes (8, big-endian) ‖ stored at, ms (8, big-endian)
//!                                              ‖ the account that it counts to (0 to 128)
//! meta:        "totals/" domain id (4)     ->  bricks (8, big-endian) ‖ bytes (8, big-endian)
//!              "usage/" account            ->  the same, of an account
//!              "quarantine/" domain id (4) ‖ hash (32)  ->  found at, ms (8, big-endian) ‖ what is
//!                                              wrong, as text
//!              "scrub"                     ->  see the engine
//!              "format", "domain/…"            see the engine
//! ```
//!
//! Format 1 had no accounts, quarantine or scrub; what it wrote reads as format 2 does. The number
//! goes up with the first write.

use engine::{DomainId, Family};
use keyssi::BrickHash;

use crate::{Account, Totals};

/// What is recorded of a brick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BrickRecord {
    pub(crate) bytes: u64,
    pub(crate) stored_ms: u64,
    /// The account that it counts to.
    pub(crate) account: Option<Account>,
}

impl BrickRecord {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut record = encode_pair(self.bytes, self.stored_ms).to_vec();
        if let Some(account) = &self.account {
            record.extend_from_slice(account.as_str().as_bytes());
        }
        record
    }

    pub(crate) fn decode(value: &[u8]) -> Option<Self> {
        let (pair, account) = value.split_first_chunk::<16>()?;
        let (bytes, stored_ms) = decode_pair(pair)?;
        let account = match account {
            [] => None,
            name => Some(Account::from_record(name)?),
        };
        Some(Self {
            bytes,
            stored_ms,
            account,
        })
    }
}

/// Format number of the layout above.
pub(crate) const FORMAT: u32 = 2;
pub(crate) const BRICKS: &str = "bricks";
pub(crate) const BRICK_META: &str = "brick_meta";
pub(crate) const TOTALS_PREFIX: &[u8] = b"totals/";
pub(crate) const USAGE_PREFIX: &[u8] = b"usage/";
pub(crate) const QUARANTINE_PREFIX: &[u8] = b"quarantine/";
pub(crate) const SCRUB: &[u8] = b"scrub";
/// Length of a brick's key: domain id and hash.
pub(crate) const KEY_BYTES: usize = 4 + 32;

/// Smaller bricks stay in the tables; from here up they are written once, to a blob file, and not
/// again by every compaction.
const BLOB_BYTES_MIN: u64 = 4 << 10;

pub(crate) const FAMILIES: &[Family] = &[
    Family {
        name: BRICKS,
        tune: |options| {
            options.set_enable_blob_files(true);
            options.set_min_blob_size(BLOB_BYTES_MIN);
        },
    },
    Family {
        name: BRICK_META,
        tune: |_| {},
    },
];

pub(crate) fn brick(domain: DomainId, hash: &BrickHash) -> [u8; KEY_BYTES] {
    let mut key = [0; KEY_BYTES];
    let (front, back) = key.split_at_mut(4);
    front.copy_from_slice(&domain.to_bytes());
    back.copy_from_slice(hash.as_bytes());
    key
}

/// The domain and hash in a brick's key; `None` when it is not one.
pub(crate) fn parse_brick(key: &[u8]) -> Option<(DomainId, BrickHash)> {
    let hash = <[u8; 32]>::try_from(key.get(4..)?).ok()?;
    Some((DomainId::from_key(key)?, BrickHash::from_bytes(hash)))
}

pub(crate) fn totals(domain: DomainId) -> Vec<u8> {
    [TOTALS_PREFIX, &domain.to_bytes()].concat()
}

pub(crate) fn usage(account: &Account) -> Vec<u8> {
    [USAGE_PREFIX, account.as_str().as_bytes()].concat()
}

/// Where the quarantine of a brick stands; `brick` is the brick's key.
pub(crate) fn quarantine(brick: &[u8; KEY_BYTES]) -> Vec<u8> {
    [QUARANTINE_PREFIX, brick.as_slice()].concat()
}

pub(crate) fn encode_quarantine(found_ms: u64, what: &str) -> Vec<u8> {
    [&found_ms.to_be_bytes(), what.as_bytes()].concat()
}

pub(crate) fn decode_quarantine(value: &[u8]) -> Option<(u64, &str)> {
    let (found_ms, what) = value.split_first_chunk::<8>()?;
    Some((
        u64::from_be_bytes(*found_ms),
        std::str::from_utf8(what).ok()?,
    ))
}

pub(crate) fn encode_totals(totals: Totals) -> [u8; 16] {
    encode_pair(totals.bricks, totals.bytes)
}

pub(crate) fn encode_pair(first: u64, second: u64) -> [u8; 16] {
    let mut pair = [0; 16];
    let (front, back) = pair.split_at_mut(8);
    front.copy_from_slice(&first.to_be_bytes());
    back.copy_from_slice(&second.to_be_bytes());
    pair
}

pub(crate) fn decode_pair(value: &[u8]) -> Option<(u64, u64)> {
    let (first, second) = value.split_first_chunk::<8>()?;
    Some((
        u64::from_be_bytes(*first),
        u64::from_be_bytes(second.try_into().ok()?),
    ))
}

pub(crate) fn decode_totals(value: &[u8]) -> Option<Totals> {
    decode_pair(value).map(|(bricks, bytes)| Totals { bricks, bytes })
}
