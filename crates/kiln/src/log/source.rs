//! Where a log is read from: a folder or a web address, with the same paths below it.
//!
//! Nothing that comes from here is believed; it is only bounded in size and time.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::header::HeaderValue;
use reqwest::{StatusCode, redirect};
use url::Url;

use crate::common::Common;
use crate::exit::{Exit, Failure};

/// Time for a connection, and longest pause within an answer.
const STALL_MAX: Duration = Duration::from_secs(15);
/// Attempts at one file; only failures that may pass are tried again.
const ATTEMPTS_MAX: u32 = 3;
/// Pause between two attempts.
const ATTEMPT_PAUSE: Duration = Duration::from_millis(300);

const LIKE_THIS: &str = "give it as in https://node.example/log/default";

/// Files under one prefix.
pub(super) enum Source {
    /// Files of a folder.
    Folder(PathBuf),
    /// Files below an address.
    Web(Web),
}

/// A web address with the client that asks it.
pub(super) struct Web {
    http: reqwest::Client,
    base: Url,
    /// For a log that only those may read who are known.
    api_key: Option<HeaderValue>,
}

impl Source {
    /// Reads what was given: an `http` or `https` address, else a folder.
    ///
    /// # Errors
    /// [`Exit::Usage`] for an address that is none, [`Exit::Local`] without such a folder.
    pub(super) fn of(given: &str, common: &Common) -> Result<Self, Failure> {
        if given.starts_with("http://") || given.starts_with("https://") {
            return Self::web(given, common);
        }
        Self::folder(Path::new(given))
    }

    /// The files of a folder.
    ///
    /// # Errors
    /// [`Exit::Local`] if there is none.
    pub(super) fn folder(path: &Path) -> Result<Self, Failure> {
        if path.is_dir() {
            return Ok(Self::Folder(path.to_owned()));
        }
        let message = format!("there is no folder {}", path.display());
        Err(Failure::new(Exit::Local, message).next("name the folder that holds `checkpoint`"))
    }

    /// The files below an address.
    ///
    /// # Errors
    /// [`Exit::Usage`] if it is no web address; it is not repeated, for it may hold a password. Those of
    /// the API key and of `--ca-file`.
    pub(super) fn web(given: &str, common: &Common) -> Result<Self, Failure> {
        let url = Url::parse(given).ok();
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let Some(mut base) = url else {
            return Err(
                Failure::new(Exit::Usage, "the address of the log is malformed").next(LIKE_THIS),
            );
        };
        base.set_query(None);
        base.set_fragment(None);
        let path = format!("{}/", base.path().trim_end_matches('/'));
        base.set_path(&path);
        let key = common.api_key_for(&base)?;
        let api_key = key.and_then(|key| HeaderValue::from_str(&key).ok());
        Ok(Self::Web(Web {
            http: http_client(common)?,
            base,
            api_key: api_key.map(secret),
        }))
    }

    /// The first `bytes_max + 1` bytes of a file, so that one that is too long shows; `None` if
    /// there is none.
    ///
    /// # Errors
    /// [`Exit::Unreachable`], [`Exit::Refused`] and [`Exit::Protocol`] from the web,
    /// [`Exit::Local`] from a folder.
    pub(super) async fn fetch(
        &self,
        path: &str,
        bytes_max: usize,
    ) -> Result<Option<Vec<u8>>, Failure> {
        match self {
            Self::Folder(folder) => read(&folder.join(path), bytes_max),
            Self::Web(web) => web.fetch(path, bytes_max).await,
        }
    }
}

impl Web {
    async fn fetch(&self, path: &str, bytes_max: usize) -> Result<Option<Vec<u8>>, Failure> {
        let mut attempt = 1;
        loop {
            let failure = match self.attempt(path, bytes_max).await {
                Ok(fetched) => return Ok(fetched),
                Err(failure) => failure,
            };
            let may_pass = matches!(failure.exit(), Exit::Unreachable | Exit::Refused);
            if attempt == ATTEMPTS_MAX || !may_pass {
                return Err(failure);
            }
            tokio::time::sleep(ATTEMPT_PAUSE * attempt).await;
            attempt += 1;
        }
    }

    async fn attempt(&self, path: &str, bytes_max: usize) -> Result<Option<Vec<u8>>, Failure> {
        let unreachable = |error: reqwest::Error| {
            // Without the address, which may hold a password.
            Failure::new(Exit::Unreachable, format!("{path} cannot be fetched"))
                .because(error.without_url())
                .next("check the address of the log and the network")
        };
        let url = self.base.join(path).map_err(|error| {
            Failure::new(Exit::Usage, "the address of the log is malformed")
                .because(error)
                .next(LIKE_THIS)
        })?;
        let mut request = self.http.get(url);
        if let Some(key) = &self.api_key {
            request = request.header("x-api-key", key);
        }
        let mut answer = request.send().await.map_err(unreachable)?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND | StatusCode::GONE => return Ok(None),
            // Most nodes keep them for the owners of the anchors.
            StatusCode::FORBIDDEN if path.starts_with("openings/") => return Ok(None),
            // A node says so of a domain that it does not serve, and of nothing else below /log.
            StatusCode::BAD_REQUEST => {
                return Err(Failure::new(
                    Exit::UnknownDomain,
                    "the node does not serve the domain of this log",
                )
                .next("check the last part of the address, which is the domain"));
            }
            status => return Err(refused(path, status)),
        }
        let mut bytes = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(unreachable)? {
            bytes.extend_from_slice(&piece);
            if bytes.len() > bytes_max {
                bytes.truncate(bytes_max.saturating_add(1));
                break;
            }
        }
        Ok(Some(bytes))
    }
}

fn refused(path: &str, status: StatusCode) -> Failure {
    let message = format!("the node answered {status} for {path}");
    let busy = matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    );
    if busy {
        return Failure::new(Exit::Refused, message).next("try again later");
    }
    if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        return Failure::new(Exit::WrongKey, message).next(
            "give the node's address as --node and an API key with --api-key-file or KILN_API_KEY",
        );
    }
    Failure::new(Exit::Protocol, message)
        .next("check that the address is that of a log, as in https://node.example/log/default")
}

fn secret(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(true);
    value
}

fn http_client(common: &Common) -> Result<reqwest::Client, Failure> {
    let authorities = common.certificates()?;
    // An error means that a provider is installed already: that one is used.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = || {
        reqwest::Client::builder()
            .user_agent(concat!("kiln/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .connect_timeout(STALL_MAX)
            .read_timeout(STALL_MAX)
    };
    // A machine without root certificates can still read a log without TLS, and those that the given
    // authorities vouch for.
    builder()
        .tls_certs_merge(authorities.clone())
        .build()
        .or_else(|_| builder().tls_certs_only(authorities).build())
        .map_err(|error| {
            Failure::new(Exit::Local, "the HTTP client cannot be set up")
                .because(error)
                .next("check the certificates of authorities: those of this machine and --ca-file")
        })
}

fn read(path: &Path, bytes_max: usize) -> Result<Option<Vec<u8>>, Failure> {
    use io::ErrorKind::{IsADirectory, NotADirectory, NotFound};
    let limit = u64::try_from(bytes_max)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes));
    match read {
        Ok(_) => Ok(Some(bytes)),
        Err(error) if matches!(error.kind(), NotFound | NotADirectory | IsADirectory) => Ok(None),
        Err(error) => Err(Failure::io(
            format!("{} cannot be read", path.display()),
            error,
        )),
    }
}
