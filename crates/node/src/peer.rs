//! Who is at the other end of a connection.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

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
}

/// SHA-256 of a certificate. Shown as 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
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
