//! An EthAdapter's routes over the ledger of one domain, on a listener of their own, so that an
//! ApiHub whose domain has `anchoring.type` ETH or OBA can use this node as its ledger.
//!
//! Statuses, bodies and content types are those of a real EthAdapter, odd ones included: a refusal is
//! 428, a text has the type of JSON, an absent anchor has an empty last version. Where an EthAdapter
//! would end its process, the answer is 400. Two differences are meant:
//! * `X-Anchoring-Status` says what the contract would have said (105 and so on);
//! * while the ledger cannot be used, a write is answered 408 and not 428, because an ApiHub drops
//!   what is answered 428 and keeps the rest to try again.
//!
//! **Source:** `ledger.md` §1, §1.1, §1.5, §1.6.

mod answers;
mod dump;

use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, Method, Request, StatusCode, header};
use keyssi::{AnchorId, AnchorValue, Domain};
use ledger::{EmbeddedLedger, Entry, Intent};
use node::{
    BodyBudget, Callers, Domains, EthAdapterConfig, ExtraListener, Limits, LimitsConfig, Setup,
};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::backends::{Backend, Backends};
use crate::busy;
use crate::quota::set_quota;
use answers::{bad_request, no_route, read_failed, refused, text, timed_out, transaction};

/// Entries of one request: each costs a signature check.
const ENTRIES_MAX: usize = 1024;
/// Bytes that JSON puts around one value in a list of versions, and a margin for values that are
/// longer than the last one.
const VERSION_OVERHEAD_BYTES: u64 = 64;

/// What the routes need.
struct EthAdapter {
    backend: Arc<Backend>,
    /// What the domain may hold, and who judges it.
    quotas: Limits,
    embedded: EmbeddedLedger,
    /// Tells whether the domain is disabled.
    domains: Domains,
    /// SHA-256 of the token that callers send; `None` where anyone may call.
    token: Option<[u8; 32]>,
    limits: LimitsConfig,
    budget: BodyBudget,
}

/// One entry of a batch.
#[derive(Deserialize)]
struct Item {
    #[serde(rename = "anchorId")]
    id: String,
    #[serde(rename = "anchorValue")]
    value: String,
}

/// The listener of a domain that is to be served this way.
///
/// # Errors
/// When the file with the token cannot be used.
pub(crate) fn listener(
    setup: &Setup,
    config: &EthAdapterConfig,
    backends: &Backends,
    backend: Arc<Backend>,
) -> anyhow::Result<ExtraListener> {
    let has_token = !config.token_file.as_os_str().is_empty();
    let token = has_token.then(|| node::load_key_file(&config.token_file));
    let token = token.transpose().with_context(|| {
        let domain = &backend.config.name;
        format!("domain {domain}: eth_adapter.token_file")
    })?;
    let name = format!("eth-adapter of {}", backend.config.name);
    let service = EthAdapter {
        backend,
        quotas: setup.limits.clone(),
        embedded: backends.embedded().clone(),
        domains: setup.domains.clone(),
        token: token.map(|token| hash(&token)),
        limits: setup.config.limits.clone(),
        budget: setup.budget.clone(),
    };
    Ok(ExtraListener {
        name,
        listen: config.listen,
        routes: Router::new().fallback(serve).with_state(Arc::new(service)),
        operation: crate::operation::of_eth_adapter,
        callers: if has_token {
            Callers::Known
        } else {
            Callers::Anyone
        },
    })
}

async fn serve(State(service): State<Arc<EthAdapter>>, request: Request<Body>) -> Response {
    let (head, body) = request.into_parts();
    if !service.admits(&head.headers) {
        node::discard(&head.headers, body).await;
        return answers::unauthorized();
    }
    if service.domains.table().is_disabled(service.domain()) {
        node::discard(&head.headers, body).await;
        // What an ApiHub keeps and tries again.
        return timed_out();
    }
    let segments = node::segments("", head.uri.path()).unwrap_or_default();
    let action = segments.first().map(|first| first.to_ascii_lowercase());
    let rest = segments.get(1..).unwrap_or_default();
    let action = action.as_deref().unwrap_or_default();
    if let ("createorappendmultipleanchors" | "createorupdatemultipleanchors", [], &Method::PUT) =
        (action, rest, &head.method)
    {
        return service.write_batch(&head, body).await;
    }
    // Read to the end and ignored, as there.
    node::discard(&head.headers, body).await;
    let reads = matches!(head.method, Method::GET | Method::HEAD);
    match (action, rest) {
        ("createanchor", [id, value]) if head.method == Method::PUT => {
            service.write(Intent::Create, id, value).await
        }
        ("appendanchor", [id, value]) if head.method == Method::PUT => {
            service.write(Intent::Append, id, value).await
        }
        ("getallversions", [id]) if reads => service.all_versions(id).await,
        ("getlastversion", [id]) if reads => service.last_version(id).await,
        ("totalnumberofanchors", []) if reads => service.total().await,
        ("dumpanchors", []) if reads => {
            dump::dump(&service, head.uri.query().unwrap_or_default()).await
        }
        ("health", []) if reads => text(StatusCode::OK, "Running"),
        _ => no_route(&head.method, head.uri.path()),
    }
}

impl EthAdapter {
    fn admits(&self, headers: &HeaderMap) -> bool {
        let Some(expected) = &self.token else {
            return true;
        };
        let sent = headers.get(header::AUTHORIZATION);
        let sent = sent.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        // Hashes have one length, and say nothing of how much of a guess was right.
        sent.is_some_and(|sent| hash(sent.trim()).ct_eq(expected).into())
    }

    async fn write(&self, intent: Intent, id: &str, value: &str) -> Response {
        let entry = match self.entry(intent, id, value) {
            Ok(entry) => entry,
            Err(unfit) => return self.unwritable(&unfit),
        };
        let done = transaction(std::slice::from_ref(&entry));
        set_quota(&self.quotas, &self.embedded, self.domain());
        match self.backend.ledger.write(entry).await {
            Ok(()) => text(StatusCode::OK, done),
            Err(error) => refused(&error),
        }
    }

    /// All failures look alike there; the header tells them apart.
    async fn write_batch(&self, head: &Parts, body: Body) -> Response {
        let limits = self.limits.body(self.limits.json_bytes_max);
        let received = node::receive(&head.headers, body, &limits, &self.budget, |_| ()).await;
        let bytes = match received {
            Ok(bytes) => bytes,
            Err(refusal) => return refusal.into_response(),
        };
        let Ok(items) = serde_json::from_slice::<Vec<Item>>(&bytes) else {
            return timed_out();
        };
        if items.is_empty() || items.len() > ENTRIES_MAX {
            return timed_out();
        }
        let mut entries = Vec::with_capacity(items.len());
        for item in &items {
            match self.entry(Intent::CreateOrAppend, &item.id, &item.value) {
                Ok(entry) => entries.push(entry),
                Err(unfit) => return self.unwritable(&unfit),
            }
        }
        let done = transaction(&entries);
        set_quota(&self.quotas, &self.embedded, self.domain());
        match self.backend.ledger.write_all(entries).await {
            Ok(()) => text(StatusCode::OK, done),
            Err(error) => answers::batch_refused(&error.source),
        }
    }

    async fn all_versions(&self, id: &str) -> Response {
        let id = match self.readable(id) {
            Ok(id) => id,
            Err(unfit) => return self.unreadable(&unfit),
        };
        let failed = |error| read_failed("getAllVersions", &error);
        let last = match self.backend.ledger.last_version(&id).await {
            Ok(Some(last)) => last,
            Ok(None) => return text(StatusCode::OK, "[]"),
            Err(error) => return failed(error),
        };
        let (value, count) = (last.0.len() as u64, last.1);
        let bytes = count.saturating_mul(value + VERSION_OVERHEAD_BYTES);
        let Ok(share) = self.budget.acquire(bytes).await else {
            return busy().into_response();
        };
        match self.backend.ledger.all_versions(&id).await {
            Ok(values) => {
                let body = json!(values).to_string().into_bytes();
                text(StatusCode::OK, Body::from(node::hold(body, share)))
            }
            Err(error) => failed(error),
        }
    }

    async fn last_version(&self, id: &str) -> Response {
        let id = match self.readable(id) {
            Ok(id) => id,
            Err(unfit) => return self.unreadable(&unfit),
        };
        match self.backend.ledger.last_version(&id).await {
            Ok(Some((last, _))) => text(StatusCode::OK, last),
            Ok(None) => text(StatusCode::OK, Body::empty()),
            Err(error) => read_failed("getLastVersion", &error),
        }
    }

    async fn total(&self) -> Response {
        match self.backend.ledger.total(self.domain()).await {
            Ok(total) => text(StatusCode::OK, total.to_string()),
            Err(error) => read_failed("totalNumberOfAnchors", &error),
        }
    }

    fn domain(&self) -> &Domain {
        &self.backend.config.name
    }

    /// An entry from two identifiers in either form.
    fn entry(&self, intent: Intent, id: &str, value: &str) -> Result<Entry, Unfit> {
        let id = self.readable(id)?;
        let value = parse_value(value).ok_or(Unfit::NoIdentifier)?;
        Ok(Entry { id, value, intent })
    }

    /// An anchor id of the domain, in either form.
    fn readable(&self, id: &str) -> Result<AnchorId, Unfit> {
        let id = parse_id(id).ok_or(Unfit::NoIdentifier)?;
        if id.domain() == self.domain() {
            Ok(id)
        } else {
            Err(Unfit::OtherDomain(id.domain().clone()))
        }
    }

    fn unwritable(&self, unfit: &Unfit) -> Response {
        match unfit {
            Unfit::NoIdentifier => timed_out(),
            Unfit::OtherDomain(other) => self.not_here(other),
        }
    }

    fn unreadable(&self, unfit: &Unfit) -> Response {
        match unfit {
            Unfit::NoIdentifier => bad_request("this is not an anchor id"),
            Unfit::OtherDomain(other) => self.not_here(other),
        }
    }

    fn not_here(&self, other: &Domain) -> Response {
        bad_request(&format!(
            "the anchor id belongs to domain {other}, this listener serves {}",
            self.domain()
        ))
    }
}

/// Why an identifier is not taken.
enum Unfit {
    /// It is none.
    NoIdentifier,
    /// It belongs to another domain.
    OtherDomain(Domain),
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// An anchor id, wrapped or percent-encoded plain text.
fn parse_id(segment: &str) -> Option<AnchorId> {
    let text = percent_decoded(segment)?;
    if text.contains(':') {
        AnchorId::parse_plain(&text).ok()
    } else {
        AnchorId::parse_wrapped(&text).ok()
    }
}

fn parse_value(segment: &str) -> Option<AnchorValue> {
    AnchorValue::parse(&percent_decoded(segment)?).ok()
}

/// The text of a path segment; `None` when its escapes are none or its bytes are no text.
fn percent_decoded(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first != b'%' {
            bytes.push(first);
            continue;
        }
        let (digits, after) = after.split_at_checked(2)?;
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let value = digits
            .iter()
            .try_fold(0, |sum, byte| Some(sum * 16 + digit(*byte)?))?;
        bytes.push(u8::try_from(value).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_two_hexadecimal_digits() {
        let check = |segment, expected: Option<&str>| {
            assert_eq!(percent_decoded(segment).as_deref(), expected, "{segment}");
        };
        check("abc", Some("abc"));
        check("ssi%3Asza%3a+%2F%2B", Some("ssi:sza:+/+"));
        check("%C3%A4", Some("ä"));
        for garbage in ["%", "%2", "%zz", "%+1", "%ff", "a%c3"] {
            check(garbage, None);
        }
    }
}
