//! HTTP over the brick store: `put-brick`, `get-brick`, `brick-exists`, `downloadMultipleBricks`;
//! many bricks in one request (`have-bricks`, `get-bricks`, `put-bricks`); bricks as IPFS blocks
//! (`/ipfs/…`).
//!
//! **Source:** `http-api.md` §2; `docs/http-batch.md` for what the reference has not. Paths are matched raw, nothing is decoded, and a hash that is not
//! 32 bytes in base58 never reaches the store.

mod admin;
mod batch;
mod conditional;
mod figures;
mod format;
mod freeze;
mod gateway;
mod hash_list;
mod operation;
mod read;
mod scrub;
mod stream;
mod write;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use brickstore::{BrickStore, BrickStoreError, EngineOptions, Mode, ScrubOptions, Scrubber};
use http::request::Parts;
use http::{Method, Request, StatusCode};
use keyssi::Domain;
use node::{
    ApiError, BodyBudget, Domains, LimitsConfig, Need, Part, Readiness, Right, Setup, Share,
};

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
    /// Looks at every brick, now and then; ends with the routes.
    _scrubber: Arc<Scrubber>,
}

/// Opens the store in the data folder and makes it ready to be served.
///
/// # Errors
/// When another process has the store, or it cannot be opened.
#[must_use]
pub fn open(setup: &Setup) -> node::Opening<'_> {
    Box::pin(async { open_now(setup) })
}

fn open_now(setup: &Setup) -> anyhow::Result<Part> {
    let config = &setup.config;
    let lock = node::lock_store(&config.node.data, "bricks")?;
    let options = EngineOptions {
        free_bytes_min: config.limits.free_bytes_min,
        mode: Mode::Serve,
    };
    let path = config.node.data.join("bricks");
    let store = BrickStore::open(&path, options)?;
    node::note_made(&lock, &path);
    let checked = store.clone();
    let readiness: Readiness = Arc::new(move || checked.readiness().map_err(str::to_owned));
    let scrub = ScrubOptions {
        automatic: config.scrub.enabled,
        bytes_per_second: config.scrub.bytes_per_second,
        pause_between: Duration::from_secs(config.scrub.pause_between_s),
    };
    let scrubber = Arc::new(store.scrub(scrub, node::clock_ms)?);
    let admin = admin::routes(store.clone(), setup.domains.clone()).merge(scrub::routes(
        &store,
        &scrubber,
        setup.control.clone(),
    ));
    let admin = admin.merge(freeze::routes(store.clone(), setup));
    let collectors = figures::collectors(&store, &scrubber, &setup.domains)?;
    let stored = admin::stored(store.clone());
    let bricks = Bricks {
        _scrubber: scrubber,
        store,
        domains: setup.domains.clone(),
        limits: config.limits.clone(),
        budget: setup.budget.clone(),
    };
    Ok(Part {
        name: "bricks",
        routes: router(bricks),
        needs,
        operation: operation::of,
        collectors,
        readiness,
        lock,
        listeners: Vec::new(),
        admin,
        stored,
        open_domain: None,
    })
}

/// What a request needs; the paths are those of [`route`] and [`route_ipfs`].
fn needs<'a>(method: &Method, path: &'a str) -> Option<Need<'a>> {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    if let Some(segments) = node::segments("/ipfs", path) {
        // The domain is not in the path: every one is looked in that the caller may read.
        let is_block = reads && segments.first().is_some_and(|cid| !cid.is_empty());
        return is_block.then_some(Need::PerItem { right: Right::Read });
    }
    let segments = node::segments("/bricking", path)?;
    let (domain, right) = match (method, segments.as_slice()) {
        (&Method::PUT, [domain, "put-brick"]) | (&Method::POST, [domain, "put-bricks"]) => {
            (domain, Right::WriteBricks)
        }
        (_, [domain, "get-brick" | "brick-exists", hash]) if reads && !hash.is_empty() => {
            (domain, Right::Read)
        }
        (&Method::GET, [domain, "downloadMultipleBricks"])
        | (&Method::POST, [domain, "have-bricks" | "get-bricks"]) => (domain, Right::Read),
        _ => return None,
    };
    Some(Need::Of { domain, right })
}

/// The routes under `/bricking` and `/ipfs`.
fn router(bricks: Bricks) -> Router {
    Router::new()
        .route("/bricking/{*rest}", any(route))
        .route("/ipfs/{*rest}", any(route_ipfs))
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
        (&Method::POST, [domain, "have-bricks"]) => batch::have(&bricks, domain, &head, body).await,
        (&Method::POST, [domain, "get-bricks"]) => batch::get(&bricks, domain, &head, body).await,
        (&Method::POST, [domain, "put-bricks"]) => batch::put(&bricks, domain, &head, body).await,
        _ => {
            node::discard(&head.headers, body).await;
            return node::empty(StatusCode::NOT_FOUND);
        }
    };
    answer.unwrap_or_else(IntoResponse::into_response)
}

async fn route_ipfs(State(bricks): State<Arc<Bricks>>, request: Request<Body>) -> Response {
    let (head, body) = request.into_parts();
    let segments = node::segments("/ipfs", head.uri.path()).unwrap_or_default();
    match (&head.method, segments.as_slice()) {
        (&Method::GET | &Method::HEAD, [cid, below @ ..]) if !cid.is_empty() => {
            let answer = gateway::get(&bricks, cid, below, &head).await;
            answer.unwrap_or_else(IntoResponse::into_response)
        }
        _ => {
            node::discard(&head.headers, body).await;
            node::empty(StatusCode::NOT_FOUND)
        }
    }
}

impl Bricks {
    /// The domain of a path whose request has a body; the body of a refused one is read and
    /// dropped, so that the client reads the answer.
    async fn domain_or_discard(
        &self,
        name: &str,
        head: &Parts,
        body: Body,
    ) -> Result<(Domain, Body), ApiError> {
        match self.domain(name) {
            Ok(domain) => Ok((domain, body)),
            Err(refusal) => {
                node::discard(&head.headers, body).await;
                Err(refusal)
            }
        }
    }

    /// The domain of a path. The text is only looked up, so it may be anything.
    fn domain(&self, name: &str) -> Result<Domain, ApiError> {
        let found = self.domains.find(name).map(|(domain, _)| domain);
        found.ok_or_else(|| {
            let text = format!("[Bricking] Domain '{name}' not found!");
            ApiError::new(StatusCode::NOT_FOUND, text)
        })
    }

    /// A share of the budget.
    async fn share(&self, bytes: u64) -> Result<Share, ApiError> {
        share(&self.budget, bytes).await
    }
}

/// A share of a budget, or what a client is told when there is none.
async fn share(budget: &BodyBudget, bytes: u64) -> Result<Share, ApiError> {
    budget.acquire(bytes).await.map_err(|_| {
        ApiError::unavailable("the node holds as many body bytes as it may; try again", 1)
    })
}

/// What a client is told whose bricks do not fit into a quota.
fn over_quota(which: &str, unit: &str, [limit, used, asked]: [u64; 3]) -> ApiError {
    ApiError::new(
        StatusCode::INSUFFICIENT_STORAGE,
        format!(
            "{which} is {limit} {unit}, {used} are in use, and what was sent needs {asked} more; \
             nothing of it was stored, and what is stored stays readable"
        ),
    )
    .of_quota()
}

/// What a client is told of a store's failure.
fn store_error(error: BrickStoreError) -> ApiError {
    match error {
        BrickStoreError::OutOfSpace => ApiError::out_of_space(),
        BrickStoreError::QuotaExceeded {
            which,
            limit,
            used,
            asked,
        } => over_quota(&which.to_string(), which.unit(), [limit, used, asked]),
        BrickStoreError::HashMismatch { .. }
        | BrickStoreError::Corrupt(_)
        | BrickStoreError::Quarantined { .. } => ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the stored brick is damaged and is not served; fetch it from another store, \
             or put it again",
        )
        .because(error),
        _ => ApiError::unavailable("the brick store is not available", 5).because(error),
    }
}
