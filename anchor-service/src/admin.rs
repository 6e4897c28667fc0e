//! What operators ask of the anchors: how each domain stands, and a checkpoint now.
//!
//! **Source:** `docs/admin.md`.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};
use http::StatusCode;
use keyssi::Domain;
use ledger::DomainFigures;
use node::{ApiError, Caller, Control, Domains, Setup, Stored, StoredOf};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::anchors::ledger_error;
use crate::backends::{Backend, Backends};
use crate::waiting;

/// The routes, which the admin listener serves below `/admin/v1/anchors`.
pub(crate) fn routes(backends: Backends, setup: &Setup) -> Router {
    Router::new()
        .route("/status", get(status))
        .route("/checkpoint", post(checkpoint))
        .with_state(Arc::new(Anchors {
            backends,
            domains: setup.domains.clone(),
            control: setup.control.clone(),
        }))
}

/// Counts the anchors of a domain, where the node's own store keeps them.
pub(crate) fn stored(backends: Backends) -> StoredOf {
    Arc::new(move |domain| {
        let backends = backends.clone();
        Box::pin(async move {
            let mut made = backends.made().into_iter();
            let backend = made.find(|backend| backend.config.name == domain);
            if backend.is_none_or(|backend| backend.log.is_none()) {
                return Ok(Stored::default());
            }
            let figures = figures(&backends, domain).await?;
            Ok(Stored {
                anchors: Some(figures.anchors),
                // Each version is one entry of the log.
                versions: Some(figures.log.map_or(0, |log| log.entries)),
                ..Stored::default()
            })
        })
    })
}

struct Anchors {
    backends: Backends,
    domains: Domains,
    control: Control,
}

/// Which log is to be signed; all when none is named.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(default)]
    domain: Option<String>,
}

async fn status(State(service): State<Arc<Anchors>>) -> Result<Response, ApiError> {
    let mut domains = Map::new();
    for backend in service.backends.made() {
        let name = backend.config.name.to_string();
        domains.insert(name, of(&service, &backend).await?);
    }
    Ok(node::typed_json(
        StatusCode::OK,
        &json!({ "domains": domains }),
    ))
}

/// What the node's own store knows of a domain: a slow ledger is not asked.
async fn of(service: &Anchors, backend: &Backend) -> Result<Value, ApiError> {
    let figures = figures(&service.backends, backend.config.name.clone()).await?;
    let age = |age: Option<Duration>| age.map(|age| age.as_secs());
    let log = backend.log.as_ref().map(|keeper| {
        let log = figures.log.clone().unwrap_or_default();
        let asks = keeper.signer().policy().is_some();
        let publishes = backend.publisher.as_ref();
        json!({
            "origin": keeper.signer().origin().as_str(),
            "entries": log.entries,
            "signed": log.signed,
            "checkpointMs": log.checkpoint_ms,
            "unsignedAgeS": age(log.oldest_unsigned),
            "trouble": keeper.trouble(),
            "continues": waiting::continues(keeper),
            "cosigned": asks.then_some(log.cosigned),
            "published": publishes.map(|_| log.published),
            "unpublishedAgeS": publishes.and_then(|_| age(log.oldest_unpublished)),
            "publisherTrouble": publishes.and_then(ledger::Publisher::trouble),
        })
    });
    let outbox = backend.outbox.as_ref().map(
        |_| json!({ "entries": figures.outbox.entries, "oldestAgeS": age(figures.outbox.oldest) }),
    );
    Ok(json!({
        "anchoring": backend.config.anchoring,
        "optimistic": backend.config.optimistic,
        "ready": backend.ledger.readiness().err().unwrap_or("ok"),
        // Without a log, entries go straight to another ledger.
        "anchors": log.is_some().then_some(figures.anchors),
        "log": log,
        "outbox": outbox,
    }))
}

async fn figures(backends: &Backends, domain: Domain) -> Result<DomainFigures, ApiError> {
    let embedded = backends.embedded().clone();
    let figures = tokio::task::spawn_blocking(move || embedded.domain_figures(&domain)).await;
    let figures =
        figures.map_err(|error| ApiError::unavailable("the node is ending", 5).because(error))?;
    figures.map_err(|error| ledger_error("", error))
}

async fn checkpoint(
    State(service): State<Arc<Anchors>>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Result<Response, ApiError> {
    let wanted: Wanted = node::parse_request(&body)?;
    if let Some(name) = &wanted.domain
        && service.domains.find(name).is_none()
    {
        let text = format!("this node does not serve domain {name:?}");
        return Err(ApiError::new(StatusCode::NOT_FOUND, text));
    }
    let event = caller.event("checkpoint.sign", node::clock_ms());
    let event = event.domain(wanted.domain.as_deref().unwrap_or_default());
    node::record_act(&service.control, event).await?;
    let mut logs = Map::new();
    for backend in service.backends.made() {
        let name = backend.config.name.as_str();
        if wanted.domain.as_deref().is_none_or(|wanted| wanted == name) {
            logs.insert(name.to_owned(), sign(&backend).await?);
        }
    }
    Ok(node::typed_json(StatusCode::OK, &json!({ "logs": logs })))
}

/// Signs what is not signed yet and gives the newest checkpoint, as text.
async fn sign(backend: &Backend) -> Result<Value, ApiError> {
    let name = &backend.config.name;
    let (Some(keeper), Some(log)) = (&backend.log, backend.log()) else {
        return Ok(
            json!({ "checkpoint": null, "message": "its anchors are in no log of this node" }),
        );
    };
    keeper.sign_now().await.map_err(|error| {
        let text = format!("the log of domain {name} is not signed: {error}");
        ApiError::unavailable(text, 5).because(error)
    })?;
    let note = log.checkpoint().await;
    let note = note.map_err(|error| ledger_error("", error))?;
    Ok(match note {
        Some(note) => json!({ "checkpoint": note.to_string() }),
        None => json!({ "checkpoint": null, "message": "nothing is in its log yet" }),
    })
}
