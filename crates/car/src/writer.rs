//! Making archives: header and section prefixes; the data themselves are not copied.

use cid::Cid;
use serde::Serialize;
use unsigned_varint::encode;

/// The header as it stands in an archive.
#[derive(Serialize)]
struct Header<'a> {
    roots: &'a [Cid],
    version: u64,
}

/// The beginning of an archive with these roots: the header's length and the header.
///
/// **Shape:** a root takes 41 bytes when it is a SHA-256 of a brick or manifest, the rest 20 bytes
/// or so.
#[must_use]
#[expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "writing links and a number into memory does not fail"
)]
pub fn header(roots: &[Cid]) -> Vec<u8> {
    let version = 1;
    let header = serde_ipld_dagcbor::to_vec(&Header { roots, version }).expect("DAG-CBOR");
    let mut bytes = varint(header.len());
    bytes.extend_from_slice(&header);
    bytes
}

/// What stands before the data of a block: the section's length and the CID. The `data_bytes`
/// bytes of the block follow as they are.
#[must_use]
pub fn section_prefix(cid: &Cid, data_bytes: usize) -> Vec<u8> {
    let mut bytes = varint(cid.encoded_len() + data_bytes);
    bytes.extend_from_slice(&cid.to_bytes());
    bytes
}

/// The whole size of a section, in bytes: length, CID and data.
#[must_use]
pub fn section_bytes(cid: &Cid, data_bytes: usize) -> usize {
    let inner = cid.encoded_len() + data_bytes;
    varint(inner).len() + inner
}

fn varint(number: usize) -> Vec<u8> {
    encode::usize(number, &mut encode::usize_buffer()).to_vec()
}

#[cfg(test)]
mod tests {
    use keyssi::BrickHash;

    use super::*;
    use crate::brick_cid;

    #[test]
    fn a_header_is_canonical_dag_cbor() {
        let empty = header(&[]);
        // {"roots": [], "version": 1}, the shorter key first.
        assert_eq!(empty, b"\x11\xa2\x65roots\x80\x67version\x01");
        let cid = brick_cid(&BrickHash::of(b"x"));
        let one = header(&[cid]);
        // A link: tag 42, a byte string of 37 bytes, of which the first is 0.
        let link = [&b"\xd8\x2a\x58\x25\x00"[..], &cid.to_bytes()].concat();
        let expected = [b"\x3a\xa2\x65roots\x81", &link[..], b"\x67version\x01"].concat();
        assert_eq!(one, expected);
        assert_eq!(header(&vec![cid; 1000]).len(), 1000 * 41 + 2 + 3 + 17);
    }

    #[test]
    fn a_section_is_as_long_as_it_says() {
        let cid = brick_cid(&BrickHash::of(b"x"));
        for data_bytes in [0, 1, 91, 92, 16_347, 16_348, 10_000_064] {
            let prefix = section_prefix(&cid, data_bytes);
            assert_eq!(prefix.len() + data_bytes, section_bytes(&cid, data_bytes));
        }
        assert_eq!(section_prefix(&cid, 91).len(), 37);
        assert_eq!(section_prefix(&cid, 92).len(), 38);
    }
}
