//! An entry of BDNS: the address of a service, alone or with the headers that clients send with every
//! call to it.
//!
//! **Source:** `http-api.md` §4; the SDK reads both forms (`SmartUrl`).

use std::collections::BTreeMap;
use std::fmt;

use http::{HeaderName, HeaderValue};
use reqwest::Url;
use serde::{Deserialize, Serialize};

/// The place that stands for "this node's own address" in BDNS; the SDK replaces it.
pub(crate) const ORIGIN: &str = "$ORIGIN";

/// An entry of BDNS. `Debug` shows no values of headers.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "an entry is an address as text, or a table { url = \"…\", headers = { … } }"
)]
pub enum ServiceEntry {
    /// An address.
    Url(String),
    /// An address with headers.
    WithHeaders(ServiceWithHeaders),
}

/// An address with headers. Whoever can read `/bdns` reads them too.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceWithHeaders {
    /// The address.
    pub url: String,
    /// What is sent with every call to it, by name.
    pub headers: BTreeMap<String, String>,
}

impl ServiceEntry {
    /// Whether clients can use the address: `http` or `https`, or the node's own (`$ORIGIN`).
    #[must_use]
    pub fn is_address(&self) -> bool {
        let (Self::Url(url) | Self::WithHeaders(ServiceWithHeaders { url, .. })) = self;
        // Any address in the place of the node's own.
        let url = Url::parse(&url.replace(ORIGIN, "http://localhost"));
        url.is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
    }

    /// What is wrong with the headers, if anything; their values are not repeated.
    pub(crate) fn trouble(&self) -> Option<String> {
        let Self::WithHeaders(entry) = self else {
            return None;
        };
        entry.headers.iter().find_map(|(name, value)| {
            let is_name = HeaderName::from_bytes(name.as_bytes()).is_ok();
            let is_value = HeaderValue::from_str(value).is_ok();
            match (is_name, is_value) {
                (true, true) => None,
                (false, _) => Some(format!("{name:?} is no name of a header")),
                (true, false) => Some(format!(
                    "the value of {name} cannot be sent: it holds characters beyond printable ASCII"
                )),
            }
        })
    }
}

impl From<&str> for ServiceEntry {
    fn from(url: &str) -> Self {
        Self::Url(url.to_owned())
    }
}

impl fmt::Debug for ServiceEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => write!(f, "{url:?}"),
            Self::WithHeaders(entry) => entry.fmt(f),
        }
    }
}

impl fmt::Debug for ServiceWithHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.keys().collect();
        write!(f, "{:?} with headers {names:?}", self.url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize, Serialize)]
    struct Section {
        entries: Vec<ServiceEntry>,
    }

    fn parse(entries: &str) -> Result<Vec<ServiceEntry>, String> {
        let section: Result<Section, _> = toml::from_str(&format!("entries = {entries}"));
        section
            .map(|it| it.entries)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn an_entry_is_an_address_or_one_with_headers() {
        let text = r#"["$ORIGIN", { url = "https://h", headers = { x-api-key = "hidden" } }]"#;
        let entries = parse(text).unwrap();
        assert_eq!(entries[0], ServiceEntry::from("$ORIGIN"));
        assert!(!format!("{entries:?}").contains("hidden"));
        let json = serde_json::to_string(&entries).unwrap();
        let expected = r#"["$ORIGIN",{"url":"https://h","headers":{"x-api-key":"hidden"}}]"#;
        assert_eq!(json, expected);
        let written = toml::to_string_pretty(&Section { entries }).unwrap();
        let read: Section = toml::from_str(&written).unwrap();
        assert_eq!(serde_json::to_string(&read.entries).unwrap(), expected);
    }

    #[test]
    fn what_is_neither_is_refused() {
        for wrong in [
            "[7]",
            r#"[{ url = "https://h" }]"#,
            r#"[{ headers = { a = "b" } }]"#,
            r#"[{ url = "https://h", headers = { a = "b" }, more = 1 }]"#,
        ] {
            let error = parse(wrong).unwrap_err();
            assert!(error.contains("an address as text, or a table"), "{error}");
        }
    }

    #[test]
    fn an_address_is_one_that_clients_can_use() {
        let check = |url: &str, expected: bool| {
            let with_headers = ServiceEntry::WithHeaders(ServiceWithHeaders {
                url: url.to_owned(),
                headers: BTreeMap::new(),
            });
            for entry in [ServiceEntry::from(url), with_headers] {
                assert_eq!(entry.is_address(), expected, "{entry:?}");
            }
        };
        for good in [
            "$ORIGIN",
            "$ORIGIN/copy",
            "https://bricks.example",
            "http://127.0.0.1:8080/",
            "http://me:word@bricks.example/x?key=value",
        ] {
            check(good, true);
        }
        for wrong in [
            "",
            "nonsense",
            "ftp://x",
            "bricks.example",
            "bricks.example:8080",
            "https://",
            "//bricks.example",
            "$origin",
        ] {
            check(wrong, false);
        }
    }

    #[test]
    fn headers_that_cannot_be_sent_are_named() {
        for (headers, expected) in [
            (r#"{ x-api-key = "k" }"#, None),
            (r#"{ "a b" = "hidden" }"#, Some("no name of a header")),
            (
                r#"{ x-api-key = "hid\nden" }"#,
                Some("the value of x-api-key"),
            ),
        ] {
            let entries = parse(&format!(r#"[{{ url = "u", headers = {headers} }}]"#)).unwrap();
            let trouble = entries[0].trouble();
            assert_eq!(trouble.is_some(), expected.is_some());
            let trouble = trouble.unwrap_or_default();
            assert!(trouble.contains(expected.unwrap_or_default()), "{trouble}");
            assert!(!trouble.contains("hid"), "{trouble}");
        }
    }
}
