//! HTTP over the ledgers: anchors, their transparency logs and proofs, BDNS and versionless DSUs.
//!
//! **Source:** `http-api.md` §3 to §5. Paths are matched raw and nothing is decoded; anchor ids and
//! values are taken in their canonical wrapped form only.

mod admin;
mod anchors;
mod backends;
mod batch;
mod documents;
mod elsewhere;
mod eth_adapter;
mod figures;
mod freeze;
mod log;
mod log_key;
mod operation;
mod proof;
mod quota;
mod scrub;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use http::request::Parts;
use http::{HeaderValue, Method, Request, StatusCode, header};
use ledger::{EmbeddedLedger, EngineOptions, Mode, ScrubOptions, Scrubber};
use node::{
    ApiError, BodyBudget, Caller, Domains, Limits, LimitsConfig, Need, OpenDomain, Part, Readiness,
    Right, Setup,
};

use crate::backends::Backends;

pub use crate::log_key::{
    put_renewed_in_place as put_renewed_log_key_in_place,
    put_unused_aside as put_unused_log_key_aside,
};

/// What the routes need.
struct Anchors {
    /// The ledger of each domain.
    backends: Backends,
    /// The domains served.
    domains: Domains,
    /// Bounds on bodies.
    limits: LimitsConfig,
    /// Body bytes in flight, shared by all services of the process.
    budget: BodyBudget,
    /// Who may use how much.
    quotas: Limits,
    /// Looks at every anchor, now and then; ends with the routes.
    _scrubber: Arc<Scrubber>,
}

/// Opens the ledger in the data folder, makes the back end of each domain, and starts keeping their
/// logs.
///
/// # Errors
/// When another process has the ledger, it cannot be opened, or a domain cannot be served as it is
/// configured.
#[must_use]
pub fn open(setup: &Setup) -> node::Opening<'_> {
    Box::pin(open_now(setup))
}

async fn open_now(setup: &Setup) -> anyhow::Result<Part> {
    let config = &setup.config;
    let lock = node::lock_store(&config.node.data, "anchors")?;
    let options = EngineOptions {
        free_bytes_min: config.limits.free_bytes_min,
        mode: Mode::Serve,
    };
    let path = config.node.data.join("anchors");
    let embedded = EmbeddedLedger::open(&path, options, node::clock_ms)?;
    node::note_made(&lock, &path);
    let backends = Backends::new(embedded, &config.node.data, &config.node.log_origin_prefix);
    let mut listeners = Vec::new();
    for domain in setup.domains.table().anchored() {
        let backend = backends.of(domain).await?;
        if let Some(served) = &domain.eth_adapter {
            listeners.push(eth_adapter::listener(setup, served, &backends, backend)?);
        }
    }
    let opened = backends.clone();
    let open_domain: OpenDomain = Arc::new(move |domain| {
        let backends = opened.clone();
        Box::pin(async move { backends.of(&domain).await.map(drop) })
    });
    let checked = backends.clone();
    let readiness: Readiness = Arc::new(move || checked.readiness());
    let scrub = ScrubOptions {
        automatic: config.scrub.enabled,
        bytes_per_second: config.scrub.bytes_per_second,
        pause_between: Duration::from_secs(config.scrub.pause_between_s),
    };
    let scrubber = Arc::new(backends.embedded().scrub(scrub)?);
    let collectors = figures::collectors(&backends, &scrubber, &setup.domains)?;
    let scrubbing = scrub::Scrub(Arc::clone(&scrubber));
    let admin = admin::routes(backends.clone(), setup)
        .merge(node::scrub_routes(scrubbing, setup.control.clone()))
        .merge(freeze::routes(backends.embedded().clone(), setup));
    let stored = admin::stored(backends.clone());
    let anchors = Anchors {
        _scrubber: scrubber,
        backends,
        domains: setup.domains.clone(),
        limits: config.limits.clone(),
        budget: setup.budget.clone(),
        quotas: setup.limits.clone(),
    };
    Ok(Part {
        name: "anchors",
        routes: router(anchors),
        needs,
        operation: operation::of,
        collectors,
        readiness,
        lock,
        listeners,
        admin,
        stored,
        open_domain: Some(open_domain),
    })
}

/// What a request needs; the paths are those of [`anchor`], [`log_part`], [`bdns`] and [`document`].
fn needs<'a>(method: &Method, path: &'a str) -> Option<Need<'a>> {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    if let Some(rest) = path.strip_prefix("/log/") {
        let (domain, _) = rest.split_once('/').filter(|_| reads)?;
        let right = Right::Read;
        return Some(Need::Of { domain, right });
    }
    if matches!(path, "/bdns" | "/bdns/") {
        return (*method == Method::GET).then_some(Need::Open);
    }
    if path == "/versionlessdsu" || path.starts_with("/versionlessdsu/") {
        // Documents are of no domain: the handler demands the right in all of them.
        let right = match *method {
            Method::GET => Right::Read,
            Method::PUT => Right::Documents,
            _ => return None,
        };
        return Some(Need::PerItem { right });
    }
    let segments = node::segments("/anchor", path)?;
    let (domain, right) = match (method, segments.as_slice()) {
        (&Method::PUT, ["create-or-update-multiple-anchors"]) => {
            let right = Right::Anchor;
            return Some(Need::PerItem { right });
        }
        (
            &Method::PUT,
            [domain, "create-or-update-multiple-anchors"]
            | [domain, "create-anchor" | "append-to-anchor", _]
            | [domain, "create-anchor" | "append-to-anchor", _, _],
        ) => (domain, Right::Anchor),
        (
            _,
            [domain, "get-total-numbers-of-anchors"]
            | [
                domain,
                "get-all-versions" | "get-last-version" | "proof" | "status",
                _,
            ],
        ) if reads => (domain, Right::Read),
        _ => return None,
    };
    Some(Need::Of { domain, right })
}

/// The routes under `/anchor`, `/log`, `/bdns` and `/versionlessdsu`.
fn router(anchors: Anchors) -> Router {
    Router::new()
        .route("/anchor/{*rest}", any(anchor))
        .route("/log/{*rest}", any(log_part))
        .route("/bdns", any(bdns))
        .route("/bdns/", any(bdns))
        .route("/versionlessdsu", any(document))
        .route("/versionlessdsu/", any(document))
        .route("/versionlessdsu/{*rest}", any(document))
        .with_state(Arc::new(anchors))
}

async fn anchor(State(service): State<Arc<Anchors>>, request: Request<Body>) -> Response {
    let (head, body) = request.into_parts();
    let segments = node::segments("/anchor", head.uri.path()).unwrap_or_default();
    let reads = matches!(head.method, Method::GET | Method::HEAD);
    let answer = match (&head.method, segments.as_slice()) {
        (&Method::PUT, ["create-or-update-multiple-anchors"]) => {
            batch::write(&service, None, &head, body).await
        }
        (&Method::PUT, [domain, "create-or-update-multiple-anchors"]) => {
            batch::write(&service, Some(domain), &head, body).await
        }
        (
            &Method::PUT,
            [
                domain,
                action @ ("create-anchor" | "append-to-anchor"),
                id,
                value,
            ],
        ) => {
            node::discard(&head.headers, body).await;
            anchors::write(&service, &head, domain, (action, id, value)).await
        }
        (&Method::PUT, [_, "create-anchor" | "append-to-anchor", _]) => {
            batch::legacy(&service, &head, body).await
        }
        (_, [domain, "get-all-versions", id]) if reads => {
            anchors::all_versions(&service, domain, id).await
        }
        (_, [domain, "get-last-version", id]) if reads => {
            anchors::last_version(&service, domain, id).await
        }
        (_, [domain, "get-total-numbers-of-anchors"]) if reads => {
            anchors::total(&service, domain).await
        }
        (_, [domain, "proof", id]) if reads => {
            anchors::proof(&service, domain, id, head.uri.query()).await
        }
        (_, [domain, "status", id]) if reads => {
            anchors::status(&service, domain, id, head.uri.query()).await
        }
        _ => {
            node::discard(&head.headers, body).await;
            return node::empty(StatusCode::NOT_FOUND);
        }
    };
    answer.unwrap_or_else(IntoResponse::into_response)
}

/// `GET /log/<domain>/…`: the transparency log of a domain.
async fn log_part(State(service): State<Arc<Anchors>>, request: Request<Body>) -> Response {
    let (head, body) = request.into_parts();
    node::discard(&head.headers, body).await;
    let path = head.uri.path().strip_prefix("/log/");
    let Some((domain, path)) = path.and_then(|path| path.split_once('/')) else {
        return node::empty(StatusCode::NOT_FOUND);
    };
    if !matches!(head.method, Method::GET | Method::HEAD) {
        return node::empty(StatusCode::NOT_FOUND);
    }
    let answer = match service.backend(domain).await {
        Ok(backend) => log::get(&backend, path, &head.headers).await,
        Err(error) => Err(error),
    };
    answer.unwrap_or_else(IntoResponse::into_response)
}

/// `GET /bdns`: which services serve which domain.
async fn bdns(State(service): State<Arc<Anchors>>, request: Request<Body>) -> Response {
    if request.method() != Method::GET {
        let (head, body) = request.into_parts();
        node::discard(&head.headers, body).await;
        return node::empty(StatusCode::NOT_FOUND);
    }
    let mut answer = node::raw(StatusCode::OK, Body::from(service.domains.bdns()));
    let kind = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    answer
}

async fn document(State(service): State<Arc<Anchors>>, request: Request<Body>) -> Response {
    let (head, body) = request.into_parts();
    let target = head
        .uri
        .path_and_query()
        .map_or("", http::uri::PathAndQuery::as_str);
    let path = target.strip_prefix("/versionlessdsu/");
    let admitted = admit_to_documents(&service, &head);
    if let Err(refusal) = admitted {
        node::discard(&head.headers, body).await;
        return refusal.into_response();
    }
    let answer = match (&head.method, path) {
        (&Method::PUT, Some(path)) => documents::put(&service, path, &head, body).await,
        (&Method::GET, Some(path)) => documents::get(&service, path).await,
        (&Method::PUT | &Method::GET, None) => {
            node::discard(&head.headers, body).await;
            Ok(node::empty(StatusCode::BAD_REQUEST))
        }
        _ => {
            node::discard(&head.headers, body).await;
            Ok(node::empty(StatusCode::NOT_FOUND))
        }
    };
    answer.unwrap_or_else(IntoResponse::into_response)
}

/// Documents belong to no domain, so whoever reads or writes one must have the right in every one.
fn admit_to_documents(service: &Anchors, head: &Parts) -> Result<(), ApiError> {
    let right = match head.method {
        Method::PUT => Right::Documents,
        _ => Right::Read,
    };
    Caller::of(head)?.require_everywhere(&service.domains, right)
}

/// The answer when the body bytes that the node may hold are in use.
fn busy() -> ApiError {
    ApiError::unavailable("the node holds as many body bytes as it may; try again", 1)
}
