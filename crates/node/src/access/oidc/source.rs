//! Where the keys of an issuer come from, and how long they are believed.
//!
//! Keys are kept for a while, then fetched again while the old ones go on; when they cannot be
//! fetched, they go on for a bounded time. A token with a key that is not known makes the node ask
//! again, but never more often than every [`PAUSE`], whatever tokens arrive.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use reqwest::{Client, Response, Url, redirect};
use serde::Deserialize;
use thiserror::Error;

use super::keys::{Keys, Wanted};
use crate::oidc_config::{OidcConfig, is_loopback, is_safe};

/// Shortest time between two questions to an issuer.
const PAUSE: Duration = Duration::from_secs(5);
/// Longest time for one answer of an issuer.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(4);
/// Longest answer of an issuer, in bytes.
const ANSWER_BYTES_MAX: usize = 256 << 10;

/// The keys of one issuer.
pub(super) struct KeySource {
    issuer: String,
    jwks_uri: String,
    fresh: Duration,
    usable: Duration,
    http: Client,
    /// Whoever holds it asks the issuer; the others wait for what comes of it.
    asking: tokio::sync::Mutex<()>,
    cache: Mutex<Cache>,
}

#[derive(Default)]
struct Cache {
    keys: Option<(Arc<Keys>, Instant)>,
    /// When the issuer was last asked, with or without success.
    asked: Option<Instant>,
    failure: Option<Arc<FetchFailure>>,
}

/// The keys of an issuer cannot be had.
#[derive(Clone, Debug, Error)]
#[error(transparent)]
pub struct KeyFetchError(Arc<FetchFailure>);

#[derive(Debug, Error)]
enum FetchFailure {
    #[error("{url} cannot be reached")]
    Unreachable {
        url: String,
        #[source]
        cause: reqwest::Error,
    },
    #[error("{url} answers with {status}")]
    Status { url: String, status: u16 },
    #[error("{url} answers with more than {ANSWER_BYTES_MAX} bytes")]
    TooLong { url: String },
    #[error("{url} does not answer with {wanted}")]
    Content { url: String, wanted: &'static str },
    #[error("{url} describes the issuer {found:?} and not the configured one")]
    OtherIssuer { url: String, found: String },
    #[error("{url} names the address {found:?} for its keys, which is not safe")]
    UnsafeAddress { url: String, found: String },
    #[error("its keys were not fetched yet")]
    NotYet,
    #[error("its keys were fetched a moment ago, and the token's was not among them")]
    JustAsked,
}

impl KeySource {
    pub(super) fn new(config: &OidcConfig) -> Result<Self, reqwest::Error> {
        // An error means that the program has chosen a provider itself: that one is used.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let here = Url::parse(&config.issuer).is_ok_and(|url| is_loopback(&url));
        let builder = || {
            let builder = Client::builder()
                .user_agent(concat!("kiln/", env!("CARGO_PKG_VERSION")))
                .redirect(redirect::Policy::none())
                .referer(false)
                .timeout(ANSWER_TIME_MAX)
                .pool_max_idle_per_host(1);
            // A proxy of the operator's leads out, not to this machine.
            if here { builder.no_proxy() } else { builder }
        };
        // Without any root certificates, issuers on loopback still work.
        let http = builder()
            .build()
            .or_else(|_| builder().tls_certs_only([]).build())?;
        Ok(Self {
            issuer: config.issuer.clone(),
            jwks_uri: config.jwks_uri.clone(),
            fresh: Duration::from_secs(config.keys_fresh_s),
            usable: Duration::from_secs(config.keys_usable_s),
            http,
            asking: tokio::sync::Mutex::default(),
            cache: Mutex::default(),
        })
    }

    /// The issuer's keys. Without one that fits only if the issuer said so after the question came:
    /// keys of before tell nothing of a new one.
    ///
    /// # Errors
    /// When there are none that are young enough, and none can be fetched.
    pub(super) async fn keys(
        self: &Arc<Self>,
        wanted: &Wanted,
    ) -> Result<Arc<Keys>, KeyFetchError> {
        let known = self.usable_keys();
        if let Some((keys, fetched)) = known.filter(|(keys, _)| !keys.fitting(wanted).is_empty()) {
            if fetched.elapsed() > self.fresh && self.may_ask(Instant::now()) {
                drop(tokio::spawn(Arc::clone(self).ask()));
            }
            return Ok(keys);
        }
        let came = Instant::now();
        if self.may_ask(Instant::now()) || self.asking.try_lock().is_err() {
            // In a task of its own: clients that hang up must not keep keys from arriving.
            drop(tokio::spawn(Arc::clone(self).ask()).await);
        }
        let known = self.usable_keys();
        let is_known = known.is_some();
        let tell = |keys: &Keys, fetched| fetched >= came || !keys.fitting(wanted).is_empty();
        if let Some((keys, _)) = known.filter(|(keys, fetched)| tell(keys, *fetched)) {
            return Ok(keys);
        }
        let none = if is_known {
            FetchFailure::JustAsked
        } else {
            FetchFailure::NotYet
        };
        let failure = self.cache().failure.clone();
        Err(KeyFetchError(failure.unwrap_or_else(|| Arc::new(none))))
    }

    /// The keys that are there, with the time at which they came, if they may still be used.
    fn usable_keys(&self) -> Option<(Arc<Keys>, Instant)> {
        let known = self.cache().keys.clone();
        known.filter(|(_, fetched)| fetched.elapsed() <= self.usable)
    }

    fn may_ask(&self, now: Instant) -> bool {
        let asked = self.cache().asked;
        asked.is_none_or(|asked| now.saturating_duration_since(asked) >= PAUSE)
    }

    /// Asks the issuer, unless that was done a moment ago.
    async fn ask(self: Arc<Self>) {
        let _one = self.asking.lock().await;
        if !self.may_ask(Instant::now()) {
            return;
        }
        self.cache().asked = Some(Instant::now());
        let fetched = self.fetch().await;
        let mut cache = self.cache();
        match fetched {
            Ok(keys) => {
                cache.keys = Some((Arc::new(keys), Instant::now()));
                cache.failure = None;
            }
            Err(failure) => {
                let issuer = &self.issuer;
                let failure = Arc::new(failure);
                let cause = anyhow::Error::from(KeyFetchError(Arc::clone(&failure)));
                tracing::warn!(issuer, "the keys of an issuer cannot be fetched: {cause:#}");
                cache.failure = Some(failure);
            }
        }
    }

    async fn fetch(&self) -> Result<Keys, FetchFailure> {
        let uri = match self.jwks_uri.as_str() {
            "" => self.discover().await?,
            configured => configured.to_owned(),
        };
        let set = self.get(&uri).await?;
        Keys::parse(&set).ok_or(FetchFailure::Content {
            url: uri,
            wanted: "a set of keys (JWKS)",
        })
    }

    /// Where the issuer says that its keys are (OpenID Connect Discovery §4).
    async fn discover(&self) -> Result<String, FetchFailure> {
        #[derive(Deserialize)]
        struct Described {
            issuer: String,
            jwks_uri: String,
        }
        let base = self.issuer.trim_end_matches('/');
        let url = format!("{base}/.well-known/openid-configuration");
        let text = self.get(&url).await?;
        let Ok(described) = serde_json::from_slice::<Described>(&text) else {
            let wanted = "an OpenID configuration";
            return Err(FetchFailure::Content { url, wanted });
        };
        if described.issuer != self.issuer {
            let found = described.issuer;
            return Err(FetchFailure::OtherIssuer { url, found });
        }
        if !is_safe(&described.jwks_uri) {
            let found = described.jwks_uri;
            return Err(FetchFailure::UnsafeAddress { url, found });
        }
        Ok(described.jwks_uri)
    }

    async fn get(&self, url: &str) -> Result<Vec<u8>, FetchFailure> {
        let unreachable = |cause: reqwest::Error| FetchFailure::Unreachable {
            url: url.to_owned(),
            cause: cause.without_url(),
        };
        let answer = self.http.get(url).send().await.map_err(unreachable)?;
        if !answer.status().is_success() {
            return Err(FetchFailure::Status {
                url: url.to_owned(),
                status: answer.status().as_u16(),
            });
        }
        let body = read(answer).await.map_err(unreachable)?;
        body.ok_or_else(|| FetchFailure::TooLong {
            url: url.to_owned(),
        })
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The body of an answer; `None` when it is too long.
async fn read(mut answer: Response) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await? {
        if body.len() + piece.len() > ANSWER_BYTES_MAX {
            return Ok(None);
        }
        body.extend_from_slice(&piece);
    }
    Ok(Some(body))
}

#[cfg(test)]
mod tests;
