//! What is taken from the bytes that were received and not yet used. Each function is told how more
//! of them are received: `more` adds some, and gives false at the end of the stream.

use super::HttpError;

/// Exactly `length` bytes.
pub(crate) fn take(
    received: &mut Vec<u8>,
    length: usize,
    more: &mut impl FnMut(&mut Vec<u8>) -> Result<bool, HttpError>,
) -> Result<Vec<u8>, HttpError> {
    while received.len() < length {
        if !more(received)? {
            return Err(HttpError::Closed);
        }
    }
    let rest = received.split_off(length);
    Ok(std::mem::replace(received, rest))
}

/// A body in chunks.
pub(crate) fn chunks(
    received: &mut Vec<u8>,
    more: &mut impl FnMut(&mut Vec<u8>) -> Result<bool, HttpError>,
) -> Result<Vec<u8>, HttpError> {
    let mut body = Vec::new();
    loop {
        let size_line = line(received, more)?;
        let digits = size_line.split(';').next().unwrap_or_default().trim();
        let malformed = |_| HttpError::Malformed(format!("chunk size {size_line:?}"));
        let size = usize::from_str_radix(digits, 16).map_err(malformed)?;
        if size == 0 {
            break;
        }
        body.extend(take(received, size, more)?);
        line(received, more)?;
    }
    // Trailer fields, up to the empty line.
    while !line(received, more)?.is_empty() {}
    Ok(body)
}

/// A line, without its end.
fn line(
    received: &mut Vec<u8>,
    more: &mut impl FnMut(&mut Vec<u8>) -> Result<bool, HttpError>,
) -> Result<String, HttpError> {
    loop {
        if let Some(end) = received.windows(2).position(|it| it == b"\r\n") {
            let line = take(received, end, more)?;
            take(received, 2, more)?;
            return Ok(String::from_utf8_lossy(&line).into_owned());
        }
        if !more(received)? {
            return Err(HttpError::Closed);
        }
    }
}
