//! `GET /anchor/<domain>/proof/<anchorId>` and `…/status/<anchorId>`: where an anchor stands.
//!
//! **Source:** `translog.md` §7, `ledger.md` §4.1 (what users must be able to learn).

use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use keyssi::AnchorId;
use ledger::{Logged, Publication};
use node::ApiError;
use serde_json::{Value, json};
use translog::{Entry, Extra, ProofFile, SignedNote};

use crate::anchors::ledger_error;
use crate::backends::Backend;
use crate::log::{absent, no_log};

/// Seconds after which a proof that is not there yet may be asked for again.
const RETRY_AFTER_S: u32 = 1;

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
    found.ok_or_else(|| match version {
        Some(version) => absent(format!("anchor {} has no version {version}", id.as_str())),
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
    let (note, chain) = match publication {
        Some(Publication { note, chain, .. }) => {
            let note = SignedNote::parse(&note);
            (note.map_err(|error| damaged(&error))?, Some(chain))
        }
        None => match covering(backend, found.place).await? {
            Some(note) => (note, None),
            None => return Ok(not_yet()),
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

fn not_yet() -> Response {
    let text = "the entry is stored; the checkpoint that proves it is on its way";
    let mut answer = node::message(StatusCode::ACCEPTED, text);
    let seconds = HeaderValue::from(RETRY_AFTER_S);
    answer.headers_mut().insert(header::RETRY_AFTER, seconds);
    answer
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
    let failed = |error| ledger_error(id.as_str(), error);
    let found = find(backend, id, version).await?;
    let log = backend.log().ok_or_else(|| no_log(backend))?;
    let covering = covering(backend, found.place).await?;
    let publication = log.publication_of(found.place).await.map_err(failed)?;
    let checkpoint_size = covering
        .and_then(|note| note.checkpoint().ok())
        .map(|checkpoint| checkpoint.size);
    let state = match (&publication, checkpoint_size) {
        (Some(_), _) => "onChain",
        (None, Some(_)) => "inLog",
        (None, None) => "pending",
    };
    let origin = backend
        .log
        .as_ref()
        .map(|keeper| keeper.signer().origin().to_string());
    let status = json!({
        "anchorId": id.as_str(),
        "domain": id.domain().as_str(),
        "version": found.version,
        "versions": found.versions,
        "state": state,
        "log": {
            "origin": origin,
            "index": found.place,
            "checkpointSize": checkpoint_size,
        },
        "chain": publication.map(|publication| json!(publication.chain)),
        "outbox": Value::Null,
        "conflict": Value::Null,
    });
    Ok(node::typed_json(StatusCode::OK, &status))
}
