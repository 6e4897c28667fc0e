//! What a lie does: the node is asked or not, and its answer becomes another.

use std::net::SocketAddr;

use keyssi::BrickHash;

use super::rule::Lie;
use super::wire::{Answer, Incoming, Manner, is_of_the_connection};
use super::{archive, history};
use crate::http::{HttpError, Request, ask};

/// What the client gets.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Deed {
    Answer(Answer, Manner),
    /// The connection is closed.
    Close,
    /// Nothing is sent, and the connection stays.
    Silence,
}

/// Answers a request with this lie, or honestly.
pub(super) fn carry_out(
    lie: Option<Lie>,
    request: &Incoming,
    node: SocketAddr,
) -> Result<Deed, HttpError> {
    let whole = |answer| Ok(Deed::Answer(answer, Manner::Whole));
    let Some(lie) = lie else {
        return whole(forward(request, node)?);
    };
    // These do not ask the node, or not what the client asked.
    match &lie {
        Lie::Drop => return Ok(Deed::Close),
        Lie::Silence => return Ok(Deed::Silence),
        Lie::Instead(status, body) => return whole(text(*status, body)),
        Lie::PretendStored => return whole(pretend_stored(request)),
        Lie::HistoryOf(other) | Lie::BytesOf(other) => {
            return whole(forward(&with_last_segment(request, other), node)?);
        }
        Lie::Forget(_) | Lie::ForgetOldest(_) | Lie::Alter(..) | Lie::Swap(..) | Lie::Invent(_) => {
            return whole(history::lie(&lie, request, node)?);
        }
        _ => {}
    }
    let answer = forward(request, node)?;
    let manner = match &lie {
        Lie::DoneThenDrop => return Ok(Deed::Close),
        Lie::DoneBut(status, body) => return whole(text(*status, body)),
        Lie::CutAfter(bytes) => Manner::CutAfter(*bytes),
        Lie::Endless(endlessness) => Manner::Endless(*endlessness),
        Lie::Drip(interval) => Manner::Drip(*interval),
        Lie::Stall => Manner::Stall,
        _ => return whole(altered(&lie, answer)),
    };
    Ok(Deed::Answer(answer, manner))
}

/// The node's answer to a request.
pub(super) fn forward(request: &Incoming, node: SocketAddr) -> Result<Answer, HttpError> {
    let mut forwarded = Request::to(node, &request.method, &request.target);
    forwarded.headers.extend(request.headers.iter().cloned());
    if let Some(body) = &request.body {
        forwarded = forwarded.body(body.clone());
    }
    let reply = ask(node, &forwarded)?;
    let headers = reply.headers.into_iter();
    Ok(Answer {
        status: reply.status,
        headers: headers
            .filter(|(name, _)| !is_of_the_connection(name))
            .collect(),
        body: reply.body,
    })
}

/// The request with another last segment in its path.
pub(super) fn with_last_segment(request: &Incoming, segment: &str) -> Incoming {
    let path = request.path();
    let kept = path.rsplit_once('/').map_or("", |(kept, _)| kept);
    Incoming {
        target: format!("{kept}/{segment}"),
        ..request.clone()
    }
}

/// An answer with this JSON text or plain text.
fn text(status: u16, body: &str) -> Answer {
    Answer {
        status,
        headers: Vec::new(),
        body: body.as_bytes().to_vec(),
    }
}

/// What the node would answer if it had stored everything.
fn pretend_stored(request: &Incoming) -> Answer {
    let body = request.body.as_deref().unwrap_or_default();
    let path = request.path();
    if path.ends_with("/put-bricks") {
        let outcomes: Vec<serde_json::Value> = archive::blocks(body)
            .iter()
            .map(|it| serde_json::json!({"hash": BrickHash::of(it).to_string(), "outcome": "stored"}))
            .collect();
        return text(200, &serde_json::Value::from(outcomes).to_string());
    }
    if path.ends_with("/put-brick") {
        let hash = BrickHash::of(body).to_string();
        return text(201, &serde_json::json!({ "message": hash }).to_string());
    }
    text(201, "")
}

/// The answer with another body.
fn altered(lie: &Lie, mut answer: Answer) -> Answer {
    match lie {
        Lie::FlipBit(place) => flip(*place, 1, &mut answer.body),
        Lie::ChangeByte(place, bits) => flip(*place, *bits, &mut answer.body),
        Lie::Shorten(bytes) => answer.body.truncate(*bytes),
        Lie::SayAll(value) => say_all(*value, &mut answer),
        Lie::SwapBlocks(..) | Lie::FlipInBlock(_) | Lie::OmitBlock(_) | Lie::RepeatBlock(_) => {
            answer.body = archive::lie(lie, &answer.body);
        }
        _ => {}
    }
    answer
}

/// Flips these bits of the byte at a place, modulo the length; nothing in an empty body.
fn flip(place: usize, bits: u8, body: &mut [u8]) {
    let place = place.checked_rem(body.len()).unwrap_or(0);
    if let Some(byte) = body.get_mut(place) {
        *byte ^= bits;
    }
}

/// Every boolean of the answer is this one; a refusal of `brick-exists` becomes its opposite.
fn say_all(value: bool, answer: &mut Answer) {
    let parsed: Option<Vec<bool>> = serde_json::from_slice(&answer.body).ok();
    if let Some(all) = parsed {
        answer.body = serde_json::json!(vec![value; all.len()])
            .to_string()
            .into_bytes();
        return;
    }
    *answer = if value {
        text(200, "true")
    } else {
        text(404, r#"{"message":"Brick not found"}"#)
    };
}
