//! What operators ask of the scrub: how far it is, and what is in quarantine.
//!
//! **Source:** `docs/admin.md`.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use brickstore::{BrickStore, Scrubber};
use http::StatusCode;
use node::{ApiError, Control, ScrubSwitch};
use serde_json::{Value, json};

use crate::store_error;

/// Bricks in quarantine that one answer names.
const QUARANTINE_MAX: usize = 1_000;

/// The scrub of the bricks.
struct Scrub {
    store: BrickStore,
    scrubber: Arc<Scrubber>,
}

impl ScrubSwitch for Scrub {
    const STORE: &'static str = "bricks";

    fn status(&self) -> Value {
        let mut status = json!(self.scrubber.state());
        if let Some(fields) = status.as_object_mut() {
            fields.insert("quarantined".to_owned(), self.store.quarantined().into());
        }
        status
    }

    fn start(&self) {
        self.scrubber.start_pass();
    }

    fn stop(&self) {
        self.scrubber.stop();
    }
}

/// The routes, which the admin listener serves below `/admin/v1/bricks`.
pub(crate) fn routes(store: &BrickStore, scrubber: &Arc<Scrubber>, control: Control) -> Router {
    let scrub = Scrub {
        store: store.clone(),
        scrubber: Arc::clone(scrubber),
    };
    let quarantine = Router::new()
        .route("/quarantine", get(quarantine))
        .with_state(store.clone());
    node::scrub_routes(scrub, control).merge(quarantine)
}

async fn quarantine(State(store): State<BrickStore>) -> Result<Response, ApiError> {
    let found = store
        .quarantine(QUARANTINE_MAX)
        .await
        .map_err(store_error)?;
    let bricks: Vec<Value> = found
        .iter()
        .map(|brick| {
            json!({
                "domain": brick.domain.as_ref().map(ToString::to_string),
                "hash": brick.hash.to_string(),
                "foundMs": brick.found_ms,
                "what": brick.what,
            })
        })
        .collect();
    let answer = json!({ "count": store.quarantined(), "bricks": bricks });
    Ok(node::typed_json(StatusCode::OK, &answer))
}
