//! CAR archives of bricks, written and read here again from the specification alone, so that the
//! node's own code is not its own judge.
//!
//! **Source:** <https://ipld.io/specs/transport/car/carv1/>.

use sha2::{Digest as _, Sha256};

/// What an archive holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Archive {
    /// The CIDs in the header.
    pub(crate) roots: Vec<Vec<u8>>,
    /// The data of the blocks, each of which hashes to its CID.
    pub(crate) blocks: Vec<Vec<u8>>,
}

/// The CID of a brick: version 1, raw, sha2-256, 32 bytes.
pub(crate) fn cid(brick: &[u8]) -> Vec<u8> {
    let mut cid = vec![0x01, 0x55, 0x12, 0x20];
    cid.extend(Sha256::digest(brick));
    cid
}

/// A CID as text: multibase base32, lower case, no padding (RFC 4648).
pub(crate) fn base32(cid: &[u8]) -> String {
    const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let bits: Vec<u8> = cid
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1))
        .collect();
    let digits = bits.chunks(5).map(|chunk| {
        let mut chunk = chunk.to_vec();
        chunk.resize(5, 0);
        let index = chunk
            .iter()
            .fold(0, |sum, bit| sum << 1 | usize::from(*bit));
        char::from(DIGITS[index])
    });
    std::iter::once('b').chain(digits).collect()
}

/// An archive of these bricks, all of them roots.
pub(crate) fn of(bricks: &[Vec<u8>]) -> Vec<u8> {
    let roots: Vec<Vec<u8>> = bricks.iter().map(|brick| cid(brick)).collect();
    let mut archive = header(&roots);
    for brick in bricks {
        archive.extend(section(&cid(brick), brick));
    }
    archive
}

/// The header: `{"roots": […], "version": 1}` in DAG-CBOR, each root a link (tag 42).
pub(crate) fn header(roots: &[Vec<u8>]) -> Vec<u8> {
    let mut cbor = b"\xa2\x65roots".to_vec();
    cbor.extend(array_head(roots.len()));
    for root in roots {
        cbor.extend(b"\xd8\x2a\x58\x25\x00");
        cbor.extend(root);
    }
    cbor.extend(b"\x67version\x01");
    [varint(cbor.len()), cbor].concat()
}

/// One block.
pub(crate) fn section(cid: &[u8], data: &[u8]) -> Vec<u8> {
    [&varint(cid.len() + data.len()), cid, data].concat()
}

/// Reads a whole archive of bricks, and checks every block.
pub(crate) fn read(archive: &[u8]) -> Archive {
    let mut rest = archive;
    let head = take_section(&mut rest).unwrap();
    let roots = read_roots(head);
    let mut blocks = Vec::new();
    while let Some(section) = take_section(&mut rest) {
        let (cid_found, data) = section.split_at(36);
        assert_eq!(cid_found, cid(data), "a block does not match its CID");
        blocks.push(data.to_vec());
    }
    Archive { roots, blocks }
}

fn read_roots(head: &[u8]) -> Vec<Vec<u8>> {
    let links = head.strip_prefix(b"\xa2\x65roots").unwrap();
    let links = links.strip_suffix(b"\x67version\x01").unwrap();
    // The head of the array: its length in the byte itself, or in one or two more.
    let links = &links[match links[0] {
        0x98 => 2,
        0x99 => 3,
        _ => 1,
    }..];
    let roots: Vec<Vec<u8>> = links
        .chunks(41)
        .map(|link| link.strip_prefix(b"\xd8\x2a\x58\x25\x00").unwrap().to_vec())
        .collect();
    assert_eq!([varint(head.len()), head.to_vec()].concat(), header(&roots));
    roots
}

fn take_section<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    if rest.is_empty() {
        return None;
    }
    let digits = 1 + rest.iter().position(|byte| byte & 0x80 == 0).unwrap();
    let digit = |sum: usize, byte: &u8| sum << 7 | usize::from(byte & 0x7f);
    let length = rest[..digits].iter().rev().fold(0, digit);
    let (section, behind) = rest[digits..].split_at(length);
    *rest = behind;
    Some(section)
}

fn array_head(length: usize) -> Vec<u8> {
    let [high, low] = u16::try_from(length).unwrap().to_be_bytes();
    match length {
        0..24 => vec![0x80 | low],
        24..256 => vec![0x98, low],
        _ => vec![0x99, high, low],
    }
}

fn varint(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(u8::try_from(number & 0x7f).unwrap() | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).unwrap());
    bytes
}
