//! Who is at the other end of a connection.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The other end of a connection, as each of its requests sees it.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Where requests come from: the other end, or the client that a trusted proxy names (its port
    /// is then 0).
    pub address: SocketAddr,
    /// The certificate that the client proved to own; `None` without one and without TLS.
    pub certificate: Option<Arc<ClientCertificate>>,
    /// Whether the connection speaks TLS.
    pub encrypted: bool,
}

impl Peer {
    /// The other end of a connection in clear text.
    #[must_use]
    pub fn plain(address: SocketAddr) -> Self {
        Self {
            address,
            certificate: None,
            encrypted: false,
        }
    }
}

/// What a client's certificate says. It was verified against the configured authorities, and the
/// client holds its private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// SHA-256 of the certificate (DER).
    pub fingerprint: Fingerprint,
    /// The subject's name as X.509 tools print it, for example `CN=lab-7, O=Hospital`.
    pub subject: String,
    /// The subject's alternative names, each with its kind: `dns:…`, `uri:…`, `email:…`, `ip:…`.
    pub names: Vec<String>,
    /// When it ends, in milliseconds since the epoch. Connections may last longer.
    pub not_after_ms: u64,
}

/// SHA-256 of a certificate. Shown as 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint(pub [u8; 32]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    /// 64 hex digits in any case, with or without colons between them, as `openssl` prints them.
    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let digits: Option<Vec<u8>> = text
            .chars()
            .filter(|character| *character != ':')
            .map(|digit| u8::try_from(digit.to_digit(16)?).ok())
            .collect();
        let digits = digits.ok_or(FingerprintError)?;
        let bytes: Vec<u8> = digits
            .chunks(2)
            .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit))
            .collect();
        let bytes = (digits.len() == 64).then(|| bytes.try_into().ok());
        bytes.flatten().map(Self).ok_or(FingerprintError)
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = FingerprintError;

    fn try_from(text: String) -> Result<Self, FingerprintError> {
        text.parse()
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.to_string()
    }
}

/// The text is no fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a fingerprint has 64 hex digits (SHA-256), with or without colons")]
pub struct FingerprintError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_as_tools_print_them() {
        let plain = "00ff".repeat(16);
        let print: Fingerprint = plain.parse().unwrap();
        assert_eq!(print.to_string(), plain);
        let colons = ["00:FF"; 16].join(":");
        assert_eq!(colons.parse(), Ok(print));
        for bad in [
            "",
            "00",
            &plain[1..],
            &format!("{plain}00"),
            &plain.replace('f', "g"),
        ] {
            assert_eq!(bad.parse::<Fingerprint>(), Err(FingerprintError), "{bad}");
        }
    }
}
