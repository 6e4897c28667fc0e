//! `PUT [/anchor|/anchor/:domain]/create-or-update-multiple-anchors`: several entries, all or
//! none.
//!
//! The body is a JSON array of `{"anchorId", "anchorValue"}` (as EthAdapter takes it) or
//! `{"anchorId", "anchorValues": […]}` (as the reference's clients send it); values of one anchor
//! are taken in order. Without a domain in the path each id says its own.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use keyssi::AnchorId;
use ledger::{BatchError, Entry, Intent, LedgerError};
use node::{Allowance, ApiError, Caller, Right};
use serde::Deserialize;

use crate::Anchors;
use crate::anchors::{ledger_error, parse_any_id, parse_id, parse_value};
use crate::backends::Backend;

/// Entries that one request may hold: each costs a signature check.
const ENTRIES_MAX: usize = 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    #[serde(rename = "anchorId")]
    id: String,
    #[serde(rename = "anchorValue")]
    value: Option<String>,
    #[serde(rename = "anchorValues", default)]
    values: Vec<String>,
}

/// Writes the batch: 201, or the code of the first item that fails, and nothing stored.
pub(crate) async fn write(
    service: &Anchors,
    domain: Option<&str>,
    head: &Parts,
    body: Body,
) -> Result<Response, ApiError> {
    let caller = Caller::of(head)?;
    let limits = service.limits.body(service.limits.json_bytes_max);
    let bytes = node::receive(&head.headers, body, &limits, &service.budget, |_| ()).await?;
    let items: Vec<Item> = serde_json::from_slice(&bytes).map_err(|error| {
        ApiError::bad_request(format!(
            "the body is not a JSON array of {{\"anchorId\", \"anchorValue\"}}: {error}"
        ))
    })?;
    let (mut entries, mut places, mut ledgers) = (Vec::new(), Vec::new(), Vec::new());
    for (index, item) in items.into_iter().enumerate() {
        let values = item.value.into_iter().chain(item.values);
        let (id, backend) = id_of(service, domain, &item.id)
            .await
            .map_err(|error| error.at(index))?;
        caller
            .require(&backend.config.name, Right::Anchor)
            .map_err(|error| error.at(index))?;
        keep_one_ledger(&mut ledgers, backend).map_err(|error| error.at(index))?;
        let before = entries.len();
        for value in values {
            let value = parse_value(&value).map_err(|error| error.at(index))?;
            places.push((index, id.as_str().to_owned()));
            entries.push(Entry {
                id: id.clone(),
                value,
                intent: Intent::CreateOrAppend,
            });
        }
        if entries.len() == before {
            return Err(ApiError::bad_request("it has no anchorValue").at(index));
        }
        if entries.len() > ENTRIES_MAX {
            return Err(ApiError::bad_request(format!(
                "more than {ENTRIES_MAX} values at once"
            )));
        }
    }
    let Some(backend) = ledgers.first() else {
        return Err(ApiError::bad_request("the array names no anchor"));
    };
    let allowance = Allowance::of(head)?;
    for backend in &ledgers {
        allowance.enter(&backend.config.name, bytes.len() as u64)?;
    }
    let reserved = service.reserve(head, &entries)?;
    let written = backend.ledger.write_all(entries).await;
    reserved.end(written.is_ok());
    written.map_err(|error| refusal(error, &places))?;
    Ok(node::empty(StatusCode::CREATED))
}

/// What a client is told; `places` has the item and the anchor of each entry.
fn refusal(error: BatchError, places: &[(usize, String)]) -> ApiError {
    let place = places.get(error.index);
    let is_of_an_item = matches!(
        error.source,
        LedgerError::Create(_) | LedgerError::Append(_)
    );
    let told = ledger_error(place.map_or("", |(_, id)| id), error.source);
    match place {
        Some((index, _)) if is_of_an_item => told.at(*index),
        _ => told,
    }
}

async fn id_of(
    service: &Anchors,
    domain: Option<&str>,
    text: &str,
) -> Result<(AnchorId, Arc<Backend>), ApiError> {
    let named = match domain {
        Some(domain) => domain.to_owned(),
        None => parse_any_id(text)?.domain().to_string(),
    };
    let backend = service.backend(&named).await?;
    Ok((parse_id(&backend.config.name, text)?, backend))
}

/// Notes the ledger of an item. All or none is a promise that one ledger can keep, not two: domains
/// may be mixed only where all are in this node's store and go nowhere else.
fn keep_one_ledger(ledgers: &mut Vec<Arc<Backend>>, backend: Arc<Backend>) -> Result<(), ApiError> {
    if ledgers.iter().any(|known| Arc::ptr_eq(known, &backend)) {
        return Ok(());
    }
    ledgers.push(backend);
    if ledgers.len() > 1 && ledgers.iter().any(|ledger| !ledger.is_in_store()) {
        return Err(ApiError::bad_request(
            "its domain is on another ledger than that of the items before it; send one request \
             for each domain",
        ));
    }
    Ok(())
}

/// A path without a value: a protocol that the reference removed, whose body it still parses
/// before it answers 404.
pub(crate) async fn legacy(
    service: &Anchors,
    head: &Parts,
    body: Body,
) -> Result<Response, ApiError> {
    let limits = service.limits.body(service.limits.json_bytes_max);
    let bytes = node::receive(&head.headers, body, &limits, &service.budget, |_| ()).await?;
    if !bytes.is_empty() && serde_json::from_slice::<serde_json::Value>(&bytes).is_err() {
        return Err(ApiError::bad_request(
            "the anchor value is missing from the path, and the body is not JSON",
        ));
    }
    let mut answer = node::empty(StatusCode::NOT_FOUND);
    let kind = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(answer)
}
