//! Tokens of a real OpenID Connect issuer as credentials.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod issuer;

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use testkit::http::Reply;
use testkit::server::Server;

use issuer::Issuer;

/// Longest wait for something that the node does by itself.
const WAIT: Duration = Duration::from_secs(40);

/// A node that takes tokens of the issuer and nothing else.
fn node(issuer: &str, more: &str) -> Result<Server> {
    let config = format!(
        r#"
        [access]
        anonymous = "none"
        [[access.oidc]]
        issuer = "{issuer}"
        audience = "urn:kiln:node"
        {more}
        [[access.oidc.rule]]
        claim = "groups"
        value = "writers"
        grants = [{{ domain = "default", role = "write" }}]
        "#
    );
    Ok(Server::start(&config)?)
}

/// What the node says to a write with this token.
fn put(server: &Server, token: &str) -> Result<Reply> {
    let request = server.request("PUT", "/bricking/default/put-brick");
    let request = request.header("Authorization", &format!("Bearer {token}"));
    Ok(server.ask(&request.body(b"a brick".to_vec()))?)
}

fn check(server: &Server, case: &str, token: &str, status: u16) -> Result<()> {
    let reply = put(server, token)?;
    ensure!(
        reply.status == status,
        "{case}: {} {}",
        reply.status,
        reply.text()
    );
    ensure!(
        !reply.text().contains(token) || token.is_empty(),
        "{case}: the token comes back"
    );
    Ok(())
}

/// Asks until the answer has this status.
fn await_status(server: &Server, token: &str, status: u16) -> Result<Reply> {
    let deadline = Instant::now() + WAIT;
    loop {
        let reply = put(server, token)?;
        if reply.status == status {
            return Ok(reply);
        }
        ensure!(
            Instant::now() < deadline,
            "still {}: {}",
            reply.status,
            reply.text()
        );
        sleep(Duration::from_millis(100));
    }
}

#[test]
fn tokens_of_the_issuer_are_credentials() -> Result<()> {
    let mut issuer = Issuer::start()?;
    let server = node(&issuer.name, "")?;
    assert_eq!(put(&server, "")?.status, 401);
    for algorithm in ["RS256", "ES256", "EdDSA"] {
        check(&server, algorithm, &issuer.token(algorithm)?, 201)?;
    }
    let now = issuer.number("now")?;
    let good = [
        ("as it is", json!({})),
        (
            "two audiences",
            json!({ "claims": { "aud": ["urn:other", "urn:kiln:node"] } }),
        ),
        ("just expired", json!({ "claims": { "exp": now - 20 } })),
        (
            "a clock ahead",
            json!({ "claims": { "iat": now + 40, "nbf": now + 40 } }),
        ),
        ("no key named", json!({ "header": { "kid": null } })),
        ("another type", json!({ "header": { "typ": "JWT" } })),
    ];
    for (case, changes) in good {
        check(&server, case, &issuer.sign(changes)?, 201)?;
    }
    // Known, but worth nothing, or not this.
    for groups in [json!(["readers"]), json!([]), Value::Null] {
        let token = issuer.sign(json!({ "claims": { "groups": groups } }))?;
        check(&server, "no writer", &token, 403)?;
    }
    // What is signed for one thing is good for no other.
    let token = issuer.token("RS256")?;
    let anchor = server.request("PUT", "/anchor/default/create-anchor/x/y");
    let anchor = anchor.header("Authorization", &format!("Bearer {token}"));
    assert_eq!(server.ask(&anchor)?.status, 403);
    Ok(())
}

#[test]
fn everything_else_is_refused() -> Result<()> {
    let mut issuer = Issuer::start()?;
    let server = node(&issuer.name, "algorithms = [\"RS256\"]")?;
    let now = issuer.number("now")?;
    let other = "https://id.example";
    let bad = [
        ("expired", json!({ "claims": { "exp": now - 100 } })),
        ("for ever", json!({ "claims": { "exp": null } })),
        ("an odd time", json!({ "claims": { "exp": "tomorrow" } })),
        ("not yet", json!({ "claims": { "nbf": now + 200 } })),
        (
            "issued tomorrow",
            json!({ "claims": { "iat": now + 86_400 } }),
        ),
        (
            "another audience",
            json!({ "claims": { "aud": "urn:other" } }),
        ),
        (
            "an audience that begins so",
            json!({ "claims": { "aud": "urn:kiln:node:2" } }),
        ),
        ("no audience", json!({ "claims": { "aud": null } })),
        ("no audience at all", json!({ "claims": { "aud": [] } })),
        ("another issuer", json!({ "claims": { "iss": other } })),
        (
            "an issuer with a slash",
            json!({ "claims": { "iss": format!("{}/", issuer.name) } }),
        ),
        ("no issuer", json!({ "claims": { "iss": null } })),
        ("nobody", json!({ "claims": { "sub": null } })),
        (
            "unsigned",
            json!({ "header": { "alg": "none" }, "key": "none" }),
        ),
        ("unsigned RS256", json!({ "key": "none" })),
        (
            "the public key as a secret",
            json!({ "header": { "alg": "HS256" }, "key": "public-as-secret" }),
        ),
        ("a stranger's key", json!({ "key": "stranger" })),
        (
            "an unknown key",
            json!({ "header": { "kid": "unknown" }, "key": "stranger" }),
        ),
        (
            "an own key by a wrong name",
            json!({ "header": { "kid": "ES256-1" } }),
        ),
        (
            "an extension",
            json!({ "header": { "crit": ["kiln"], "kiln": 1 } }),
        ),
    ];
    for (case, changes) in bad {
        // Bad signatures slow their sender down after a while; these are too few for it. Where the
        // issuer must be asked again, that takes its pause: 503 until then.
        let token = issuer.sign(changes)?;
        let reply = await_status(&server, &token, 401).with_context(|| case.to_owned())?;
        ensure!(
            !reply.text().contains(&token),
            "{case}: the token comes back"
        );
    }
    check(
        &server,
        "an algorithm that is not listed",
        &issuer.token("ES256")?,
        401,
    )?;
    let good = issuer.token("RS256")?;
    let parts: Vec<_> = good.split('.').collect();
    for garbage in [
        "eyJ..".to_owned(),
        "eyJhbGciOiJSUzI1NiJ9.e30.".to_owned(),
        format!("{}.{}", parts[0], parts[1]),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{good}x"),
        format!("{}.{}x.{}", parts[0], parts[1], parts[2]),
        format!("eyJ{}.{}.{}", "A".repeat(13_000), parts[1], parts[2]),
    ] {
        check(&server, &garbage, &garbage, 401)?;
    }
    // None of it has harmed the good.
    check(&server, "good", &good, 201)
}

#[test]
fn keys_are_replaced_without_a_restart_and_the_issuer_is_not_flooded() -> Result<()> {
    let mut issuer = Issuer::start()?;
    let server = node(&issuer.name, "")?;
    let old = issuer.token("RS256")?;
    check(&server, "old", &old, 201)?;
    issuer.rotate()?;
    let new = issuer.token("RS256")?;
    await_status(&server, &new, 201)?;
    await_status(&server, &old, 401).context("the old key is gone")?;
    let before = issuer.number("looks")?;
    let began = Instant::now();
    // Keys that nobody has, each by another name, and with good signatures no less.
    for n in 0..60 {
        let token = issuer.sign(json!({ "header": { "kid": format!("made-up-{n}") } }))?;
        let status = put(&server, &token)?.status;
        assert!([401, 503].contains(&status), "{status}");
    }
    // They were no guesses: who has a good one is not slowed down.
    check(&server, "new", &new, 201)?;
    let looks = issuer.number("looks")? - before;
    let most = began.elapsed().as_secs() / 5 + 1;
    assert!(
        looks <= most,
        "{looks} looks at the keys, {most} were allowed"
    );
    Ok(())
}

#[test]
fn when_the_issuer_is_down_known_keys_go_on_for_a_while() -> Result<()> {
    let mut issuer = Issuer::start()?;
    let server = node(&issuer.name, "keys_fresh_s = 10\nkeys_usable_s = 15")?;
    let fresh = node(&issuer.name, "")?;
    let token = issuer.token("RS256")?;
    check(&server, "before", &token, 201)?;
    drop(issuer);
    check(&server, "its keys are known", &token, 201)?;
    let reply = put(&fresh, &token)?;
    assert_eq!(reply.status, 503, "{}", reply.text());
    assert!(reply.header("retry-after").is_some());
    // Nobody can ask the issuer for what is not a token of its.
    assert_eq!(put(&fresh, "eyJ.e30.x")?.status, 401);
    let reply = await_status(&server, &token, 503)?;
    assert!(
        reply.text().contains("cannot be fetched"),
        "{}",
        reply.text()
    );
    Ok(())
}
