//! `/admin/v1/status` and `/admin/v1/config`: the node at a glance, and what it runs with.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;
use serde_json::json;

use super::{NodeState, domains, unshowable};
use crate::error::ApiError;
use crate::front::{VERSION, typed_json};

pub(super) fn routes() -> Router<Arc<NodeState>> {
    Router::new()
        .route("/status", get(status))
        .route("/config", get(config))
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
        "causes": node.read_only.causes(),
        "domains": domains::listed(&node),
    });
    typed_json(StatusCode::OK, &status)
}

/// Secrets are left out. Domains that were added while the node ran are not in it; quotas that were set
/// are. A value that is not in `origins` is the default.
async fn config(State(node): State<Arc<NodeState>>) -> Result<Response, ApiError> {
    let (mut config, _) = node.config.redacted();
    let set = domains::put_quotas_in_force(&node, &mut config);
    let toml = config.to_toml().map_err(unshowable)?;
    let mut origins = json!(node.origins.in_words());
    for name in &set {
        let key = format!("domain.quota of {:?}", name.as_str());
        if let Some(origins) = origins.as_object_mut() {
            origins.insert(key, json!(domains::quotas_origin(name)));
        }
    }
    let config = json!({ "config": config, "toml": toml, "origins": origins });
    Ok(typed_json(StatusCode::OK, &config))
}
