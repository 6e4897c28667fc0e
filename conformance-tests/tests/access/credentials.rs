//! Which credentials are taken, from where, and what is said of those that are not.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::json;
use testkit::http::{Reply, Request};

use crate::node::{Node, guess, wait_until};

const CLOSED: &str = "[[domain]]\nname = \"here\"\nanonymous = \"none\"\n";
/// A route that needs a right to read, and answers 404 to those who have it.
const READ: &str = "/bricking/here/get-brick/GKot5hBsd81kMupNCXHaqbhv3huEbxAFMLnpcX2hniwn";

/// All of an answer that a caller can compare, without what differs from call to call.
fn visible(reply: &Reply) -> (u16, BTreeMap<String, String>, String) {
    let mut headers: BTreeMap<_, _> = reply.headers.iter().cloned().collect();
    let differs = ["date", "x-request-id"];
    headers.retain(|name, _| !differs.iter().any(|it| name.eq_ignore_ascii_case(it)));
    (reply.status, headers, reply.text())
}

fn with(node: &Node, target: &str, lines: &[(&str, &str)]) -> Result<Reply> {
    let start = Request::to(node.address(), "GET", target);
    let request = lines
        .iter()
        .fold(start, |it, (name, value)| it.header(name, value));
    node.ask(&request)
}

#[test]
fn a_key_is_taken_from_either_header_and_two_that_differ_from_none() -> Result<()> {
    let node = Node::start(CLOSED)?;
    let key = node.key("reader", &["here:read"])?.text;
    let other = node.key("other", &["here:read"])?.text;
    let (bearer, other_bearer) = (format!("Bearer {key}"), format!("Bearer {other}"));
    let (lower, upper) = (bearer.replace("Bearer", "bearer"), key.to_uppercase());
    let (key, other, cut) = (key.as_str(), other.as_str(), &key[..key.len() - 1]);
    let (bearer, other_bearer) = (bearer.as_str(), other_bearer.as_str());
    let basic = "Basic bWU6cHc=";
    let cases: [(&[(&str, &str)], u16); 17] = [
        (&[], 401),
        (&[("x-api-key", key)], 404),
        (&[("X-API-KEY", key)], 404),
        (&[("Authorization", bearer)], 404),
        (&[("authorization", &lower)], 404),
        (&[("x-api-key", key), ("Authorization", bearer)], 404),
        (&[("x-api-key", key), ("Authorization", other_bearer)], 400),
        (&[("x-api-key", key), ("x-api-key", other)], 400),
        (
            &[("Authorization", bearer), ("Authorization", other_bearer)],
            400,
        ),
        (&[("x-api-key", key), ("Authorization", basic)], 400),
        (&[("Authorization", basic)], 401),
        (&[("Authorization", key)], 401),
        (&[("Authorization", "Bearer")], 401),
        (&[("x-api-key", "")], 401),
        (&[("x-api-key", "whatever")], 401),
        (&[("x-api-key", &upper)], 401),
        (&[("x-api-key", cut)], 401),
    ];
    for (lines, status) in cases {
        let reply = with(&node, READ, lines)?;
        assert_eq!(reply.status, status, "{lines:?}: {}", reply.text());
        let challenge = reply.header("www-authenticate");
        assert_eq!(challenge.is_some(), status == 401, "{lines:?}");
        for secret in [key, other, cut] {
            assert!(!reply.text().contains(secret), "{lines:?}");
        }
    }
    // A key in the path or query is no credential.
    let target = format!("{READ}?x-api-key={key}");
    assert_eq!(with(&node, &target, &[])?.status, 401);
    let cookie = format!("apiKey={key}");
    assert_eq!(with(&node, READ, &[("Cookie", &cookie)])?.status, 401);
    Ok(())
}

#[test]
fn a_bad_credential_is_refused_and_never_taken_for_none() -> Result<()> {
    // Here the anonymous may do everything.
    let node = Node::start("[[domain]]\nname = \"here\"\nanonymous = \"all\"\n")?;
    let wrong = guess(None);
    for target in [READ, "/nowhere"] {
        let reply = with(&node, target, &[("x-api-key", &wrong)])?;
        assert_eq!(reply.status, 401, "{target}");
    }
    // Where nothing is needed, nothing is looked at.
    for target in ["/bdns", "/livez", "/readyz", "/version"] {
        let reply = with(&node, target, &[("x-api-key", &wrong)])?;
        assert_eq!(reply.status, 200, "{target}");
    }
    assert_eq!(with(&node, READ, &[])?.status, 404);
    let put = Request::to(node.address(), "PUT", "/bricking/here/put-brick");
    let put = put.header("x-api-key", &wrong).body(vec![7; 1 << 20]);
    assert_eq!(node.ask(&put)?.status, 401);
    // A browser asks first, without any credential.
    let preflight =
        Request::to(node.address(), "OPTIONS", READ).header("Origin", "http://w.example");
    let reply = node.ask(&preflight)?;
    assert_eq!(reply.status, 200);
    let allowed = reply
        .header("access-control-allow-headers")
        .unwrap_or_default()
        .to_lowercase();
    assert!(
        allowed.contains("x-api-key") && allowed.contains("authorization"),
        "{allowed}"
    );
    Ok(())
}

#[test]
fn nobody_learns_which_keys_there_are() -> Result<()> {
    let node = Node::start(CLOSED)?;
    let live = node.key("live", &["here:read"])?;
    let revoked = node.key("revoked", &["here:read"])?;
    let expiring = node.key_with("expiring", &["here:read"], &json!({ "expiresInS": 1 }))?;
    node.revoke(&revoked)?;
    let ask = |key: &str| with(&node, READ, &[("x-api-key", key)]);
    wait_until("the key ends", || Ok(ask(&expiring.text)?.status == 401))?;
    let unknown = visible(&ask(&guess(None))?);
    assert_eq!(unknown.0, 401);
    for (case, key) in [
        ("another secret of a live key", guess(Some(&live.id))),
        ("another secret of a revoked key", guess(Some(&revoked.id))),
        ("a revoked key", revoked.text.clone()),
        ("an expired key", expiring.text.clone()),
    ] {
        assert_eq!(visible(&ask(&key)?), unknown, "{case}");
    }
    // A typing error is told apart: it says nothing of any key.
    let last = if live.text.ends_with('0') { '1' } else { '0' };
    let mistyped = format!("{}{last}", &live.text[..live.text.len() - 1]);
    assert!(ask(&mistyped)?.text().contains("mistyped"));
    assert_eq!(ask(&live.text)?.status, 404);
    Ok(())
}

#[test]
fn guessing_is_slowed_and_nobody_else_is() -> Result<()> {
    let node = Node::start(CLOSED)?;
    let key = node.key("reader", &["here:read"])?.text;
    let ask = |key: &str| with(&node, READ, &[("x-api-key", key)]);
    let mut refused = 0;
    // Until the wait is long enough for a slow machine to look at it.
    wait_until("guesses have to wait", || {
        let reply = ask(&guess(None))?;
        let seconds = reply
            .header("retry-after")
            .map(str::parse::<u32>)
            .transpose()?;
        match reply.status {
            401 => refused += 1,
            status => assert_eq!(status, 429, "{}", reply.text()),
        }
        assert_eq!(seconds.is_some(), reply.status == 429);
        Ok(seconds.is_some_and(|seconds| seconds >= 5))
    })?;
    assert!(refused > 10, "only {refused} guesses were free");
    // The right key waits like all others; who sends none does not.
    assert_eq!(ask(&key)?.status, 429);
    assert_eq!(with(&node, "/bdns", &[])?.status, 200);
    assert_eq!(with(&node, READ, &[])?.status, 401);
    wait_until("the right key works again", || Ok(ask(&key)?.status == 404))
}

#[test]
fn what_a_known_caller_gets_is_kept_by_nobody_on_the_way() -> Result<()> {
    let node = Node::start(CLOSED)?;
    let key = node.key("writer", &["here:write"])?.text;
    let put = node
        .request("PUT", "/bricking/here/put-brick", Some(&key))
        .body("");
    assert_eq!(node.ask(&put)?.status, 201);
    let reply = with(&node, READ, &[("x-api-key", &key)])?;
    let caching = reply.header("cache-control").unwrap_or_default();
    assert_eq!(reply.status, 200);
    assert!(
        caching.contains("private") && !caching.contains("public"),
        "{caching}"
    );
    Ok(())
}
