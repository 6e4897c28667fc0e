//! Lies about the versions of an anchor (`http-api.md` §3, `keyssi.md` §6.1).

use std::net::SocketAddr;

use keyssi::{base58, base64};
use serde_json::{Value, json};

use super::deed::forward;
use super::rule::{Lie, Part};
use super::wire::{Answer, Incoming};
use crate::http::HttpError;

const ALL: &str = "/get-all-versions/";
const LAST: &str = "/get-last-version/";

/// The answer to either read of a history, consistent with the history that the lie makes up.
pub(super) fn lie(lie: &Lie, request: &Incoming, node: SocketAddr) -> Result<Answer, HttpError> {
    let whole = Incoming {
        method: "GET".to_owned(),
        target: request.target.replace(LAST, ALL),
        ..request.clone()
    };
    let mut answer = forward(&whole, node)?;
    if !matches!(answer.status, 200 | 404) {
        return Ok(answer);
    }
    let mut versions: Vec<String> = serde_json::from_slice(&answer.body).unwrap_or_default();
    change(lie, &mut versions);
    let last_only = request.target.contains(LAST);
    answer.status = if versions.is_empty() { 404 } else { 200 };
    answer.body = match versions.last() {
        None => Vec::new(),
        Some(last) if last_only => json!({ "message": last }).to_string().into_bytes(),
        Some(_) => Value::from(versions).to_string().into_bytes(),
    };
    Ok(answer)
}

fn change(lie: &Lie, versions: &mut Vec<String>) {
    match lie {
        Lie::Forget(newest) => versions.truncate(versions.len().saturating_sub(*newest)),
        Lie::ForgetOldest(oldest) => {
            versions.drain(..(*oldest).min(versions.len()));
        }
        Lie::Alter(place, part) => {
            if let Some(version) = versions.get_mut(*place)
                && let Some(other) = altered(version, *part)
            {
                *version = other;
            }
        }
        Lie::Swap(one, other) if (*one).max(*other) < versions.len() => {
            versions.swap(*one, *other);
        }
        Lie::Invent(values) => versions.clone_from(values),
        _ => {}
    }
}

/// The wrapped value with one part changed; `None` when it has no such part.
///
/// ```text
/// base58( ssi:shl:<domain>:<hash>:<timestamp>|<signature>:<vn>[:<hint>] )
/// ```
pub(super) fn altered(wrapped: &str, part: Part) -> Option<String> {
    let plain = String::from_utf8(base58::decode(wrapped).ok()?).ok()?;
    let mut fields: Vec<String> = plain.splitn(7, ':').map(str::to_owned).collect();
    if part == Part::Hash {
        let hash = fields.get_mut(3)?;
        let mut bytes = base58::decode(hash).ok()?;
        *bytes.last_mut()? ^= 1;
        *hash = base58::encode(&bytes);
    } else {
        let control = fields.get_mut(4)?;
        let (timestamp, signature) = control.split_once('|')?;
        *control = if part == Part::Timestamp {
            format!("{}|{signature}", last_digit_up(timestamp)?)
        } else {
            let mut bytes = base64::decode_canonical(signature).ok()?;
            *bytes.first_mut()? ^= 1;
            format!("{timestamp}|{}", base64::encode(&bytes))
        };
    }
    Some(base58::encode(fields.join(":").as_bytes()))
}

fn last_digit_up(timestamp: &str) -> Option<String> {
    let last = timestamp.chars().last()?.to_digit(10)?;
    let kept = timestamp.get(..timestamp.len() - 1)?;
    Some(format!("{kept}{}", (last + 1) % 10))
}
