//! `GET /log/<domain>/…`: checkpoint, tiles, entry bundles, openings, keys, the log that it continues.
//!
//! **Source:** `translog.md` §4 to §6; C2SP tlog-tiles.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use ledger::{LedgerError, LogSigner};
use node::ApiError;
use translog::{BundleId, SignedNote, TileId};

use crate::anchors::ledger_error;
use crate::backends::Backend;

/// Tiles and bundles never change.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// A checkpoint is replaced within a second of new entries.
const NOT_KEPT: &str = "no-cache";
const TEXT: &str = "text/plain; charset=utf-8";
const BYTES: &str = "application/octet-stream";

/// Answers what stands after `/log/<domain>/`.
pub(crate) async fn get(
    backend: &Backend,
    path: &str,
    request: &HeaderMap,
) -> Result<Response, ApiError> {
    let Some(keeper) = &backend.log else {
        return Err(no_log(backend));
    };
    let log = keeper.signer().log();
    match path {
        "checkpoint" => checkpoint(log.checkpoint().await),
        "checkpoint/cosigned" => match keeper.signer().policy() {
            Some(_) => checkpoint(log.cosigned().await),
            None => Err(absent("the log asks no witnesses; see …/checkpoint")),
        },
        "predecessor" => match log
            .lineage()
            .await
            .map_err(|error| ledger_error("", error))?
        {
            Some(lineage) => Ok(answer(lineage.note().to_owned(), TEXT, NOT_KEPT)),
            None => Err(absent("the log continues no other")),
        },
        "vkey" => {
            let keys = keeper.signer().keys().iter();
            let lines: Vec<_> = keys.map(|key| key.verifier().to_string()).collect();
            Ok(answer(lines.join("\n") + "\n", TEXT, NOT_KEPT))
        }
        _ => part(backend, keeper.signer(), path, request).await,
    }
}

fn checkpoint(note: Result<Option<SignedNote>, LedgerError>) -> Result<Response, ApiError> {
    match note.map_err(|error| ledger_error("", error))? {
        Some(note) => Ok(answer(note.to_string(), TEXT, NOT_KEPT)),
        None => Err(absent("the log has no such checkpoint yet")),
    }
}

/// A tile, a bundle, or the openings of one.
async fn part(
    backend: &Backend,
    signer: &LogSigner,
    path: &str,
    request: &HeaderMap,
) -> Result<Response, ApiError> {
    let log = signer.log();
    let (found, kind, cache) = if let Ok(id) = BundleId::parse(path) {
        (log.bundle(id).await, BYTES, FOR_EVER)
    } else if let Ok(id) = TileId::parse(path) {
        (log.tile(id).await, BYTES, FOR_EVER)
    } else if let Ok(id) = BundleId::parse_openings(path) {
        if !backend.openings_are_public() {
            return Err(ApiError::new(
                StatusCode::FORBIDDEN,
                "the openings of this log are not public; each comes with its anchor's proof",
            ));
        }
        // An opening may be erased.
        let text = log.openings(id).await;
        (
            text.map(|text| text.map(String::into_bytes)),
            "application/json",
            NOT_KEPT,
        )
    } else {
        return Ok(node::empty(StatusCode::NOT_FOUND));
    };
    let found = found.map_err(|error| ledger_error("", error))?;
    let Some(bytes) = found else {
        return Err(absent("the log does not reach that far"));
    };
    if cache != FOR_EVER {
        return Ok(answer(bytes, kind, cache));
    }
    let tag = tag(signer);
    let mut answer = if has_it(request, &tag) {
        let mut unchanged = node::empty(StatusCode::NOT_MODIFIED);
        set(&mut unchanged, header::CACHE_CONTROL, cache);
        unchanged
    } else {
        answer(bytes, kind, cache)
    };
    answer.headers_mut().insert(header::ETAG, tag);
    Ok(answer)
}

/// The tag of what never changes under its name. A log that continues another has its own: what the
/// other one had under the same path may differ.
fn tag(signer: &LogSigner) -> HeaderValue {
    let tag = signer.predecessor().and(signer.keys().first()).map(|key| {
        let id = u32::from_be_bytes(key.verifier().id());
        HeaderValue::from_str(&format!("\"immutable-{id:08x}\""))
    });
    tag.and_then(Result::ok)
        .unwrap_or(HeaderValue::from_static("\"immutable\""))
}

/// Whether the client has the answer already.
fn has_it(request: &HeaderMap, tag: &HeaderValue) -> bool {
    let tags = request.get_all(header::IF_NONE_MATCH).into_iter();
    let mut tags = tags.filter_map(|tags| tags.to_str().ok());
    let tag = tag.to_str().unwrap_or_default();
    tags.any(|tags| tags.contains(tag) || tags.trim() == "*")
}

fn answer(body: impl Into<Body>, kind: &'static str, cache: &'static str) -> Response {
    let mut answer = node::raw(StatusCode::OK, body);
    set(&mut answer, header::CONTENT_TYPE, kind);
    set(&mut answer, header::CACHE_CONTROL, cache);
    answer
}

fn set(answer: &mut Response, name: header::HeaderName, value: &'static str) {
    answer
        .headers_mut()
        .insert(name, HeaderValue::from_static(value));
}

/// What is said of a domain without a log.
pub(crate) fn no_log(backend: &Backend) -> ApiError {
    absent(format!(
        "the anchors of domain {} go straight to another ledger; they are in no log of this node",
        backend.config.name
    ))
}

pub(crate) fn absent(text: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, text)
}
