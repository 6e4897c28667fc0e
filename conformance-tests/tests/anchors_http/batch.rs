//! `create-or-update-multiple-anchors`: what is taken, in which order.

use anyhow::Result;
use serde_json::{Value, json};
use testkit::http::{Body, Reply};
use testkit::server::Server;

use crate::answer::Answer::Empty;
use crate::signer::{Chain, Key, constant, link, wrap};
use crate::{CONFIG, check_total, check_versions, write};

/// The two paths: without a domain each id says its own.
pub(crate) const PATHS: [&str; 2] = [
    "/anchor/default/create-or-update-multiple-anchors",
    "/anchor/create-or-update-multiple-anchors",
];

/// Values that one request may hold.
pub(crate) const VALUES_MAX: usize = 1024;

/// One item with one value, both given plain.
pub(crate) fn item(id: &str, value: &str) -> Value {
    json!({ "anchorId": wrap(id), "anchorValue": wrap(value) })
}

pub(crate) fn send(server: &Server, path: &str, items: &Value) -> Result<Reply> {
    Ok(server.put(path, items.to_string())?)
}

#[test]
fn several_anchors_are_created_and_appended_to_in_one_request() -> Result<()> {
    for path in PATHS {
        let server = Server::start(CONFIG)?;
        let mut chains = ["a", "b", "c"].map(|it| Chain::new("default", it));
        let fixed = constant("default", "c");
        // The third exists before.
        let value = chains[2].next("before");
        Empty(201).check(
            path,
            &write(&server, "create-anchor", &chains[2].id, &value)?,
        );
        chains[2].push(value);
        let mut items = vec![item(&fixed, &link("x"))];
        for round in ["one", "two", "three"] {
            for chain in &mut chains {
                let value = chain.next(round);
                items.push(item(&chain.id, &value));
                chain.push(value);
            }
        }
        Empty(201).check(path, &send(&server, path, &json!(items))?);
        for chain in &chains {
            check_versions(&server, &chain.id, &chain.plain_values())?;
        }
        check_versions(&server, &fixed, &[&link("x")])?;
        check_total(&server, "default", 4)?;
        // What was written in a batch is continued by a single append.
        let next = chains[0].next("after");
        Empty(201).check(
            path,
            &write(&server, "append-to-anchor", &chains[0].id, &next)?,
        );
    }
    Ok(())
}

#[test]
fn values_of_one_item_are_taken_in_order_and_owners_may_change() -> Result<()> {
    let server = Server::start(CONFIG)?;
    let mut chain = Chain::new("default", "owner");
    let second = Key::of("second owner");
    for name in ["one", "two"] {
        chain.push(chain.next(name));
    }
    chain.push(chain.transfer(&second));
    chain.owner = second;
    chain.push(chain.next("by the new owner"));
    let wrapped: Vec<String> = chain.values.iter().map(|it| wrap(it)).collect();
    let items = json!([{ "anchorId": wrap(&chain.id), "anchorValues": wrapped }]);
    Empty(201).check("values", &send(&server, PATHS[0], &items)?);
    check_versions(&server, &chain.id, &chain.plain_values())?;
    // Both members at once: the single value comes first.
    let mut other = Chain::new("default", "other");
    let first = other.next("one");
    other.push(first);
    let then = other.next("two");
    let both = json!([{
        "anchorId": wrap(&other.id),
        "anchorValue": wrap(other.last()),
        "anchorValues": [wrap(&then)],
    }]);
    other.push(then);
    Empty(201).check("both", &send(&server, PATHS[1], &both)?);
    check_versions(&server, &other.id, &other.plain_values())
}

#[test]
fn without_a_domain_in_the_path_each_id_says_its_own() -> Result<()> {
    let server = Server::start(CONFIG)?;
    let chains = ["default", "other"].map(|it| Chain::new(it, "owner"));
    let items: Vec<Value> = chains
        .iter()
        .map(|it| item(&it.id, &it.next("a")))
        .collect();
    Empty(201).check("two domains", &send(&server, PATHS[1], &json!(items))?);
    check_total(&server, "default", 1)?;
    check_total(&server, "other", 1)?;
    check_versions(&server, &chains[0].id, &[&chains[0].next("a")])
}

#[test]
fn the_largest_batch_is_taken_in_either_framing() -> Result<()> {
    let server = Server::start(CONFIG)?;
    for (name, chunked) in [("sized", false), ("chunked", true)] {
        let mut chain = Chain::new("default", name);
        for _ in 0..VALUES_MAX {
            chain.push(chain.next(name));
        }
        let wrapped: Vec<String> = chain.values.iter().map(|it| wrap(it)).collect();
        let items = json!([{ "anchorId": wrap(&chain.id), "anchorValues": wrapped }]);
        let mut request = server.request("PUT", PATHS[0]);
        let body = items.to_string().into_bytes();
        request.body = if chunked {
            Body::Chunked(body)
        } else {
            Body::Sized(body)
        };
        Empty(201).check(name, &server.ask(&request)?);
        check_versions(&server, &chain.id, &chain.plain_values())?;
    }
    Ok(())
}
