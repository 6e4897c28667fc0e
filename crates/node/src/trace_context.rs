//! The headers by which requests are followed: `x-request-id`, and `traceparent` with `tracestate`.
//!
//! **Source:** W3C Trace Context, level 1, §3.2 and §3.3.

use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderMap;

/// Longest request id that is taken over. An id that a client makes is shorter; what is longer could
/// be something else that does not belong into a log.
const REQUEST_ID_CHARS_MAX: usize = 64;
/// Longest `tracestate` that is passed on; longer ones may be dropped (§3.3.1.5).
const TRACESTATE_BYTES_MAX: usize = 512;
/// The only version that there is.
const VERSION: &str = "00";

/// Makes ids for requests that bring none: unique in the process by counting, among processes by
/// chance.
#[derive(Debug)]
pub(crate) struct RequestIds {
    prefix: u64,
    next: AtomicU64,
}

/// A trace that a request is part of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TraceContext {
    pub(crate) trace_id: [u8; 16],
    /// The span of the sender.
    pub(crate) parent_id: [u8; 8],
    /// Whether the sender records the trace.
    pub(crate) is_sampled: bool,
    /// What others want passed on; empty when there is none.
    pub(crate) state: String,
}

impl RequestIds {
    pub(crate) fn new() -> Self {
        let mut prefix = [0; 8];
        // Without randomness two processes may use one id: a nuisance to who reads logs.
        let _ = getrandom::fill(&mut prefix);
        Self {
            prefix: u64::from_be_bytes(prefix),
            next: AtomicU64::new(0),
        }
    }

    /// The id of a request: its own if it is well-formed, else a new one.
    pub(crate) fn of(&self, headers: &HeaderMap) -> String {
        let sent = headers.get("x-request-id").and_then(|id| id.to_str().ok());
        match sent {
            Some(id) if is_well_formed(id) => id.to_owned(),
            _ => {
                let number = self.next.fetch_add(1, Ordering::Relaxed);
                format!("{:016x}-{number:x}", self.prefix)
            }
        }
    }
}

fn is_well_formed(id: &str) -> bool {
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=REQUEST_ID_CHARS_MAX).contains(&id.len()) && id.bytes().all(is_safe)
}

impl TraceContext {
    /// The trace of a request; `None` when it brings none, or none that is well-formed.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut sent = headers.get_all("traceparent").iter();
        let parent = sent.next()?.to_str().ok()?;
        if sent.next().is_some() {
            return None;
        }
        let mut context = Self::parse(parent)?;
        let states = headers.get_all("tracestate").iter();
        let states: Vec<_> = states.filter_map(|state| state.to_str().ok()).collect();
        let state = states.join(",");
        let is_plain = state.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if state.len() <= TRACESTATE_BYTES_MAX && is_plain {
            context.state = state;
        }
        Some(context)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('-');
        let (version, trace, parent) = (parts.next()?, parts.next()?, parts.next()?);
        let flags: [u8; 1] = hex(parts.next()?)?;
        let is_later = version != VERSION;
        // A later version may say more at its end; ff is no version.
        if hex::<1>(version)? == [0xff] || (!is_later && parts.next().is_some()) {
            return None;
        }
        let context = Self {
            trace_id: hex(trace)?,
            parent_id: hex(parent)?,
            is_sampled: flags[0] & 1 == 1,
            state: String::new(),
        };
        (context.trace_id != [0; 16] && context.parent_id != [0; 8]).then_some(context)
    }

    /// The trace id as it is written.
    pub(crate) fn trace_id_text(&self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.trace_id))
    }
}

/// Lower-case hexadecimal of exactly `N` bytes.
fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_request_keeps_its_id_only_if_it_is_short_and_harmless() {
        let ids = RequestIds::new();
        let check = |sent: &str, is_kept: bool| {
            let id = ids.of(&headers(&[("x-request-id", sent)]));
            assert_eq!(id == sent, is_kept, "{sent}");
            assert!(is_well_formed(&id));
        };
        check("a-1_2.B", true);
        check(&"a".repeat(64), true);
        check(&"a".repeat(65), false);
        check("a b", false);
        check("ssi:seed:default", false);
        check("", false);
        assert_ne!(ids.of(&HeaderMap::new()), ids.of(&HeaderMap::new()));
    }

    #[test]
    fn a_trace_is_taken_up_only_if_it_is_well_formed() {
        const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
        const PARENT: &str = "b7ad6b7169203331";
        let check = |sent: String, expected: Option<bool>| {
            let found = TraceContext::of(&headers(&[("traceparent", &sent)]));
            assert_eq!(found.as_ref().map(|it| it.is_sampled), expected, "{sent}");
            if let Some(found) = found {
                assert_eq!(found.trace_id_text(), TRACE);
                assert_eq!(found.parent_id, hex(PARENT).unwrap());
            }
        };
        check(format!("00-{TRACE}-{PARENT}-01"), Some(true));
        check(format!("00-{TRACE}-{PARENT}-00"), Some(false));
        check(format!("cc-{TRACE}-{PARENT}-01-what-comes"), Some(true));
        check(format!("00-{TRACE}-{PARENT}-01-more"), None);
        check(format!("ff-{TRACE}-{PARENT}-01"), None);
        check(format!("00-{}-{PARENT}-01", TRACE.to_uppercase()), None);
        check(format!("00-{}-{PARENT}-01", "0".repeat(32)), None);
        check(format!("00-{TRACE}-{}-01", "0".repeat(16)), None);
        check(format!("00-{TRACE}-{PARENT}"), None);
        check("ssi:seed:default".to_owned(), None);
    }

    #[test]
    fn two_parents_are_none_and_a_long_state_is_dropped() {
        const SENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let two = headers(&[("traceparent", SENT), ("traceparent", SENT)]);
        assert_eq!(TraceContext::of(&two), None);
        let with = |state: &str| {
            let sent = headers(&[
                ("traceparent", SENT),
                ("tracestate", state),
                ("tracestate", "b=2"),
            ]);
            TraceContext::of(&sent).unwrap().state
        };
        assert_eq!(with("a=1"), "a=1,b=2");
        assert_eq!(with(&"a".repeat(600)), "");
    }
}
