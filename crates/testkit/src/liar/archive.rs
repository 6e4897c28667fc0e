//! Lies about CAR v1 archives. The archive is cut into its blocks here, by hand, because a lie needs
//! what a sound library refuses to write.
//!
//! ```text
//! varint length | header (DAG-CBOR)
//! varint length | CID | bytes        for each block; a brick's CID has 36 bytes
//! ```

use super::rule::Lie;

/// A version 1 CID with the raw codec and a SHA-256 of 32 bytes: `01 55 12 20` and the hash.
const CID_BYTES: usize = 36;

/// The archive with the lie in it; as it was when it is none, or when the block is not there.
pub(super) fn lie(lie: &Lie, archive: &[u8]) -> Vec<u8> {
    let Some((header, mut sections)) = cut(archive) else {
        return archive.to_vec();
    };
    match lie {
        Lie::SwapBlocks(one, other) => swap_data(&mut sections, *one, *other),
        Lie::FlipInBlock(place) => {
            let byte = sections
                .get_mut(*place)
                .and_then(|it| it.get_mut(CID_BYTES));
            if let Some(byte) = byte {
                *byte ^= 1;
            }
        }
        Lie::OmitBlock(place) if *place < sections.len() => {
            sections.remove(*place);
        }
        Lie::RepeatBlock(place) => {
            let repeated = sections.get(*place).cloned();
            sections.extend(repeated);
        }
        _ => {}
    }
    let mut out = Vec::with_capacity(archive.len());
    for section in [header].iter().chain(&sections) {
        push_varint(&mut out, section.len());
        out.extend_from_slice(section);
    }
    out
}

/// The bytes of the blocks, without their CIDs; none when it is no archive.
pub(super) fn blocks(archive: &[u8]) -> Vec<Vec<u8>> {
    let sections = cut(archive).map(|(_, sections)| sections);
    let data = |it: &Vec<u8>| it.get(CID_BYTES..).map(<[u8]>::to_vec);
    sections
        .unwrap_or_default()
        .iter()
        .filter_map(data)
        .collect()
}

/// Header and sections, without their lengths.
fn cut(archive: &[u8]) -> Option<(Vec<u8>, Vec<Vec<u8>>)> {
    let mut rest = archive;
    let mut sections = Vec::new();
    while !rest.is_empty() {
        let length = take_varint(&mut rest)?;
        let (section, after) = rest.split_at_checked(length)?;
        sections.push(section.to_vec());
        rest = after;
    }
    if sections.is_empty() {
        return None;
    }
    Some((sections.remove(0), sections))
}

fn swap_data(sections: &mut [Vec<u8>], one: usize, other: usize) {
    let data = |place: usize| sections.get(place)?.get(CID_BYTES..).map(<[u8]>::to_vec);
    let (Some(first), Some(second)) = (data(one), data(other)) else {
        return;
    };
    for (place, data) in [(one, second), (other, first)] {
        if let Some(section) = sections.get_mut(place) {
            section.truncate(CID_BYTES);
            section.extend_from_slice(&data);
        }
    }
}

/// An unsigned LEB128 number.
fn take_varint(bytes: &mut &[u8]) -> Option<usize> {
    let mut number = 0_usize;
    for shift in (0..usize::BITS).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= usize::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn push_varint(out: &mut Vec<u8>, mut number: usize) {
    while number > 0x7f {
        out.push(u8::try_from(number & 0x7f).unwrap_or(0) | 0x80);
        number >>= 7;
    }
    out.push(u8::try_from(number).unwrap_or(0));
}
