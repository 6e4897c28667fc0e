//! `GET /dumpAnchors?from&limit&maxSize`: histories in the order of their creation, in plain text.
//!
//! **Source:** `ledger.md` §1 (the table of routes), §1.4: when `maxSize` is reached, the rest of the
//! page are empty items, which readers skip.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use keyssi::{AnchorId, AnchorValue};
use ledger::{Ledger, LedgerError, Log};
use serde::Serialize;

use super::EthAdapter;
use super::answers::{failure, read_failed, text};
use crate::busy;

const ACTION: &str = "dumpAnchors";
/// Items of a page, whatever was asked for; a reader goes on after the last that is not empty.
const ITEMS_MAX: usize = 1000;
/// Bytes of identifiers in a page, whatever was asked for.
const BYTES_MAX: u64 = 4 << 20;

/// What is asked for.
struct Page {
    from: u64,
    items_max: usize,
    bytes_max: u64,
}

/// One anchor; without an id in the place of one that did not fit.
#[derive(Default, Serialize)]
struct Item {
    #[serde(rename = "anchorId")]
    id: String,
    #[serde(rename = "anchorValues")]
    values: Vec<String>,
}

/// Answers a request with this query.
pub(super) async fn dump(service: &EthAdapter, query: &str) -> Response {
    let Some(page) = Page::parse(query) else {
        return failure(
            ACTION,
            "from, limit and maxSize are required, as decimal numbers",
        );
    };
    let Some(log) = service.backend.log() else {
        return failure(
            ACTION,
            "the ledger of this domain does not list its anchors",
        );
    };
    // JSON adds a few bytes to each identifier.
    let share = service
        .budget
        .acquire(page.bytes_max.saturating_mul(2))
        .await;
    let Ok(share) = share else {
        return busy().into_response();
    };
    match items(service, log, &page).await {
        Ok(items) => {
            let body = serde_json::json!(items).to_string().into_bytes();
            text(StatusCode::OK, Body::from(node::hold(body, share)))
        }
        Err(error) => read_failed(ACTION, &error),
    }
}

impl Page {
    fn parse(query: &str) -> Option<Self> {
        let number = |name: &str| -> Option<u64> {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            let (_, digits) = pairs.find(|(key, _)| *key == name)?;
            let is_decimal = digits.bytes().all(|byte| byte.is_ascii_digit());
            is_decimal.then(|| digits.parse().ok()).flatten()
        };
        let limit = usize::try_from(number("limit")?).unwrap_or(usize::MAX);
        Some(Self {
            from: number("from")?,
            items_max: limit.min(ITEMS_MAX),
            bytes_max: number("maxSize")?.min(BYTES_MAX),
        })
    }
}

async fn items(service: &EthAdapter, log: &Log, page: &Page) -> Result<Vec<Item>, LedgerError> {
    let anchors = log.anchors(page.from, page.items_max).await?;
    let mut items = Vec::with_capacity(anchors.len());
    let mut bytes_left = page.bytes_max;
    let mut is_full = false;
    for anchor in &anchors {
        let fits = match AnchorId::parse_wrapped(anchor) {
            Ok(id) if !is_full => item(service.backend.ledger.as_ref(), &id, bytes_left).await?,
            _ => None,
        };
        is_full |= fits.is_none();
        let item = fits.unwrap_or_default();
        let lengths = item.values.iter().map(String::len).sum::<usize>() + item.id.len();
        bytes_left = bytes_left.saturating_sub(lengths as u64);
        items.push(item);
    }
    Ok(items)
}

/// One anchor with its history, unless that has more than `bytes_max`.
async fn item(
    ledger: &dyn Ledger,
    id: &AnchorId,
    bytes_max: u64,
) -> Result<Option<Item>, LedgerError> {
    let Some((last, count)) = ledger.last_version(id).await? else {
        return Ok(None);
    };
    // Before it is read: base58 has at least as many characters as the plain text has bytes.
    if count.saturating_mul(last.len() as u64) > bytes_max.saturating_mul(2) {
        return Ok(None);
    }
    let values = ledger.all_versions(id).await?;
    let plain = |value: &String| {
        let parsed = AnchorValue::parse_stored(value);
        parsed.map_or_else(|_| value.clone(), |value| value.plain().to_owned())
    };
    let item = Item {
        id: id.plain().to_owned(),
        values: values.iter().map(plain).collect(),
    };
    let bytes = item.values.iter().map(String::len).sum::<usize>() + item.id.len();
    Ok((bytes as u64 <= bytes_max).then_some(item))
}
