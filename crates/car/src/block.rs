//! The CIDs of bricks and of manifests.
//!
//! **Source:** <https://github.com/multiformats/cid>; the codes stand in
//! <https://github.com/multiformats/multicodec/blob/master/table.csv>.

use cid::multihash::Multihash;
use cid::{Cid, Version};
use keyssi::BrickHash;
use thiserror::Error;

/// The codec `raw`: bytes that are nothing else.
const RAW: u64 = 0x55;
/// The codec `dag-cbor`.
const DAG_CBOR: u64 = 0x71;
/// The hash function `sha2-256`.
const SHA2_256: u64 = 0x12;

/// The CID does not name a brick.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CidError {
    /// A CID of version 0, whose content is always a `dag-pb` node.
    #[error("a brick has a CID of version 1, this one is of version 0")]
    WrongVersion,
    /// A codec other than `raw`.
    #[error("a brick has the codec raw (0x55), this CID has the codec {codec:#x}")]
    WrongCodec {
        /// The codec found.
        codec: u64,
    },
    /// A hash other than `sha2-256`, or one of another length.
    #[error(
        "a brick is named by 32 bytes of sha2-256 (0x12), this CID by {bytes} bytes of hash {code:#x}"
    )]
    WrongHash {
        /// The hash function found.
        code: u64,
        /// The length of its digest, in bytes.
        bytes: u8,
    },
}

/// The CID of a brick: version 1, codec `raw`, `sha2-256`.
#[must_use]
pub fn brick_cid(hash: &BrickHash) -> Cid {
    sha2_256_cid(RAW, hash)
}

/// The brick that a CID names.
///
/// # Errors
/// [`CidError`] for every CID that [`brick_cid`] does not make.
pub fn brick_hash(cid: &Cid) -> Result<BrickHash, CidError> {
    if cid.version() != Version::V1 {
        return Err(CidError::WrongVersion);
    }
    if cid.codec() != RAW {
        return Err(CidError::WrongCodec { codec: cid.codec() });
    }
    sha2_256_of(cid).ok_or(CidError::WrongHash {
        code: cid.hash().code(),
        bytes: cid.hash().size(),
    })
}

/// The CID of a DAG-CBOR document: version 1, codec `dag-cbor`, `sha2-256`.
#[must_use]
pub fn dag_cbor_cid(bytes: &[u8]) -> Cid {
    sha2_256_cid(DAG_CBOR, &BrickHash::of(bytes))
}

/// The SHA-256 in a CID; `None` when it holds another hash. Its length is looked at as well: a
/// shortened hash would let anybody make other content of the same name.
pub(crate) fn sha2_256_of(cid: &Cid) -> Option<BrickHash> {
    let hash = cid.hash();
    let digest = <[u8; 32]>::try_from(hash.digest()).ok()?;
    (hash.code() == SHA2_256).then(|| BrickHash::from_bytes(digest))
}

fn sha2_256_cid(codec: u64, hash: &BrickHash) -> Cid {
    #[expect(clippy::expect_used, reason = "a multihash holds up to 64 bytes")]
    let hash = Multihash::wrap(SHA2_256, hash.as_bytes()).expect("32 bytes fit");
    Cid::new_v1(codec, hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cid_of_the_empty_brick_is_the_known_one() {
        let hash = BrickHash::of(b"");
        let cid = brick_cid(&hash);
        // As `ipfs add --cid-version 1 --raw-leaves` names the empty file.
        let text = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
        assert_eq!(cid.to_string(), text);
        assert_eq!(text.parse::<Cid>().unwrap(), cid);
        assert_eq!(brick_hash(&cid), Ok(hash));
    }

    #[test]
    fn the_cid_of_an_empty_dag_cbor_map_is_the_known_one() {
        let cid = dag_cbor_cid(&[0xa0]);
        let text = "bafyreigbtj4x7ip5legnfznufuopl4sg4knzc2cof6duas4b3q2fy6swua";
        assert_eq!(cid.to_string(), text);
        let refused = brick_hash(&cid).unwrap_err();
        assert_eq!(refused, CidError::WrongCodec { codec: 0x71 });
    }

    #[test]
    fn what_is_no_brick_is_refused_by_kind() {
        let check = |cid: Cid, expected| assert_eq!(brick_hash(&cid), Err(expected), "{cid}");
        let sha2_256 = Multihash::wrap(0x12, &[7; 32]).unwrap();
        check(Cid::new_v0(sha2_256).unwrap(), CidError::WrongVersion);
        let identity = Multihash::wrap(0, b"small").unwrap();
        let (code, bytes) = (0, 5);
        check(
            Cid::new_v1(RAW, identity),
            CidError::WrongHash { code, bytes },
        );
        let (code, bytes) = (0x13, 64);
        let sha2_512 = Multihash::wrap(code, &[7; 64]).unwrap();
        check(
            Cid::new_v1(RAW, sha2_512),
            CidError::WrongHash { code, bytes },
        );
        let (code, bytes) = (0x12, 20);
        let short = Multihash::wrap(code, &[7; 20]).unwrap();
        check(Cid::new_v1(RAW, short), CidError::WrongHash { code, bytes });
    }
}
