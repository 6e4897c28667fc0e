//! Proxies that are trusted to say for whom they ask, and nobody else.
//!
//! **Source:** RFC 7239 (`Forwarded`), and what `X-Forwarded-For` has come to mean.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, header};
use ipnet::IpNet;

use crate::ApiError;

const X_FORWARDED_FOR: &str = "x-forwarded-for";

/// The networks of the trusted proxies.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    pub(crate) fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// Whether what stands at this address is a trusted proxy.
    pub(crate) fn trust(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The client for whom a trusted proxy at `proxy` asks: the last one in the header that is not
    /// itself a trusted proxy. What stands before it is the client's own word. An entry that is no
    /// address (`unknown`, `_hidden`) ends the search at the proxy that wrote it.
    ///
    /// # Errors
    /// 400 when both headers are there and differ: one of them came from the client.
    pub(crate) fn client(&self, proxy: IpAddr, headers: &HeaderMap) -> Result<IpAddr, ApiError> {
        let custom = entries(headers, X_FORWARDED_FOR);
        let standard = entries(headers, header::FORWARDED.as_str());
        let custom = custom.map(|list| self.last_untrusted(proxy, &list, address));
        let standard = standard.map(|list| self.last_untrusted(proxy, &list, forwarded_for));
        match (custom, standard) {
            (Some(custom), Some(standard)) if custom != standard => Err(ApiError::bad_request(
                "Forwarded and X-Forwarded-For name different clients; the proxy must remove the \
                 one that it does not set",
            )),
            (Some(client), _) | (None, Some(client)) => Ok(client),
            (None, None) => Ok(proxy),
        }
    }

    fn last_untrusted(
        &self,
        proxy: IpAddr,
        list: &[String],
        read: fn(&str) -> Option<IpAddr>,
    ) -> IpAddr {
        let mut nearest = proxy;
        for entry in list.iter().rev() {
            if !self.trust(nearest) {
                break;
            }
            match read(entry) {
                Some(address) => nearest = address,
                None => break,
            }
        }
        nearest
    }
}

/// The entries of all lines of a list header, in order; `None` without any line.
fn entries(headers: &HeaderMap, name: &str) -> Option<Vec<String>> {
    let lines = headers.get_all(name).iter();
    let texts: Vec<_> = lines.map(|line| line.to_str().unwrap_or("?")).collect();
    let all = texts.join(",");
    (!texts.is_empty()).then(|| split(&all, ','))
}

/// Splits at a separator outside of quoted strings.
fn split(text: &str, separator: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let (mut quoted, mut escaped) = (false, false);
    for character in text.chars() {
        if character == separator && !quoted {
            parts.push(String::new());
            continue;
        }
        quoted ^= character == '"' && !escaped;
        escaped = character == '\\' && quoted && !escaped;
        if let Some(part) = parts.last_mut() {
            part.push(character);
        }
    }
    parts
}

/// The `for` of one entry of `Forwarded`.
fn forwarded_for(entry: &str) -> Option<IpAddr> {
    let pairs = split(entry, ';');
    let mut values = pairs.iter().filter_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        name.eq_ignore_ascii_case("for").then_some(value)
    });
    let value = values.next()?;
    address(value.trim_matches('"'))
}

/// An address, with or without port.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    let address = bare.parse::<IpAddr>().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|it| it.ip());
    address.or_else(with_port).map(|it| it.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks what client is meant by these header lines, sent by 10.0.0.1; `different` for a refusal.
    fn check(lines: &[(&str, &str)], expected: &str) {
        let networks = ["10.0.0.0/8", "2001:db8::/32"].map(|it| it.parse().unwrap());
        let proxies = TrustedProxies::new(networks.to_vec());
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name: http::HeaderName = name.parse().unwrap();
            headers.append(name, value.parse().unwrap());
        }
        let client = proxies.client("10.0.0.1".parse().unwrap(), &headers);
        let found = client.map_or("different".to_owned(), |it| it.to_string());
        assert_eq!(found, expected, "{lines:?}");
    }

    #[test]
    fn the_last_address_that_is_no_proxy_is_the_client() {
        let custom = |value: &str, expected: &str| {
            check(&[("x-forwarded-for", value)], expected);
        };
        custom("192.0.2.1", "192.0.2.1");
        custom("198.51.100.9, 192.0.2.1", "192.0.2.1");
        custom("198.51.100.9, 192.0.2.1, 10.2.3.4", "192.0.2.1");
        custom("10.9.9.9, 192.0.2.1, 10.2.3.4,10.0.0.7", "192.0.2.1");
        custom("10.9.9.9, 10.2.3.4", "10.9.9.9");
        custom("192.0.2.1:4711", "192.0.2.1");
        custom("[2001:db9::1]:4711", "2001:db9::1");
        custom("2001:db9::1, 2001:db8::5", "2001:db9::1");
        custom("::ffff:192.0.2.1", "192.0.2.1");
        for garbage in [
            "",
            "unknown",
            "192.0.2",
            "192.0.2.1 198.51.100.9",
            "caf\u{e9}",
            ",",
        ] {
            custom(garbage, "10.0.0.1");
        }
        custom("192.0.2.1, unknown, 10.2.3.4", "10.2.3.4");
        check(
            &[
                ("x-forwarded-for", "192.0.2.1"),
                ("x-forwarded-for", "192.0.2.2"),
            ],
            "192.0.2.2",
        );
        check(&[], "10.0.0.1");
    }

    #[test]
    fn the_standard_header_is_read_too_and_must_agree() {
        let standard = |value: &str, expected: &str| check(&[("forwarded", value)], expected);
        standard("for=192.0.2.1", "192.0.2.1");
        standard("For=\"192.0.2.1:80\";proto=https;by=10.0.0.1", "192.0.2.1");
        standard("proto=https; for=\"[2001:db9::1]:80\"", "2001:db9::1");
        standard("for=198.51.100.9, for=192.0.2.1, for=10.2.2.2", "192.0.2.1");
        standard("for=192.0.2.1;host=\"a,for=198.51.100.9;\"", "192.0.2.1");
        standard("for=192.0.2.1;host=\"\\\",for=198.51.100.9\"", "192.0.2.1");
        for garbage in [
            "for=unknown",
            "for=_hidden",
            "by=192.0.2.1",
            "192.0.2.1",
            "for",
        ] {
            standard(garbage, "10.0.0.1");
        }
        let both = |custom, standard, expected| {
            check(
                &[("x-forwarded-for", custom), ("forwarded", standard)],
                expected,
            );
        };
        both("192.0.2.1", "for=192.0.2.1", "192.0.2.1");
        both("198.51.100.9, 192.0.2.1", "for=192.0.2.1", "192.0.2.1");
        both("192.0.2.1", "for=198.51.100.9", "different");
    }
}
