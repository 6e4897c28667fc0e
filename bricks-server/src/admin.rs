//! What operators ask of the bricks: how much is stored in each domain.
//!
//! **Source:** `docs/admin.md`.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use brickstore::BrickStore;
use http::StatusCode;
use node::{ApiError, Domains, Stored, StoredOf};
use serde_json::{Map, json};

use crate::store_error;

/// The routes, which the admin listener serves below `/admin/v1/bricks`.
pub(crate) fn routes(store: BrickStore, domains: Domains) -> Router {
    Router::new()
        .route("/status", get(status))
        .with_state(Arc::new((store, domains)))
}

/// Counts the bricks of a domain.
pub(crate) fn stored(store: BrickStore) -> StoredOf {
    Arc::new(move |domain| {
        let store = store.clone();
        Box::pin(async move {
            let totals = store.totals(&domain).await.map_err(store_error)?;
            Ok(Stored {
                storage_bytes: Some(totals.bytes),
                storage_bricks: Some(totals.bricks),
                ..Stored::default()
            })
        })
    })
}

async fn status(State(service): State<Arc<(BrickStore, Domains)>>) -> Result<Response, ApiError> {
    let (store, domains) = service.as_ref();
    let mut found = Map::new();
    for domain in domains.table().names() {
        let totals = store.totals(domain).await.map_err(store_error)?;
        let totals = json!({ "bricks": totals.bricks, "bytes": totals.bytes });
        found.insert(domain.to_string(), totals);
    }
    Ok(node::typed_json(
        StatusCode::OK,
        &json!({ "domains": found }),
    ))
}
