//! What stands in front of both services: verbs, host guard, preflight, read-only mode, rate
//! limit, CORS, and the routes that every process answers (`/livez`, `/readyz`, `/version`,
//! `/ready-probe`).
//!
//! **Source:** `http-api.md` §1.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Version, header};
use serde_json::json;
use tower::ServiceExt;
use tracing::Instrument;

use crate::access::{Access, Caller, Need, Principal};
use crate::cors::{Cors, Surface};
use crate::error::{ApiError, empty, json, raw};
use crate::guard::{Guard, Way};
use crate::limits::{Allowance, Limits};
use crate::metrics::Refusal;
use crate::observer::Observer;
use crate::peer::Peer;
use crate::process::Needs;
use crate::proxies::TrustedProxies;
use crate::rate::RateLimiter;
use crate::read_only::{self, ReadOnly};

/// One part's answer to "can you serve?": `Err` says in words why not.
pub type Readiness = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// Everything in front of the services.
pub(crate) struct Front {
    /// Which origins may read answers.
    pub cors: Cors,
    /// What the listener refuses; `None` where the routes know their callers.
    pub guard: Option<Guard>,
    /// Who may speak for others.
    pub proxies: TrustedProxies,
    /// Where it is noted that one of these two refused somebody.
    pub access: Access,
    /// Who may do what; `None` where the routes know their callers, or take anyone.
    pub gate: Option<Gate>,
    /// `None` switches the limit and its headers off.
    pub rate: Option<RateLimiter>,
    /// Whether the node takes writes.
    pub read_only: ReadOnly,
    /// The parts of this process, by name.
    pub parts: Vec<(&'static str, Readiness)>,
    /// The services' routes.
    pub routes: Router,
    /// Which cross-origin headers a path gets.
    pub surface: fn(&str) -> Surface,
    /// What is seen of each request.
    pub observer: Observer,
    /// What the `Keep-Alive` header promises.
    pub keep_alive: Duration,
}

/// Who may do what, and what each request needs.
pub(crate) struct Gate {
    pub access: Access,
    /// Who may use how much.
    pub limits: Limits,
    /// What each part says of a request.
    pub needs: Vec<Needs>,
}

impl Gate {
    /// Lets a request through with its caller and what that one may use, or says why not. `is_own`
    /// tells that the front itself answers the path; such a request uses nothing.
    async fn admit<B>(
        &self,
        peer: &Peer,
        request: &mut Request<B>,
        is_own: bool,
    ) -> Result<Option<Allowance>, Box<Response>> {
        let refused = |error: ApiError| Box::new(error.into_response());
        let path = request.uri().path();
        let mut needs = self.needs.iter();
        let need = if is_own {
            Some(Need::Open)
        } else {
            needs.find_map(|needs| needs(request.method(), path))
        };
        // What anyone may ask is answered as ApiHub does: it looks at no credential there.
        let caller = if need == Some(Need::Open) {
            self.access.anonymous(peer.address.ip())
        } else {
            let caller = self.access.authenticate(peer, request.headers()).await;
            caller.map_err(refused)?
        };
        let need = need.ok_or_else(|| Box::new(empty(StatusCode::NOT_FOUND)))?;
        self.access.admit(&caller, need).map_err(refused)?;
        let domain = match need {
            Need::Of { domain, .. } => Some(domain),
            Need::Open | Need::PerItem { .. } => None,
        };
        let allowance = (!is_own).then(|| self.limits.allowance(&caller, domain));
        request.extensions_mut().insert(caller);
        Ok(allowance)
    }
}

impl Front {
    /// Answers one request.
    pub(crate) async fn answer(self: Arc<Self>, peer: Peer, request: Request<Body>) -> Response {
        let (seen, request) = self.observer.begin(request);
        let answering = self.answer_seen(peer, request);
        let answer = answering.instrument(seen.span().clone()).await;
        seen.answered(answer)
    }

    async fn answer_seen(&self, peer: Peer, request: Request<Body>) -> Response {
        let version = request.version();
        if !is_standard(request.method()) {
            let answer = empty(StatusCode::BAD_REQUEST);
            return closing(version, because(Refusal("unknown_method"), answer));
        }
        let closes = asks_to_close(&request);
        let mut answer = self.answer_open(peer, request).await;
        if version == Version::HTTP_11 && !closes {
            let promise = format!("timeout={}", self.keep_alive.as_secs());
            if let Ok(promise) = HeaderValue::from_str(&promise) {
                answer.headers_mut().insert("keep-alive", promise);
            }
        }
        answer
    }

    /// Lets a request through with the address of its client, or says why not.
    fn examine(&self, peer: &mut Peer, request: &Request<Body>) -> Result<(), ApiError> {
        let mut way = Way::Direct;
        if self.proxies.trust(peer.address.ip()) {
            way = Way::TrustedProxy;
            let client = self.proxies.client(peer.address.ip(), request.headers());
            let client = client.inspect_err(|_| self.note(peer, "refused.forwarded"))?;
            if client != peer.address.ip() {
                peer.address = SocketAddr::new(client, 0);
            }
        }
        let Some(guard) = &self.guard else {
            return Ok(());
        };
        guard
            .admit(way, request.version(), request.uri(), request.headers())
            .map_err(|(act, refusal)| {
                self.note(peer, act);
                refusal
            })
    }

    fn note(&self, peer: &Peer, act: &'static str) {
        self.access.note(act, "", peer.address.ip(), "");
    }

    async fn answer_open(&self, mut peer: Peer, request: Request<Body>) -> Response {
        let version = request.version();
        let headers = request.headers().clone();
        let path = request.uri().path().to_owned();
        if let Err(refusal) = self.examine(&mut peer, &request) {
            crate::body::discard(&headers, request.into_body()).await;
            let answer = because(Refusal("foreign_host_or_proxy"), refusal.into_response());
            return closing(version, answer);
        }
        if request.method() == Method::OPTIONS {
            let mut answer = empty(StatusCode::OK);
            self.cors
                .apply(Surface::Preflight, &headers, answer.headers_mut());
            return answer;
        }
        let may_write = read_only::may_write(request.method(), &path);
        // Held until there is an answer, so that a change of the mode can wait for it.
        let admitted = may_write.then(|| self.read_only.admit());
        if let Some(None) = admitted {
            crate::body::discard(&headers, request.into_body()).await;
            let mut answer = raw(StatusCode::METHOD_NOT_ALLOWED, "read only mode is active");
            self.cors
                .apply((self.surface)(""), &headers, answer.headers_mut());
            return answer;
        }
        let remaining = self
            .rate
            .as_ref()
            .map(|rate| rate.take(peer.address.ip(), Instant::now()));
        let mut answer = match remaining {
            Some(None) => {
                crate::body::discard(&headers, request.into_body()).await;
                empty(StatusCode::TOO_MANY_REQUESTS)
            }
            _ => {
                self.admitted(peer, &path, remaining.flatten(), request)
                    .await
            }
        };
        self.cors
            .apply((self.surface)(&path), &headers, answer.headers_mut());
        if let (Some(rate), Some(remaining)) = (&self.rate, remaining) {
            let headers = answer.headers_mut();
            headers.insert("x-ratelimit-limit", HeaderValue::from(rate.burst()));
            headers.insert(
                "x-ratelimit-remaining",
                HeaderValue::from(remaining.unwrap_or(0)),
            );
        }
        answer
    }

    /// Asks who calls and whether he may, before anything of the body is read.
    async fn admitted(
        &self,
        peer: Peer,
        path: &str,
        remaining: Option<u32>,
        mut request: Request<Body>,
    ) -> Response {
        let mut limits = None;
        if let Some(gate) = &self.gate {
            let is_own = OWN_PATHS.contains(&path.strip_suffix('/').unwrap_or(path));
            match gate.admit(&peer, &mut request, is_own).await {
                Err(refusal) => {
                    let (head, body) = request.into_parts();
                    crate::body::discard(&head.headers, body).await;
                    return *refusal;
                }
                Ok(allowance) => limits = allowance,
            }
        }
        let caller = request.extensions().get::<Caller>();
        let is_known = caller.is_some_and(|it| *it.principal() != Principal::Anonymous);
        let mut answer = match limits {
            Some(allowance) => self.limited(allowance, path, request).await,
            None => self.route(path, remaining, request).await,
        };
        if is_known {
            keep_private(answer.headers_mut());
        }
        answer
    }

    /// Keeps the request within what its caller may use.
    async fn limited(&self, allowance: Allowance, path: &str, request: Request<Body>) -> Response {
        let (mut head, body) = request.into_parts();
        let may_write = read_only::may_write(&head.method, path);
        let body = match allowance.admit(&head.headers, body) {
            Ok(body) => body,
            Err((refusal, body)) => {
                crate::body::discard(&head.headers, body).await;
                return refusal.into_response();
            }
        };
        head.extensions.insert(allowance.clone());
        let answer = self.route(path, None, Request::from_parts(head, body));
        let answer = answer.await;
        // What was stored is acknowledged, however much was read today.
        if may_write || !answer.status().is_success() {
            allowance.count_told(answer)
        } else {
            allowance.count_read(answer)
        }
    }

    async fn route(&self, path: &str, remaining: Option<u32>, request: Request<Body>) -> Response {
        match (request.method(), path.strip_suffix('/').unwrap_or(path)) {
            // A folder of the reference's static file server; it has no page here either.
            (&Method::GET, "") if path == "/" => empty(StatusCode::FORBIDDEN),
            (&Method::GET | &Method::HEAD, "/livez") => raw(StatusCode::OK, "ok"),
            (&Method::GET | &Method::HEAD, "/readyz") => self.readiness(),
            (&Method::GET | &Method::HEAD, "/version") => typed_json(
                StatusCode::OK,
                &json!({ "name": "kiln", "version": VERSION }),
            ),
            (&Method::GET, "/ready-probe") => match (&self.rate, remaining) {
                (Some(rate), Some(remaining)) => typed_json(
                    StatusCode::OK,
                    &json!({ "remainingTokens": remaining, "tokenLimit": rate.burst() }),
                ),
                _ => raw(StatusCode::OK, "Server ready"),
            },
            _ => match self.routes.clone().oneshot(request).await {
                Ok(answer) => answer,
                Err(never) => match never {},
            },
        }
    }

    /// 200 when every part can serve, else 503 with each part's reason.
    fn readiness(&self) -> Response {
        let mut ready = true;
        let mut parts = serde_json::Map::new();
        for (name, check) in &self.parts {
            let state = check();
            ready &= state.is_ok();
            parts.insert(
                (*name).to_owned(),
                json!(state.err().as_deref().unwrap_or("ok")),
            );
        }
        let status = if ready {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        };
        let read_only = self.read_only.is_active();
        typed_json(
            status,
            &json!({ "ready": ready, "readOnly": read_only, "parts": parts }),
        )
    }
}

/// What the front answers itself, without a last slash, to some methods.
const OWN_PATHS: [&str; 5] = ["", "/livez", "/readyz", "/version", "/ready-probe"];
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A JSON answer of our own routes, with its content type.
#[must_use]
pub fn typed_json(status: StatusCode, value: &serde_json::Value) -> Response {
    let mut answer = json(status, value);
    let kind = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    answer
}

fn is_standard(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET
            | Method::HEAD
            | Method::POST
            | Method::PUT
            | Method::DELETE
            | Method::CONNECT
            | Method::OPTIONS
            | Method::TRACE
            | Method::PATCH
    )
}

fn asks_to_close<B>(request: &Request<B>) -> bool {
    let connection = request.headers().get(header::CONNECTION);
    connection
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| {
            value
                .split(',')
                .any(|part| part.trim().eq_ignore_ascii_case("close"))
        })
}

/// What a caller is given for his credential is not for a cache that serves others as well.
fn keep_private(headers: &mut HeaderMap) {
    let told = headers.get(header::CACHE_CONTROL);
    let told = told.and_then(|it| it.to_str().ok()).unwrap_or_default();
    let is_kept = |word: &str| !word.is_empty() && !matches!(word, "public" | "private");
    let words = told.split(',').map(str::trim).filter(|word| is_kept(word));
    let words: Vec<_> = std::iter::once("private").chain(words).collect();
    if let Ok(value) = HeaderValue::from_str(&words.join(", ")) {
        headers.insert(header::CACHE_CONTROL, value);
    }
}

fn because(reason: Refusal, mut answer: Response) -> Response {
    answer.extensions_mut().insert(reason);
    answer
}

/// The answer, after which the connection ends. HTTP/2 has no such header: there only the stream
/// ends.
fn closing(version: Version, mut answer: Response) -> Response {
    if version <= Version::HTTP_11 {
        answer
            .headers_mut()
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}
