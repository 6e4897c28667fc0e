//! How the brick store lies on disk.
//!
//! ```text
//! bricks:      domain id (4) ‖ hash (32)   ->  the brick as it was sent (a blob file from 4 KiB up)
//! brick_meta:  domain id (4) ‖ hash (32)   ->  bytes (8, big-endian) ‖ stored at, ms (8, big-endian)
//! meta:        "totals/" domain id (4)     ->  bricks (8, big-endian) ‖ bytes (8, big-endian)
//!              "format", "domain/…"            see the engine
//! ```

use engine::{DomainId, Family};
use keyssi::BrickHash;

use crate::Totals;

/// Format number of the layout above.
pub(crate) const FORMAT: u32 = 1;
pub(crate) const BRICKS: &str = "bricks";
pub(crate) const BRICK_META: &str = "brick_meta";
pub(crate) const TOTALS_PREFIX: &[u8] = b"totals/";
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
