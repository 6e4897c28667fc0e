//! `GET /anchor/<domain>/proof/<anchorId>` and `…/status/<anchorId>`: where an anchor stands.
//!
//! **Source:** `translog.md` §7, `ledger.md` §4.1 (what users must be able to learn).

use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use keyssi::AnchorId;
use ledger::{LedgerError, Logged, Publication, Standing};
use node::{AnchoringKind, ApiError};
use serde_json::{Value, json};
use translog::{Entry, Extra, ProofFile, SignedNote};

use crate::anchors::ledger_error;
use crate::backends::Backend;
use crate::log::{absent, no_log};
use crate::waiting;

/// Seconds after which a proof that is not there yet may be asked for again.
const RETRY_AFTER_S: u32 = 1;
/// The same, when a person has to look first.
const RETRY_AFTER_LONG_S: u32 = 60;

/// The version that a query asks for: `version=<decimal>`, or none.
pub(crate) fn version(query: Option<&str>) -> Result<Option<u64>, ApiError> {
    let Some(query) = query.filter(|query| !query.is_empty()) else {
        return Ok(None);
    };
    let number = query
        .strip_prefix("version=")
        .filter(|number| number.bytes().all(|digit| digit.is_ascii_digit()))
        .and_then(|number| number.parse().ok());
    number.map(Some).ok_or_else(|| {
        ApiError::bad_request("the query is version=<number of the version, from 0>, or nothing")
    })
}

async fn find(backend: &Backend, id: &AnchorId, version: Option<u64>) -> Result<Logged, ApiError> {
    let log = backend.log().ok_or_else(|| no_log(backend))?;
    let found = log.find(id, version).await;
    let found = found.map_err(|error| ledger_error(id.as_str(), error))?;
    if found.is_none()
        && backend.outbox.is_some()
        && let Some(hold) = log.hold()
    {
        // The ledger behind may have it: nothing is taken over from there now.
        let reason = hold.words();
        return Err(ledger_error(id.as_str(), LedgerError::Held { reason }));
    }
    found.ok_or_else(|| match version {
        Some(version) => absent(format!("anchor {} has no version {version}", id.as_str())),
        None if backend.is_cut_off() => absent(format!(
            "anchor {} is not known here, and the ledger behind this node does not answer",
            id.as_str()
        )),
        None => absent(format!("there is no anchor {}", id.as_str())),
    })
}

/// The `.tlog-proof` of a version: 200; 202 while it is in no checkpoint that is good enough; 410
/// when what opens it was erased.
pub(crate) async fn proof(
    backend: &Backend,
    id: &AnchorId,
    version: Option<u64>,
) -> Result<Response, ApiError> {
    let failed = |error| ledger_error(id.as_str(), error);
    let found = find(backend, id, version).await?;
    let log = backend.log().ok_or_else(|| no_log(backend))?;
    let publication = log.publication_of(found.place).await.map_err(failed)?;
    let published = match publication {
        Some(Publication { note, chain, .. }) => {
            let note = SignedNote::parse(&note);
            Some((note.map_err(|error| damaged(&error))?, chain))
        }
        None => None,
    };
    let (note, chain) = match published {
        Some((note, chain)) if is_good_now(backend, &note) => (note, Some(chain)),
        // Signed by a former key, or before the policy: one of today is worth more than the chain.
        published => match (covering(backend, found.place).await?, published) {
            (Some(note), _) => (note, None),
            (None, Some((note, chain))) => (note, Some(chain)),
            (None, None) => return not_yet(backend, found.place).await,
        },
    };
    let size = note.checkpoint().map_err(|error| damaged(&error))?.size;
    let proven = log.prove(found.place, size).await.map_err(failed)?;
    let proven = proven.ok_or_else(|| damaged(&"a checkpoint is larger than its log"))?;
    let Some(opening) = proven.opening else {
        return Err(ApiError::new(
            StatusCode::GONE,
            "what opens this entry was erased; the log holds only its commitment",
        ));
    };
    let file = ProofFile {
        extra: Some(Extra {
            entry: Entry::decode(&proven.entry).map_err(|error| damaged(&error))?,
            opening,
            chain,
        }),
        index: found.place,
        hashes: proven.hashes,
        note,
    };
    let mut answer = node::raw(StatusCode::OK, file.to_string());
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(answer)
}

/// The newest good enough checkpoint if it covers a leaf: cosigned where the log asks witnesses.
async fn covering(backend: &Backend, place: u64) -> Result<Option<SignedNote>, ApiError> {
    let Some(keeper) = &backend.log else {
        return Ok(None);
    };
    let log = keeper.signer().log();
    let note = match keeper.signer().policy() {
        Some(_) => log.cosigned().await,
        None => log.checkpoint().await,
    };
    let note = note.map_err(|error| ledger_error("", error))?;
    let covers = |note: &SignedNote| note.checkpoint().is_ok_and(|it| it.size > place);
    Ok(note.filter(covers))
}

/// Whether a note satisfies those who follow the log's present key and policy.
fn is_good_now(backend: &Backend, note: &SignedNote) -> bool {
    let Some(keeper) = &backend.log else {
        return false;
    };
    let signer = keeper.signer();
    match (signer.policy(), signer.keys().first()) {
        (Some(policy), _) if policy.check(note).is_err() => false,
        (_, Some(key)) => translog::verify_note(note, &[key.verifier().clone()]).is_ok(),
        (_, None) => false,
    }
}

async fn not_yet(backend: &Backend, place: u64) -> Result<Response, ApiError> {
    let keeper = backend.log.as_ref().ok_or_else(|| no_log(backend))?;
    let waiting = waiting::waits_for(keeper, place).await;
    let waiting = waiting.map_err(|error| ledger_error("", error))?;
    let text = format!("the entry is stored; {}", waiting.words);
    let mut answer = node::message(StatusCode::ACCEPTED, &text);
    let seconds = if waiting.is_long {
        RETRY_AFTER_LONG_S
    } else {
        RETRY_AFTER_S
    };
    let seconds = HeaderValue::from(seconds);
    answer.headers_mut().insert(header::RETRY_AFTER, seconds);
    Ok(answer)
}

fn damaged(detail: &dyn std::fmt::Display) -> ApiError {
    ApiError::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "the log is damaged and nothing of it is proven",
    )
    .because(anyhow::anyhow!("{detail}"))
}

/// Where a version stands, as JSON.
pub(crate) async fn status(
    backend: &Backend,
    id: &AnchorId,
    version: Option<u64>,
) -> Result<Response, ApiError> {
    let status = if backend.log.is_some() {
        logged_status(backend, id, version).await?
    } else {
        passed_on_status(backend, id, version).await?
    };
    Ok(node::typed_json(StatusCode::OK, &status))
}

/// Of an anchor that is in this node's store, wherever it goes from there.
async fn logged_status(
    backend: &Backend,
    id: &AnchorId,
    version: Option<u64>,
) -> Result<Value, ApiError> {
    let failed = |error| ledger_error(id.as_str(), error);
    if backend.outbox.is_some() {
        // Takes over what other nodes wrote to the ledger.
        backend.ledger.last_version(id).await.map_err(failed)?;
    }
    let found = find(backend, id, version).await?;
    let log = backend.log().ok_or_else(|| no_log(backend))?;
    let covering = covering(backend, found.place).await?;
    let publication = log.publication_of(found.place).await.map_err(failed)?;
    let size = covering
        .and_then(|note| note.checkpoint().ok())
        .map(|checkpoint| checkpoint.size);
    let standing = match &backend.outbox {
        Some(outbox) => Some(outbox.standing(id, found.version).await.map_err(failed)?),
        None => None,
    };
    let placed = standing
        .as_ref()
        .and_then(|standing| standing.placed.as_ref());
    let chain = match (&publication, placed) {
        (Some(publication), _) => json!(publication.chain),
        (None, Some(placed)) => json!(placed),
        (None, None) => Value::Null,
    };
    let state = match &standing {
        Some(standing) if standing.conflict.is_some() => "conflict",
        Some(standing) if standing.waiting > 0 => "pending",
        Some(_) => passed_on(backend),
        None if publication.is_some() => "onChain",
        None if size.is_some() => "inLog",
        None => "pending",
    };
    Ok(json!({
        "anchorId": id.as_str(),
        "domain": id.domain().as_str(),
        "version": found.version,
        "versions": found.versions,
        "state": state,
        "log": log_place(backend, found.place, size).await?,
        "chain": chain,
        "outbox": outbox(backend, standing.as_ref(), state),
        "conflict": standing.and_then(|standing| standing.conflict),
    }))
}

/// Where an entry is in the log, and what it waits for.
async fn log_place(
    backend: &Backend,
    place: u64,
    checkpoint_size: Option<u64>,
) -> Result<Value, ApiError> {
    let keeper = backend.log.as_ref().ok_or_else(|| no_log(backend))?;
    let failed = |error| ledger_error("", error);
    let (mut waits_for, mut cosignatures) = (None, Value::Null);
    if checkpoint_size.is_none() {
        let waiting = waiting::waits_for(keeper, place).await.map_err(failed)?;
        waits_for = Some(waiting.words);
        cosignatures = waiting::cosignatures(keeper).await.map_err(failed)?;
    }
    Ok(json!({
        "origin": keeper.signer().origin().to_string(),
        "index": place,
        "checkpointSize": checkpoint_size,
        "waitsFor": waits_for,
        "cosignatures": cosignatures,
        "hold": waiting::hold(keeper),
        "continues": waiting::continues(keeper),
    }))
}

/// What waits to be brought to the other ledger, and what keeps it.
fn outbox(backend: &Backend, standing: Option<&Standing>, state: &str) -> Value {
    match (standing, &backend.publisher) {
        (Some(standing), _) => json!({
            "waiting": standing.waiting,
            "attempts": standing.attempts,
            "lastError": standing.last_error,
        }),
        (None, Some(publisher)) => json!({
            "waiting": u64::from(state != "onChain"),
            "attempts": 0,
            "lastError": publisher.trouble(),
        }),
        (None, None) => Value::Null,
    }
}

/// Of an anchor that is on another ledger alone: there it stands, or it is not known.
async fn passed_on_status(
    backend: &Backend,
    id: &AnchorId,
    version: Option<u64>,
) -> Result<Value, ApiError> {
    let last = backend.ledger.last_version(id).await;
    let last = last.map_err(|error| ledger_error(id.as_str(), error))?;
    let (_, versions) =
        last.ok_or_else(|| absent(format!("there is no anchor {}", id.as_str())))?;
    let version = version.unwrap_or(versions.saturating_sub(1));
    if version >= versions {
        return Err(absent(format!(
            "anchor {} has no version {version}",
            id.as_str()
        )));
    }
    Ok(json!({
        "anchorId": id.as_str(),
        "domain": id.domain().as_str(),
        "version": version,
        "versions": versions,
        "state": passed_on(backend),
        "log": Value::Null,
        "chain": Value::Null,
        "outbox": Value::Null,
        "conflict": Value::Null,
    }))
}

/// The state of what has arrived on the domain's own ledger.
fn passed_on(backend: &Backend) -> &'static str {
    match backend.config.anchoring {
        AnchoringKind::Adapter => "onLedger",
        _ => "onChain",
    }
}
