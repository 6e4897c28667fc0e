//! Compares the node's reply with the recorded one.
//!
//! Not compared, because they differ from run to run or do not matter to a
//! client: the framing of the body, `Date`, the `Keep-Alive` text and the
//! numbers of the rate limit.

use std::collections::BTreeSet;

use anyhow::Result;
use serde_json::{Value, json};
use testkit::http::Reply;

use crate::call::{Call, Route};
use crate::exchange::{Exchange, brick_name};
use crate::rule::HeaderRule;
use crate::world::World;

/// What is wrong with a reply that no row of the table covers.
pub(crate) fn with_recorded(
    exchange: &Exchange,
    call: &Call,
    world: &World,
    reply: &Reply,
) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    let expected = Expected::of(exchange, call, world)?;
    if reply.status != expected.status {
        problems.push(format!(
            "status {} instead of {}",
            reply.status, expected.status
        ));
    }
    if expected.status != exchange.response.status {
        // The state decides; the recorded headers belong to another answer.
        problems.extend(expected.body.mismatch(&reply.body));
        return Ok(problems);
    }
    let recorded = exchange.response.header("content-type");
    let sent = reply.header("content-type");
    if sent != recorded {
        problems.push(format!("content type {sent:?} instead of {recorded:?}"));
    }
    let recorded = tokens(exchange.response.header("cache-control"));
    let sent = tokens(reply.header("cache-control"));
    if !sent.is_superset(&recorded) {
        problems.push(format!("cache control {sent:?} without {recorded:?}"));
    }
    if exchange.expects_continue() && !reply.interim.contains(&100) {
        problems.push("no 100 Continue".to_owned());
    }
    if exchange.request.method != "HEAD" {
        problems.extend(expected.body.mismatch(&reply.body));
    }
    Ok(problems)
}

/// What is wrong with the headers that do not depend on the answer.
pub(crate) fn common_headers(
    exchange: &Exchange,
    reply: &Reply,
    dropped: &[HeaderRule],
) -> Vec<String> {
    let mut problems = Vec::new();
    let recorded = &exchange.response;
    let mut check = |name: &str, holds: fn(Option<&str>, Option<&str>) -> bool| {
        let pair = (recorded.header(name), reply.header(name));
        if !holds(pair.0, pair.1) {
            problems.push(format!("{name}: {:?} instead of {:?}", pair.1, pair.0));
        }
    };
    let answered = recorded.status != 0;
    if answered {
        check("access-control-allow-origin", |recorded, sent| {
            recorded == sent
        });
        check("access-control-allow-methods", |recorded, sent| {
            tokens(recorded) == tokens(sent)
        });
        check("access-control-allow-headers", |recorded, sent| {
            tokens(sent).is_superset(&tokens(recorded))
        });
        check("access-control-max-age", |recorded, sent| recorded == sent);
    } else {
        check("access-control-allow-origin", |_, sent| sent.is_some());
    }
    for name in ["x-ratelimit-limit", "x-ratelimit-remaining"] {
        if answered {
            check(name, |recorded, sent| recorded.is_none() || is_number(sent));
        } else {
            check(name, |_, sent| is_number(sent));
        }
    }
    for rule in dropped {
        if reply.header(&rule.absent).is_some() {
            problems.push(format!(
                "{} is sent against rule {}",
                rule.absent, rule.reason.id
            ));
        }
    }
    if tokens(recorded.header("connection")).contains("close") && !reply.closes {
        problems.push("the connection stays open".to_owned());
    }
    if reply.status >= 400 && is_kept_for_long(reply.header("cache-control")) {
        problems.push(format!(
            "an error may be cached: {:?}",
            reply.header("cache-control")
        ));
    }
    problems
}

/// The items of a comma-separated header, in lower case.
fn tokens(value: Option<&str>) -> BTreeSet<String> {
    let items = value.unwrap_or_default().split(',');
    items
        .map(|it| it.trim().to_ascii_lowercase())
        .filter(|it| !it.is_empty())
        .collect()
}

fn is_number(value: Option<&str>) -> bool {
    value.is_some_and(|it| it.parse::<u64>().is_ok())
}

/// Whether a cache may keep the answer for more than a minute.
fn is_kept_for_long(value: Option<&str>) -> bool {
    let tokens = tokens(value);
    let age = |it: &String| {
        it.strip_prefix("max-age=")
            .and_then(|it| it.parse::<u64>().ok())
    };
    tokens.contains("immutable") || tokens.iter().filter_map(age).any(|it| it > 60)
}

/// The status and body that are due.
struct Expected {
    status: u16,
    body: ExpectedBody,
}

enum ExpectedBody {
    Bytes(Vec<u8>),
    Json(Value),
    /// The same kinds of values in the same places.
    Shape(Value),
}

impl Expected {
    fn of(exchange: &Exchange, call: &Call, world: &World) -> Result<Self> {
        let recorded = &exchange.response;
        let method = exchange.request.method.as_str();
        if matches!(method, "GET" | "HEAD")
            && let Some(expected) = Self::of_state(call, world)
        {
            return Ok(expected);
        }
        let bytes = recorded.body()?;
        let text = recorded.header("content-type") != Some("application/octet-stream");
        let json = serde_json::from_slice::<Value>(&bytes)
            .ok()
            .filter(|_| text);
        let body = match (call.route, json) {
            (Route::PutBrick, _) if recorded.status == 201 => {
                let sent = exchange.body()?.unwrap_or_default();
                ExpectedBody::Json(json!({ "message": brick_name(&sent) }))
            }
            (Route::Bdns | Route::ReadyProbe, Some(json)) => ExpectedBody::Shape(json),
            (_, Some(json)) => ExpectedBody::Json(json),
            (_, None) => ExpectedBody::Bytes(bytes),
        };
        Ok(Self {
            status: recorded.status,
            body,
        })
    }

    /// Answers that follow from what the node holds, where that is not what
    /// the recorded server held: it had anchors from before the recording, and
    /// it refused appends for a lock that a failed one had left behind.
    fn of_state(call: &Call, world: &World) -> Option<Self> {
        if !world.serves(&call.domain) {
            return None;
        }
        let none = || Self {
            status: 404,
            body: ExpectedBody::Bytes(Vec::new()),
        };
        let some = |json| Self {
            status: 200,
            body: ExpectedBody::Json(json),
        };
        if call.route == Route::TotalAnchors {
            let count = world.anchor_count(&call.domain);
            return Some(if count == 0 {
                none()
            } else {
                some(json!(count))
            });
        }
        let history = world.history(&call.domain, &call.subject);
        if history.ours == history.recorded {
            return None;
        }
        match (call.route, history.ours.last()) {
            (Route::AllVersions | Route::LastVersion, None) => Some(none()),
            (Route::AllVersions, Some(_)) => Some(some(json!(history.ours))),
            (Route::LastVersion, Some(last)) => Some(some(json!({ "message": last }))),
            _ => None,
        }
    }
}

impl ExpectedBody {
    fn mismatch(&self, body: &[u8]) -> Option<String> {
        let json = || serde_json::from_slice::<Value>(body).ok();
        let matches = match self {
            Self::Bytes(expected) => body == expected,
            Self::Json(expected) => json().is_some_and(|it| it == *expected),
            Self::Shape(expected) => json().is_some_and(|it| same_shape(expected, &it)),
        };
        let shown = |bytes: &[u8]| {
            String::from_utf8_lossy(bytes)
                .chars()
                .take(200)
                .collect::<String>()
        };
        let expected = match self {
            Self::Bytes(bytes) => shown(bytes),
            Self::Json(json) | Self::Shape(json) => shown(json.to_string().as_bytes()),
        };
        (!matches).then(|| format!("body `{}` instead of `{expected}`", shown(body)))
    }
}

/// Whether every place of `expected` is there with the same kind of value.
fn same_shape(expected: &Value, value: &Value) -> bool {
    match (expected, value) {
        (Value::Object(expected), Value::Object(value)) => {
            expected.iter().all(|(key, expected)| {
                let found = value.get(key);
                found.is_some_and(|it| same_shape(expected, it))
            })
        }
        (Value::Array(expected), Value::Array(value)) => match expected.first() {
            Some(first) => !value.is_empty() && value.iter().all(|it| same_shape(first, it)),
            None => true,
        },
        (Value::String(_), Value::String(_)) | (Value::Number(_), Value::Number(_)) => true,
        _ => expected == value,
    }
}

#[test]
fn shapes_are_compared_place_by_place() {
    let expected = json!({ "a": ["x"], "n": 1 });
    assert!(same_shape(
        &expected,
        &json!({ "a": ["y", "z"], "n": 2, "more": null })
    ));
    assert!(!same_shape(&expected, &json!({ "a": [], "n": 2 })));
    assert!(!same_shape(&expected, &json!({ "a": ["y"], "n": "2" })));
    assert!(!same_shape(&expected, &json!({ "a": ["y"] })));
}

#[test]
fn long_caching_is_seen() {
    for (value, long) in [
        (None, false),
        (Some("No-Cache"), false),
        (Some("max-age=0"), false),
        (Some("public, max-age=31536000"), true),
        (Some("immutable"), true),
    ] {
        assert_eq!(is_kept_for_long(value), long, "{value:?}");
    }
}
