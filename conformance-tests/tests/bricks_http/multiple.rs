//! `downloadMultipleBricks`: text comes back as it was, anything else is refused.

use anyhow::Result;
use serde_json::Value;
use testkit::server::Server;

use crate::answer::Answer::{self, Message};
use crate::{brick_name, bytes, store};

/// Names that one request may hold; a longer list has to be cut by the client.
const NAMES_MAX: usize = 256;

fn target(names: &[String]) -> String {
    let pairs: Vec<String> = names.iter().map(|it| format!("hashes={it}")).collect();
    let query = pairs.join("&");
    format!("/bricking/default/downloadMultipleBricks?{query}")
}

#[test]
fn texts_come_back_as_they_were_and_in_order() -> Result<()> {
    let server = Server::start("")?;
    let texts = [
        "plain",
        "",
        "{\"a\":\"b\\\"c\"}",
        "quotes \" and \\ and / and '",
        "line\nfeed\r\ttab and \u{1} and \u{7f}",
        "\u{e9}\u{4e2d}\u{1f9f1}\u{fffd}\u{feff}\u{2028}",
        "<script>",
    ];
    let mut names = Vec::new();
    for text in texts {
        names.push(store(&server, text.as_bytes())?);
    }
    let check = |names: &[String], expected: &[&str]| -> Result<()> {
        let reply = server.fetch(&target(names))?;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let found: Vec<String> = serde_json::from_slice(&reply.body)?;
        assert_eq!(found, expected);
        let caching = reply.header("cache-control").unwrap_or_default();
        assert!(caching.contains("immutable"), "{caching}");
        Ok(())
    };
    check(&names, &texts)?;
    for (name, text) in names.iter().zip(texts) {
        check(std::slice::from_ref(name), &[text])?;
    }
    let twice = [names[0].clone(), names[0].clone()];
    check(&twice, &[texts[0], texts[0]])?;
    let many = vec![names[0].clone(); NAMES_MAX];
    check(&many, &vec![texts[0]; NAMES_MAX])
}

#[test]
fn what_cannot_be_sent_as_json_text_is_refused_with_the_reason() -> Result<()> {
    let server = Server::start("")?;
    let text = store(&server, b"text")?;
    let large = store(&server, &vec![b'x'; 9 << 20])?;
    let check = |case: &str, names: &[&String], expected: Answer<'_>| -> Result<()> {
        let names: Vec<String> = names.iter().map(|it| (*it).clone()).collect();
        let reply = server.fetch(&target(&names))?;
        expected.check(case, &reply);
        let caching = reply.header("cache-control").unwrap_or_default();
        assert!(!caching.contains("max-age"), "{case}: {caching}");
        Ok(())
    };
    // A lone continuation byte, a cut character, a surrogate, and plain octets.
    for binary in [
        &b"\x80"[..],
        b"abc\xe2\x82",
        b"\xed\xa0\x80",
        &bytes(9, 300),
    ] {
        let name = store(&server, binary)?;
        let reason = format!("brick {name} is not text");
        check("binary", &[&name], Message(400, &reason))?;
        check("binary after text", &[&text, &name], Message(400, &reason))?;
    }
    let absent = brick_name(b"absent");
    check("absent", &[&absent], Message(404, "Brick not found"))?;
    let dots = "..%2f..%2f".to_owned();
    for name in [&absent, &dots, &"undefined".to_owned(), &String::new()] {
        check(
            "one absent",
            &[&text, name],
            Message(404, "Brick not found"),
        )?;
    }
    let too_many = vec![&text; NAMES_MAX + 1];
    let between = "between 1 and 256 bricks";
    check("too many", &too_many, Message(400, between))?;
    // Two of 9 MiB are more than the largest brick, which bounds an answer.
    check(
        "too large",
        &[&large, &large],
        Message(400, "ask for fewer"),
    )?;
    check_none(&server, between)
}

fn check_none(server: &Server, text: &str) -> Result<()> {
    let route = "/bricking/default/downloadMultipleBricks";
    for query in ["", "?", "?hash=x", "?HASHES=x", "?hashes", "?&&"] {
        let reply = server.fetch(&format!("{route}{query}"))?;
        Message(400, text).check(query, &reply);
    }
    let reply = server.fetch(&format!("{route}?hashes="))?;
    Message(404, "Brick not found").check("an empty name", &reply);
    let stored = store(server, b"text")?;
    let reply = server.fetch(&format!("{route}?x=1&hashes={stored}&y"))?;
    let found: Value = serde_json::from_slice(&reply.body)?;
    assert_eq!(found, serde_json::json!(["text"]));
    Ok(())
}
