//! Appending: what may follow, and that no refusal stands in the way of the
//! next writer (the reference keeps a lock for 5 to 15 seconds).

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use testkit::server::Server;

use crate::answer::Answer::{self, Empty, Message};
use crate::signer::{Chain, Key, hash, link, signed_link};
use crate::{CONFIG, check_total, check_versions, write};

/// Within this time a valid append must have been taken. A lock that is kept
/// costs at least five seconds.
const AT_ONCE: Duration = Duration::from_secs(4);
/// A busy machine may take longer now and then, a lock that is kept does each
/// time.
const ATTEMPTS_MAX: u32 = 3;
/// A busy machine takes no longer.
const IN_TIME: Duration = Duration::from_secs(20);

const OUT_OF_SYNC: Answer<'_> = Message(428, "Versions out of sync");
const OLDER: Answer<'_> = Message(409, "older than the last signed hashlink timestamp");

/// An anchor with two values, on the node.
fn started(server: &Server, name: &str) -> Result<Chain> {
    let mut chain = Chain::new("default", name);
    for action in ["create-anchor", "append-to-anchor"] {
        let value = chain.next("start");
        Empty(201).check(name, &write(server, action, &chain.id, &value)?);
        chain.push(value);
    }
    Ok(chain)
}

/// Appends a valid value; how long that took.
fn append(server: &Server, chain: &mut Chain, case: &str) -> Result<Duration> {
    let value = chain.next(case);
    let began = Instant::now();
    let reply = write(server, "append-to-anchor", &chain.id, &value)?;
    Empty(201).check(case, &reply);
    let took = began.elapsed();
    assert!(took < IN_TIME, "{case}: the next append took {took:?}");
    chain.push(value);
    check_versions(server, &chain.id, &chain.plain_values())?;
    Ok(took)
}

#[test]
fn a_wrong_next_value_is_refused_and_the_right_one_taken_at_once() -> Result<()> {
    let server = Server::start(CONFIG)?;
    let check =
        |case: &str, value: &dyn Fn(&Chain) -> String, expected: Answer<'_>| -> Result<()> {
            for attempt in 0..ATTEMPTS_MAX {
                let mut chain = started(&server, &format!("{case} {attempt}"))?;
                let reply = write(&server, "append-to-anchor", &chain.id, &value(&chain))?;
                expected.check(case, &reply);
                if append(&server, &mut chain, case)? < AT_ONCE {
                    return Ok(());
                }
            }
            bail!("{case}: each time the next append took {AT_ONCE:?} or longer")
        };
    let time = |chain: &Chain| chain.time().to_string();
    let over = |chain: &Chain, last: &str, time: &str| {
        signed_link(&chain.owner, [&chain.id, &hash("x"), last, time])
    };
    check("the last again", &|it| it.last().to_owned(), OUT_OF_SYNC)?;
    // The first again is older; age is looked at before the signature (§6.5).
    check("the first again", &|it| it.values[0].clone(), OLDER)?;
    check(
        "over the first",
        &|it| over(it, &it.values[0], &time(it)),
        OUT_OF_SYNC,
    )?;
    check("over nothing", &|it| over(it, "", &time(it)), OUT_OF_SYNC)?;
    check("older", &|it| over(it, it.last(), "1699999999999"), OLDER)?;
    check("older and wrong", &|it| over(it, "", "1"), OLDER)?;
    let stranger = Key::of("stranger");
    let foreign = |it: &Chain| signed_link(&stranger, [&it.id, &hash("x"), it.last(), &time(it)]);
    check("a stranger", &foreign, OUT_OF_SYNC)?;
    let handed = |it: &Chain| {
        Chain {
            owner: stranger.clone(),
            ..it.clone()
        }
        .transfer(&stranger)
    };
    check("a stranger's transfer", &handed, OUT_OF_SYNC)?;
    let changed = |it: &Chain| it.next("x").replace(&hash("x 2"), &hash("y"));
    check("altered", &changed, OUT_OF_SYNC)?;
    check(
        "zero signature",
        &|it| format!("ssi:shl:default:{}:{}|AAAA:v0", hash("x"), time(it)),
        OUT_OF_SYNC,
    )?;
    let kind = Message(400, "type of the value does not fit");
    check("hl on sza", &|_| link("x"), kind)?;
    check(
        "no base58 of an identifier",
        &|_| "text".to_owned(),
        Message(400, "holds no identifier"),
    )?;
    check(
        "no digits",
        &|it| over(it, it.last(), "x"),
        Message(400, "decimal digits"),
    )?;
    let hint = Message(400, "not in normal form");
    check("hint", &|it| format!("{}:{{\"b\": 1}}", it.next("x")), hint)?;
    let domain = Message(400, "domain of the anchor value is malformed");
    check(
        "domain",
        &|it| it.next("x").replace("default", "$HOME"),
        domain,
    )
}

#[test]
fn times_are_numbers_of_any_length() -> Result<()> {
    let server = Server::start(CONFIG)?;
    let mut chain = started(&server, "owner")?;
    let mut check = |time: &str, expected: Answer<'_>| -> Result<()> {
        let value = signed_link(&chain.owner, [&chain.id, &hash(time), chain.last(), time]);
        let reply = write(&server, "append-to-anchor", &chain.id, &value)?;
        expected.check(time, &reply);
        if reply.status == 201 {
            chain.push(value);
        }
        check_versions(&server, &chain.id, &chain.plain_values())
    };
    check("1700000000001", Empty(201))?; // equal to the last
    check("1700000000000", OLDER)?;
    check("0001700000000001", Empty(201))?; // equal, in other digits
    check("170000000000010000", Empty(201))?; // what a lagging reference client writes
    check("1700000000002", OLDER)?; // every normal clock from then on
    check("18446744073709551616", Empty(201))?; // beyond 64 bits
    check("18446744073709551615", OLDER)?;
    check(&"9".repeat(60), Empty(201))?;
    check(&format!("{}8", "9".repeat(59)), OLDER)?; // beyond a double's precision
    check(&"9".repeat(60), Empty(201))
}

#[test]
fn hints_in_normal_form_belong_to_the_value_that_is_signed_over() -> Result<()> {
    let server = Server::start(CONFIG)?;
    let mut chain = started(&server, "owner")?;
    for hint in ["{\"a\":1}", "\"text\"", "[1,2,\"\u{e9}\"]"] {
        let value = format!("{}:{hint}", chain.next("hinted"));
        let reply = write(&server, "append-to-anchor", &chain.id, &value)?;
        Empty(201).check(hint, &reply);
        chain.push(value);
        append(&server, &mut chain, hint)?;
    }
    Ok(())
}

#[test]
fn an_absent_anchor_cannot_be_appended_to() -> Result<()> {
    let server = Server::start(CONFIG)?;
    let mut chain = Chain::new("default", "owner");
    let absent = format!(
        "Cannot update non existing anchor {}",
        crate::wrap(&chain.id)
    );
    let value = chain.next("a");
    let reply = write(&server, "append-to-anchor", &chain.id, &value)?;
    Message(404, &absent).check("append first", &reply);
    check_versions(&server, &chain.id, &[])?;
    check_total(&server, "default", 0)?;
    Empty(201).check(
        "create",
        &write(&server, "create-anchor", &chain.id, &value)?,
    );
    chain.push(value);
    append(&server, &mut chain, "then append")?;
    Ok(())
}

#[test]
fn after_a_transfer_the_new_owner_signs_and_the_old_one_does_not() -> Result<()> {
    let server = Server::start(CONFIG)?;
    let mut chain = started(&server, "owner")?;
    for name in ["second owner", "third owner"] {
        let next = Key::of(name);
        let value = chain.transfer(&next);
        let reply = write(&server, "append-to-anchor", &chain.id, &value)?;
        Empty(201).check(name, &reply);
        chain.push(value);
        let old = chain.next("by the old owner");
        let reply = write(&server, "append-to-anchor", &chain.id, &old)?;
        OUT_OF_SYNC.check("the old owner", &reply);
        let back = chain.transfer(&chain.owner);
        let reply = write(&server, "append-to-anchor", &chain.id, &back)?;
        OUT_OF_SYNC.check("the old owner takes it back", &reply);
        chain.owner = next;
        append(&server, &mut chain, "by the new owner")?;
        append(&server, &mut chain, "and again")?;
    }
    Ok(())
}

#[test]
fn an_anchor_may_begin_with_a_transfer() -> Result<()> {
    let server = Server::start(CONFIG)?;
    let mut chain = Chain::new("default", "owner");
    let next = Key::of("second owner");
    let value = chain.transfer(&next);
    let key = "base64 of a 65-byte public key";
    let shortened = value.replacen(&next.public(), "BAAA", 1);
    let reply = write(&server, "create-anchor", &chain.id, &shortened)?;
    Message(400, key).check("to no key", &reply);
    let reply = write(&server, "create-anchor", &chain.id, &value)?;
    Empty(201).check("transfer", &reply);
    chain.push(value);
    let old = chain.next("by the old owner");
    let reply = write(&server, "append-to-anchor", &chain.id, &old)?;
    OUT_OF_SYNC.check("the old owner", &reply);
    chain.owner = next;
    append(&server, &mut chain, "by the new owner")?;
    Ok(())
}

/// A signed link cannot be taken for a transfer, nor the other way round,
/// although both sign the same fields (keyssi §6.2).
#[test]
fn a_signature_over_one_type_does_not_serve_another() -> Result<()> {
    let server = Server::start(CONFIG)?;
    let mut chain = started(&server, "owner")?;
    let next = Key::of("second owner");
    let (key, time) = (next.public(), chain.time().to_string());
    let transfer = chain.transfer(&next);
    let link = transfer.replacen("ssi:transfer", "ssi:shl", 1).replacen(
        &format!("{time}/"),
        &format!("{time}|"),
        1,
    );
    let reply = write(&server, "append-to-anchor", &chain.id, &link)?;
    Message(400, "base58 characters").check("a transfer as a link", &reply);
    let value = chain.next("x").replacen("ssi:shl", "ssi:transfer", 1);
    let value = value.replacen(&format!("{time}|"), &format!("{time}/"), 1);
    let reply = write(&server, "append-to-anchor", &chain.id, &value)?;
    Message(400, "65-byte public key").check(&key, &reply);
    append(&server, &mut chain, "then a value")?;
    Ok(())
}
