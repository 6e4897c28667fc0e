//! `/admin/v1/domains`: which domains the node serves. Those of the configuration can be disabled,
//! further ones can be added; nothing is ever removed.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};
use http::StatusCode;
use keyssi::Domain;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{NodeState, blocking, control_error, detached, parse_request};
use crate::access::Caller;
use crate::config::Config;
use crate::domain_config::DomainConfig;
use crate::domains::{Anchoring, DomainTable};
use crate::error::ApiError;
use crate::front::typed_json;
use crate::limits::Source;
use crate::system::clock_ms;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    /// As a `[[domain]]` of the configuration.
    settings: DomainConfig,
}

pub(super) fn routes() -> Router<Arc<NodeState>> {
    Router::new()
        .route("/domains", get(list).post(add))
        .route("/domains/{name}", get(show))
        .route("/domains/{name}/disable", post(disable))
        .route("/domains/{name}/enable", post(enable))
}

/// The domains in a few words each, for the list and the status.
pub(super) fn listed(node: &NodeState) -> Vec<Value> {
    let table = node.domains.table();
    table
        .names()
        .map(|name| summary(node, &table, name))
        .collect()
}

fn summary(node: &NodeState, table: &DomainTable, name: &Domain) -> Value {
    let source = match table.is_added(name) {
        true => "admin",
        false if node.is_apihub => "apihub",
        false => "configuration",
    };
    json!({ "name": name.as_str(), "source": source, "disabled": table.is_disabled(name) })
}

async fn list(State(node): State<Arc<NodeState>>) -> Response {
    typed_json(StatusCode::OK, &json!({ "domains": listed(&node) }))
}

async fn show(
    State(node): State<Arc<NodeState>>,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    let (name, anchoring) = known(&node, &name)?;
    let mut shown = summary(&node, &node.domains.table(), &name);
    let Some(fields) = shown.as_object_mut() else {
        return Ok(typed_json(StatusCode::OK, &shown));
    };
    let source = node.limits.source(&name);
    fields.insert("quotasSource".to_owned(), json!(source));
    if let Anchoring::Here(config) = anchoring {
        let mut whole = Config {
            domains: vec![config.as_ref().clone()],
            ..Config::default()
        };
        put_quotas_in_force(&node, &mut whole);
        let (whole, _) = whole.redacted();
        for config in &whole.domains {
            fields.insert("settings".to_owned(), json!(config));
            let toml = toml::to_string_pretty(config).map_err(super::unshowable)?;
            let remark = match source {
                Source::Set => format!("# quota: {}\n", quotas_origin(&name)),
                Source::Configured => String::new(),
            };
            fields.insert("toml".to_owned(), json!(remark + &toml));
        }
    }
    Ok(typed_json(StatusCode::OK, &shown))
}

/// Shows the quotas that are in force in the place of those that were configured; gives the domains
/// whose quotas were set.
pub(super) fn put_quotas_in_force(node: &NodeState, shown: &mut Config) -> Vec<Domain> {
    let mut set = Vec::new();
    for domain in &mut shown.domains {
        if node.limits.source(&domain.name) == Source::Set {
            domain.quota = node.limits.of_domain(&domain.name);
            set.push(domain.name.clone());
        }
    }
    set
}

/// Where quotas come from that were set, in words.
pub(super) fn quotas_origin(name: &Domain) -> String {
    format!(
        "set with `kiln admin quotas set`; what is configured does not count until `kiln admin quotas \
         clear {name}`"
    )
}

async fn add(
    State(node): State<Arc<NodeState>>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Result<Response, ApiError> {
    let Wish { settings } = parse_request(&body)?;
    detached(async move {
        let _changing = node.changing.lock().await;
        require_fit(&node, &settings)?;
        let (name, settings) = (settings.name.clone(), Arc::new(settings));
        for open in &node.open_domain {
            open(Arc::clone(&settings)).await.map_err(|error| {
                ApiError::bad_request(format!("the domain cannot be opened: {error:#}"))
            })?;
        }
        let event = caller.event("domain.add", clock_ms()).domain(name.as_str());
        // What others may do there; the rest stands in the settings.
        let open = json!({ "anonymous": settings.anonymous, "quota": settings.quota });
        let event = event.detail(open);
        let (control, stored) = (node.control.clone(), Arc::clone(&settings));
        let store = move || control.add_domain(&stored, &event);
        blocking(store).await?.map_err(control_error)?;
        // One that was disabled while it stood in the configuration would still be so.
        node.domains.set_disabled(&name, false);
        node.domains.add(settings);
        tracing::info!(domain = %name, "a domain was added");
        let shown = summary(&node, &node.domains.table(), &name);
        Ok(typed_json(StatusCode::CREATED, &shown))
    })
    .await
}

/// Refuses what the configuration would refuse, beside what is there.
fn require_fit(node: &NodeState, settings: &DomainConfig) -> Result<(), ApiError> {
    let name = &settings.name;
    let table = node.domains.table();
    if table.names().any(|known| known == name) {
        let text =
            format!("domain {name} is there already; disable and enable it, or change kiln.toml");
        return Err(ApiError::new(StatusCode::CONFLICT, text));
    }
    if settings.eth_adapter.is_some() {
        return Err(ApiError::bad_request(
            "eth_adapter needs a listener, which is opened when the node starts; put the domain into \
             kiln.toml",
        ));
    }
    let mut whole = node.config.as_ref().clone();
    whole.domains = table.anchored().map(|it| it.as_ref().clone()).collect();
    whole.domains.push(settings.clone());
    whole
        .validate(node.logs)
        .map_err(|error| ApiError::bad_request(error.to_string()))
}

async fn disable(
    node: State<Arc<NodeState>>,
    caller: Extension<Caller>,
    name: Path<String>,
) -> Result<Response, ApiError> {
    switch(node, caller, name, Switch::Disable).await
}

async fn enable(
    node: State<Arc<NodeState>>,
    caller: Extension<Caller>,
    name: Path<String>,
) -> Result<Response, ApiError> {
    switch(node, caller, name, Switch::Enable).await
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Switch {
    Disable,
    Enable,
}

async fn switch(
    State(node): State<Arc<NodeState>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    switch: Switch,
) -> Result<Response, ApiError> {
    detached(async move {
        let _changing = node.changing.lock().await;
        let (name, _) = known(&node, &name)?;
        let disabled = switch == Switch::Disable;
        let act = if disabled {
            "domain.disable"
        } else {
            "domain.enable"
        };
        let event = caller.event(act, clock_ms()).domain(name.as_str());
        let (control, stored) = (node.control.clone(), name.clone());
        let store = move || control.set_domain_disabled(&stored, disabled, &event);
        blocking(store).await?.map_err(control_error)?;
        node.domains.set_disabled(&name, disabled);
        tracing::info!(domain = %name, disabled, "a domain, as the operator says");
        let shown = summary(&node, &node.domains.table(), &name);
        Ok(typed_json(StatusCode::OK, &shown))
    })
    .await
}

/// A domain of the node, also one that is disabled.
///
/// # Errors
/// 404.
pub(super) fn known(node: &NodeState, name: &str) -> Result<(Domain, Anchoring), ApiError> {
    node.domains.find(name).ok_or_else(|| {
        let text = format!("this node has no domain {name:?}");
        ApiError::new(StatusCode::NOT_FOUND, text)
    })
}
