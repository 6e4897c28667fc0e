//! The address of a node, which may hold secrets.

use std::fmt;
use std::sync::Arc;

use reqwest::Url;
use thiserror::Error;

/// Characters of a node's words that are repeated in errors.
const MESSAGE_CHARS_MAX: usize = 300;
/// A path shorter than this is a route such as `/rpc`, a longer one may be a key.
const KEY_CHARS_MIN: usize = 12;

/// The address of a node. Prints as scheme, host and port only: the rest may be secret.
#[derive(Clone)]
pub struct RpcUrl {
    url: Url,
    place: Arc<str>,
    /// Parts of it that must not be repeated.
    secrets: Vec<String>,
}

/// The text is no address of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
#[error("an RPC address is http:// or https:// with a host")]
pub struct RpcUrlError;

impl RpcUrl {
    /// Reads an address with `http` or `https`; credentials, path and query may be there.
    ///
    /// # Errors
    /// [`RpcUrlError`], which does not repeat the text.
    pub fn parse(text: &str) -> Result<Self, RpcUrlError> {
        let url = Url::parse(text.trim()).map_err(|_| RpcUrlError)?;
        let host = url.host_str().ok_or(RpcUrlError)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(RpcUrlError);
        }
        let port = url.port().map_or(String::new(), |port| format!(":{port}"));
        let place = format!("{}://{host}{port}", url.scheme()).into();
        let mut secrets: Vec<String> = url
            .path_segments()
            .into_iter()
            .flatten()
            .filter(|segment| segment.len() >= KEY_CHARS_MIN)
            .map(str::to_owned)
            .collect();
        let rest = [Some(url.username()), url.password(), url.query()];
        secrets.extend(rest.into_iter().flatten().map(str::to_owned));
        secrets.extend(url.query_pairs().map(|(_, value)| value.into_owned()));
        secrets.retain(|secret| !secret.is_empty());
        // The longest first: one may be a part of another.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Ok(Self {
            url,
            place,
            secrets,
        })
    }

    /// Scheme, host and port.
    pub(crate) fn place(&self) -> Arc<str> {
        Arc::clone(&self.place)
    }

    /// The whole address, to be used and not to be shown.
    pub(super) fn secret(&self) -> &Url {
        &self.url
    }

    /// Words of the node without the secrets of the address, without control characters, cut.
    pub(super) fn cleaned(&self, message: &str) -> String {
        let mut text = message.to_owned();
        for secret in &self.secrets {
            text = text.replace(secret.as_str(), "***");
        }
        text.chars()
            .filter(|character| !character.is_control())
            .take(MESSAGE_CHARS_MAX)
            .collect()
    }
}

impl fmt::Display for RpcUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place)
    }
}

impl fmt::Debug for RpcUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RpcUrl({})", self.place)
    }
}

impl std::str::FromStr for RpcUrl {
    type Err = RpcUrlError;

    fn from_str(text: &str) -> Result<Self, RpcUrlError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_scheme_host_and_port_are_shown() {
        let cases = [
            ("http://127.0.0.1:8545", "http://127.0.0.1:8545"),
            (
                "https://user:word@chain.example/v3/0123456789abcdef?k=v",
                "https://chain.example",
            ),
            ("http://[::1]:1/", "http://[::1]:1"),
        ];
        for (text, shown) in cases {
            let url = RpcUrl::parse(text).unwrap();
            assert_eq!(url.to_string(), shown);
            assert_eq!(format!("{url:?}"), format!("RpcUrl({shown})"));
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "127.0.0.1:8545",
            "ftp://h/",
            "file:///etc",
            "http://",
            "ws://h",
        ] {
            assert!(RpcUrl::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn words_of_the_node_lose_the_secrets() {
        let url = RpcUrl::parse("https://u5er:w0rd@h/v3/0123456789abcdef?key=s3cret").unwrap();
        let said = "v3/0123456789abcdef: w0rd of u5er\nwith s3cret refused";
        assert_eq!(url.cleaned(said), "v3/***: *** of ***with *** refused");
        assert_eq!(url.cleaned(&"x".repeat(1000)).len(), MESSAGE_CHARS_MAX);
    }
}
