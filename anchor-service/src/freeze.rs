//! `POST /admin/v1/anchors/freeze`: a copy of the store for a backup.
//!
//! **Source:** `docs/backup.md`.

use std::path::PathBuf;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use axum::{Extension, Router};
use http::StatusCode;
use ledger::EmbeddedLedger;
use node::{ApiError, Caller, Control, FreezeRequest, Setup};
use serde_json::json;

use crate::anchors::ledger_error;

struct Freezing {
    ledger: EmbeddedLedger,
    data: PathBuf,
    control: Control,
}

/// The route, which the admin listener serves below `/admin/v1/anchors`.
pub(crate) fn routes(ledger: EmbeddedLedger, setup: &Setup) -> Router {
    Router::new()
        .route("/freeze", post(freeze))
        .with_state(Arc::new(Freezing {
            ledger,
            data: setup.config.node.data.clone(),
            control: setup.control.clone(),
        }))
}

async fn freeze(
    State(service): State<Arc<Freezing>>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Result<Response, ApiError> {
    let wanted: FreezeRequest = node::parse_request(&body)?;
    let path = wanted.path(&service.data, "anchors")?;
    let event = caller.event("backup.freeze-anchors", node::clock_ms());
    node::record_act(&service.control, event).await?;
    let logs = service.ledger.freeze(&path).await;
    let logs = logs.map_err(|error| ledger_error("", error))?;
    let logs: Vec<_> = logs
        .into_iter()
        .map(|(domain, entries)| json!({ "domain": domain.as_str(), "entries": entries }))
        .collect();
    Ok(node::typed_json(StatusCode::OK, &json!({ "logs": logs })))
}
