//! Creating anchors: what the first value may be.

use anyhow::Result;
use testkit::server::Server;

use crate::answer::Answer::{self, Empty, Message};
use crate::signer::{Chain, FIRST_TIME, Key, constant, hash, link, signed_link};
use crate::{CONFIG, check_total, check_versions, write};

/// Asserts that a first value is answered so; if it is refused, that nothing is
/// stored and the right value is taken at once.
fn check(server: &Server, case: &str, value: &str, expected: Answer<'_>) -> Result<()> {
    let chain = Chain::new("default", case);
    let reply = write(server, "create-anchor", &chain.id, value)?;
    expected.check(case, &reply);
    check_versions(server, &chain.id, &[])?;
    let right = chain.next("first");
    let reply = write(server, "create-anchor", &chain.id, &right)?;
    Empty(201).check(case, &reply);
    check_versions(server, &chain.id, &[&right])
}

#[test]
fn a_wrong_first_value_is_refused_with_the_reason() -> Result<()> {
    let server = Server::start(CONFIG)?;
    let at = |case: &str, time: &str| {
        let chain = Chain::new("default", case);
        signed_link(&chain.owner, [&chain.id, &hash("x"), "", time])
    };
    let digits = Message(400, "a first entry has 13 digits");
    check(
        &server,
        "12 digits",
        &at("12 digits", "999999999999"),
        digits,
    )?;
    check(
        &server,
        "14 digits",
        &at("14 digits", "10000000000000"),
        digits,
    )?;
    check(
        &server,
        "18 digits",
        &at("18 digits", "170000000000010000"),
        digits,
    )?;
    check(
        &server,
        "0 digits",
        &at("0 digits", ""),
        Message(400, "decimal digits"),
    )?;
    check(
        &server,
        "letters",
        &at("letters", "170000000000x"),
        Message(400, "decimal digits"),
    )?;

    let signature = Message(400, "Failed to verify signature");
    let of = |case: &str| Chain::new("default", case);
    let stranger = Key::of("stranger");
    let time = FIRST_TIME.to_string();
    let parts = |chain: &Chain| [chain.id.clone(), hash("x"), String::new(), time.clone()];
    let [id, name, ..] = parts(&of("stranger signs"));
    let foreign = signed_link(&stranger, [&id, &name, "", &time]);
    check(&server, "stranger signs", &foreign, signature)?;
    let chain = of("over another anchor");
    let other = signed_link(&chain.owner, [&of("b").id, &name, "", &time]);
    check(&server, "over another anchor", &other, signature)?;
    let chain = of("over a last value");
    let later = signed_link(&chain.owner, [&chain.id, &name, &link("x"), &time]);
    check(&server, "over a last value", &later, signature)?;
    let changed = of("hash changed")
        .next("a")
        .replace(&hash("a 0"), &hash("b"));
    check(&server, "hash changed", &changed, signature)?;
    let moved = of("time changed").next("a").replace(&time, "1700000000001");
    check(&server, "time changed", &moved, signature)
}

#[test]
fn a_value_of_another_form_is_refused_with_the_reason() -> Result<()> {
    let server = Server::start(CONFIG)?;
    let good = |case: &str| Chain::new("default", case).next("a");
    let kind = Message(400, "type of the value does not fit");
    check(&server, "hl on sza", &link("x"), kind)?;
    let types = Message(400, "of type 'shl', 'hl' or 'transfer'");
    let owner = Key::of("seed as value");
    let seed = format!("ssi:seed:default:{}::v0", owner.secret());
    check(&server, "seed as value", &seed, types)?;
    check(
        &server,
        "id as value",
        &Chain::new("default", "x").id,
        types,
    )?;
    let shape = Message(400, "six segments");
    check(&server, "v1", &good("v1").replace(":v0", ":v1"), shape)?;
    check(&server, "cut", "ssi:shl:default", shape)?;
    let domain = Message(400, "domain of the anchor value is malformed");
    let in_domain = |case: &str, domain: &str| good(case).replace("default", domain);
    for name in ["$HOME", "..", "a/b", ""] {
        check(&server, name, &in_domain(name, name), domain)?;
    }
    let hint = Message(400, "hint of the anchor value is not in normal form");
    for text in ["{ \"a\":1}", "{\"a\":1.0}", "{\"dsuVersion\":1}", "\"a\" "] {
        check(&server, text, &format!("{}:{text}", good(text)), hint)?;
    }
    let hint = Message(400, "hint of the anchor value is malformed");
    for text in ["{", "a", "null"] {
        check(&server, text, &format!("{}:{text}", good(text)), hint)?;
    }
    let hash = Message(400, "1 to 44 base58 characters");
    check(
        &server,
        "no hash",
        "ssi:shl:default::1700000000000|AAAA:v0",
        hash,
    )?;
    let long = format!("ssi:shl:default:{}:1700000000000|AAAA:v0", "a".repeat(45));
    check(&server, "long hash", &long, hash)?;
    let one = Message(400, "one timestamp and one signature");
    check(
        &server,
        "no signature",
        "ssi:shl:default:a:1700000000000:v0",
        one,
    )?;
    check(
        &server,
        "two bars",
        "ssi:shl:default:a:1700000000000|AA|AA:v0",
        one,
    )?;
    let base64 = Message(400, "signature of an anchor value is base64");
    check(
        &server,
        "odd signature",
        "ssi:shl:default:a:1700000000000|A*A:v0",
        base64,
    )?;
    let long = format!("{}:\"{}\"", good("too long"), "x".repeat(2048));
    check(&server, "too long", &long, Message(400, "at most"))?;
    check(
        &server,
        "no identifier",
        "text",
        Message(400, "holds no identifier"),
    )
}

#[test]
fn values_that_are_no_base58_are_refused_with_the_reason() -> Result<()> {
    let server = Server::start(CONFIG)?;
    let chain = Chain::new("default", "owner");
    let id = crate::wrap(&chain.id);
    let good = crate::wrap(&chain.next("a"));
    for (text, reason) in [
        (format!("{good}0"), "not in the base58 alphabet"),
        (format!("1{good}"), "does not begin with '1'"),
        (link("plain"), "not plain text"),
        ("..".to_owned(), "not in the base58 alphabet"),
        ("a".repeat(9000), "at most"),
    ] {
        let reply = server.put(&format!("/anchor/default/create-anchor/{id}/{text}"), *b"")?;
        Message(400, reason).check(&text, &reply);
    }
    check_versions(&server, &chain.id, &[])
}

#[test]
fn an_anchor_is_created_once() -> Result<()> {
    let server = Server::start(CONFIG)?;
    check_total(&server, "default", 0)?;
    let chain = Chain::new("default", "owner");
    let anchors = [
        (chain.id.clone(), chain.next("a"), chain.next("b")),
        (constant("default", "c"), link("a"), link("b")),
    ];
    for (count, (id, first, second)) in (1..).zip(anchors) {
        Empty(201).check(&id, &write(&server, "create-anchor", &id, &first)?);
        let exists = format!("anchor {} already exist", crate::wrap(&id));
        for value in [&first, &second] {
            let reply = write(&server, "create-anchor", &id, value)?;
            Message(409, &exists).check(&id, &reply);
        }
        check_versions(&server, &id, &[&first])?;
        check_total(&server, "default", count)?;
    }
    check_total(&server, "other", 0)
}

#[test]
fn a_constant_anchor_takes_one_unsigned_value() -> Result<()> {
    let server = Server::start(CONFIG)?;
    let id = constant("default", "c");
    let constant_type = Message(400, "because of the keySSI type");
    let reply = write(&server, "append-to-anchor", &id, &link("a"))?;
    constant_type.check("append to one that is absent", &reply);
    let signed = Chain::new("default", "x").next("a");
    let transfer = Chain::new("default", "x").transfer(&Key::of("y"));
    for value in [&signed, &transfer] {
        let reply = write(&server, "create-anchor", &id, value)?;
        Message(400, "type of the value does not fit").check("a signed value", &reply);
    }
    let control = link("a").replace("::v0", ":x:v0");
    let reply = write(&server, "create-anchor", &id, &control)?;
    Message(400, "empty control field").check("with a control field", &reply);
    check_versions(&server, &id, &[])?;
    Empty(201).check("create", &write(&server, "create-anchor", &id, &link("a"))?);
    for value in [&link("a"), &link("b"), &signed] {
        let reply = write(&server, "append-to-anchor", &id, value)?;
        constant_type.check("append", &reply);
    }
    check_versions(&server, &id, &[&link("a")])
}

/// The reference ignores a body where both texts are in the path [89], and
/// parses one where the value is missing [86-88].
#[test]
fn a_body_beside_the_path_does_not_matter() -> Result<()> {
    let server = Server::start(CONFIG)?;
    let chain = Chain::new("default", "owner");
    let (id, value) = (crate::wrap(&chain.id), crate::wrap(&chain.next("a")));
    let action = format!("/anchor/default/create-anchor/{id}");
    Empty(404).check("no value", &server.put(&action, *b"{}")?);
    let reply = server.put(&action, *b"{")?;
    Message(400, "value is missing from the path").check("bad JSON", &reply);
    Empty(404).check(
        "no id",
        &server.put("/anchor/default/create-anchor", *b"{}")?,
    );
    let large = vec![b'{'; 2 << 20];
    let reply = server.put(&action, large.clone())?;
    Message(413, "larger than the limit").check("a large body", &reply);
    let reply = server.put(&format!("{action}/{value}/more"), *b"{}")?;
    Empty(404).check("a segment too many", &reply);
    check_versions(&server, &chain.id, &[])?;
    Empty(201).check("both", &server.put(&format!("{action}/{value}/"), large)?);
    check_versions(&server, &chain.id, &[&chain.next("a")])
}
