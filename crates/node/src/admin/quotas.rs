//! `/admin/v1/domains/{name}/quotas`: what all callers together may use of a domain.
//!
//! **Source:** `docs/limits.md`.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use http::StatusCode;
use keyssi::Domain;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::domains::known;
use super::{NodeState, blocking, control_error, detached, parse_request};
use crate::access::Caller;
use crate::error::ApiError;
use crate::front::typed_json;
use crate::limits::Quotas;
use crate::system::clock_ms;

/// Quotas by name; a name with `null` is no limit.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    quotas: Map<String, Value>,
}

pub(super) fn routes() -> Router<Arc<NodeState>> {
    let route = get(show).put(set).patch(change).delete(clear);
    Router::new().route("/domains/{name}/quotas", route)
}

async fn show(
    State(node): State<Arc<NodeState>>,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    let (domain, _) = known(&node, &name)?;
    let mut shown = shown(&node, &domain);
    let used = used(&node, &domain).await?;
    if let Some(fields) = shown.as_object_mut() {
        fields.insert("used".to_owned(), Value::Object(used));
    }
    Ok(typed_json(StatusCode::OK, &shown))
}

/// A whole set: what it does not name is no limit.
async fn set(
    State(node): State<Arc<NodeState>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Response, ApiError> {
    let Wish { quotas } = parse_request(&body)?;
    let quotas = parse(quotas).map_err(ApiError::bad_request)?;
    put(node, caller, name, "quotas.set", move |_| Ok(Some(quotas))).await
}

/// Single ones: what is not named stays as it is.
async fn change(
    State(node): State<Arc<NodeState>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Response, ApiError> {
    let Wish { quotas } = parse_request(&body)?;
    put(node, caller, name, "quotas.set", move |in_force| {
        let mut whole = match json!(in_force) {
            Value::Object(whole) => whole,
            _ => Map::new(),
        };
        whole.extend(quotas);
        parse(whole).map(Some)
    })
    .await
}

/// Back to the configured ones.
async fn clear(
    State(node): State<Arc<NodeState>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    put(node, caller, name, "quotas.clear", |_| Ok(None)).await
}

/// Stores what `make` makes of the quotas in force, if the configuration could say it too.
async fn put(
    node: Arc<NodeState>,
    caller: Caller,
    name: String,
    act: &'static str,
    make: impl FnOnce(Quotas) -> Result<Option<Quotas>, String> + Send + 'static,
) -> Result<Response, ApiError> {
    detached(async move {
        let _changing = node.changing.lock().await;
        let (domain, anchoring) = known(&node, &name)?;
        let event = caller.event(act, clock_ms()).domain(domain.as_str());
        let changing = Arc::clone(&node);
        let of = domain.clone();
        let change = move || {
            changing.limits.change_domain(&of, event, |in_force| {
                let wanted = make(in_force)?;
                if let Some(quotas) = &wanted {
                    let config = &changing.config;
                    let judged = config.validate_quotas(&anchoring, quotas, changing.logs);
                    judged.map_err(|error| error.to_string())?;
                }
                Ok(wanted)
            })
        };
        blocking(change).await?.map_err(control_error)?;
        tracing::info!(%domain, act, "the quotas of a domain, as the operator says");
        Ok(typed_json(StatusCode::OK, &shown(&node, &domain)))
    })
    .await
}

fn parse(quotas: Map<String, Value>) -> Result<Quotas, String> {
    // One by one, so that the wrong one can be named.
    for (name, value) in &quotas {
        let alone = Map::from_iter([(name.clone(), value.clone())]);
        let parsed: Result<Quotas, _> = serde_json::from_value(Value::Object(alone));
        parsed.map_err(|error| {
            format!(
                "the quota {name:?} cannot be used: {error}; a quota is a whole number, or null for \
                 no limit"
            )
        })?;
    }
    serde_json::from_value(Value::Object(quotas)).map_err(|error| error.to_string())
}

fn shown(node: &NodeState, domain: &Domain) -> Value {
    json!({
        "domain": domain.as_str(),
        "source": node.limits.source(domain),
        "quotas": node.limits.of_domain(domain),
        "configured": node.limits.configured(domain),
    })
}

/// What is used of each quota, by its name. What is used today is known only of what is limited.
async fn used(node: &NodeState, domain: &Domain) -> Result<Map<String, Value>, ApiError> {
    let (quotas, today) = (
        node.limits.of_domain(domain),
        node.limits.used_today(domain),
    );
    let mut used = Map::new();
    for (name, limit, amount) in [
        ("bytesUpPerDay", quotas.bytes_up_per_day, today.bytes_up),
        (
            "bytesDownPerDay",
            quotas.bytes_down_per_day,
            today.bytes_down,
        ),
        ("bricksPerDay", quotas.bricks_per_day, today.bricks),
        ("anchorsPerDay", quotas.anchors_per_day, today.anchors),
    ] {
        if limit.is_some() {
            used.insert(name.to_owned(), amount.into());
        }
    }
    for stored in &node.stored {
        if let Value::Object(stored) = json!(stored(domain.clone()).await?) {
            used.extend(stored);
        }
    }
    Ok(used)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_that_is_none_is_named_with_what_is_allowed() {
        let check = |quotas: Value, words: &[&str]| {
            let Value::Object(map) = quotas.clone() else {
                panic!("{quotas} is no object");
            };
            let said = parse(map).unwrap_err();
            for word in words {
                assert!(said.contains(word), "{quotas}: {said}");
            }
        };
        check(json!({ "storage": 1 }), &["\"storage\"", "storageBytes"]);
        check(json!({ "storage": null }), &["\"storage\"", "storageBytes"]);
        let (a, whole) = ("\"storageBytes\"", "whole number");
        check(
            json!({ "anchors": 1, "storageBytes": -1 }),
            &[a, "-1", whole],
        );
        check(json!({ "storageBytes": 1.5 }), &[a, "1.5", whole]);
        check(json!({ "storageBytes": "1" }), &[a, "string", whole]);
        check(
            json!({ "storageBytes": 18_446_744_073_709_551_616.0 }),
            &[a, whole],
        );
        let beyond = u64::from(u32::MAX) + 1;
        check(json!({ "requestsPerSecond": beyond }), &["u32", whole]);
    }

    #[test]
    fn what_is_null_is_no_limit() {
        let Value::Object(map) = json!({ "storageBytes": null, "anchors": u64::MAX }) else {
            panic!("no object");
        };
        let expected = Quotas {
            anchors: Some(u64::MAX),
            ..Quotas::default()
        };
        assert_eq!(parse(map), Ok(expected));
    }
}
