//! A look at RocksDB's logs before RocksDB reads them, for the kinds of damage that it does not
//! stand. Found with flipped bits and zeroed bytes (RocksDB 11.8):
//!
//! * A record type that only recycled logs have, which ours are not, keeps its recovery busy for
//!   ever.
//! * A length that reaches beyond the end of the file counts as the torn tail of a crash: the
//!   record and all after it are dropped, although they were acknowledged.
//! * A zeroed header ends the block in silence, whatever follows in it.
//!
//! A torn record does not have its checksum's bytes. One whose checksum holds for *another* length
//! was whole, so its length is what is damaged. Everything else is left to RocksDB, which refuses
//! it. A log that was cut off looks like one that was torn; that nobody can tell.
//!
//! ```text
//! log     blocks of 32768 bytes; no frame crosses into the next block, and what is left of a
//!         block and too short for a header is not used
//! frame   checksum (4, little-endian) ‖ length (2, little-endian) ‖ type (1) ‖ payload
//! type    1 a whole record, 2 the beginning of one, 3 its middle, 4 its end
//! ```
//! The checksum is the CRC-32C of type and payload, rotated by 15 and shifted by a constant.
//! **Source:** RocksDB, `db/log_format.h`, `util/crc32c.h`. Manifests have the same form.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

const BLOCK_BYTES: usize = 32 << 10;
const HEADER_BYTES: usize = 7;
/// The largest of the types above.
const TYPE_MAX: u8 = 4;

/// Looks at the logs and manifests in a database's folder; says what is wrong with the first
/// damaged one.
///
/// # Errors
/// When one cannot be read.
pub(crate) fn damage_in(folder: &Path) -> io::Result<Option<String>> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_log = path.extension().is_some_and(|it| it == "log");
        if !is_log && !name.starts_with("MANIFEST-") {
            continue;
        }
        if let Some((place, what)) = damage(&mut File::open(&path)?)? {
            return Ok(Some(format!(
                "{what} of the record at byte {place} of {name} is damaged"
            )));
        }
    }
    Ok(None)
}

/// Where the first damaged frame begins, and what of it is damaged.
fn damage(log: &mut impl Read) -> io::Result<Option<(usize, &'static str)>> {
    let mut block = Vec::with_capacity(BLOCK_BYTES);
    let mut before = 0;
    loop {
        block.clear();
        log.take(BLOCK_BYTES as u64).read_to_end(&mut block)?;
        let mut at = 0;
        while let Some(frame) = Frame::at(block.get(at..).unwrap_or_default()) {
            if frame.is_sound(frame.length) {
                at += HEADER_BYTES + frame.length;
                continue;
            }
            return Ok(frame.damage().map(|what| (before + at, what)));
        }
        if block.len() < BLOCK_BYTES {
            return Ok(None);
        }
        before += BLOCK_BYTES;
    }
}

/// A frame as its header describes it, which may be wrong.
struct Frame<'a> {
    checksum: u32,
    length: usize,
    kind: u8,
    /// All that follows in the block.
    rest: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The frame at the start of what is left of a block; `None` when that is too short for one.
    fn at(bytes: &'a [u8]) -> Option<Self> {
        let (checksum, bytes) = bytes.split_first_chunk::<4>()?;
        let (length, bytes) = bytes.split_first_chunk::<2>()?;
        let (kind, rest) = bytes.split_first()?;
        Some(Self {
            checksum: u32::from_le_bytes(*checksum),
            length: usize::from(u16::from_le_bytes(*length)),
            kind: *kind,
            rest,
        })
    }

    /// Whether the checksum holds if the payload has `length` bytes.
    fn is_sound(&self, length: usize) -> bool {
        let payload = self.rest.get(..length);
        payload.is_some_and(|payload| masked(crc32c(&[&[self.kind], payload])) == self.checksum)
    }

    /// What of a frame that is not sound is damaged in a way that RocksDB does not stand.
    fn damage(&self) -> Option<&'static str> {
        if self.kind > TYPE_MAX {
            return Some("the type");
        }
        if self.kind == 0 {
            return self.is_followed().then_some("the header");
        }
        let mut other_lengths = (0..u16::BITS).map(|bit| self.length ^ (1 << bit));
        other_lengths
            .any(|length| self.is_sound(length))
            .then_some("the length")
    }
}

impl Frame<'_> {
    /// Whether a sound frame follows in the same block. Then this one was complete, and was synced
    /// before that one was begun: a batch is one record, and a frame of one that continues in the
    /// next block fills its own to the end.
    fn is_followed(&self) -> bool {
        let later = (0..self.rest.len()).filter_map(|at| Frame::at(self.rest.get(at..)?));
        later
            .filter(|frame| (1..=TYPE_MAX).contains(&frame.kind))
            .any(|frame| frame.is_sound(frame.length))
    }
}

/// RocksDB's form of a checksum, so that one over data that holds checksums means something.
fn masked(checksum: u32) -> u32 {
    checksum.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C (Castagnoli) of pieces that follow one another, as RFC 3720 defines it.
fn crc32c(pieces: &[&[u8]]) -> u32 {
    let bytes = pieces.iter().copied().flatten();
    !bytes.fold(!0, |checksum, byte| {
        let [low, ..] = checksum.to_le_bytes();
        let entry = CRC_TABLE.get(usize::from(low ^ byte)).copied();
        (checksum >> 8) ^ entry.unwrap_or_default()
    })
}

static CRC_TABLE: [u32; 256] = crc_table();

#[expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "evaluated by the compiler, which refuses what is out of range; 255 fits"
)]
const fn crc_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < table.len() {
        let (mut entry, mut bit) = (byte as u32, 0);
        while bit < 8 {
            let reduced = if entry & 1 == 1 { 0x82f6_3b78 } else { 0 };
            entry = (entry >> 1) ^ reduced;
            bit += 1;
        }
        table[byte] = entry;
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log of whole records with these payloads, none of which crosses a block.
    fn log(payloads: &[&[u8]]) -> Vec<u8> {
        let mut log = Vec::new();
        for payload in payloads {
            let checksum = masked(crc32c(&[&[1], payload]));
            log.extend_from_slice(&checksum.to_le_bytes());
            log.extend_from_slice(&u16::try_from(payload.len()).unwrap().to_le_bytes());
            log.push(1);
            log.extend_from_slice(payload);
        }
        log
    }

    fn found(log: &[u8]) -> Option<(usize, &'static str)> {
        damage(&mut &log[..]).unwrap()
    }

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        // RFC 3720, B.4.
        assert_eq!(crc32c(&[&[0; 32]]), 0x8a91_36aa);
        assert_eq!(crc32c(&[b"1234", b"56789"]), 0xe306_9283);
    }

    #[test]
    fn a_log_of_rocksdb_itself_is_sound_and_every_frame_is_walked() {
        let folder = tempfile::tempdir().unwrap();
        let database = rocksdb::DB::open_default(folder.path()).unwrap();
        for size in [0, 100, 40_000, 70_000] {
            database.put([1], vec![7; size]).unwrap();
        }
        assert_eq!(damage_in(folder.path()).unwrap(), None);
        let logs = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|it| it.unwrap().path());
        let path = logs
            .into_iter()
            .find(|it| it.extension().is_some_and(|it| it == "log"));
        let mut log = std::fs::read(path.unwrap()).unwrap();
        // The last frame begins in the fourth block; it is reached.
        let last = 3 * BLOCK_BYTES;
        log[last + 6] = 5;
        assert_eq!(found(&log), Some((last, "the type")));
    }

    #[test]
    fn each_flipped_bit_of_a_length_is_found_in_each_record() {
        let whole = log(&[b"first", &[9; 300], b"last"]);
        for begin in [0, 12, 319] {
            for bit in 0..16 {
                let mut log = whole.clone();
                log[begin + 4 + bit / 8] ^= 1 << (bit % 8);
                assert_eq!(found(&log), Some((begin, "the length")), "{begin} {bit}");
            }
        }
    }

    #[test]
    fn types_of_recycled_logs_are_found_and_other_damage_is_left_to_rocksdb() {
        let whole = log(&[b"first", b"last"]);
        assert_eq!(found(&whole), None);
        for kind in 5..=255 {
            let mut log = whole.clone();
            log[6] = kind;
            assert_eq!(found(&log), Some((0, "the type")));
        }
        for place in [0, 6, 8] {
            let mut log = whole.clone();
            log[place] ^= 2;
            assert_eq!(found(&log), None, "{place}");
        }
    }

    #[test]
    fn a_zeroed_header_is_found_where_something_follows() {
        let whole = log(&[b"first", &[9; 300], b"last"]);
        for begin in [0, 12] {
            let mut log = whole.clone();
            log[begin..begin + HEADER_BYTES].fill(0);
            assert_eq!(found(&log), Some((begin, "the header")));
        }
        // The last one may be torn: a crash can leave its first page unwritten.
        let mut log = whole.clone();
        log[319..319 + HEADER_BYTES].fill(0);
        assert_eq!(found(&log), None);
    }

    #[test]
    fn a_torn_tail_is_no_damage() {
        let whole = log(&[b"first", &[9; 300]]);
        for length in 0..whole.len() {
            assert_eq!(found(&whole[..length]), None, "{length}");
        }
        let zeros = [&whole[..], &[0; 100]].concat();
        assert_eq!(found(&zeros), None);
    }
}
