//! Files that `kiln explain` knows.

use std::io::{BufRead, BufReader, Read};

use bytes::Bytes;
use car::{CarError, CarEvent, CarLimits, CarParser};

use super::{text, unknown};
use crate::exit::{Exit, Failure};
use crate::explanation::Explanation;
use crate::keyring;
use crate::local_file::read_from;

/// The largest file that is read as a whole. Archives are read piece by piece, whatever their
/// size.
const WHOLE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// How much of an archive is read at once.
const PIECE_BYTES: usize = 256 * 1024;
/// Room for 100,000 roots, and for any brick that the SDK makes.
const CAR_LIMITS: CarLimits = CarLimits {
    header_bytes_max: 4 * 1024 * 1024,
    block_bytes_max: 64 * 1024 * 1024,
};

/// What the bytes are.
///
/// # Errors
/// [`Exit::CarDamaged`] for an archive, [`Exit::Usage`] for anything else of more than 64 MiB,
/// and that of reading.
pub(super) fn explain(source: impl Read, name: &str) -> Result<Explanation, Failure> {
    let mut source = BufReader::with_capacity(PIECE_BYTES, source);
    let start = source
        .fill_buf()
        .map_err(|error| Failure::io(format!("{name} cannot be read"), error))?;
    if is_archive(start) {
        return archive(source, name);
    }
    let bytes = read_from(source, name, WHOLE_BYTES_MAX)?;
    if let Some(explanation) = keyring::explain(&bytes) {
        return Ok(explanation);
    }
    let known = std::str::from_utf8(&bytes).ok().and_then(text::recognise);
    Ok(known.unwrap_or_else(|| unknown(&bytes)))
}

/// Whether the bytes begin like a CAR file: a length, then a CBOR map with `roots` or `version`.
fn is_archive(start: &[u8]) -> bool {
    let length_bytes = start.iter().take_while(|&&byte| byte >= 0x80).count() + 1;
    let header = start.get(length_bytes..).unwrap_or_default();
    let keys: [&[u8]; 3] = [b"\xa2\x65roots", b"\xa2\x67version", b"\xa1\x67version"];
    length_bytes <= 9 && keys.iter().any(|key| header.starts_with(key))
}

fn archive(mut source: impl BufRead, name: &str) -> Result<Explanation, Failure> {
    let damaged = |error: CarError| {
        Failure::new(Exit::CarDamaged, format!("the archive {name} is damaged"))
            .because(error)
            .next("fetch or export it again")
    };
    let mut parser = CarParser::new(CAR_LIMITS);
    let (mut roots_found, mut blocks, mut bytes) = (Vec::new(), 0, 0);
    loop {
        while let Some(event) = parser.next().map_err(damaged)? {
            match event {
                CarEvent::Header { roots } => roots_found = roots,
                CarEvent::Block { data, .. } => {
                    blocks += 1;
                    bytes += data.len();
                }
            }
        }
        let piece = source
            .fill_buf()
            .map_err(|error| Failure::io(format!("{name} cannot be read"), error))?;
        if piece.is_empty() {
            break;
        }
        let length = piece.len();
        parser.push(Bytes::copy_from_slice(piece));
        source.consume(length);
    }
    parser.finish().map_err(damaged)?;
    let mut explanation = Explanation::new("car", "an archive of bricks or of a whole DSU (CAR v1), sound: each block has the hash that it is named by")
        .count("roots", roots_found.len());
    // More would fill the screen; a program that needs them reads the archive.
    if let [root] = roots_found[..] {
        explanation = explanation.fact("root", root);
    }
    Ok(explanation
        .count("blocks", blocks)
        .count("bytes", bytes)
        .allows("store the bricks in another node, and check each of them")
        .denies("read the content: bricks are encrypted"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_known_by_its_first_bytes() {
        let block = b"brick";
        let cid = car::brick_cid(&keyssi::BrickHash::of(block));
        let mut archive = car::header(&[cid]);
        archive.extend(car::section_prefix(&cid, block.len()));
        archive.extend(block);
        assert!(is_archive(&archive));
        let explanation = explain(archive.as_slice(), "x").unwrap();
        assert_eq!(explanation.kind, "car");
        assert!(explanation.facts.contains(&("blocks", 1.into())));
        let cut = archive.len() - 1;
        let failure = explain(&archive[..cut], "x").err().unwrap().to_string();
        assert!(failure.contains("cut off"), "{failure}");
    }

    #[test]
    fn other_bytes_are_none() {
        for other in [
            &b""[..],
            b"{",
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
            b"hello",
        ] {
            assert!(!is_archive(other));
        }
    }
}
