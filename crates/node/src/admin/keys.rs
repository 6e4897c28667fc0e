//! `/admin/v1/keys`: API keys. A key's text is in the answer that makes it, and nowhere else.
//!
//! **Source:** `docs/access.md`.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{NodeState, blocking, control_error, detached, parse_request};
use crate::access::{Caller, Grant, KeyId, Scope};
use crate::control::{ApiKey, NewKey};
use crate::domains::Domains;
use crate::error::ApiError;
use crate::front::typed_json;
use crate::limits::Quotas;
use crate::system::clock_ms;

/// What a key is to be.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Wish {
    name: String,
    grants: Vec<Grant>,
    #[serde(default)]
    quotas: Quotas,
    /// Seconds until it ends; none: it does not.
    expires_in_s: Option<u64>,
}

pub(super) fn routes() -> Router<Arc<NodeState>> {
    Router::new()
        .route("/keys", get(list).post(create))
        .route("/keys/{id}/revoke", post(revoke))
}

async fn list(State(node): State<Arc<NodeState>>) -> Result<Response, ApiError> {
    let control = node.control.clone();
    let keys = blocking(move || control.keys()).await?;
    let now_ms = clock_ms();
    let keys = keys.map_err(control_error)?;
    let keys: Vec<_> = keys.iter().map(|key| shown(key, now_ms)).collect();
    Ok(typed_json(StatusCode::OK, &json!({ "keys": keys })))
}

async fn create(
    State(node): State<Arc<NodeState>>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Result<Response, ApiError> {
    let wish: Wish = parse_request(&body)?;
    require_use(&node.domains, &wish.grants)?;
    detached(async move {
        let now_ms = clock_ms();
        let in_ms = |seconds: u64| now_ms.saturating_add(seconds.saturating_mul(1_000));
        let new = NewKey {
            name: wish.name,
            grants: wish.grants,
            quotas: wish.quotas,
            expires_ms: wish.expires_in_s.map(in_ms),
        };
        let event = caller.event("key.create", now_ms);
        let control = node.control.clone();
        let made = blocking(move || control.create_key(new, event, now_ms)).await?;
        let (key, text) = made.map_err(control_error)?;
        let answer = json!({ "key": shown(&key, now_ms), "text": text.reveal().as_str() });
        Ok(typed_json(StatusCode::CREATED, &answer))
    })
    .await
}

async fn revoke(
    State(node): State<Arc<NodeState>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let id: KeyId = id
        .parse()
        .map_err(|_| ApiError::bad_request("a key's id is the 12 digits after kiln_"))?;
    detached(async move {
        let now_ms = clock_ms();
        let event = caller.event("key.revoke", now_ms);
        let control = node.control.clone();
        let revoked = blocking(move || control.revoke_key(id, event, now_ms)).await?;
        let key = revoked.map_err(control_error)?;
        let answer = json!({ "key": shown(&key, now_ms) });
        Ok(typed_json(StatusCode::OK, &answer))
    })
    .await
}

/// Refuses grants that give nothing. A domain that is not there is more likely mistyped than to come.
fn require_use(domains: &Domains, grants: &[Grant]) -> Result<(), ApiError> {
    if let Some(trouble) = grants.iter().find_map(Grant::trouble) {
        return Err(ApiError::bad_request(trouble));
    }
    let unknown = grants.iter().find_map(|grant| match &grant.domain {
        Scope::Domain(domain) if domains.find(domain.as_str()).is_none() => Some(domain),
        _ => None,
    });
    match unknown {
        None => Ok(()),
        Some(domain) => Err(ApiError::bad_request(format!(
            "this node has no domain {domain}; add it first, or grant the role in * for all domains"
        ))),
    }
}

fn shown(key: &ApiKey, now_ms: u64) -> Value {
    let state = match (key.revoked_ms, key.expires_ms) {
        (Some(_), _) => "revoked",
        (None, Some(end)) if end <= now_ms => "expired",
        _ => "valid",
    };
    json!({
        "id": key.id.to_string(),
        "name": key.name,
        "grants": key.grants,
        "quotas": key.quotas,
        "createdMs": key.created_ms,
        "expiresMs": key.expires_ms,
        "revokedMs": key.revoked_ms,
        "state": state,
    })
}
