//! A blocking client that speaks HTTP/1.1 over TLS.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::authority::{Authority, Leaf};

/// Longest wait for something that must come.
pub(crate) const WAIT: Duration = Duration::from_mins(1);

/// A client that trusts one authority.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) config: Arc<ClientConfig>,
}

/// A connection on which several requests may follow.
pub(crate) struct Connection(StreamOwned<ClientConnection, TcpStream>);

impl Client {
    /// A client without a certificate.
    pub(crate) fn new(trusted: &Authority) -> Result<Self> {
        Self::with(trusted, rustls::ALL_VERSIONS, None)
    }

    /// A client that shows a certificate.
    pub(crate) fn showing(trusted: &Authority, own: &Leaf) -> Result<Self> {
        Self::with(trusted, rustls::ALL_VERSIONS, Some(own))
    }

    pub(crate) fn with(
        trusted: &Authority,
        versions: &[&'static SupportedProtocolVersion],
        own: Option<&Leaf>,
    ) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(trusted.der.clone())?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)?
            .with_root_certificates(roots);
        let config = match own {
            None => builder.with_no_client_auth(),
            Some(own) => {
                let key = PrivateKeyDer::try_from(own.key.serialize_der());
                let key = key.map_err(anyhow::Error::msg)?;
                builder.with_client_auth_cert(vec![own.der.clone()], key)?
            }
        };
        Ok(Self {
            config: Arc::new(config),
        })
    }

    /// Connects and shakes hands.
    pub(crate) fn connect(&self, node: SocketAddr) -> Result<Connection> {
        let stream = TcpStream::connect(node)?;
        stream.set_read_timeout(Some(WAIT))?;
        let session = ClientConnection::new(Arc::clone(&self.config), node.ip().into())?;
        let mut connection = StreamOwned::new(session, stream);
        while connection.conn.is_handshaking() {
            connection.conn.complete_io(&mut connection.sock)?;
        }
        Ok(Connection(connection))
    }

    /// The status and body of a `GET` on a connection of its own.
    pub(crate) fn get(&self, node: SocketAddr, target: &str) -> Result<(u16, String)> {
        self.connect(node)?.get(target)
    }
}

impl Connection {
    /// The status and body of a `GET`.
    pub(crate) fn get(&mut self, target: &str) -> Result<(u16, String)> {
        self.send(&format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"))?;
        self.read()
    }

    pub(crate) fn send(&mut self, text: &str) -> Result<()> {
        Ok(self.0.write_all(text.as_bytes())?)
    }

    /// The status and body of the next answer, which tells its length.
    pub(crate) fn read(&mut self) -> Result<(u16, String)> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8(head)?;
        let status = head.split(' ').nth(1).context("no status")?.parse()?;
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let is_length = name.eq_ignore_ascii_case("content-length");
            is_length.then(|| value.trim().parse::<usize>().ok())?
        });
        let mut body = vec![0; length.unwrap_or(0)];
        self.0.read_exact(&mut body)?;
        ensure!(head.starts_with("HTTP/1.1 "), "{head}");
        Ok((status, String::from_utf8(body)?))
    }

    /// The certificate that the node showed.
    pub(crate) fn node_certificate(&self) -> Result<CertificateDer<'static>> {
        let shown = self.0.conn.peer_certificates();
        let own = shown.and_then(<[_]>::first).context("no certificate")?;
        Ok(own.clone().into_owned())
    }

    pub(crate) fn protocol(&self) -> Option<rustls::ProtocolVersion> {
        self.0.conn.protocol_version()
    }
}
