//! Reading and writing one anchor.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use causes::with_causes;
use http::request::Parts;
use http::{HeaderName, HeaderValue, StatusCode};
use keyssi::{AnchorId, AnchorValue, AppendError, CreateError, Domain};
use ledger::{Entry, Intent, LedgerError};
use node::{Anchoring, ApiError};
use serde_json::json;

use crate::backends::Backend;
use crate::{Anchors, busy, proof};

/// Bytes that JSON puts around one value in a list of versions, and a margin for values that are
/// longer than the last one.
const VERSION_OVERHEAD_BYTES: u64 = 64;
/// Seconds after which a write to a log on hold may be tried again: a person has to look first.
const HELD_RETRY_AFTER_S: u32 = 60;
/// The same where another ledger holds what makes no sense.
const BROKEN_RETRY_AFTER_S: u32 = 60;

impl Anchors {
    /// What serves the domain of a path, if this node serves its anchors.
    pub(crate) async fn backend(&self, name: &str) -> Result<Arc<Backend>, ApiError> {
        match self.domains.find(name) {
            Some((_, Anchoring::Here(config))) => {
                let backend = self.backends.of(&config).await;
                backend.map_err(|error| {
                    ApiError::unavailable("the domain's ledger cannot be used as configured", 30)
                        .because(error)
                })
            }
            Some((domain, Anchoring::Elsewhere)) => Err(ApiError::bad_request(format!(
                "the anchors of domain {domain} are on a ledger that this node does not serve"
            ))),
            None => Err(ApiError::bad_request("this node does not serve the domain")),
        }
    }
}

/// `PUT …/create-anchor/:id/:value` and `PUT …/append-to-anchor/:id/:value`: 201 once it is on
/// disk.
pub(crate) async fn write(
    service: &Anchors,
    head: &Parts,
    domain: &str,
    (action, id, value): (&str, &str, &str),
) -> Result<Response, ApiError> {
    let backend = service.backend(domain).await?;
    let id = parse_id(&backend.config.name, id)?;
    let value = parse_value(value)?;
    let intent = if action == "create-anchor" {
        Intent::Create
    } else {
        Intent::Append
    };
    let name = id.as_str().to_owned();
    let entry = Entry { id, value, intent };
    let reserved = service.reserve(head, std::slice::from_ref(&entry))?;
    let written = backend.ledger.write(entry).await;
    reserved.end(written.is_ok());
    written.map_err(|error| ledger_error(&name, error))?;
    Ok(node::empty(StatusCode::CREATED))
}

/// `GET …/get-all-versions/:id`: a JSON array, oldest first; 404 without a body when absent.
pub(crate) async fn all_versions(
    service: &Anchors,
    domain: &str,
    id: &str,
) -> Result<Response, ApiError> {
    let backend = service.backend(domain).await?;
    let id = parse_id(&backend.config.name, id)?;
    let failed = |error| ledger_error(id.as_str(), error);
    let Some((last, versions)) = backend.ledger.last_version(&id).await.map_err(failed)? else {
        return Ok(absent(&backend));
    };
    let bytes = versions.saturating_mul(last.len() as u64 + VERSION_OVERHEAD_BYTES);
    let share = service.budget.acquire(bytes).await.map_err(|_| busy())?;
    let values = backend.ledger.all_versions(&id).await.map_err(failed)?;
    let body = json!(values).to_string().into_bytes();
    let mut answer = node::typed_json(StatusCode::OK, &serde_json::Value::Null);
    *answer.body_mut() = Body::from(node::hold(body, share));
    Ok(answer)
}

/// `GET …/get-last-version/:id`: `{"message": "<value>"}`; 404 without a body when absent.
pub(crate) async fn last_version(
    service: &Anchors,
    domain: &str,
    id: &str,
) -> Result<Response, ApiError> {
    let backend = service.backend(domain).await?;
    let id = parse_id(&backend.config.name, id)?;
    let last = backend.ledger.last_version(&id).await;
    Ok(
        match last.map_err(|error| ledger_error(id.as_str(), error))? {
            Some((value, _)) => node::message(StatusCode::OK, &value),
            None => absent(&backend),
        },
    )
}

/// Says of an absent anchor that the ledger behind the node could not be asked for it.
const LEDGER_HEADER: HeaderName = HeaderName::from_static("x-anchoring-ledger");

/// 404 without a body. Where a slower ledger stands behind and does not answer, a header says so:
/// the anchor is not known here, and may be there.
fn absent(backend: &Backend) -> Response {
    let mut answer = node::empty(StatusCode::NOT_FOUND);
    if backend.is_cut_off() {
        let value = HeaderValue::from_static("unreachable");
        answer.headers_mut().insert(LEDGER_HEADER, value);
    }
    answer
}

/// `GET …/get-total-numbers-of-anchors`: a bare number; 404 without a body when there is none.
pub(crate) async fn total(service: &Anchors, domain: &str) -> Result<Response, ApiError> {
    let backend = service.backend(domain).await?;
    let total = backend.ledger.total(&backend.config.name).await;
    Ok(match total.map_err(|error| ledger_error(domain, error))? {
        0 => node::empty(StatusCode::NOT_FOUND),
        total => node::raw(StatusCode::OK, total.to_string()),
    })
}

/// `GET …/proof/:id[?version=N]`.
pub(crate) async fn proof(
    service: &Anchors,
    domain: &str,
    id: &str,
    query: Option<&str>,
) -> Result<Response, ApiError> {
    let backend = service.backend(domain).await?;
    let id = parse_id(&backend.config.name, id)?;
    proof::proof(&backend, &id, proof::version(query)?).await
}

/// `GET …/status/:id[?version=N]`.
pub(crate) async fn status(
    service: &Anchors,
    domain: &str,
    id: &str,
    query: Option<&str>,
) -> Result<Response, ApiError> {
    let backend = service.backend(domain).await?;
    let id = parse_id(&backend.config.name, id)?;
    proof::status(&backend, &id, proof::version(query)?).await
}

/// An anchor id of any domain, in its one form.
pub(crate) fn parse_any_id(text: &str) -> Result<AnchorId, ApiError> {
    AnchorId::parse_wrapped(text).map_err(|error| {
        let reason = with_causes(&error);
        ApiError::bad_request(format!("the anchor id is refused: {reason}"))
    })
}

/// An anchor id of this domain, in its one form.
pub(crate) fn parse_id(domain: &Domain, text: &str) -> Result<AnchorId, ApiError> {
    let id = parse_any_id(text)?;
    if id.domain() != domain {
        return Err(ApiError::bad_request(format!(
            "the anchor id belongs to domain {}, not to {domain}",
            id.domain()
        )));
    }
    Ok(id)
}

pub(crate) fn parse_value(text: &str) -> Result<AnchorValue, ApiError> {
    AnchorValue::parse_wrapped(text).map_err(|error| {
        let reason = with_causes(&error);
        ApiError::bad_request(format!("the anchor value is refused: {reason}"))
    })
}

/// What a client is told of a ledger's refusal. The texts of 409 and 428 on append are those that
/// the SDK knows.
pub(crate) fn ledger_error(id: &str, error: LedgerError) -> ApiError {
    let conflict = |text: String| ApiError::new(StatusCode::CONFLICT, text);
    match error {
        LedgerError::AlreadyExists => conflict(format!("anchor {id} already exist")),
        LedgerError::Absent => ApiError::new(
            StatusCode::NOT_FOUND,
            format!("Cannot update non existing anchor {id}"),
        ),
        LedgerError::Append(AppendError::OlderTimestamp { .. }) => conflict(
            "Anchor value timestamp is older than the last signed hashlink timestamp".to_owned(),
        ),
        LedgerError::Append(AppendError::OutOfSync) => {
            ApiError::new(StatusCode::PRECONDITION_REQUIRED, "Versions out of sync")
        }
        LedgerError::Append(AppendError::ConstantAnchor) => ApiError::bad_request(format!(
            "Cannot append anchor for {id} because of the keySSI type"
        )),
        LedgerError::Create(CreateError::BadSignature) => {
            ApiError::bad_request("Failed to verify signature")
        }
        LedgerError::Create(reason) => ApiError::bad_request(with_causes(&reason)),
        LedgerError::Append(reason) => ApiError::bad_request(with_causes(&reason)),
        LedgerError::OutOfSpace => ApiError::out_of_space(),
        LedgerError::QuotaExceeded {
            what,
            limit,
            used,
            asked,
        } => ApiError::new(
            StatusCode::INSUFFICIENT_STORAGE,
            format!(
                "the quota of the domain is {limit} {what}, {used} are in use, and what was sent \
                 needs {asked} more; nothing of it was written, and what is there stays readable"
            ),
        )
        .of_quota(),
        LedgerError::Contended => {
            ApiError::unavailable("other writers keep changing this anchor; try again", 1)
        }
        LedgerError::Conflict => conflict(format!(
            "the history of anchor {id} here differs from that on its ledger; it takes no values \
             here, see its status"
        )),
        LedgerError::Held { reason } => ApiError::unavailable(
            format!("the log of this domain is on hold, and its anchors are read-only: {reason}"),
            HELD_RETRY_AFTER_S,
        ),
        LedgerError::Unsupported { reason } => ApiError::bad_request(reason),
        corrupt @ LedgerError::Corrupt(_) => ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the stored anchor is damaged and is not served",
        )
        .because(corrupt),
        broken @ LedgerError::Broken(_) => ApiError::unavailable(
            "what the ledger behind this node holds of this anchor makes no sense",
            BROKEN_RETRY_AFTER_S,
        )
        .because(broken),
        other => ApiError::unavailable("the ledger is not available", 5).because(other),
    }
}
