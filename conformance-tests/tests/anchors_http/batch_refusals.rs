//! `create-or-update-multiple-anchors`: all or nothing, whatever fails.

use anyhow::Result;
use serde_json::{Value, json};
use testkit::server::Server;

use crate::answer::Answer::{self, Empty, Message};
use crate::batch::{PATHS, VALUES_MAX, item, send};
use crate::signer::{Chain, Key, constant, hash, link, signed_link, wrap};
use crate::{CONFIG, check_total, check_versions, write};

/// An anchor with one value and a constant one, on a node that holds no more.
struct World {
    server: Server,
    chain: Chain,
    fixed: String,
}

impl World {
    fn start() -> Result<Self> {
        let server = Server::start(CONFIG)?;
        let mut chain = Chain::new("default", "existing");
        chain.push(chain.next("before"));
        let fixed = constant("default", "fixed");
        for (id, value) in [(&chain.id, chain.last()), (&fixed, &*link("fixed"))] {
            Empty(201).check(id, &write(&server, "create-anchor", id, value)?);
        }
        Ok(Self {
            server,
            chain,
            fixed,
        })
    }

    /// Asserts that nothing has changed since the start.
    fn check_unchanged(&self) -> Result<()> {
        check_total(&self.server, "default", 2)?;
        check_total(&self.server, "other", 0)?;
        check_versions(&self.server, &self.chain.id, &self.chain.plain_values())?;
        check_versions(&self.server, &self.fixed, &[&link("fixed")])
    }
}

/// An item that must be refused, and how.
struct Bad<'a> {
    item: Value,
    answer: Answer<'a>,
}

fn bad_items(world: &World) -> Vec<Bad<'static>> {
    let chain = &world.chain;
    let fresh = Chain::new("default", "fresh");
    let time = chain.time().to_string();
    let over = |last: &str, time: &str| {
        let value = signed_link(&chain.owner, [&chain.id, &hash("x"), last, time]);
        item(&chain.id, &value)
    };
    let odd = signed_link(&fresh.owner, [&fresh.id, &hash("x"), "", "1"]);
    let stranger = Chain {
        owner: Key::of("stranger"),
        ..fresh.clone()
    };
    let elsewhere = Chain::new("nowhere", "owner");
    let bad = |item, answer| Bad { item, answer };
    vec![
        bad(over("", &time), Message(428, "Versions out of sync")),
        bad(
            over(chain.last(), "1600000000000"),
            Message(409, "older than the last"),
        ),
        bad(
            item(&world.fixed, &link("other")),
            Message(400, "because of the keySSI type"),
        ),
        bad(
            item(&fresh.id, &stranger.next("x")),
            Message(400, "Failed to verify signature"),
        ),
        bad(item(&fresh.id, &odd), Message(400, "13 digits")),
        bad(
            item(&fresh.id, &link("x")),
            Message(400, "type of the value does not fit"),
        ),
        bad(
            item(&fresh.id, "text"),
            Message(400, "anchor value is refused"),
        ),
        bad(
            item("text", &fresh.next("x")),
            Message(400, "anchor id is refused"),
        ),
        bad(
            item(&elsewhere.id, &elsewhere.next("x")),
            Message(400, "domain"),
        ),
        bad(
            json!({ "anchorId": wrap(&fresh.id) }),
            Message(400, "no anchorValue"),
        ),
        bad(
            json!({ "anchorId": wrap(&fresh.id), "anchorValues": [] }),
            Message(400, "no anchorValue"),
        ),
    ]
}

/// Whatever fails, and wherever it stands, nothing is stored, the answer is that
/// of the first item that fails and says which it is, and the next batch is
/// taken.
#[test]
fn when_one_item_fails_nothing_is_stored() -> Result<()> {
    let world = World::start()?;
    let good = ["a", "b", "c"].map(|it| Chain::new("default", it));
    for path in PATHS {
        for bad in bad_items(&world) {
            for place in 0..=good.len() {
                let mut items: Vec<Value> =
                    good.iter().map(|it| item(&it.id, &it.next("x"))).collect();
                items.insert(place, bad.item.clone());
                let case = format!("{path} {place} {}", bad.item);
                let reply = send(&world.server, path, &json!(items))?;
                bad.answer.check(&case, &reply);
                Message(reply.status, &format!("item {place}: ")).check(&case, &reply);
            }
        }
        world.check_unchanged()?;
    }
    for chain in &good {
        check_versions(&world.server, &chain.id, &[])?;
    }
    let items: Vec<Value> = good.iter().map(|it| item(&it.id, &it.next("x"))).collect();
    Empty(201).check("then", &send(&world.server, PATHS[0], &json!(items))?);
    check_total(&world.server, "default", 5)
}

/// Values of one anchor depend on one another: the third is judged over the
/// second of the same request, and a wrong one undoes those before it.
#[test]
fn a_wrong_value_undoes_those_before_it_of_the_same_anchor() -> Result<()> {
    let world = World::start()?;
    let mut chain = world.chain.clone();
    let mut values = Vec::new();
    for name in ["one", "two", "three"] {
        let value = chain.next(name);
        values.push(wrap(&value));
        chain.push(value);
    }
    let out_of_sync = Message(428, "Versions out of sync");
    let values_item = |values: &[&String]| {
        json!([
            item(&Chain::new("default", "a").id, &Chain::new("default", "a").next("x")),
            { "anchorId": wrap(&chain.id), "anchorValues": values },
        ])
    };
    let [one, two, three] = &values[..] else {
        unreachable!("three values were made")
    };
    for wrong in [
        values_item(&[one, three]),    // one is left out
        values_item(&[one, two, two]), // one stands twice
        values_item(&[one, two, three, three]),
    ] {
        let reply = send(&world.server, PATHS[0], &wrong)?;
        out_of_sync.check("values", &reply);
        Message(428, "item 1: ").check("values", &reply);
        world.check_unchanged()?;
    }
    let reply = send(&world.server, PATHS[0], &values_item(&[two, one]))?;
    // The second is signed over the first, which is not there yet.
    out_of_sync.check("in another order", &reply);
    world.check_unchanged()?;
    // The first of several bad items gives the code.
    let fixed = item(&world.fixed, &link("other"));
    let stale = item(&chain.id, &chain.values[0]);
    let reply = send(&world.server, PATHS[0], &json!([stale, fixed]))?;
    out_of_sync.check("stale first", &reply);
    let reply = send(&world.server, PATHS[0], &json!([fixed, stale]))?;
    Message(400, "because of the keySSI type").check("constant first", &reply);
    world.check_unchanged()?;
    let right = values_item(&[one, two, three]);
    Empty(201).check("right", &send(&world.server, PATHS[0], &right)?);
    check_versions(&world.server, &chain.id, &chain.plain_values())
}

#[test]
fn what_is_no_list_of_items_is_refused_with_the_reason() -> Result<()> {
    let world = World::start()?;
    let id = wrap(&world.chain.id);
    let value = wrap(&world.chain.next("x"));
    let no_list = "not a JSON array";
    let check = |body: String, reason: &str| -> Result<()> {
        for path in PATHS {
            let reply = world.server.put(path, body.clone())?;
            Message(400, reason).check(&format!("{path} {body:.80}"), &reply);
        }
        Ok(())
    };
    for body in [
        "", " ", "[", "[}", "[{]", "{}", "null", "1", "\"x\"", "true", "[1]", "[null]", "[[]]",
        "[\"x\"]",
    ] {
        check(body.to_owned(), no_list)?;
    }
    check("[]".to_owned(), "names no anchor")?;
    check(json!([{}]).to_string(), "anchorId")?;
    check(json!([{ "anchorValue": value }]).to_string(), "anchorId")?;
    check(
        json!([{ "anchorId": 5, "anchorValue": value }]).to_string(),
        no_list,
    )?;
    check(
        json!([{ "anchorId": id, "anchorValue": 5 }]).to_string(),
        no_list,
    )?;
    check(
        json!([{ "anchorId": id, "anchorValues": value }]).to_string(),
        no_list,
    )?;
    check(
        json!([{ "anchorId": id, "anchorValues": [null] }]).to_string(),
        no_list,
    )?;
    let unknown = json!([{ "anchorId": id, "anchorValue": value, "force": true }]);
    check(unknown.to_string(), "force")?;
    let twice =
        format!("[{{\"anchorId\":\"{id}\",\"anchorId\":\"{id}\",\"anchorValue\":\"{value}\"}}]");
    check(twice, "duplicate field")?;
    check(
        format!(
            "{}x",
            json!([item(&world.chain.id, &world.chain.next("x"))])
        ),
        no_list,
    )?;
    check("[".repeat(100_000), no_list)?;
    let invalid = [b"[\"".as_slice(), &[0xff, 0xfe], b"\"]"].concat();
    let reply = world.server.put(PATHS[0], invalid)?;
    Message(400, no_list).check("not UTF-8", &reply);
    let many = vec![value.as_str(); VALUES_MAX + 1];
    check(
        json!([{ "anchorId": id, "anchorValues": many }]).to_string(),
        "more than 1024 values",
    )?;
    let one = item(&world.chain.id, &world.chain.next("x"));
    check(
        json!(vec![one; VALUES_MAX + 1]).to_string(),
        "more than 1024 values",
    )?;
    let large = format!("[\"{}\"]", "x".repeat(1 << 20));
    let reply = world.server.put(PATHS[0], large)?;
    Message(413, "the limit of 1048576 bytes").check("a large body", &reply);
    for method in ["GET", "POST", "DELETE"] {
        let reply = world.server.ask(&world.server.request(method, PATHS[1]))?;
        Empty(404).check(method, &reply);
    }
    world.check_unchanged()
}
