//! The admin listener: what an operator does with a running node, as JSON over HTTP under
//! `/admin/v1/`, and the page that shows it. It is apart from the node's listener, on loopback unless
//! told, and every request but those for the files of the page needs a credential.
//!
//! **Source:** `docs/admin.md`.

mod address;
mod admission;
mod audit;
mod domains;
mod keys;
mod modes;
mod operation;
mod page;
mod quotas;
mod scrub;
mod status;
mod token;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Request, StatusCode, header};
use serde::de::DeserializeOwned;
use tokio::net::TcpListener;
use tower::ServiceExt;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument;

use self::address::AddressFile;
use self::admission::Admission;
use self::token::AdminToken;
use crate::body::BodyLimits;
use crate::budget::BodyBudget;
use crate::config::Config;
use crate::config_origin::Origins;
use crate::control::{Control, ControlError, Event};
use crate::domains::Domains;
use crate::error::{ApiError, message};
use crate::front::{Front, Readiness};
use crate::guard::Guard;
use crate::limits::{Limits, StoredOf};
use crate::limits_config::LimitsConfig;
use crate::listener;
use crate::metrics::{self, ConnectionMetrics};
use crate::observability_config::MetricsListen;
use crate::observer::Observer;
use crate::peer::Peer;
use crate::process::{OpenDomain, Part, answer_panic};
use crate::read_only::ReadOnly;
use crate::setup::{Logs, Setup};

pub use address::admin_addresses;
pub(crate) use modes::restore as restore_read_only;
pub use scrub::{ScrubSwitch, scrub_routes};

/// The longest body of a request, in bytes: the settings of one domain are some hundred.
const BODY_BYTES_MAX: u64 = 64 << 10;
/// Body bytes held at a time; apart from the node's, so that a busy node can be administered.
const BODY_BYTES_IN_FLIGHT_MAX: u64 = 1 << 20;
/// Connections at a time: a few operators with a browser each.
const CONNECTIONS_MAX: usize = 64;

/// The body of a request as what a route takes.
///
/// # Errors
/// 400 with what is wrong, and where.
pub fn parse_request<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| {
        ApiError::bad_request(format!("the body is not what this route takes: {error}"))
    })
}

/// Records an act that changes nothing in `control.db`; it is on disk when this returns.
///
/// # Errors
/// What the caller is told when it cannot be recorded.
pub async fn record_act(control: &Control, event: Event) -> Result<(), ApiError> {
    let control = control.clone();
    blocking(move || control.record(&event))
        .await?
        .map_err(control_error)
}

/// Carries out a change to its end, also when the caller hangs up meanwhile.
async fn detached(
    change: impl Future<Output = Result<Response, ApiError>> + Send + 'static,
) -> Result<Response, ApiError> {
    let done = tokio::spawn(change).await;
    done.map_err(|error| ApiError::unavailable("the change was cut off", 1).because(error))?
}

/// Runs what waits for the disk.
async fn blocking<T: Send + 'static>(
    act: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiError> {
    let done = tokio::task::spawn_blocking(act).await;
    done.map_err(|error| ApiError::unavailable("the node is ending", 5).because(error))
}

/// What a caller is told when `control.db` refuses a change. Nothing is changed then.
fn control_error(error: ControlError) -> ApiError {
    match error {
        ControlError::OutOfSpace => ApiError::out_of_space(),
        ControlError::Absent(_) => ApiError::new(StatusCode::NOT_FOUND, error.to_string()),
        ControlError::Invalid(_) => ApiError::bad_request(error.to_string()),
        error => ApiError::unavailable("the change cannot be stored; the node's log says why", 5)
            .because(error),
    }
}

/// What a caller is told of settings that have no text.
fn unshowable(error: toml::ser::Error) -> ApiError {
    let text = "the settings cannot be shown as text";
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, text).because(error)
}

/// What the node's own routes know.
struct NodeState {
    read_only: ReadOnly,
    parts: Vec<(&'static str, Readiness)>,
    started: Instant,
    /// Where clients reach the node.
    address: SocketAddr,
    config: Arc<Config>,
    control: Control,
    domains: Domains,
    limits: Limits,
    /// Where each value of the configuration was read from.
    origins: Origins,
    /// Whether the domains are those of an `ApiHub`.
    is_apihub: bool,
    /// Whether the process keeps logs.
    logs: Logs,
    /// What makes each part ready to serve a further domain.
    open_domain: Vec<OpenDomain>,
    /// What counts what is stored of a domain.
    stored: Vec<StoredOf>,
    /// Held from judging a change until it is stored and holds.
    changing: tokio::sync::Mutex<()>,
}

impl NodeState {
    fn new(
        setup: &Setup,
        front: &Front,
        address: SocketAddr,
        open_domain: Vec<OpenDomain>,
        stored: Vec<StoredOf>,
    ) -> Self {
        Self {
            read_only: front.read_only.clone(),
            parts: front.parts.clone(),
            started: Instant::now(),
            address,
            config: Arc::new(setup.config.clone()),
            control: setup.control.clone(),
            domains: setup.domains.clone(),
            limits: setup.limits.clone(),
            origins: setup.origins.clone(),
            is_apihub: setup.apihub.is_some(),
            logs: setup.logs,
            open_domain,
            stored,
            changing: tokio::sync::Mutex::default(),
        }
    }
}

/// What the parts give to the listener.
pub(crate) struct Administered {
    routes: Vec<(&'static str, Router)>,
    open_domain: Vec<OpenDomain>,
    stored: Vec<StoredOf>,
}

impl Administered {
    /// Takes it out of the parts.
    pub(crate) fn take(parts: &mut [Part]) -> Self {
        let open_domain = parts.iter_mut().filter_map(|part| part.open_domain.take());
        let open_domain = open_domain.collect();
        let stored = parts.iter().map(|part| Arc::clone(&part.stored)).collect();
        let routes = parts.iter_mut();
        let routes = routes.map(|part| (part.name, std::mem::take(&mut part.admin)));
        Self {
            routes: routes.collect(),
            open_domain,
            stored,
        }
    }
}

/// The listener, bound and not yet serving.
pub(crate) struct AdminListener {
    listener: TcpListener,
    address: SocketAddr,
    front: AdminFront,
    limits: LimitsConfig,
    connections: ConnectionMetrics,
    file: AddressFile,
}

impl AdminListener {
    /// Listens where the configuration says, if it does, and leaves the address in the data folder.
    /// `front` stands before the node's own listener, at `served`.
    ///
    /// # Errors
    /// When the address cannot be listened on, or the token cannot be used.
    pub(crate) fn bind(
        setup: &Setup,
        front: &Front,
        served: SocketAddr,
        administered: Administered,
    ) -> anyhow::Result<Option<Self>> {
        let config = &setup.config;
        let Some(listen) = config.admin.listen else {
            return Ok(None);
        };
        let data = &config.node.data;
        let token = AdminToken::open(data).context("the token of the admin listener")?;
        let listener = listener::bind(listen).with_context(|| {
            format!(
                "cannot listen on {listen} for admin; if another process has the port, set \
                 admin.listen to another one, or to port 0"
            )
        })?;
        let address = listener.local_addr()?;
        let Administered {
            routes: parts,
            open_domain,
            stored,
        } = administered;
        let state = NodeState::new(setup, front, served, open_domain, stored);
        let names: Vec<_> = parts.iter().map(|(name, _)| *name).collect();
        let file = AddressFile::write(data, &names, address)
            .with_context(|| format!("the address cannot be written to {}", data.display()))?;
        let hosts = [config.admin.hosts.clone(), config.node.hosts.clone()].concat();
        let mut limits = config.limits.clone();
        limits.connections_max = CONNECTIONS_MAX;
        // For the console, and where it is configured for what scrapes, under its customary path.
        let metrics = metrics::routes(&setup.metrics);
        let is_scraped = config.metrics.listen == MetricsListen::Admin;
        let scraped = is_scraped.then(|| metrics.clone());
        let front = AdminFront {
            admission: Admission {
                guard: Guard::new(address.ip(), hosts),
                token,
                access: setup.access.beside(),
            },
            routes: routes(state, parts, metrics, scraped),
            body_limits: limits.body(BODY_BYTES_MAX),
            budget: BodyBudget::new(BODY_BYTES_IN_FLIGHT_MAX),
            observer: front.observer.beside(vec![operation::of]),
        };
        Ok(Some(Self {
            listener,
            address,
            front,
            limits,
            connections: setup.metrics.connections().clone(),
            file,
        }))
    }

    /// The line on stdout that says where it is.
    pub(crate) fn line(&self) -> String {
        format!("admin on http://{}", self.address)
    }

    /// Serves until `stop` says so.
    ///
    /// # Errors
    /// When the listener itself fails.
    pub(crate) async fn serve(self, stop: impl Future<Output = ()>) -> std::io::Result<()> {
        let budget = self.front.budget.clone();
        let front = Arc::new(self.front);
        let answer = move |peer, request| Arc::clone(&front).answer(peer, request);
        let (listener, limits) = (self.listener, self.limits);
        let connections = self.connections;
        let served =
            listener::serve(listener, None, answer, limits, budget, connections, stop).await;
        drop(self.file);
        served
    }
}

fn routes(
    state: NodeState,
    parts: Vec<(&'static str, Router)>,
    metrics: Router,
    scraped: Option<Router>,
) -> Router {
    let own = status::routes()
        .merge(modes::routes())
        .merge(domains::routes())
        .merge(quotas::routes())
        .merge(keys::routes())
        .merge(audit::routes())
        .with_state(Arc::new(state))
        .merge(metrics);
    let mut routes = Router::new().nest("/admin/v1", own);
    for (name, part) in parts {
        routes = routes.nest(&format!("/admin/v1/{name}"), part);
    }
    routes
        .merge(scraped.unwrap_or_default())
        .fallback(|| async { message(StatusCode::NOT_FOUND, "there is no such route") })
        .method_not_allowed_fallback(|| async {
            let text = "the route does not take this method";
            message(StatusCode::METHOD_NOT_ALLOWED, text)
        })
        .layer(CatchPanicLayer::custom(answer_panic))
}

/// What stands before the routes.
struct AdminFront {
    admission: Admission,
    routes: Router,
    body_limits: BodyLimits,
    budget: BodyBudget,
    observer: Observer,
}

impl AdminFront {
    async fn answer(self: Arc<Self>, peer: Peer, request: Request<Body>) -> Response {
        let (seen, request) = self.observer.begin(request);
        let judged = self.judge(&peer, request).instrument(seen.span().clone());
        let judged = judged.await;
        let mut answer = judged.unwrap_or_else(IntoResponse::into_response);
        let headers = answer.headers_mut();
        if !headers.contains_key(header::CONTENT_TYPE) {
            headers.insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/json"),
            );
        }
        let no_store = HeaderValue::from_static("no-store");
        headers.entry(header::CACHE_CONTROL).or_insert(no_store);
        for (name, value) in [
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::X_FRAME_OPTIONS, "DENY"),
            (header::REFERRER_POLICY, "no-referrer"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        seen.answered(answer)
    }

    async fn judge(&self, peer: &Peer, request: Request<Body>) -> Result<Response, ApiError> {
        let (mut head, body) = request.into_parts();
        let admitted = match self.admission.examine(peer, &head) {
            Ok(()) => match page::answer(&head) {
                Some(page) => return Ok(page),
                None => self.admission.admit(peer, &head).await,
            },
            Err(refusal) => Err(refusal),
        };
        let caller = match admitted {
            Ok(caller) => caller,
            Err(refusal) => {
                crate::body::discard(&head.headers, body).await;
                return Err(refusal);
            }
        };
        let (limits, budget) = (&self.body_limits, &self.budget);
        let body = crate::body::receive(&head.headers, body, limits, budget, |_| ()).await?;
        head.extensions.insert(caller);
        let request = Request::from_parts(head, Body::from(body));
        match self.routes.clone().oneshot(request).await {
            Ok(answer) => Ok(answer),
            Err(never) => match never {},
        }
    }
}

#[cfg(test)]
mod tests;
