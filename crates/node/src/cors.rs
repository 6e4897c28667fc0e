//! Cross-origin headers, as wallets in browsers need them.
//!
//! **Source:** `http-api.md` §1. Two header sets exist: one for bricks and BDNS, one for the rest.
//! Unlike the reference, credentials are allowed for listed origins only, and the allowed request
//! headers also name `Authorization` and `x-api-key`.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use reqwest::Url;

const STORAGE_METHODS: &str = "GET, POST, OPTIONS, PUT, PATCH, DELETE";
const STORAGE_HEADERS: &str =
    "X-Requested-With, Content-Type, Content-Length, X-Content-Length, Authorization, x-api-key";
const OTHER_METHODS: &str = "GET, POST, PUT, DELETE, OPTIONS";
const PREFLIGHT_METHODS: &str = "POST, GET, PUT, DELETE, OPTIONS";
const OTHER_HEADERS: &str = "Content-Type, Content-Length, X-Content-Length, \
    Access-Control-Allow-Origin, User-Agent, Authorization, ETag, token, authorization, \
    x-mq-authorization, x-api-key";
const EXPOSED_HEADERS: &str = "ETag, Content-Range, Retry-After";
/// Seconds for which a browser may keep the answer to a preflight.
const PREFLIGHT_MAX_AGE_S: &str = "3600";

/// Which origins may read answers.
#[derive(Clone, Debug)]
pub(crate) struct Cors {
    /// Empty: any origin, without credentials.
    origins: Vec<String>,
}

/// Which of the two header sets a path gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Surface {
    /// `/bricking/…`, `/ipfs/…` and `/bdns`.
    Storage,
    /// Everything else.
    Other,
    /// The answer to `OPTIONS` on any path.
    Preflight,
}

impl Surface {
    pub(crate) fn of(path: &str) -> Self {
        let first = path
            .strip_prefix('/')
            .and_then(|rest| rest.split('/').next());
        match first {
            Some("bricking" | "ipfs" | "bdns") => Self::Storage,
            _ => Self::Other,
        }
    }
}

impl Cors {
    /// `origins` as they appear in an `Origin` header; none means any.
    #[must_use]
    pub(crate) fn new(origins: Vec<String>) -> Self {
        Self { origins }
    }

    /// Adds the headers to an answer.
    pub(crate) fn apply(&self, surface: Surface, request: &HeaderMap, answer: &mut HeaderMap) {
        let (methods, headers) = match surface {
            Surface::Storage => (STORAGE_METHODS, STORAGE_HEADERS),
            Surface::Other => (OTHER_METHODS, OTHER_HEADERS),
            Surface::Preflight => (PREFLIGHT_METHODS, OTHER_HEADERS),
        };
        let mut set = |name: HeaderName, value: &'static str| {
            answer.insert(name, HeaderValue::from_static(value));
        };
        set(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
        set(header::ACCESS_CONTROL_ALLOW_HEADERS, headers);
        match surface {
            Surface::Preflight => set(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_MAX_AGE_S),
            _ => set(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS),
        }
        let origin = request.get(header::ORIGIN);
        if !self.origins.is_empty() {
            answer.append(header::VARY, HeaderValue::from_static("Origin"));
            let listed = |origin: &&HeaderValue| {
                self.origins
                    .iter()
                    .any(|listed| listed.as_bytes() == origin.as_bytes())
            };
            if let Some(origin) = origin.filter(listed) {
                answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
                let yes = HeaderValue::from_static("true");
                answer.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
            }
            return;
        }
        let any = HeaderValue::from_static("*");
        let allowed = match surface {
            Surface::Storage => any,
            Surface::Preflight => origin.cloned().unwrap_or(any),
            // The host's own name when there is no origin: no browser reads it, tools compare it.
            Surface::Other => origin.or(request.get(header::HOST)).cloned().unwrap_or(any),
        };
        answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
    }
}

/// Whether a browser sends the text as an `Origin`: to the letter, because it is compared so. `null`
/// is none, as every page can make itself one of that origin.
///
/// **Source:** RFC 6454 §6.2, Fetch §3.2.
pub(crate) fn is_origin(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else {
        return false;
    };
    let is_part =
        |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || b"+-._:[]".contains(&it);
    let mut bytes = scheme.bytes().chain(host.bytes());
    if scheme.is_empty() || host.is_empty() || !bytes.all(is_part) {
        return false;
    }
    // Others are of applications and of extensions of browsers: `capacitor://localhost`.
    let is_of_web = matches!(scheme, "http" | "https");
    !is_of_web || Url::parse(text).is_ok_and(|url| url.origin().ascii_serialization() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_what_a_browser_sends() {
        for good in [
            "https://wallet.example",
            "http://localhost:3000",
            "http://[::1]:3000",
            "https://xn--bcher-kva.example",
            "capacitor://localhost",
            "chrome-extension://abcdefghijklmnop",
        ] {
            assert!(is_origin(good), "{good}");
        }
        for wrong in [
            "",
            "*",
            "null",
            "wallet.example",
            "https://",
            "https://*.example",
            "https://wallet.example/",
            "https://wallet.example/page",
            "https://wallet.example:443",
            "https://Wallet.example",
            "HTTPS://wallet.example",
            "https://me@wallet.example",
            "https://bücher.example",
            "https://wallet.example, https://other.example",
            "capacitor://localhost/",
            "file://",
        ] {
            assert!(!is_origin(wrong), "{wrong}");
        }
    }

    fn answer(origins: &[&str], surface: Surface, request: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in request {
            let name: HeaderName = name.parse().unwrap();
            headers.insert(name, value.parse().unwrap());
        }
        let mut answer = HeaderMap::new();
        let cors = Cors::new(origins.iter().map(ToString::to_string).collect());
        cors.apply(surface, &headers, &mut answer);
        answer
    }

    #[test]
    fn any_origin_is_allowed_but_never_with_credentials() {
        let request = [("origin", "http://wallet.example"), ("host", "localhost:1")];
        for surface in [Surface::Storage, Surface::Other, Surface::Preflight] {
            let answer = answer(&[], surface, &request);
            assert!(!answer.contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS));
            let wanted = if surface == Surface::Storage {
                "*"
            } else {
                "http://wallet.example"
            };
            assert_eq!(answer[header::ACCESS_CONTROL_ALLOW_ORIGIN], wanted);
        }
    }

    #[test]
    fn a_list_of_origins_admits_only_those_and_with_credentials() {
        let listed = ["https://wallet.example"];
        let good = answer(
            &listed,
            Surface::Other,
            &[("origin", "https://wallet.example")],
        );
        assert_eq!(
            good[header::ACCESS_CONTROL_ALLOW_ORIGIN],
            "https://wallet.example"
        );
        assert_eq!(good[header::ACCESS_CONTROL_ALLOW_CREDENTIALS], "true");
        let foreign = answer(
            &listed,
            Surface::Storage,
            &[("origin", "https://other.example")],
        );
        assert!(!foreign.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
        assert!(!foreign.contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS));
    }
}
