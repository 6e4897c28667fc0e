//! `/admin/v1/read-only`: whether the node takes writes.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use axum::{Extension, Router, routing::get};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{NodeState, blocking, control_error, detached, parse_request};
use crate::access::Caller;
use crate::control::{Control, ControlError};
use crate::error::ApiError;
use crate::front::typed_json;
use crate::read_only::ReadOnly;
use crate::system::clock_ms;

/// The setting in `control.db`; absent is off.
const SETTING: &str = "read_only";
/// How long a change waits for writes in flight.
const SETTLE_TIME_MAX: Duration = Duration::from_secs(30);

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Wish {
    read_only: bool,
}

pub(super) fn routes() -> Router<Arc<NodeState>> {
    Router::new().route("/read-only", get(show).put(set))
}

/// Takes up what was said before the node was started.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn restore(control: &Control, read_only: &ReadOnly) -> Result<(), ControlError> {
    let stored = control.setting(SETTING)?;
    read_only.tell(stored.is_some());
    Ok(())
}

async fn show(State(node): State<Arc<NodeState>>) -> Response {
    typed_json(StatusCode::OK, &shown(&node.read_only))
}

async fn set(
    State(node): State<Arc<NodeState>>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Result<Response, ApiError> {
    let Wish { read_only } = parse_request(&body)?;
    detached(async move {
        // What is stored last is what holds.
        let _changing = node.changing.lock().await;
        let act = if read_only {
            "read-only.on"
        } else {
            "read-only.off"
        };
        let event = caller.event(act, clock_ms());
        let control = node.control.clone();
        let value = read_only.then_some("on");
        let stored = move || control.set_setting(SETTING, value, &event);
        blocking(stored).await?.map_err(control_error)?;
        node.read_only.tell(read_only);
        tracing::info!(read_only, "read-only mode, as the operator says");
        if read_only {
            settle(&node.read_only).await?;
        }
        Ok(typed_json(StatusCode::OK, &shown(&node.read_only)))
    })
    .await
}

/// Waits for the writes that were let in before.
async fn settle(mode: &ReadOnly) -> Result<(), ApiError> {
    mode.settled(SETTLE_TIME_MAX).await.map_err(|writes| {
        let text = format!(
            "read-only mode is on and holds; {writes} writes that began before still run, ask again \
             to wait for them"
        );
        ApiError::unavailable(text, 1)
    })
}

fn shown(mode: &ReadOnly) -> Value {
    json!({ "readOnly": mode.is_active(), "causes": mode.causes() })
}
