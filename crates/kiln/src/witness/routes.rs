//! The routes of a witness. Errors are plain text.
//!
//! **Source:** C2SP tlog-witness.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use causes::with_causes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use node::{BodyBudget, BodyLimits};
use translog::{ADD_CHECKPOINT_BYTES_MAX, AddCheckpoint, Refusal};

use super::store::{Refused, Store};

const TEXT: &str = "text/plain; charset=utf-8";
/// The type of an answer that is the size of the last cosigned checkpoint.
const SIZE: &str = "text/x.tlog.size";

const LIMITS: BodyLimits = BodyLimits {
    bytes_max: ADD_CHECKPOINT_BYTES_MAX as u64,
    bytes_per_second_min: 1 << 10,
    idle_max: Duration::from_secs(10),
};

#[derive(Clone)]
struct Witness {
    store: Arc<Store>,
    budget: BodyBudget,
}

/// The routes of a witness that keeps `store`.
pub(super) fn routes(store: Store, budget: BodyBudget) -> Router {
    let witness = Witness {
        store: Arc::new(store),
        budget,
    };
    Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .route("/vkey", get(vkey))
        .route("/{log}/checkpoint", get(checkpoint))
        .fallback(async || text(StatusCode::NOT_FOUND, "nothing here".to_owned()))
        .with_state(witness)
}

async fn add_checkpoint(
    State(witness): State<Witness>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let received = node::receive(&headers, body, &LIMITS, &witness.budget, |_| {}).await;
    let body = match received {
        Ok(body) => body,
        Err(refusal) => {
            let status = refusal.into_response().status();
            return text(status, "the request body was not accepted".to_owned());
        }
    };
    let Ok(body) = std::str::from_utf8(&body) else {
        return text(
            StatusCode::BAD_REQUEST,
            "the request is not UTF-8".to_owned(),
        );
    };
    let request = match AddCheckpoint::parse(body) {
        Ok(request) => request,
        Err(error) => return refused(Refused::ByRule(error.into())),
    };
    // It waits for the disk, and for others that wait for it. Once begun it goes on, whether or
    // not the client still listens.
    let store = Arc::clone(&witness.store);
    let work = move || store.cosign(&request, node::clock_ms() / 1000);
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(line)) => text(StatusCode::OK, line.to_string()),
        Ok(Err(why)) => refused(why),
        Err(error) => {
            tracing::error!(%error, "a request could not be judged");
            text(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the witness failed on this request".to_owned(),
            )
        }
    }
}

async fn vkey(State(witness): State<Witness>) -> Response {
    text(StatusCode::OK, format!("{}\n", witness.store.key()))
}

async fn checkpoint(State(witness): State<Witness>, Path(log): Path<String>) -> Response {
    match witness.store.newest(&log) {
        Some(note) => text(StatusCode::OK, note.to_string()),
        None => text(
            StatusCode::NOT_FOUND,
            "no checkpoint of such a log was cosigned".to_owned(),
        ),
    }
}

fn refused(why: Refused) -> Response {
    let refusal = match why {
        Refused::ByRule(refusal) => refusal,
        Refused::Disk(error) => {
            tracing::error!(%error, "what was cosigned could not be kept, and was not answered");
            return unable();
        }
        Refused::Unsure => return unable(),
    };
    let status = StatusCode::from_u16(refusal.status());
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Refusal::WrongOld { size } = refusal {
        return typed(status, SIZE, format!("{size}\n"));
    }
    text(status, with_causes(&refusal))
}

fn unable() -> Response {
    text(
        StatusCode::INTERNAL_SERVER_ERROR,
        "the witness cannot write to its disk; nothing was cosigned".to_owned(),
    )
}

fn text(status: StatusCode, body: String) -> Response {
    typed(status, TEXT, body)
}

fn typed(status: StatusCode, kind: &'static str, mut body: String) -> Response {
    if !body.ends_with('\n') {
        body.push('\n');
    }
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static(kind))];
    (status, kind, body).into_response()
}
