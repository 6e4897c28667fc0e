//! TLS of the listeners: the certificate in use, and its replacement while the node runs.
//!
//! The files are read every few seconds and on SIGHUP. What cannot be used (half written, of two
//! different pairs, expired) leaves the old pair in use and says so in the log and in [`TlsState`].
//! Connections that stand keep what they were made with.

mod client_certificate;
mod material;

use std::io;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::signal::unix::{SignalKind, signal};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::peer::ClientCertificate;
use crate::system::clock_ms;
use crate::tls_config::TlsConfig;
use material::Files;
pub use material::TlsError;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// A certificate that ends sooner is a warning in the log, in milliseconds: 14 days.
const ENDS_SOON_MS: u64 = 14 * 24 * 3600 * 1000;

/// The TLS side of a process. Cheap to clone; all clones see the same certificate.
#[derive(Clone)]
pub struct Tls(Arc<Shared>);

struct Shared {
    config: TlsConfig,
    current: RwLock<Current>,
}

struct Current {
    server: Arc<ServerConfig>,
    /// Of the files that were read last, whether or not they could be used.
    digest: [u8; 32],
    state: TlsState,
}

/// What is in use, and how the last change went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsState {
    /// When the certificate in use was loaded, in milliseconds since the epoch.
    pub loaded_ms: u64,
    /// When it ends, in milliseconds since the epoch.
    pub not_after_ms: u64,
    /// Why the files as they are now are not in use, and since when that is known.
    pub refused: Option<RefusedFiles>,
}

/// Files that are not in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedFiles {
    /// When this was found, in milliseconds since the epoch.
    pub found_ms: u64,
    /// Why, in words for the operator.
    pub reason: String,
}

impl Tls {
    /// Loads what `config` names; `None` when it names no certificate.
    ///
    /// # Errors
    /// [`TlsError`]
    pub fn open(config: &TlsConfig) -> Result<Option<Self>, TlsError> {
        if !config.is_on() {
            return Ok(None);
        }
        let files = Files::read(config)?;
        let now_ms = clock_ms();
        let material = files.material(config, now_ms)?;
        Ok(Some(Self(Arc::new(Shared {
            config: config.clone(),
            current: RwLock::new(Current {
                server: material.server,
                digest: files.digest(),
                state: TlsState {
                    loaded_ms: now_ms,
                    not_after_ms: material.not_after_ms,
                    refused: None,
                },
            }),
        }))))
    }

    /// What is in use, and how the last change went.
    #[must_use]
    pub fn state(&self) -> TlsState {
        let current = self.0.current.read();
        current
            .unwrap_or_else(PoisonError::into_inner)
            .state
            .clone()
    }

    /// Reads the files, and puts them to use if they have changed. Blocks on the disk.
    pub fn reload(&self) {
        let config = &self.0.config;
        let now_ms = clock_ms();
        let read = Files::read(config);
        let digest = read.as_ref().map_or([0; 32], Files::digest);
        let (unchanged, failing) = {
            let current = self.0.current.read();
            let current = current.unwrap_or_else(PoisonError::into_inner);
            (current.digest == digest, current.state.refused.is_some())
        };
        // Files that were refused may be good by now, if only their time had not come.
        if unchanged && !failing {
            return;
        }
        let material = read.and_then(|files| files.material(config, now_ms));
        let current = self.0.current.write();
        let mut current = current.unwrap_or_else(PoisonError::into_inner);
        current.digest = digest;
        match material {
            Ok(material) => {
                tracing::info!(
                    certificate = %config.certificate.display(),
                    "the TLS certificate was replaced; new connections use the new one"
                );
                current.server = material.server;
                current.state = TlsState {
                    loaded_ms: now_ms,
                    not_after_ms: material.not_after_ms,
                    refused: None,
                };
            }
            Err(error) => {
                let reason = format!("{:#}", anyhow::Error::from(error));
                let known = current.state.refused.as_ref();
                if known.is_none_or(|known| known.reason != reason) {
                    tracing::error!("the old TLS certificate stays in use: {reason}");
                    current.state.refused = Some(RefusedFiles {
                        found_ms: now_ms,
                        reason,
                    });
                }
            }
        }
    }

    /// Starts to look at the files every few seconds and on SIGHUP. Must be called within a
    /// runtime, and ends with it.
    ///
    /// # Errors
    /// When the signal cannot be listened for.
    pub(crate) fn watch(&self) -> io::Result<()> {
        self.warn_if_it_ends_soon();
        let mut hangup = signal(SignalKind::hangup())?;
        let tls = self.clone();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                    _ = hangup.recv() => {}
                }
                let tls = tls.clone();
                if tokio::task::spawn_blocking(move || tls.reload())
                    .await
                    .is_err()
                {
                    return;
                }
            }
        });
        Ok(())
    }

    /// The handshake with a client. The caller limits its time.
    pub(crate) async fn accept<S>(
        &self,
        stream: S,
    ) -> io::Result<(TlsStream<S>, Option<Arc<ClientCertificate>>)>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let server = {
            let current = self.0.current.read();
            Arc::clone(&current.unwrap_or_else(PoisonError::into_inner).server)
        };
        let stream = TlsAcceptor::from(server).accept(stream).await?;
        let shown = stream.get_ref().1.peer_certificates();
        let certificate = match shown.and_then(<[_]>::first) {
            Some(own) => Some(client_certificate::read(own).map_err(io::Error::other)?),
            None => None,
        };
        Ok((stream, certificate.map(Arc::new)))
    }

    fn warn_if_it_ends_soon(&self) {
        let left = self.state().not_after_ms.saturating_sub(clock_ms());
        if left < ENDS_SOON_MS {
            let days = left / (24 * 3600 * 1000);
            tracing::warn!(
                days,
                "the TLS certificate ends soon; put a new one in its place"
            );
        }
    }
}
