//! From the files that `[tls]` names to what the listener speaks with.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{InconsistentKeys, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use thiserror::Error;
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

use crate::tls_config::{ClientCertificates, TlsConfig};

/// The longest of the files, in bytes. A bundle of all public authorities has some 250,000.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// What a key file may not allow: anything to others than owner and group, and writing to the
/// group. The group may read: that is how Debian's `ssl-cert` and Kubernetes' `fsGroup` work.
const KEY_MODE_FORBIDDEN: u32 = 0o027;

/// The files' contents at one time.
pub(super) struct Files {
    certificate: Zeroizing<Vec<u8>>,
    key: Zeroizing<Vec<u8>>,
    client_ca: Zeroizing<Vec<u8>>,
}

/// What the listener speaks with.
pub(super) struct Material {
    /// Goes into each handshake.
    pub(super) server: Arc<ServerConfig>,
    /// When the node's certificate ends, in milliseconds since the epoch.
    pub(super) not_after_ms: u64,
}

/// Why certificates and keys cannot be used. No error holds a part of a key.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be opened or read.
    #[error("{key} = {} cannot be read", path.display())]
    Unreadable {
        /// The setting that names the file.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// A file is longer than any that makes sense.
    #[error("{key} = {} has more than {FILE_BYTES_MAX} bytes", path.display())]
    TooLong {
        /// The setting that names the file.
        key: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// Others may read the key, or change it.
    #[error(
        "tls.key = {} is open to others (mode {mode:04o}); chmod 600 {}, or 640 for a group",
        path.display(), path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// There is not what should be in a file.
    #[error("{key} = {} does not hold {wanted} in PEM form", path.display())]
    Missing {
        /// The setting that names the file.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What should be in it.
        wanted: &'static str,
    },
    /// The key belongs to another certificate.
    #[error(
        "tls.key = {} is not the key of tls.certificate = {}",
        key.display(), certificate.display()
    )]
    Mismatch {
        /// File of the certificate.
        certificate: PathBuf,
        /// File of the key.
        key: PathBuf,
    },
    /// The certificate is not valid now.
    #[error(
        "tls.certificate = {} is valid from {from} to {to} only, which is not now",
        path.display()
    )]
    NotValidNow {
        /// The file.
        path: PathBuf,
        /// Its first moment.
        from: String,
        /// Its last moment.
        to: String,
    },
    /// TLS cannot use them.
    #[error("{key} = {} cannot be used", path.display())]
    Unusable {
        /// The setting that names the file.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Files {
    /// Reads the files.
    pub(super) fn read(config: &TlsConfig) -> Result<Self, TlsError> {
        let client_ca = if config.client == ClientCertificates::None {
            Zeroizing::default()
        } else {
            read("tls.client_ca", &config.client_ca)?
        };
        Ok(Self {
            certificate: read("tls.certificate", &config.certificate)?,
            key: read("tls.key", &config.key)?,
            client_ca,
        })
    }

    /// Tells whether the files have changed.
    pub(super) fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        for bytes in [&self.certificate, &self.key, &self.client_ca] {
            digest.update((bytes.len() as u64).to_be_bytes());
            digest.update(bytes.as_slice());
        }
        digest.finalize().into()
    }

    /// Makes of them what the listener speaks with, at the time `now_ms`.
    pub(super) fn material(&self, config: &TlsConfig, now_ms: u64) -> Result<Material, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let path = &config.certificate;
        let chain = certificates("tls.certificate", path, &self.certificate)?;
        let not_after_ms = match chain.first() {
            Some(own) => check_time(path, own, now_ms)?,
            None => 0,
        };
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|_| TlsError::Missing {
            key: "tls.key",
            path: config.key.clone(),
            wanted: "a private key",
        })?;
        let unusable = |cause: rustls::Error| TlsError::Unusable {
            key: "tls.certificate",
            path: path.clone(),
            cause: cause.into(),
        };
        let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(unusable)?
            .with_client_cert_verifier(self.verifier(config, provider)?)
            .with_single_cert(chain, key)
            .map_err(|cause| match cause {
                rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                    TlsError::Mismatch {
                        certificate: path.clone(),
                        key: config.key.clone(),
                    }
                }
                cause => unusable(cause),
            })?;
        server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        if config.client != ClientCertificates::None {
            // A resumed session would not look at the client's certificate again.
            server.session_storage = Arc::new(NoServerSessionStorage {});
            server.send_tls13_tickets = 0;
        }
        Ok(Material {
            server: Arc::new(server),
            not_after_ms,
        })
    }

    fn verifier(
        &self,
        config: &TlsConfig,
        provider: Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
        if config.client == ClientCertificates::None {
            return Ok(WebPkiClientVerifier::no_client_auth());
        }
        let (key, path) = ("tls.client_ca", &config.client_ca);
        let unusable = |cause| TlsError::Unusable {
            key,
            path: path.clone(),
            cause,
        };
        let mut roots = RootCertStore::empty();
        for root in certificates(key, path, &self.client_ca)? {
            roots.add(root).map_err(|cause| unusable(cause.into()))?;
        }
        let mut verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        if config.client == ClientCertificates::Optional {
            verifier = verifier.allow_unauthenticated();
        }
        verifier.build().map_err(|cause| unusable(cause.into()))
    }
}

fn read(key: &'static str, path: &Path) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    let cannot = |cause| TlsError::Unreadable {
        key,
        path: path.to_owned(),
        cause,
    };
    let file = File::open(path).map_err(cannot)?;
    let facts = file.metadata().map_err(cannot)?;
    let mode = facts.permissions().mode() & 0o7777;
    if key == "tls.key" && mode & KEY_MODE_FORBIDDEN != 0 {
        let path = path.to_owned();
        return Err(TlsError::Exposed { path, mode });
    }
    // Room from the start, since a buffer that grows leaves copies behind.
    let room = facts.len().min(FILE_BYTES_MAX) + 1;
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(room).unwrap_or(0)));
    let read = file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes);
    if read.map_err(cannot)? as u64 > FILE_BYTES_MAX {
        let path = path.to_owned();
        return Err(TlsError::TooLong { key, path });
    }
    Ok(bytes)
}

fn certificates(
    key: &'static str,
    path: &Path,
    pem: &[u8],
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match read {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(TlsError::Missing {
            key,
            path: path.to_owned(),
            wanted: "a certificate",
        }),
    }
}

/// Refuses a certificate that is not valid at `now_ms`; gives the end of its time.
fn check_time(path: &Path, own: &CertificateDer<'_>, now_ms: u64) -> Result<u64, TlsError> {
    let (_, parsed) = X509Certificate::from_der(own).map_err(|cause| TlsError::Unusable {
        key: "tls.certificate",
        path: path.to_owned(),
        cause: cause.into(),
    })?;
    let validity = parsed.validity();
    let ms = |seconds: i64| u64::try_from(seconds).unwrap_or(0).saturating_mul(1000);
    let (from, to) = (
        ms(validity.not_before.timestamp()),
        ms(validity.not_after.timestamp()),
    );
    if now_ms < from || now_ms > to {
        return Err(TlsError::NotValidNow {
            path: path.to_owned(),
            from: validity.not_before.to_string(),
            to: validity.not_after.to_string(),
        });
    }
    Ok(to)
}
