//! `POST /admin/v1/bricks/freeze`: a copy of the store for a backup.
//!
//! **Source:** `docs/backup.md`.

use axum::Router;
use brickstore::BrickStore;
use node::Setup;
use serde_json::json;

use crate::store_error;

/// The route, which the admin listener serves below `/admin/v1/bricks`.
pub(crate) fn routes(store: BrickStore, setup: &Setup) -> Router {
    node::freeze_routes("bricks", "backup.freeze-bricks", setup, move |path| {
        let store = store.clone();
        async move {
            store.freeze(&path).await.map_err(store_error)?;
            Ok(json!({}))
        }
    })
}
