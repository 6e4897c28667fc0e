//! `POST /admin/v1/bricks/freeze`: a copy of the store for a backup.
//!
//! **Source:** `docs/backup.md`.

use std::path::PathBuf;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use axum::{Extension, Router};
use brickstore::BrickStore;
use http::StatusCode;
use node::{ApiError, Caller, Control, FreezeRequest, Setup};
use serde_json::json;

use crate::store_error;

struct Freezing {
    store: BrickStore,
    data: PathBuf,
    control: Control,
}

/// The route, which the admin listener serves below `/admin/v1/bricks`.
pub(crate) fn routes(store: BrickStore, setup: &Setup) -> Router {
    Router::new()
        .route("/freeze", post(freeze))
        .with_state(Arc::new(Freezing {
            store,
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
    let path = wanted.path(&service.data, "bricks")?;
    let event = caller.event("backup.freeze-bricks", node::clock_ms());
    node::record_act(&service.control, event).await?;
    service.store.freeze(&path).await.map_err(store_error)?;
    Ok(node::typed_json(StatusCode::OK, &json!({})))
}
