//! `/admin/v1/audit`: what was done and refused, and whether the record of it is whole.
//!
//! **Source:** `docs/access.md`.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use http::{StatusCode, Uri};
use serde_json::json;

use super::{NodeState, blocking, control_error};
use crate::control::{AuditRecord, hex};
use crate::error::ApiError;
use crate::front::typed_json;

/// Records in one answer, unless fewer are asked for: some 5 MB.
const MOST: u32 = 10_000;
/// Records in an answer when nothing is said.
const MOST_DEFAULT: u32 = 100;

pub(super) fn routes() -> Router<Arc<NodeState>> {
    Router::new()
        .route("/audit", get(list))
        .route("/audit/check", get(check))
}

/// `?most=N&before=NUMBER`, the newest first.
async fn list(State(node): State<Arc<NodeState>>, uri: Uri) -> Result<Response, ApiError> {
    let (mut most, mut before) = (MOST_DEFAULT, None);
    let query = uri.query().unwrap_or_default();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let number = |text: &str| text.parse::<u64>().ok();
        match pair.split_once('=').map(|(key, text)| (key, number(text))) {
            Some(("most", Some(number))) => {
                most = u32::try_from(number).unwrap_or(MOST).min(MOST);
            }
            Some(("before", Some(number))) => before = Some(number),
            _ => {
                let text = "the query takes most=<number> and before=<number of a record>";
                return Err(ApiError::bad_request(text));
            }
        }
    }
    let control = node.control.clone();
    let records = blocking(move || control.audit(before, most)).await?;
    let records = records.map_err(control_error)?;
    let records: Vec<_> = records.iter().map(AuditRecord::to_json).collect();
    Ok(typed_json(StatusCode::OK, &json!({ "records": records })))
}

async fn check(State(node): State<Arc<NodeState>>) -> Result<Response, ApiError> {
    let control = node.control.clone();
    let check = blocking(move || control.check_audit()).await?;
    let check = check.map_err(control_error)?;
    let answer = json!({
        "records": check.records,
        "head": hex(&check.head),
        "broken": check.broken.map(|broken| broken.to_string()),
    });
    Ok(typed_json(StatusCode::OK, &answer))
}
