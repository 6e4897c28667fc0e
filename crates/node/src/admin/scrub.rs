//! The routes of a part's scrub: `GET scrub`, `POST scrub/start`, `POST scrub/stop`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};
use http::StatusCode;
use serde_json::{Value, json};

use super::record_act;
use crate::access::Caller;
use crate::control::Control;
use crate::error::ApiError;
use crate::front::typed_json;
use crate::system::clock_ms;

/// What operators do with a scrub.
pub trait ScrubSwitch: Send + Sync + 'static {
    /// The store, as the audit log calls it.
    const STORE: &'static str;

    /// How far it is.
    fn status(&self) -> Value;

    /// Begins a pass now, or goes on with the one that was held up.
    fn start(&self);

    /// Holds it up.
    fn stop(&self);
}

/// The routes of a scrub. What is asked for is in the audit log before it is done.
pub fn scrub_routes(switch: impl ScrubSwitch, control: Control) -> Router {
    Router::new()
        .route("/scrub", get(status))
        .route("/scrub/start", post(start))
        .route("/scrub/stop", post(stop))
        .with_state((Arc::new(switch), control))
}

type Known<S> = State<(Arc<S>, Control)>;

async fn status<S: ScrubSwitch>(State((switch, _)): Known<S>) -> Response {
    typed_json(StatusCode::OK, &switch.status())
}

async fn start<S: ScrubSwitch>(
    State((switch, control)): Known<S>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, ApiError> {
    record::<S>(&control, &caller, "scrub.start").await?;
    switch.start();
    Ok(typed_json(StatusCode::OK, &switch.status()))
}

async fn stop<S: ScrubSwitch>(
    State((switch, control)): Known<S>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, ApiError> {
    record::<S>(&control, &caller, "scrub.stop").await?;
    switch.stop();
    Ok(typed_json(StatusCode::OK, &switch.status()))
}

async fn record<S: ScrubSwitch>(
    control: &Control,
    caller: &Caller,
    act: &'static str,
) -> Result<(), ApiError> {
    let event = caller.event(act, clock_ms());
    record_act(control, event.detail(json!({ "store": S::STORE }))).await
}
