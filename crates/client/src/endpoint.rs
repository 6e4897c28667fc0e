//! The base address of a service, and the headers that it wants.

use std::fmt;
use std::sync::Arc;

use keyssi::base64;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use url::Url;

use crate::error::ClientError;

/// A service: its base URL, without credentials and ending in `/`, and the headers that go with
/// every call to it.
///
/// Headers may be credentials: `Debug` shows none of them.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    url: Url,
    headers: HeaderMap,
}

/// The address of something that was called, as it may be shown: no credentials, query or fragment.
/// Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeUrl(Arc<str>);

impl Endpoint {
    /// Takes a base URL apart: a user name and password in it become an `Authorization` header,
    /// query and fragment are dropped.
    ///
    /// # Errors
    /// [`ClientError::Setup`] when the URL is not one of `http` or `https` with a host.
    pub fn new(url: &Url) -> Result<Self, ClientError> {
        let public = base_url(url);
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(setup(format!(
                "{public} is no address of a node: use http:// or https://"
            )));
        }
        let mut headers = HeaderMap::new();
        if !url.username().is_empty() || url.password().is_some() {
            headers.insert(AUTHORIZATION, basic(url)?);
        }
        Ok(Self {
            url: public,
            headers,
        })
    }

    /// Adds a header, in place of one of the same name.
    ///
    /// # Errors
    /// [`ClientError::Setup`] when name or value are none; the value is not repeated in it.
    pub fn with_header(mut self, name: &str, value: &str) -> Result<Self, ClientError> {
        let refused = || setup(format!("a header for {} is malformed", self.url));
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused())?;
        let mut value = HeaderValue::from_str(value).map_err(|_| refused())?;
        value.set_sensitive(true);
        self.headers.insert(name, value);
        Ok(self)
    }

    /// The base URL: no credentials, query or fragment; the path ends in `/`.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The URL of a path below the base. The path is text that has a meaning in no URL syntax
    /// other than as a path: names, hashes and identifiers in base58.
    pub(crate) fn at(&self, path: &str) -> Url {
        let mut url = self.url.clone();
        url.set_path(&format!("{}{path}", self.url.path()));
        url
    }
}

impl NodeUrl {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&Url> for NodeUrl {
    fn from(url: &Url) -> Self {
        Self(public_url(url).as_str().into())
    }
}

impl fmt::Display for NodeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for NodeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeUrl({})", self.0)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers = self.headers.len();
        write!(f, "Endpoint({}, {headers} header(s))", self.url)
    }
}

/// A URL as it may be shown.
pub(crate) fn public_url(url: &Url) -> Url {
    let mut public = url.clone();
    // These fail only for URLs without a host, which have no credentials.
    let _ = public.set_username("");
    let _ = public.set_password(None);
    public.set_query(None);
    public.set_fragment(None);
    public
}

/// A base URL without credentials, ending in `/`.
fn base_url(url: &Url) -> Url {
    let mut public = public_url(url);
    if !public.cannot_be_a_base() && !public.path().ends_with('/') {
        let path = format!("{}/", public.path());
        public.set_path(&path);
    }
    public
}

/// RFC 7617, of the user name and password as they stand between the escapes of the URL.
fn basic(url: &Url) -> Result<HeaderValue, ClientError> {
    let mut pair = unescaped(url.username());
    pair.push(b':');
    pair.extend(unescaped(url.password().unwrap_or("")));
    let text = format!("Basic {}", base64::encode(&pair));
    let mut value = HeaderValue::from_str(&text)
        .map_err(|_| setup("the user name or password cannot be sent".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// The bytes that percent-escaped text stands for; what is no escape stays.
fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escape = (*first == b'%').then(|| tail.get(..2)).flatten();
        let value = escape
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(value.unwrap_or(*first));
        rest = if value.is_some() {
            tail.get(2..).unwrap_or_default()
        } else {
            tail
        };
    }
    bytes
}

fn setup(what: String) -> ClientError {
    ClientError::Setup { what, source: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(url: &str) -> Result<Endpoint, ClientError> {
        Endpoint::new(&url.parse().unwrap())
    }

    #[test]
    fn credentials_move_into_a_header() {
        let it = endpoint("https://a%40b:p%3Aw@node.example:8443/base?x=1#y").unwrap();
        assert_eq!(it.url().as_str(), "https://node.example:8443/base/");
        let header = it.headers().get(AUTHORIZATION).unwrap();
        let expected = format!("Basic {}", base64::encode(b"a@b:p:w"));
        assert_eq!(header.to_str().unwrap(), expected);
        let shown = format!("{it:?}");
        assert_eq!(
            shown,
            "Endpoint(https://node.example:8443/base/, 1 header(s))"
        );
    }

    #[test]
    fn paths_go_below_the_base() {
        for (base, expected) in [
            ("http://h", "http://h/bdns"),
            ("http://h/", "http://h/bdns"),
            ("http://h/a/b", "http://h/a/b/bdns"),
        ] {
            assert_eq!(endpoint(base).unwrap().at("bdns").as_str(), expected);
        }
    }

    #[test]
    fn other_schemes_are_refused() {
        for url in ["ftp://h/", "file:///etc/passwd", "data:text/plain,x"] {
            assert!(
                matches!(endpoint(url), Err(ClientError::Setup { .. })),
                "{url}"
            );
        }
    }

    #[test]
    fn a_malformed_header_is_refused_without_repeating_it() {
        let it = endpoint("http://h").unwrap();
        assert!(it.clone().with_header("x-api-key", "k").is_ok());
        let error = it.with_header("x-api-key", "hid\nden").unwrap_err();
        assert!(!format!("{error:?} {error}").contains("hid"));
    }

    #[test]
    fn escapes_are_undone() {
        assert_eq!(unescaped("a%2fb%"), b"a/b%");
        assert_eq!(unescaped("%zz%e9"), b"%zz\xe9");
    }
}
