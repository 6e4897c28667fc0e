//! HTTP over the brick store: `put-brick`, `get-brick`, `brick-exists`, `downloadMultipleBricks`.
//!
//! **Source:** `http-api.md` §2. Paths are matched raw, nothing is decoded, and a hash that is not
//! 32 bytes in base58 never reaches the store.

mod conditional;
mod read;
mod write;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use brickstore::{BrickStore, BrickStoreError, EngineOptions, Mode};
use http::{Method, Request, StatusCode};
use keyssi::Domain;
use node::{ApiError, BodyBudget, Domains, LimitsConfig, Part, Readiness, Setup};

/// What the routes need.
struct Bricks {
    /// The store.
    store: BrickStore,
    /// The domains served.
    domains: Domains,
    /// Bounds on bodies.
    limits: LimitsConfig,
    /// Body bytes in flight, shared by all services of the process.
    budget: BodyBudget,
}

/// Opens the store in the data folder and makes it ready to be served.
///
/// # Errors
/// When another process has the store, or it cannot be opened.
pub fn open(setup: &Setup) -> anyhow::Result<Part> {
    let config = &setup.config;
    let lock = node::lock_store(&config.node.data, "bricks")?;
    let options = EngineOptions {
        free_bytes_min: config.limits.free_bytes_min,
        mode: Mode::Serve,
    };
    let store = BrickStore::open(&config.node.data.join("bricks"), options)?;
    let checked = store.clone();
    let readiness: Readiness = Arc::new(move || checked.readiness());
    let bricks = Bricks {
        store,
        domains: setup.domains.clone(),
        limits: config.limits.clone(),
        budget: setup.budget.clone(),
    };
    Ok(Part {
        name: "bricks",
        routes: router(bricks),
        readiness,
        lock,
    })
}

/// The routes under `/bricking`.
fn router(bricks: Bricks) -> Router {
    Router::new()
        .route("/bricking/{*rest}", any(route))
        .with_state(Arc::new(bricks))
}

async fn route(State(bricks): State<Arc<Bricks>>, request: Request<Body>) -> Response {
    let (head, body) = request.into_parts();
    let segments = node::segments("/bricking", head.uri.path()).unwrap_or_default();
    let answer = match (&head.method, segments.as_slice()) {
        (&Method::PUT, [domain, "put-brick"]) => write::put(&bricks, domain, &head, body).await,
        (&Method::GET | &Method::HEAD, [domain, "get-brick", hash]) if !hash.is_empty() => {
            read::get(&bricks, domain, hash, &head).await
        }
        (&Method::GET | &Method::HEAD, [domain, "brick-exists", hash]) if !hash.is_empty() => {
            read::exists(&bricks, domain, hash).await
        }
        (&Method::GET, [domain, "downloadMultipleBricks"]) => {
            read::get_multiple(&bricks, domain, head.uri.query().unwrap_or("")).await
        }
        _ => {
            node::discard(&head.headers, body).await;
            return node::empty(StatusCode::NOT_FOUND);
        }
    };
    answer.unwrap_or_else(IntoResponse::into_response)
}

impl Bricks {
    /// The domain of a path. The text is only looked up, so it may be anything.
    fn domain(&self, name: &str) -> Result<Domain, ApiError> {
        let found = self.domains.find(name).map(|(domain, _)| domain);
        found.ok_or_else(|| {
            let text = format!("[Bricking] Domain '{name}' not found!");
            ApiError::new(StatusCode::NOT_FOUND, text)
        })
    }
}

/// What a client is told of a store's failure.
fn store_error(error: BrickStoreError) -> ApiError {
    match error {
        BrickStoreError::OutOfSpace => ApiError::out_of_space(),
        BrickStoreError::HashMismatch { .. } | BrickStoreError::Corrupt(_) => ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the stored brick is damaged and is not served; fetch it from another store, \
             or put it again",
        )
        .because(error),
        _ => ApiError::unavailable("the brick store is not available", 5).because(error),
    }
}
