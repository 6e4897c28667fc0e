//! `If-None-Match`, `If-Range` and `Range` over immutable content (RFC 9110 §13 and §14).

use std::ops::Range;

use http::{HeaderMap, header};

/// What a request asks of a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// All of it.
    Whole,
    /// These bytes of it.
    Bytes(Range<u64>),
    /// Bytes that it does not have.
    Unsatisfiable,
}

/// Whether the client already has this content.
pub(crate) fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    headers.get_all(header::IF_NONE_MATCH).iter().any(|value| {
        value.to_str().is_ok_and(|list| {
            list.split(',')
                .map(str::trim)
                .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
        })
    })
}

/// Which part of `length` bytes is wanted. What is not one well-formed range is answered whole, as
/// RFC 9110 §14.2 allows.
pub(crate) fn part(headers: &HeaderMap, etag: &str, length: u64) -> Part {
    let still_same = headers
        .get(header::IF_RANGE)
        .is_none_or(|value| value.as_bytes() == etag.as_bytes());
    let range = headers.get(header::RANGE).filter(|_| still_same);
    let Some(spec) = range.and_then(|value| value.to_str().ok()?.strip_prefix("bytes=")) else {
        return Part::Whole;
    };
    let Some((first, last)) = spec.split_once('-') else {
        return Part::Whole;
    };
    let (first, last) = (first.trim(), last.trim());
    let range = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => first..last.saturating_add(1).min(length),
        (Ok(first), Err(_)) if last.is_empty() => first..length,
        (Err(_), Ok(suffix)) if first.is_empty() => length.saturating_sub(suffix)..length,
        _ => return Part::Whole,
    };
    if range.is_empty() {
        Part::Unsatisfiable
    } else {
        Part::Bytes(range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.clone(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn ranges() {
        let check = |range: &str, expected: Part| {
            assert_eq!(
                part(&headers(&[(header::RANGE, range)]), "\"x\"", 100),
                expected,
                "{range}"
            );
        };
        check("bytes=0-9", Part::Bytes(0..10));
        check("bytes=90-", Part::Bytes(90..100));
        check("bytes=-10", Part::Bytes(90..100));
        check("bytes=-1000", Part::Bytes(0..100));
        check("bytes=99-1000", Part::Bytes(99..100));
        check("bytes=0-18446744073709551615", Part::Bytes(0..100));
        check("bytes=100-", Part::Unsatisfiable);
        check("bytes=-0", Part::Unsatisfiable);
        for whole in [
            "bytes=9-0",
            "bytes=0-1,5-6",
            "bytes=",
            "bytes=-",
            "lines=1-2",
            "bytes=a-b",
        ] {
            check(whole, Part::Whole);
        }
    }

    #[test]
    fn a_range_of_other_content_gets_the_whole() {
        let of = |tag| headers(&[(header::RANGE, "bytes=0-1"), (header::IF_RANGE, tag)]);
        assert_eq!(part(&of("\"x\""), "\"x\"", 100), Part::Bytes(0..2));
        assert_eq!(part(&of("\"y\""), "\"x\"", 100), Part::Whole);
    }

    #[test]
    fn known_content() {
        let check = |tags: &str, expected: bool| {
            assert_eq!(
                is_known(&headers(&[(header::IF_NONE_MATCH, tags)]), "\"x\""),
                expected,
                "{tags}"
            );
        };
        check("\"x\"", true);
        check("\"a\", W/\"x\"", true);
        check("*", true);
        check("x", false);
        check("\"a\"", false);
    }
}
