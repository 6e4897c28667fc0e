//! The parser of archives: what comes out, what is refused, and that nothing wrong comes out.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use bytes::Bytes;
use car::{CarError, CarEvent, CarLimits, CarParser, Cid, brick_cid, dag_cbor_cid};
use cid::multihash::Multihash;
use keyssi::BrickHash;
use proptest::prelude::*;

const LIMITS: CarLimits = CarLimits {
    header_bytes_max: 1000,
    block_bytes_max: 300,
};

/// Everything in an archive that comes in `pieces`, and how it ended.
fn parse<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    limits: CarLimits,
) -> (Vec<CarEvent>, Result<(), CarError>) {
    let mut parser = CarParser::new(limits);
    let mut events = Vec::new();
    for piece in pieces {
        parser.push(Bytes::copy_from_slice(piece));
        loop {
            match parser.next() {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(parser.blocks(), blocks_in(&events));
                    assert!(matches!(parser.next(), Err(CarError::Refused)));
                    assert!(matches!(parser.finish(), Err(CarError::Refused)));
                    return (events, Err(error));
                }
            }
        }
    }
    assert_eq!(parser.blocks(), blocks_in(&events));
    (events, parser.finish())
}

fn blocks_in(events: &[CarEvent]) -> usize {
    let is_block = |event: &&CarEvent| matches!(event, CarEvent::Block { .. });
    events.iter().filter(is_block).count()
}

fn section(cid: &Cid, data: &[u8]) -> Vec<u8> {
    [&car::section_prefix(cid, data.len()), data].concat()
}

fn brick(data: &[u8]) -> Vec<u8> {
    section(&brick_cid(&BrickHash::of(data)), data)
}

fn block(cid: Cid, data: &[u8]) -> CarEvent {
    let data = Bytes::copy_from_slice(data);
    CarEvent::Block { cid, data }
}

/// An archive of a manifest and these bricks, and what it holds.
fn archive(bricks: &[Vec<u8>]) -> (Vec<u8>, Vec<CarEvent>) {
    let manifest = [0xa0];
    let root = dag_cbor_cid(&manifest);
    let mut bytes = car::header(&[root]);
    let mut events = vec![CarEvent::Header { roots: vec![root] }];
    bytes.extend(section(&root, &manifest));
    events.push(block(root, &manifest));
    for data in bricks {
        let cid = brick_cid(&BrickHash::of(data));
        bytes.extend(section(&cid, data));
        events.push(block(cid, data));
    }
    (bytes, events)
}

fn refusal(bytes: &[u8]) -> CarError {
    let (_, ended) = parse([bytes], LIMITS);
    ended.unwrap_err()
}

fn after_header(rest: &[u8]) -> CarError {
    refusal(&[&car::header(&[]), rest].concat())
}

#[test]
fn an_archive_in_one_piece_or_byte_by_byte_gives_the_same() {
    let (bytes, expected) = archive(&[vec![], vec![1; 91], vec![2; 92], vec![3; 300]]);
    let (events, ended) = parse([&bytes[..]], LIMITS);
    ended.unwrap();
    assert_eq!(events, expected);
    let (events, ended) = parse(bytes.chunks(1), LIMITS);
    ended.unwrap();
    assert_eq!(events, expected);
    let (events, ended) = parse([&car::header(&[])[..]], LIMITS);
    ended.unwrap();
    assert_eq!(events, [CarEvent::Header { roots: vec![] }]);
}

#[test]
fn blocks_of_a_piece_are_slices_of_it() {
    let (bytes, _) = archive(&[vec![5; 300]]);
    let bytes = Bytes::from(bytes);
    let mut parser = CarParser::new(LIMITS);
    parser.push(bytes.clone());
    while let Some(event) = parser.next().unwrap() {
        if let CarEvent::Block { data, .. } = event {
            assert!(bytes.as_ptr_range().contains(&data.as_ptr()));
        }
    }
}

#[test]
fn an_archive_cut_off_anywhere_is_truncated_or_ends_with_a_whole_block() {
    let (bytes, expected) = archive(&[vec![1; 5], vec![2; 200]]);
    // Where an archive of fewer blocks would end.
    let mut ends = vec![car::header(&[dag_cbor_cid(&[0xa0])]).len()];
    for event in &expected {
        if let CarEvent::Block { cid, data } = event {
            ends.push(ends.last().unwrap() + car::section_bytes(cid, data.len()));
        }
    }
    for cut in 0..=bytes.len() {
        let (events, ended) = parse([&bytes[..cut]], LIMITS);
        assert_eq!(events, expected[..events.len()], "cut at {cut}");
        match ends.iter().position(|end| *end == cut) {
            Some(blocks) => {
                assert_eq!(events.len(), blocks + 1, "cut at {cut}");
                ended.unwrap();
            }
            None => assert!(matches!(ended, Err(CarError::Truncated)), "cut at {cut}"),
        }
    }
}

#[test]
fn a_changed_bit_anywhere_in_the_blocks_is_refused_but_for_the_codec() {
    let (bytes, expected) = archive(&[vec![1; 40], vec![2; 70]]);
    let mut ends = vec![car::header(&[dag_cbor_cid(&[0xa0])]).len()];
    for event in &expected {
        if let CarEvent::Block { cid, data } = event {
            ends.push(ends.last().unwrap() + car::section_bytes(cid, data.len()));
        }
    }
    // Behind the section's length and the CID's version. The hash does not cover it: who takes a
    // block looks at the codec too.
    let is_codec = |position: usize| ends.iter().any(|start| position == start + 2);
    for position in ends[0]..bytes.len() {
        for bit in 0..8 {
            let case = format!("bit {bit} of {position}");
            let mut changed = bytes.clone();
            changed[position] ^= 1 << bit;
            let (events, ended) = parse([&changed[..]], LIMITS);
            if is_codec(position) && ended.is_ok() {
                let codecs_differ = events.iter().zip(&expected).filter(|(it, was)| it != was);
                assert_eq!(codecs_differ.count(), 1, "{case}");
            } else {
                assert_eq!(events, expected[..events.len()], "{case}");
                assert!(ended.is_err(), "{case}");
            }
            for event in events {
                if let CarEvent::Block { cid, data } = event {
                    let named = BrickHash::of(&data);
                    assert_eq!(cid.hash().digest(), named.as_bytes(), "{case}");
                }
            }
        }
    }
}

#[test]
fn a_block_of_another_name_is_named() {
    let name = brick_cid(&BrickHash::of(b"one"));
    let error = after_header(&section(&name, b"two"));
    assert!(matches!(error, CarError::HashMismatch { cid } if cid == name));
    // The one before it came out, the one behind it does not.
    let bytes = [
        car::header(&[]),
        brick(b"a"),
        section(&name, b"two"),
        brick(b"b"),
    ];
    let (events, ended) = parse([&bytes.concat()[..]], LIMITS);
    assert_eq!(blocks_in(&events), 1);
    assert!(matches!(ended, Err(CarError::HashMismatch { .. })));
}

#[test]
fn hashes_that_cannot_be_checked_are_refused() {
    let check = |code, digest: &[u8], data: &[u8]| {
        let name = Cid::new_v1(0x55, Multihash::wrap(code, digest).unwrap());
        let error = after_header(&section(&name, data));
        assert!(matches!(error, CarError::UnsupportedHash { cid } if cid == name));
    };
    check(0, b"the content itself", b"the content itself");
    check(0, b"", b"");
    check(0x13, &[0; 64], b"sha2-512");
    check(
        0x12,
        BrickHash::of(b"short").as_bytes()[..20].as_ref(),
        b"short",
    );
    check(0x12, &[], b"none");
}

#[test]
fn a_cid_of_version_0_is_checked_too() {
    let hash = Multihash::wrap(0x12, BrickHash::of(b"node").as_bytes()).unwrap();
    let cid = Cid::new_v0(hash).unwrap();
    let bytes = [car::header(&[]), section(&cid, b"node")].concat();
    let (events, ended) = parse([&bytes[..]], LIMITS);
    ended.unwrap();
    assert_eq!(events[1], block(cid, b"node"));
}

#[test]
fn sections_that_are_none_are_refused() {
    let check = |rest: &[u8], is_expected: fn(&CarError) -> bool| {
        let error = after_header(rest);
        assert!(is_expected(&error), "{rest:x?}: {error:?}");
    };
    let cid_error: fn(&CarError) -> bool = |error| matches!(error, CarError::MalformedCid(_));
    check(b"\x00", |error| matches!(error, CarError::EmptySection));
    check(b"\x01\x01", cid_error);
    check(b"\x02\x01\x55", cid_error);
    // A CID that promises more than the section holds.
    check(b"\x05\x01\x55\x12\x20\x00", cid_error);
    // Versions 2 and 0.
    check(b"\x04\x02\x55\x00\x00", cid_error);
    check(b"\x04\x00\x55\x00\x00", cid_error);
    // A codec in more bytes than needed, and one whose highest bits are lost.
    let digest = BrickHash::of(b"");
    let with_codec = |codec: &[u8]| {
        let cid = [b"\x01", codec, b"\x12\x20", digest.as_bytes()].concat();
        [&[u8::try_from(cid.len()).unwrap()], &cid[..]].concat()
    };
    check(&with_codec(b"\xd5\x00"), cid_error);
    check(
        &with_codec(b"\xd5\x80\x80\x80\x80\x80\x80\x80\x80\x03"),
        cid_error,
    );
    let (events, ended) = parse(
        [&[car::header(&[]), with_codec(b"\x55")].concat()[..]],
        LIMITS,
    );
    ended.unwrap();
    assert_eq!(events[1], block(brick_cid(&digest), b""));
}

#[test]
fn lengths_are_bounded_and_in_their_shortest_form() {
    let too_long: &[&[u8]] = &[
        &[0x80; 9],
        &[0xff; 9],
        &[0xff; 200],
        // One in two bytes; zero in nine.
        &[0x81, 0x00],
        &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00],
    ];
    for bytes in too_long {
        assert!(
            matches!(after_header(bytes), CarError::MalformedLength),
            "{bytes:x?}"
        );
        assert!(
            matches!(refusal(bytes), CarError::MalformedLength),
            "{bytes:x?}"
        );
    }
    // The largest number that is a length: refused before anything is reserved for it.
    let huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
    let number = u64::MAX >> 1;
    let error = after_header(&huge);
    assert!(matches!(error, CarError::BlockTooLarge { bytes, .. } if bytes == number));
    let error = refusal(&huge);
    assert!(matches!(error, CarError::HeaderTooLarge { bytes, .. } if bytes == number));
}

#[test]
fn limits_hold_to_the_byte() {
    let (bytes, _) = archive(&[vec![1; 300]]);
    let header_bytes = car::header(&[dag_cbor_cid(&[0xa0])]).len() - 1;
    let with = |header_bytes_max, block_bytes_max| {
        let limits = CarLimits {
            header_bytes_max,
            block_bytes_max,
        };
        parse([&bytes[..]], limits).1
    };
    with(header_bytes, 300).unwrap();
    let refused = with(header_bytes - 1, 300);
    assert!(matches!(refused, Err(CarError::HeaderTooLarge { .. })));
    for block_bytes_max in [299, 292, 291, 290, 1] {
        let refused = with(header_bytes, block_bytes_max);
        assert!(matches!(refused, Err(CarError::BlockTooLarge { .. })));
    }
}

#[test]
fn headers_of_something_else_are_refused() {
    let with_header = |header: &[u8]| {
        let length = u8::try_from(header.len()).unwrap();
        refusal(&[&[length], header].concat())
    };
    let malformed: &[&[u8]] = &[
        b"",
        b"\xa0",
        b"\x80",
        b"not CBOR",
        // Without roots; without a version; with text for a root; with something more.
        b"\xa1\x67version\x01",
        b"\xa1\x65roots\x80",
        b"\xa2\x65roots\x81\x61x\x67version\x01",
        b"\xa3\x61x\x01\x65roots\x80\x67version\x01",
        // Something behind the map; the map cut off; a list that promises 2^32 roots.
        b"\xa2\x65roots\x80\x67version\x01\x00",
        b"\xa2\x65roots\x80\x67version",
        b"\xa2\x65roots\x9a\xff\xff\xff\xff\x67version\x01",
    ];
    for header in malformed {
        let error = with_header(header);
        assert!(
            matches!(error, CarError::MalformedHeader(_)),
            "{header:x?}: {error:?}"
        );
    }
    // How a CAR of version 2 begins.
    let error = with_header(b"\xa1\x67version\x02");
    assert!(matches!(error, CarError::UnsupportedVersion { found: 2 }));
    assert!(matches!(refusal(b""), CarError::Truncated));
}

proptest! {
    #[test]
    fn what_is_written_is_read_however_it_is_cut(
        bricks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..=300), 0..8),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let (bytes, expected) = archive(&bricks);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]);
        let (events, ended) = parse(pieces, LIMITS);
        prop_assert!(ended.is_ok());
        prop_assert_eq!(events, expected);
    }

    #[test]
    fn whatever_comes_only_what_matches_its_name_comes_out(
        rest in prop::collection::vec(any::<u8>(), 0..400),
        has_header in any::<bool>(),
    ) {
        let header = if has_header { car::header(&[]) } else { Vec::new() };
        let (events, _) = parse([&header[..], &rest[..]], LIMITS);
        for event in events {
            if let CarEvent::Block { cid, data } = event {
                let named = BrickHash::of(&data);
                prop_assert_eq!(cid.hash().digest(), named.as_bytes());
            }
        }
    }
}
