//! The admin listener: what an operator does with a running node, as JSON over HTTP under
//! `/admin/v1/`. It is apart from the node's listener, on loopback unless told, and every request
//! needs a credential.
//!
//! **Source:** `docs/admin.md`.

mod address;
mod admission;
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

use self::address::AddressFile;
use self::admission::Admission;
use self::token::AdminToken;
use crate::body::BodyLimits;
use crate::budget::BodyBudget;
use crate::config::LimitsConfig;
use crate::error::{ApiError, message};
use crate::front::Readiness;
use crate::guard::Guard;
use crate::listener;
use crate::metrics::{self, ConnectionMetrics};
use crate::observability_config::MetricsListen;
use crate::process::answer_panic;
use crate::read_only::ReadOnly;
use crate::setup::Setup;

pub use address::admin_addresses;

/// The longest body of a request, in bytes: the settings of one domain are some hundred.
const BODY_BYTES_MAX: u64 = 64 << 10;
/// Body bytes held at a time; apart from the node's, so that a busy node can be administered.
const BODY_BYTES_IN_FLIGHT_MAX: u64 = 1 << 20;
/// Connections at a time: a few operators with a browser each.
const CONNECTIONS_MAX: usize = 64;

/// Who asks on the admin listener; in the extensions of each request that a route sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Administrator {
    name: String,
}

impl Administrator {
    /// Who has the token of the data folder.
    fn token() -> Self {
        Self {
            name: "admin token".to_owned(),
        }
    }

    /// The name under which the act is recorded.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// The body of a request as what a route takes.
///
/// # Errors
/// 400 with what is wrong, and where.
pub fn parse_request<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| {
        ApiError::bad_request(format!("the body is not what this route takes: {error}"))
    })
}

/// What the node's own routes know.
pub(crate) struct NodeState {
    pub read_only: ReadOnly,
    pub parts: Vec<(&'static str, Readiness)>,
    pub started: Instant,
    /// Where clients reach the node.
    pub address: SocketAddr,
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
    /// `parts` are the routes of the services, by name.
    ///
    /// # Errors
    /// When the address cannot be listened on, or the token cannot be used.
    pub(crate) fn bind(
        setup: &Setup,
        state: NodeState,
        parts: Vec<(&'static str, Router)>,
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
        let names: Vec<_> = parts.iter().map(|(name, _)| *name).collect();
        let file = AddressFile::write(data, &names, address)
            .with_context(|| format!("the address cannot be written to {}", data.display()))?;
        let hosts = [config.admin.hosts.clone(), config.node.hosts.clone()].concat();
        let mut limits = config.limits.clone();
        limits.connections_max = CONNECTIONS_MAX;
        let is_here = config.metrics.listen == MetricsListen::Admin;
        let metrics = is_here.then(|| metrics::routes(&setup.metrics));
        let front = AdminFront {
            admission: Admission {
                guard: Guard::new(address.ip(), hosts),
                token,
            },
            routes: routes(state, parts, metrics),
            body_limits: limits.body(BODY_BYTES_MAX),
            budget: BodyBudget::new(BODY_BYTES_IN_FLIGHT_MAX),
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
        let answer = move |_, request| Arc::clone(&front).answer(request);
        let (listener, limits) = (self.listener, self.limits);
        let connections = self.connections;
        let served =
            listener::serve(listener, None, answer, limits, budget, connections, stop).await;
        drop(self.file);
        served
    }
}

fn routes(state: NodeState, parts: Vec<(&'static str, Router)>, metrics: Option<Router>) -> Router {
    let mut routes = Router::new().nest("/admin/v1", status::routes(Arc::new(state)));
    for (name, part) in parts {
        routes = routes.nest(&format!("/admin/v1/{name}"), part);
    }
    routes
        .merge(metrics.unwrap_or_default())
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
}

impl AdminFront {
    async fn answer(self: Arc<Self>, request: Request<Body>) -> Response {
        let mut answer = self.judge(request).await.unwrap_or_else(|refusal| {
            let is_unknown = refusal.status() == StatusCode::UNAUTHORIZED;
            let mut answer = refusal.into_response();
            if is_unknown {
                let scheme = HeaderValue::from_static("Bearer realm=\"kiln admin\"");
                answer
                    .headers_mut()
                    .insert(header::WWW_AUTHENTICATE, scheme);
            }
            answer
        });
        let headers = answer.headers_mut();
        if !headers.contains_key(header::CONTENT_TYPE) {
            headers.insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/json"),
            );
        }
        for (name, value) in [
            (header::CACHE_CONTROL, "no-store"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::X_FRAME_OPTIONS, "DENY"),
            (header::REFERRER_POLICY, "no-referrer"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        answer
    }

    async fn judge(&self, request: Request<Body>) -> Result<Response, ApiError> {
        let (mut head, body) = request.into_parts();
        let admitted = match self.admission.examine(&head) {
            Ok(()) => self.admission.authenticate(&head.headers).await,
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
