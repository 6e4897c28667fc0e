//! `GET /admin/v1/status`: the node at a glance.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;
use serde_json::json;

use super::NodeState;
use crate::front::{VERSION, typed_json};

/// The node's own routes, below `/admin/v1`.
pub(super) fn routes(state: Arc<NodeState>) -> Router {
    Router::new()
        .route("/status", get(status))
        .with_state(state)
}

async fn status(State(node): State<Arc<NodeState>>) -> Response {
    let mut ready = true;
    let mut parts = serde_json::Map::new();
    for (name, check) in &node.parts {
        let state = check();
        ready &= state.is_ok();
        parts.insert(
            (*name).to_owned(),
            json!(state.err().as_deref().unwrap_or("ok")),
        );
    }
    let status = json!({
        "version": VERSION,
        "address": node.address.to_string(),
        "uptimeS": node.started.elapsed().as_secs(),
        "ready": ready,
        "parts": parts,
        "readOnly": node.read_only.is_active(),
        "readOnlyCauses": node.read_only.causes(),
    });
    typed_json(StatusCode::OK, &status)
}
