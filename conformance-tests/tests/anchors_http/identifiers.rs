//! What is no anchor id of this node, on every route that takes one.

use anyhow::Result;
use serde_json::json;
use testkit::server::Server;

use crate::answer::Answer::{Empty, Message};
use crate::signer::{Chain, Key, constant, hash, wrap};
use crate::{CONFIG, check_total};

/// A text in the place of an id, and what the refusal must say.
struct BadId {
    text: String,
    reason: &'static str,
}

fn bad(text: impl Into<String>, reason: &'static str) -> BadId {
    BadId {
        text: text.into(),
        reason,
    }
}

fn malformed() -> Vec<BadId> {
    let chain = Chain::new("default", "owner");
    let good = wrap(&chain.id);
    let public = chain.owner.public();
    let named = |name: &str| {
        let id = format!("ssi:sza:{name}::{public}:v0");
        wrap(&id)
    };
    let six = "six segments";
    let kind = "of type 'sza' or 'cza'";
    let key = "base64 of a public key";
    let domain = "domain of the anchor id is malformed";
    vec![
        bad(format!("{good}0"), "not in the base58 alphabet"),
        bad(format!("%2e{good}"), "not in the base58 alphabet"),
        bad("..", "not in the base58 alphabet"),
        bad("x", "wrapped identifier"),
        bad(bs58::encode([0xff, b':']).into_string(), "UTF-8"),
        bad(format!("1{good}"), "does not begin with '1'"),
        bad(format!("11{good}"), "does not begin with '1'"),
        bad(wrap("no colons"), "holds no identifier"),
        bad(constant("default", "plain"), "not plain text"),
        bad("ssi:", "not plain text"),
        bad("2".repeat(256), "at most 255 characters"),
        bad("2".repeat(9000), "at most 255 characters"),
        bad(wrap(&format!("{}:{{\"a\":1}}", chain.id)), "no hint"),
        bad(wrap(&format!("{}:", chain.id)), "no hint"),
        bad(wrap(&format!("{}x", chain.id)), six),
        bad(wrap(&chain.id.replace(":v0", ":v1")), six),
        bad(wrap(&chain.id.replace("ssi:", "SSI:")), six),
        bad(wrap("ssi:sza:default"), six),
        bad(
            wrap(&format!("ssi:seed:default:{}::v0", chain.owner.secret())),
            kind,
        ),
        bad(wrap(&format!("ssi:sread:default:x:{public}:v0")), kind),
        bad(wrap(&format!("ssi:const:default:{}::v0", hash("x"))), kind),
        bad(wrap(&format!("ssi:hl:default:{}::v0", hash("x"))), kind),
        bad(wrap("ssi:sza:default:::v0"), key),
        bad(wrap("ssi:sza:default::AAAA:v0"), key),
        bad(wrap(&chain.id.replace("=:v0", ":v0")), key),
        bad(wrap("ssi:cza:default:::v0"), "base58 of a hash"),
        bad(wrap("ssi:cza:default:hash1::v0"), "base58 of a hash"),
        bad(named("$HOME"), domain),
        bad(named("$PATH"), domain),
        bad(named(".."), domain),
        bad(named("a/b"), domain),
        bad(named(""), domain),
    ]
}

#[test]
fn what_is_no_id_is_refused_with_the_reason_on_every_route() -> Result<()> {
    let server = Server::start(CONFIG)?;
    let value = wrap(&Chain::new("default", "owner").next("first"));
    for BadId { text, reason } in malformed() {
        let case = format!("{text:.60} {reason}");
        for action in ["create-anchor", "append-to-anchor"] {
            let reply = server.put(&format!("/anchor/default/{action}/{text}/{value}"), *b"")?;
            Message(400, reason).check(&case, &reply);
        }
        for route in ["get-all-versions", "get-last-version"] {
            let target = format!("/anchor/default/{route}/{text}");
            Message(400, reason).check(&case, &server.fetch(&target)?);
            Empty(400).check(&case, &server.ask(&server.request("HEAD", &target))?);
        }
        let batch = json!([{"anchorId": text, "anchorValue": value}]).to_string();
        for prefix in ["/anchor", "/anchor/default"] {
            let target = format!("{prefix}/create-or-update-multiple-anchors");
            let reply = server.put(&target, batch.as_bytes())?;
            Message(400, reason).check(&case, &reply);
            Message(400, "item 0").check(&case, &reply);
        }
    }
    check_total(&server, "default", 0)
}

/// An id that is right in itself, under a domain that is not its own or none of
/// this node's.
#[test]
fn foreign_and_unknown_domains_are_named() -> Result<()> {
    let server = Server::start(CONFIG)?;
    let check = |path: &str, id_domain: &str, reason: &str| -> Result<()> {
        let chain = Chain::new(id_domain, "owner");
        let (id, value) = (wrap(&chain.id), wrap(&chain.next("first")));
        let case = format!("{path} {id_domain}");
        for action in ["create-anchor", "append-to-anchor"] {
            let reply = server.put(&format!("/anchor/{path}/{action}/{id}/{value}"), *b"")?;
            Message(400, reason).check(&case, &reply);
        }
        for route in ["get-all-versions", "get-last-version"] {
            let reply = server.fetch(&format!("/anchor/{path}/{route}/{id}"))?;
            Message(400, reason).check(&case, &reply);
        }
        let batch = json!([{"anchorId": id, "anchorValue": value}]).to_string();
        let target = format!("/anchor/{path}/create-or-update-multiple-anchors");
        let reply = server.put(&target, batch.as_bytes())?;
        Message(400, reason).check(&case, &reply);
        Ok(())
    };
    let foreign = "belongs to domain other, not to default";
    check("default", "other", foreign)?;
    let foreign = "belongs to domain default, not to other";
    check("other", "default", foreign)?;
    let unknown = "does not serve the domain";
    for path in [
        "nowhere",
        "Default",
        "$HOME",
        "..",
        "%2e%2e",
        "def%61ult",
        "",
    ] {
        check(path, "default", unknown)?;
        let total = server.fetch(&format!("/anchor/{path}/get-total-numbers-of-anchors"))?;
        Message(400, unknown).check(path, &total);
    }
    let nowhere = Chain::new("nowhere", "owner");
    let value = wrap(&nowhere.next("first"));
    let batch = json!([{"anchorId": wrap(&nowhere.id), "anchorValue": value}]).to_string();
    let reply = server.put(
        "/anchor/create-or-update-multiple-anchors",
        batch.as_bytes(),
    )?;
    Message(400, unknown).check("a batch without a domain in its path", &reply);
    for domain in ["default", "other"] {
        check_total(&server, domain, 0)?;
    }
    Ok(())
}

/// A key that the id carries in secret must not come back in an answer.
#[test]
fn a_refused_secret_is_not_repeated() -> Result<()> {
    let server = Server::start(CONFIG)?;
    let key = Key::of("secret");
    let seed = wrap(&format!("ssi:seed:default:{}::v0", key.secret()));
    let reply = server.fetch(&format!("/anchor/default/get-all-versions/{seed}"))?;
    Message(400, "of type 'sza' or 'cza'").check("a seed", &reply);
    assert!(!reply.text().contains(&seed), "{}", reply.text());
    assert!(!reply.text().contains(&key.secret()), "{}", reply.text());
    Ok(())
}
