//! What a listener without authentication refuses: requests that came through a proxy, and
//! requests for another host.
//!
//! A forwarding header means that the node is reachable from further away than its operator may
//! think. A foreign `Host` is the mark of DNS rebinding: a page in a browser on this machine that
//! talks to the node under a name of its own.

use std::net::IpAddr;

use http::{HeaderMap, StatusCode, Uri, Version, header};

use crate::ApiError;

/// What proxies add: by RFC 7239, by RFC 9110 §7.6.3, and by custom.
const FORWARDING_HEADERS: [&str; 3] = ["forwarded", "via", "x-real-ip"];
/// How the other customary ones begin (`X-Forwarded-For`, `-Host`, `-Port`, …).
const FORWARDING_PREFIX: &str = "x-forwarded-";

/// Who may be meant by a request's `Host`.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    listen: IpAddr,
    hosts: Vec<String>,
    /// Beyond loopback and with TLS nobody reaches the node by accident, and a certificate is what
    /// keeps foreign names away: nothing but the form is looked at.
    lenient: bool,
}

/// How a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// From a client, as far as the node knows.
    Direct,
    /// Through a proxy that the configuration trusts.
    TrustedProxy,
}

impl Guard {
    /// For a listener on `listen`; `hosts` are further names under which the node is known.
    #[must_use]
    pub(crate) fn new(listen: IpAddr, hosts: Vec<String>) -> Self {
        Self {
            listen,
            hosts,
            lenient: false,
        }
    }

    /// The same for a listener that speaks TLS.
    #[must_use]
    pub(crate) fn over_tls(mut self) -> Self {
        self.lenient = !self.listen.is_loopback();
        self
    }

    /// Lets a request through or says why not, and how the audit log calls that.
    pub(crate) fn admit(
        &self,
        way: Way,
        version: Version,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<(), (&'static str, ApiError)> {
        let mut sent = headers.keys().map(http::HeaderName::as_str);
        let forwarding = sent.find(|name| is_forwarding(name));
        let forwarding = forwarding.filter(|_| way == Way::Direct && !self.lenient);
        if let Some(name) = forwarding {
            let refusal = ApiError::new(
                StatusCode::FORBIDDEN,
                format!(
                    "this listener has no authentication and refuses the header {name}; if a \
                     proxy is meant to stand before it, name its address in node.trusted_proxies"
                ),
            );
            return Err(("refused.forwarded", refusal));
        }
        self.judge_host(version, uri, headers)
            .map_err(|refusal| ("refused.foreign-host", refusal))
    }

    /// What is wrong with the name under which a request asks.
    fn judge_host(&self, version: Version, uri: &Uri, headers: &HeaderMap) -> Result<(), ApiError> {
        let mut hosts = headers.get_all(header::HOST).iter();
        let named = hosts.next().map(|host| host.to_str().unwrap_or("?"));
        if hosts.next().is_some() {
            // RFC 9112 §3.2; what reads the other one would judge another request.
            return Err(ApiError::bad_request("there is more than one Host header"));
        }
        if named.is_none() && version >= Version::HTTP_11 {
            return Err(ApiError::bad_request("the Host header is missing"));
        }
        let authority = uri.authority().map(http::uri::Authority::as_str);
        match named
            .into_iter()
            .chain(authority)
            .find(|host| !self.lenient && !self.is_own(host))
        {
            None => Ok(()),
            Some(_) => Err(ApiError::new(
                StatusCode::FORBIDDEN,
                "this listener has no authentication and answers only under its own name; \
                 add the Host to node.hosts in the configuration if it is meant",
            )),
        }
    }

    /// Whether a `Host` names this listener.
    pub(crate) fn is_own(&self, host: &str) -> bool {
        let name = without_port(host);
        if let Some(address) = address_of(name) {
            // Rebinding needs a name; a bare address is safe where the listener is open anyway.
            return address.is_loopback()
                || address == self.listen
                || !self.listen.is_loopback()
                || self
                    .hosts
                    .iter()
                    .any(|own| address_of(own) == Some(address));
        }
        name.eq_ignore_ascii_case("localhost")
            || self.hosts.iter().any(|own| own.eq_ignore_ascii_case(name))
    }
}

/// Whether the text is a name under which a node can be known: no scheme, no port, no path, and in
/// the letters that a `Host` header has.
pub(crate) fn is_host(text: &str) -> bool {
    let is_label = |label: &str| {
        let mut bytes = label.bytes();
        !label.is_empty() && bytes.all(|it| it.is_ascii_alphanumeric() || b"-_".contains(&it))
    };
    let name = text.strip_suffix('.').unwrap_or(text);
    address_of(text).is_some() || name.split('.').all(is_label)
}

/// The address that the text is, in brackets or without.
fn address_of(text: &str) -> Option<IpAddr> {
    text.trim_matches(['[', ']']).parse().ok()
}

fn is_forwarding(name: &str) -> bool {
    FORWARDING_HEADERS.contains(&name) || name.starts_with(FORWARDING_PREFIX)
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            if name.contains(':') && !name.ends_with(']') {
                host
            } else {
                name
            }
        }
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(listen: &str, host: &str, admitted: bool) {
        let guard = Guard::new(listen.parse().unwrap(), vec!["node.example".to_owned()]);
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        let answer = guard.admit(
            Way::Direct,
            Version::HTTP_11,
            &Uri::from_static("/bdns"),
            &headers,
        );
        assert_eq!(answer.is_ok(), admitted, "{host} on {listen}");
    }

    #[test]
    fn own_names_are_admitted_and_foreign_ones_are_not() {
        for host in [
            "localhost",
            "LOCALHOST:8080",
            "127.0.0.1:1",
            "127.9.9.9",
            "[::1]:8080",
            "::1",
        ] {
            check("127.0.0.1", host, true);
        }
        check("127.0.0.1", "node.example:8080", true);
        for host in [
            "evil.example",
            "localhost.evil.example",
            "192.0.2.1",
            "",
            "127.0.0.1.evil",
        ] {
            check("127.0.0.1", host, false);
        }
        check("0.0.0.0", "192.0.2.1:8080", true);
        check("0.0.0.0", "evil.example", false);
    }

    #[test]
    fn a_further_name_may_be_an_address() {
        for (named, host) in [
            ("192.0.2.1", "192.0.2.1:8080"),
            ("2001:db8::1", "[2001:db8::1]:8080"),
            ("[2001:db8::1]", "[2001:DB8:0::1]"),
        ] {
            let loopback = "127.0.0.1".parse().unwrap();
            assert!(Guard::new(loopback, vec![named.to_owned()]).is_own(host));
            assert!(!Guard::new(loopback, vec!["192.0.2.7".to_owned()]).is_own(host));
        }
    }

    #[test]
    fn a_name_has_neither_scheme_nor_port_nor_path() {
        for good in [
            "node.example",
            "node.example.",
            "kiln",
            "my_kiln-0.svc",
            "xn--bcher-kva.example",
            "192.0.2.1",
            "::1",
            "[::1]",
        ] {
            assert!(is_host(good), "{good}");
        }
        for wrong in [
            "",
            ".",
            "a..b",
            "https://node.example:8443/",
            "node.example:8443",
            "192.0.2.1:80",
            "node.example/",
            "*.example",
            "*",
            "bücher.example",
            "a b",
            "me@node.example",
        ] {
            assert!(!is_host(wrong), "{wrong}");
        }
    }

    #[test]
    fn forwarding_headers_and_foreign_targets_are_refused() {
        let guard = Guard::new("127.0.0.1".parse().unwrap(), Vec::new());
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "localhost".parse().unwrap());
        let target = Uri::from_static("http://evil.example/bdns");
        assert!(
            guard
                .admit(Way::Direct, Version::HTTP_11, &target, &headers)
                .is_err()
        );
        for name in [
            "x-forwarded-for",
            "x-forwarded-port",
            "forwarded",
            "via",
            "x-real-ip",
        ] {
            let mut headers = headers.clone();
            headers.insert(name, "192.0.2.1".parse().unwrap());
            let root = Uri::from_static("/");
            let admit = |guard: &Guard, way| guard.admit(way, Version::HTTP_11, &root, &headers);
            assert!(admit(&guard, Way::Direct).is_err(), "{name}");
            assert!(admit(&guard, Way::TrustedProxy).is_ok(), "{name}");
            assert!(
                admit(&guard.clone().over_tls(), Way::Direct).is_err(),
                "{name}"
            );
            let open = Guard::new("0.0.0.0".parse().unwrap(), Vec::new());
            assert!(admit(&open, Way::Direct).is_err(), "{name}");
            assert!(admit(&open.over_tls(), Way::Direct).is_ok(), "{name}");
        }
    }

    #[test]
    fn two_hosts_are_refused_even_if_both_are_own() {
        let guard = Guard::new("127.0.0.1".parse().unwrap(), Vec::new());
        let mut headers = HeaderMap::new();
        for host in ["localhost", "127.0.0.1"] {
            headers.append(header::HOST, host.parse().unwrap());
        }
        let root = Uri::from_static("/");
        assert!(
            guard
                .admit(Way::Direct, Version::HTTP_11, &root, &headers)
                .is_err()
        );
    }

    #[test]
    fn a_missing_host_is_an_error_only_where_the_protocol_wants_one() {
        let guard = Guard::new("127.0.0.1".parse().unwrap(), Vec::new());
        let (root, none) = (Uri::from_static("/"), HeaderMap::new());
        assert!(
            guard
                .admit(Way::Direct, Version::HTTP_10, &root, &none)
                .is_ok()
        );
        assert!(
            guard
                .admit(Way::Direct, Version::HTTP_11, &root, &none)
                .is_err()
        );
        assert!(
            guard
                .admit(Way::Direct, Version::HTTP_2, &root, &none)
                .is_err()
        );
    }
}
