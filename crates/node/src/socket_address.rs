//! Addresses to listen on, as operators write them.

use std::net::SocketAddr;

use serde::{Deserialize, Deserializer};

/// Reads an address and its port. Names are not looked up: a listener is to be where it was put, and
/// not where a name leads by now.
///
/// # Errors
/// What is allowed.
pub(crate) fn parse(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "this is no socket address; give an IP address and a port, such as 127.0.0.1:8080, with the \
         address in brackets where it is one of IPv6"
            .to_owned()
    })
}

/// The same of a value of the configuration.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(from)?;
    parse(&text).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_writes_something_else_is_told_what_is_allowed() {
        for good in ["127.0.0.1:8080", "0.0.0.0:0", "[::1]:8080"] {
            assert_eq!(parse(good).unwrap().to_string(), good);
        }
        for wrong in [
            "",
            "localhost:8080",
            "127.0.0.1",
            "8080",
            ":8080",
            "::1:8080",
            "127.0.0.1:65536",
            "http://127.0.0.1:8080",
        ] {
            let said = parse(wrong).unwrap_err();
            assert!(said.contains("such as 127.0.0.1:8080"), "{wrong}: {said}");
        }
    }
}
