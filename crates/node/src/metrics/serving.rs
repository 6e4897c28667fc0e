//! `/metrics`, on a listener that serves nothing else or among the routes of another one.

use std::future::Future;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderValue, Request, StatusCode, header};
use tokio::net::TcpListener;
use tower::ServiceExt;

use super::Metrics;
use crate::budget::BodyBudget;
use crate::error::ApiError;
use crate::guard::{Guard, Way};
use crate::limits_config::LimitsConfig;
use crate::listener;
use crate::peer::Peer;

/// Connections to a listener of its own: a few scrapers, no wallets.
const CONNECTIONS_MAX: usize = 32;
/// The text format's media type.
const KIND: HeaderValue = HeaderValue::from_static(prometheus::TEXT_FORMAT);

/// The route `/metrics`, for `GET` and `HEAD`.
pub fn routes(metrics: &Metrics) -> Router {
    Router::new()
        .route("/metrics", get(answer))
        .with_state(metrics.clone())
}

/// Serves `/metrics` and nothing else until `stop`; refuses what came through a proxy or for
/// another host, as the node's own listener does.
///
/// # Errors
/// When the listener fails for good.
pub(crate) async fn serve(
    listener: TcpListener,
    metrics: Metrics,
    guard: Guard,
    limits: LimitsConfig,
    budget: BodyBudget,
    stop: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let limits = LimitsConfig {
        connections_max: CONNECTIONS_MAX,
        ..limits
    };
    let routes = routes(&metrics);
    let connections = metrics.connections().clone();
    let answer = move |_peer: Peer, request: Request<Body>| {
        let admitted = guard.admit(
            Way::Direct,
            request.version(),
            request.uri(),
            request.headers(),
        );
        let routes = routes.clone();
        async move {
            if let Err((_, refusal)) = admitted {
                return refusal.into_response();
            }
            match routes.oneshot(request).await {
                Ok(answer) => answer,
                Err(never) => match never {},
            }
        }
    };
    listener::serve(listener, None, answer, limits, budget, connections, stop).await
}

async fn answer(State(metrics): State<Metrics>) -> Response {
    let text = tokio::task::spawn_blocking(move || metrics.text()).await;
    let failed = |cause: anyhow::Error| {
        let text = "the metrics cannot be read";
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, text).because(cause)
    };
    match text {
        Ok(Ok(text)) => ([(header::CONTENT_TYPE, KIND)], text).into_response(),
        Ok(Err(error)) => failed(error.into()).into_response(),
        Err(error) => failed(error.into()).into_response(),
    }
}
