//! PNG images (ISO/IEC 15948) without compression: noise does not compress.

/// Bytes of a stored deflate block (RFC 1951 §3.2.4).
const BLOCK_BYTES_MAX: usize = 65_535;

/// An image of 8-bit RGB rows, each `3 * width` bytes long.
pub(crate) fn png<'a>(width: u32, rows: impl ExactSizeIterator<Item = &'a [u8]>) -> Vec<u8> {
    let height = u32::try_from(rows.len()).unwrap_or(u32::MAX);
    let mut pixels = Vec::new();
    for row in rows {
        // Each row begins with its filter: none.
        pixels.push(0);
        pixels.extend_from_slice(row);
    }
    let mut header = Vec::new();
    header.extend_from_slice(&width.to_be_bytes());
    header.extend_from_slice(&height.to_be_bytes());
    // 8 bits, truecolour; the only compression and filter methods; not interlaced.
    header.extend_from_slice(&[8, 2, 0, 0, 0]);
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    push_chunk(&mut file, *b"IHDR", &header);
    push_chunk(&mut file, *b"IDAT", &zlib_stored(&pixels));
    push_chunk(&mut file, *b"IEND", &[]);
    file
}

fn push_chunk(file: &mut Vec<u8>, kind: [u8; 4], data: &[u8]) {
    file.extend_from_slice(&u32::try_from(data.len()).unwrap_or(u32::MAX).to_be_bytes());
    file.extend_from_slice(&kind);
    file.extend_from_slice(data);
    let sum = kind
        .iter()
        .chain(data)
        .fold(u32::MAX, |sum, byte| crc_step(sum, *byte));
    file.extend_from_slice(&(!sum).to_be_bytes());
}

/// A zlib stream (RFC 1950) of stored blocks.
fn zlib_stored(bytes: &[u8]) -> Vec<u8> {
    let mut stream = vec![0x78, 0x01];
    let blocks = bytes.chunks(BLOCK_BYTES_MAX);
    let last = blocks.len().saturating_sub(1);
    for (place, block) in blocks.enumerate() {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        stream.push(u8::from(place == last));
        stream.extend_from_slice(&length.to_le_bytes());
        stream.extend_from_slice(&(!length).to_le_bytes());
        stream.extend_from_slice(block);
    }
    stream.extend_from_slice(&adler32(bytes).to_be_bytes());
    stream
}

/// One byte of the CRC of PNG (Annex D), bit by bit.
fn crc_step(sum: u32, byte: u8) -> u32 {
    (0..8).fold(sum ^ u32::from(byte), |sum, _| {
        if sum & 1 == 1 {
            0xedb8_8320 ^ (sum >> 1)
        } else {
            sum >> 1
        }
    })
}

/// RFC 1950 §8.2.
fn adler32(bytes: &[u8]) -> u32 {
    const MODULUS: u32 = 65_521;
    let (low, high) = bytes.iter().fold((1, 0), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % MODULUS;
        (low, (high + low) % MODULUS)
    });
    (high << 16) | low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_have_their_published_check_values() {
        let crc = b"123456789"
            .iter()
            .fold(u32::MAX, |sum, byte| crc_step(sum, *byte));
        assert_eq!(!crc, 0xcbf4_3926);
        assert_eq!(adler32(b"Wikipedia"), 0x11e6_0398);
    }
}
