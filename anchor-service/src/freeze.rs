//! `POST /admin/v1/anchors/freeze`: a copy of the store for a backup.
//!
//! **Source:** `docs/backup.md`.

use axum::Router;
use ledger::EmbeddedLedger;
use node::Setup;
use serde_json::json;

use crate::anchors::ledger_error;

/// The route, which the admin listener serves below `/admin/v1/anchors`. Answers how many entries
/// the copy has of each log, at least.
pub(crate) fn routes(ledger: EmbeddedLedger, setup: &Setup) -> Router {
    node::freeze_routes("anchors", "backup.freeze-anchors", setup, move |path| {
        let ledger = ledger.clone();
        async move {
            let logs = ledger.freeze(&path).await;
            let logs = logs.map_err(|error| ledger_error("", error))?;
            let logs: Vec<_> = logs
                .into_iter()
                .map(|(domain, entries)| json!({ "domain": domain.as_str(), "entries": entries }))
                .collect();
            Ok(json!({ "logs": logs }))
        }
    })
}
