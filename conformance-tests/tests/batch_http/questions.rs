//! `have-bricks` and `get-bricks`: order, missing ones, repeats, limits, malformed lists.

use anyhow::Result;
use serde_json::{Value, json};
use testkit::http::Version;
use testkit::server::Server;

use crate::answer::Answer::Message;
use crate::{GET, HAVE, archive, bytes, get, have, name, names, post, post_json, put_all};

#[test]
fn missing_bricks_are_told_and_left_out() -> Result<()> {
    let server = Server::start("")?;
    let bricks: Vec<Vec<u8>> = (0..6).map(|it| bytes(it, 3000)).collect();
    put_all(&server, &[bricks[1].clone(), bricks[4].clone()], "stored")?;
    let asked = names(&bricks);
    let expected = [false, true, false, false, true, false];
    assert_eq!(have(&server, &asked)?, expected);
    let found = get(&server, &asked)?;
    let cids: Vec<Vec<u8>> = bricks.iter().map(|brick| archive::cid(brick)).collect();
    assert_eq!(found.roots, cids);
    assert_eq!(found.blocks, [bricks[1].clone(), bricks[4].clone()]);
    // None of them, and nothing asked.
    let none = get(&server, &asked[2..4])?;
    assert_eq!((none.roots.len(), none.blocks.len()), (2, 0));
    let nothing = get(&server, &[])?;
    assert_eq!((nothing.roots.len(), nothing.blocks.len()), (0, 0));
    assert!(have(&server, &[])?.is_empty());
    Ok(())
}

#[test]
fn bricks_come_in_the_order_asked_for_and_once() -> Result<()> {
    let server = Server::start("")?;
    let bricks: Vec<Vec<u8>> = (0..5).map(|it| bytes(it, 4096)).collect();
    put_all(&server, &bricks, "stored")?;
    let order = [3, 0, 3, 4, 0, 0];
    let asked: Vec<String> = order.iter().map(|it| name(&bricks[*it])).collect();
    let found = get(&server, &asked)?;
    let expected = [&bricks[3], &bricks[0], &bricks[4]];
    assert_eq!(found.blocks.iter().collect::<Vec<_>>(), expected);
    let cids = expected.map(|brick| archive::cid(brick));
    assert_eq!(found.roots, cids);
    assert_eq!(have(&server, &asked)?, [true; 6]);
    Ok(())
}

#[test]
fn lists_are_bounded() -> Result<()> {
    let server = Server::start("")?;
    let brick = bytes(1, 100);
    put_all(&server, std::slice::from_ref(&brick), "stored")?;
    let repeated = |count: usize| vec![name(&brick); count];
    assert_eq!(have(&server, &repeated(10_000))?, vec![true; 10_000]);
    assert_eq!(get(&server, &repeated(1_000))?.blocks.len(), 1);
    let check = |target, count, part| -> Result<()> {
        let reply = post_json(&server, target, &json!(repeated(count)))?;
        Message(400, part).check(target, &reply);
        Ok(())
    };
    check(HAVE, 10_001, "at most 10000")?;
    check(GET, 1_001, "at most 1000 ")?;
    // Longer than any list of so many hashes.
    for target in [HAVE, GET] {
        let reply = post(&server, target, vec![b' '; (1 << 20) + 1])?;
        Message(413, "limit of 1048576 bytes").check(target, &reply);
    }
    Ok(())
}

#[test]
fn what_is_no_list_of_hashes_is_refused_with_a_reason() -> Result<()> {
    let server = Server::start("")?;
    let good = name(b"a brick");
    let (cut, long) = (&good[..40], "1".repeat(45));
    let texts = [
        String::new(),
        "[".to_owned(),
        "null".to_owned(),
        "{}".to_owned(),
        format!("\"{good}\""),
        format!("[\"{good}\"]x"),
        format!("[\"{good}\",7]"),
        format!("[[\"{good}\"]]"),
        good.clone(),
    ];
    let hashes = [cut, &long, "", "..", "../../etc/passwd", "\u{e9}", "0OIl"];
    for target in [HAVE, GET] {
        for text in &texts {
            let reply = post(&server, target, text.as_bytes())?;
            Message(400, "not a JSON array").check(text, &reply);
        }
        for hash in hashes {
            let reply = post_json(&server, target, &json!([good, hash]))?;
            Message(400, "item 1: ").check(hash, &reply);
        }
        // Not UTF-8.
        let reply = post(&server, target, b"[\"\xff\xfe\"]")?;
        Message(400, "not a JSON array").check(target, &reply);
    }
    Ok(())
}

#[test]
fn an_answer_without_a_length_is_not_given_to_http_1_0() -> Result<()> {
    let server = Server::start("")?;
    let old = |target| {
        let body = json!([name(b"a brick")]).to_string();
        let mut request = server.request("POST", target).body(body);
        request.version = Version::Http10;
        server.ask(&request)
    };
    Message(505, "HTTP/1.1").check(GET, &old(GET)?);
    let reply = old(HAVE)?;
    assert_eq!(
        serde_json::from_slice::<Value>(&reply.body)?,
        json!([false])
    );
    Ok(())
}
