//! `/ipfs/{cid}`: bricks as IPFS blocks, for tools that verify what they fetch.
//!
//! **Source:** <https://specs.ipfs.tech/http-gateways/trustless-gateway/>. A brick is a block
//! without links, so each answer is about that block alone, whatever `dag-scope` or `entity-bytes`
//! ask for. Blocks above 2 MiB, where most IPFS tools stop, are served all the same.

use std::convert::Infallible;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use car::Cid;
use futures_util::stream;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use keyssi::{BrickHash, Domain};
use node::{Allowance, ApiError, Caller, Right};

use crate::conditional::is_known;
use crate::format::{self, Format};
use crate::read::{self, Form};
use crate::{Bricks, store_error};

const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=29030400, immutable");
const RAW: HeaderValue = HeaderValue::from_static(car::RAW_MEDIA_TYPE);
/// One block is in depth-first order and stands there once.
const CAR: HeaderValue =
    HeaderValue::from_static("application/vnd.ipld.car; version=1; order=dfs; dups=n");
/// The CID of nothing that carries its content in its name: tools ask for it to see whether a
/// server is a gateway.
const PROBE: &str = "bafkqaaa";

/// `GET` and `HEAD /ipfs/{cid}`. `below` is what follows the CID in the path.
pub(crate) async fn get(
    bricks: &Bricks,
    name: &str,
    below: &[&str],
    head: &Parts,
) -> Result<Response, ApiError> {
    let cid: Cid = name
        .parse()
        .map_err(|error| ApiError::bad_request(format!("this is not a CID: {error}")))?;
    let query = head.uri.query().unwrap_or("");
    let hash = match car::brick_hash(&cid) {
        Ok(hash) => Some(hash),
        Err(_) if name == PROBE => None,
        Err(error) => return Err(ApiError::bad_request(error.to_string())),
    };
    let format = format::asked_for(query, &head.headers)?;
    if !below.is_empty() {
        let text = "a brick is one block without links, there is nothing below it";
        return Err(ApiError::new(StatusCode::NOT_FOUND, text));
    }
    let form = Form {
        etag: format!("\"{cid}.{}\"", format.parameter()),
        kind: match format {
            Format::Raw => RAW,
            Format::Car => CAR,
        },
        caching: IMMUTABLE,
    };
    let found = match hash {
        None => Some(probed(&cid, format, &form)),
        Some(hash) => find(bricks, hash, (&cid, format), &form, head).await?,
    };
    match found {
        Some(answer) => Ok(described(answer, name, &cid, format)),
        None => Ok(absent(head)),
    }
}

/// Looks in every domain that the caller may read. The request and its answer count to the one in
/// which the brick is found; where that one has no more to give, the next is looked in.
async fn find(
    bricks: &Bricks,
    hash: BrickHash,
    (cid, format): (&Cid, Format),
    form: &Form,
    head: &Parts,
) -> Result<Option<Response>, ApiError> {
    let (caller, allowance) = (Caller::of(head)?, Allowance::of(head)?);
    let mut refused = None;
    let table = bricks.domains.table();
    let readable = table.names().filter(|it| caller.may(it, Right::Read));
    for domain in readable {
        let size = bricks.store.size(domain, hash).await.map_err(store_error)?;
        let Some(size) = size else {
            continue;
        };
        if let Err(refusal) = allowance.enter(domain, 0) {
            refused = Some(refusal);
            continue;
        }
        let brick = (domain, hash, size);
        let answer = match format {
            Format::Raw => read::whole_or_part(bricks, brick, form, head).await?,
            Format::Car => archive(bricks, brick, cid, form, head).await?,
        };
        if answer.is_some() {
            return Ok(answer);
        }
    }
    refused.map_or(Ok(None), Err)
}

/// An archive of one brick; `None` when it has gone.
async fn archive(
    bricks: &Bricks,
    (domain, hash, size): (&Domain, BrickHash, u64),
    cid: &Cid,
    form: &Form,
    head: &Parts,
) -> Result<Option<Response>, ApiError> {
    if is_known(&head.headers, &form.etag) {
        return Ok(Some(read::not_modified(form)));
    }
    let mut before = car::header(&[*cid]);
    let bytes = usize::try_from(size).unwrap_or(usize::MAX);
    before.extend(car::section_prefix(cid, bytes));
    let length = before.len() as u64 + size;
    let body = if head.method == Method::HEAD {
        Body::empty()
    } else {
        let Some(data) = read::read(bricks, domain, hash, size).await? else {
            return Ok(None);
        };
        let pieces = [Bytes::from(before), data].map(Ok::<_, Infallible>);
        Body::from_stream(stream::iter(pieces))
    };
    Ok(Some(read::shown(
        node::raw(StatusCode::OK, body),
        form,
        length,
    )))
}

/// The answer to a probe: a block, or archive, of nothing. Its length is known without a store.
fn probed(cid: &Cid, format: Format, form: &Form) -> Response {
    let body = match format {
        Format::Raw => Vec::new(),
        Format::Car => car::header(&[*cid]),
    };
    let length = body.len() as u64;
    read::shown(node::raw(StatusCode::OK, body), form, length)
}

/// Adds what only a gateway says.
fn described(mut answer: Response, name: &str, cid: &Cid, format: Format) -> Response {
    let form = format.parameter();
    let ending = match format {
        Format::Raw => "bin",
        Format::Car => "car",
    };
    let headers = answer.headers_mut();
    let nosniff = HeaderValue::from_static("nosniff");
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    headers.append(header::VARY, HeaderValue::from_static("Accept"));
    let disposition = format!("attachment; filename=\"{cid}.{ending}\"");
    let location = format!("/ipfs/{name}?format={form}");
    let path = format!("/ipfs/{name}");
    read::insert(&mut answer, header::CONTENT_DISPOSITION, &disposition);
    read::insert(&mut answer, header::CONTENT_LOCATION, &location);
    read::insert(&mut answer, HeaderName::from_static("x-ipfs-path"), &path);
    answer
}

/// 404; 412 to a client that wants only what is at hand, which is all that we have.
fn absent(head: &Parts) -> Response {
    let only_if_cached = head
        .headers
        .get(header::CACHE_CONTROL)
        .is_some_and(|value| value.as_bytes() == b"only-if-cached");
    if only_if_cached {
        return node::empty(StatusCode::PRECONDITION_FAILED);
    }
    read::not_found(read::NO_STORE)
}
