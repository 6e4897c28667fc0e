//! The requests that an adapter knows, each answered in bounded time and size.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use keyssi::{AnchorId, AnchorValue};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client as Http, Method, Request, Url, redirect};
use serde_json::json;
use tokio::time::{Instant, timeout};

use super::answer::{parse_history, parse_last};
use super::trace;
use super::write::Open;
use super::{AdapterKind, AdapterOptions};
use crate::contract::Entry;
use crate::history::History;
use crate::judge::Route;

/// Longest history: some 70,000 versions. The contract's anchors end at a few hundred.
const HISTORY_BYTES_MAX: usize = 16 << 20;
/// Longest other answer.
const ANSWER_BYTES_MAX: usize = 16 << 10;
/// Express closes idle connections after five seconds; a request on one that is just being closed
/// fails.
const POOL_IDLE: Duration = Duration::from_secs(4);
/// Longest wait for a connection.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
/// How long a failure says that the adapter is not ready.
const FAILURE_FRESH: Duration = Duration::from_secs(10);
/// Where a Kiln that serves these routes says what its ledger said; see `ledger.md` §1.6.
const LEDGER_STATUS: &str = "x-anchoring-status";

/// Why an adapter did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdapterError {
    /// The address or the token cannot be used.
    #[error("the adapter cannot be used: {reason}")]
    Setup {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Too many writes are under way, or one to the same anchor takes too long.
    #[error("other writes to the adapter are not done")]
    Busy,
    /// There was no answer, or only a part of one.
    #[error("the adapter cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    /// The whole answer did not come in time.
    #[error("the adapter did not answer in time")]
    TooSlow,
    /// It answered with another status than 200.
    #[error("the adapter answered with status {status}{}", of_ledger(*ledger_status))]
    Status {
        /// The HTTP status.
        status: u16,
        /// The contract's status (`ledger.md` §2.1), which only a Kiln gives.
        ledger_status: Option<u16>,
    },
    /// Its answer makes no sense.
    #[error("the adapter's answer is not {expected}")]
    Nonsense {
        /// What it should have been.
        expected: &'static str,
    },
    /// Its answer is too long.
    #[error("the adapter's answer is longer than {bytes_max} bytes")]
    TooLong {
        /// What would have been taken.
        bytes_max: usize,
    },
}

fn of_ledger(status: Option<u16>) -> String {
    status.map_or_else(String::new, |status| format!(", its ledger with {status}"))
}

impl AdapterError {
    /// Whether the same request may fare better later.
    pub(super) const fn may_pass(&self) -> bool {
        match self {
            Self::Busy | Self::Unreachable(_) | Self::TooSlow => true,
            Self::Status { status, .. } => matches!(status, 408 | 425 | 428 | 429 | 500..),
            Self::Setup { .. } | Self::Nonsense { .. } | Self::TooLong { .. } => false,
        }
    }

    /// Whether it is what an adapter answers when its contract refuses an entry. It may answer the
    /// same when its chain is down.
    pub(crate) const fn is_refusal(&self) -> bool {
        matches!(self, Self::Status { status: 428, .. })
    }
}

/// The adapter as it is seen from here.
pub(super) struct Peer {
    http: Http,
    base: Url,
    kind: AdapterKind,
    token: Option<HeaderValue>,
    /// When the last request failed, if it did.
    failed: Mutex<Option<Instant>>,
}

impl Peer {
    pub(super) fn new(
        url: &str,
        kind: AdapterKind,
        options: &AdapterOptions,
    ) -> Result<Self, AdapterError> {
        let setup = |reason| AdapterError::Setup { reason };
        let base = Url::parse(url).map_err(|_| setup("its address is no URL"))?;
        if !matches!(base.scheme(), "http" | "https") || base.cannot_be_a_base() {
            return Err(setup("its address is not one of http or https"));
        }
        if base.query().is_some() || base.fragment().is_some() || !base.username().is_empty() {
            return Err(setup("its address has more than a host, a port and a path"));
        }
        let bearer = |token: &str| {
            let mut value = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
            value.set_sensitive(true);
            Some(value)
        };
        let token = match &options.token {
            None => None,
            Some(token) => Some(bearer(token).ok_or(setup("its token is not printable"))?),
        };
        Ok(Self {
            http: http_client().map_err(|_| setup("the HTTP client cannot be set up"))?,
            base,
            kind,
            token,
            failed: Mutex::default(),
        })
    }

    /// Sends entries, one over its own route, several at once. `Ok` when the adapter says that they
    /// stand on its ledger.
    pub(super) async fn send(&self, open: &[Open], time: Duration) -> Result<(), AdapterError> {
        let body = match open {
            [one] => {
                let action = match one.route {
                    Route::Create => "createAnchor",
                    Route::Append => "appendAnchor",
                };
                let path = [action, one.entry.id.as_str(), one.entry.value.as_str()];
                let request = self.request(Method::PUT, &path);
                self.ask(request, time, ANSWER_BYTES_MAX).await?
            }
            several => {
                let entries = several.iter().map(|it| &it.entry);
                let path = ["createOrAppendMultipleAnchors"];
                let mut request = self.request(Method::PUT, &path);
                let kind = HeaderValue::from_static("application/json");
                request.headers_mut().insert(CONTENT_TYPE, kind);
                *request.body_mut() = Some(batch_body(entries).into());
                self.ask(request, time, ANSWER_BYTES_MAX).await?
            }
        };
        let is_expected = match self.kind {
            AdapterKind::Eth => is_transaction_hash(&body),
            AdapterKind::Hf => body.is_empty(),
        };
        if is_expected {
            return Ok(());
        }
        Err(AdapterError::Nonsense {
            expected: "what it says when an entry is stored",
        })
    }

    /// All values of an anchor.
    pub(super) async fn history(
        &self,
        id: &AnchorId,
        time: Duration,
    ) -> Result<History, AdapterError> {
        let request = self.request(Method::GET, &["getAllVersions", id.as_str()]);
        let body = self.ask(request, time, HISTORY_BYTES_MAX).await?;
        // Thousands of values take a while.
        let parsed = tokio::task::spawn_blocking(move || parse_history(&body));
        parsed.await.map_err(|_| AdapterError::Busy)?
    }

    /// The last value of an anchor.
    pub(super) async fn last(
        &self,
        id: &AnchorId,
        time: Duration,
    ) -> Result<Option<AnchorValue>, AdapterError> {
        let request = self.request(Method::GET, &["getLastVersion", id.as_str()]);
        parse_last(&self.ask(request, time, ANSWER_BYTES_MAX).await?)
    }

    /// Number of anchors.
    pub(super) async fn total(&self, time: Duration) -> Result<u64, AdapterError> {
        let request = self.request(Method::GET, &["totalNumberOfAnchors"]);
        let body = self.ask(request, time, ANSWER_BYTES_MAX).await?;
        let digits = body.iter().all(u8::is_ascii_digit);
        let text = std::str::from_utf8(&body).ok().filter(|_| digits);
        text.and_then(|text| text.parse().ok())
            .ok_or(AdapterError::Nonsense {
                expected: "a number",
            })
    }

    /// Whether requests have gone well of late. Asks nothing.
    pub(super) fn readiness(&self) -> Result<(), &'static str> {
        let failed = *self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        match failed {
            Some(when) if when.elapsed() < FAILURE_FRESH => Err("the adapter does not answer"),
            _ => Ok(()),
        }
    }

    fn request(&self, method: Method, path: &[&str]) -> Request {
        let mut url = self.base.clone();
        // `new` has made sure that it has a path.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        let mut request = Request::new(method, url);
        if let Some(token) = &self.token {
            request.headers_mut().insert(AUTHORIZATION, token.clone());
        }
        trace::add_to(request.headers_mut());
        request
    }

    /// The body of an answer with status 200.
    async fn ask(
        &self,
        request: Request,
        time: Duration,
        bytes_max: usize,
    ) -> Result<Vec<u8>, AdapterError> {
        let answer = timeout(time, self.exchange(request, bytes_max)).await;
        let answer = answer.unwrap_or(Err(AdapterError::TooSlow));
        let is_down = match &answer {
            Err(AdapterError::Status { status, .. }) => *status >= 500,
            Err(_) => true,
            Ok(_) => false,
        };
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        *failed = is_down.then(Instant::now);
        answer
    }

    async fn exchange(&self, request: Request, bytes_max: usize) -> Result<Vec<u8>, AdapterError> {
        let unreachable = |error: reqwest::Error| AdapterError::Unreachable(error.without_url());
        let mut answer = self.http.execute(request).await.map_err(unreachable)?;
        let status = answer.status().as_u16();
        if status != 200 {
            // The body is not read: it says nothing that could be relied on.
            let told = answer.headers().get(LEDGER_STATUS);
            let told = told.and_then(|value| value.to_str().ok()?.parse().ok());
            return Err(AdapterError::Status {
                status,
                ledger_status: told,
            });
        }
        let mut body = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(unreachable)? {
            if body.len() + piece.len() > bytes_max {
                return Err(AdapterError::TooLong { bytes_max });
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }
}

/// The body of a request for several entries.
pub(super) fn batch_body<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Vec<u8> {
    let item = |entry: &Entry| json!({ "anchorId": entry.id.as_str(), "anchorValue": entry.value.as_str() });
    let items: Vec<_> = entries.into_iter().map(item).collect();
    json!(items).to_string().into_bytes()
}

fn http_client() -> Result<Http, reqwest::Error> {
    // An error means that the program has chosen a provider itself: that one is used.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = || {
        Http::builder()
            .user_agent(concat!("kiln/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .connect_timeout(CONNECT_TIME_MAX)
            .pool_idle_timeout(POOL_IDLE)
    };
    // A machine without any root certificates can still speak plain HTTP.
    builder()
        .build()
        .or_else(|_| builder().tls_certs_only([]).build())
}

/// `0x` and 64 hexadecimal digits.
fn is_transaction_hash(body: &[u8]) -> bool {
    let digits = body.strip_prefix(b"0x");
    digits.is_some_and(|it| it.len() == 64 && it.iter().all(u8::is_ascii_hexdigit))
}
