//! `put-bricks` of what is right: everything comes back, here and by the routes for one brick.

use anyhow::Result;
use serde_json::json;
use testkit::http::{Reply, Version};
use testkit::server::Server;

use crate::answer::Answer::{Body, Message};
use crate::{LARGEST, PUT, archive, bytes, get, have, json_of, name, names, post, put_all};

#[test]
fn five_hundred_bricks_go_and_come_back_in_two_requests() -> Result<()> {
    let server = Server::start("")?;
    let bricks: Vec<Vec<u8>> = (0..500_usize)
        .map(|it| bytes(it as u64, 10 + 20 * it))
        .collect();
    let names = names(&bricks);
    assert_eq!(have(&server, &names)?, vec![false; 500]);
    put_all(&server, &bricks, "stored")?;
    assert_eq!(have(&server, &names)?, vec![true; 500]);
    let found = get(&server, &names)?;
    let cids: Vec<Vec<u8>> = bricks.iter().map(|brick| archive::cid(brick)).collect();
    assert_eq!(found.roots, cids);
    assert!(found.blocks == bricks, "other bricks came back");
    for (name, brick) in names.iter().zip(&bricks).step_by(100) {
        let reply = server.fetch(&format!("/bricking/default/get-brick/{name}"))?;
        Body(200, brick).check(name, &reply);
    }
    put_all(&server, &bricks, "present")
}

#[test]
fn the_largest_bricks_go_and_come_back() -> Result<()> {
    let server = Server::start("")?;
    let bricks: Vec<Vec<u8>> = (0..4).map(|it| bytes(it, LARGEST)).collect();
    put_all(&server, &bricks, "stored")?;
    let found = get(&server, &names(&bricks))?;
    assert!(found.blocks == bricks, "other bricks came back");
    put_all(&server, &bricks, "present")
}

#[test]
fn each_block_has_its_outcome() -> Result<()> {
    let server = Server::start("")?;
    let (old, new, empty) = (bytes(1, 5000), bytes(2, 6000), Vec::new());
    server.put("/bricking/default/put-brick", old.clone())?;
    let sent = [new.clone(), old.clone(), empty.clone(), new.clone()];
    let outcome = |brick, outcome| json!({ "hash": name(brick), "outcome": outcome });
    let expected = json!([
        outcome(&new, "stored"),
        outcome(&old, "present"),
        outcome(&empty, "stored"),
        // The second of the same.
        outcome(&new, "present"),
    ]);
    let reply = post(&server, PUT, archive::of(&sent))?;
    assert_eq!(json_of(&reply), expected);
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    Ok(())
}

#[test]
fn an_archive_may_come_in_chunks_and_with_other_roots() -> Result<()> {
    let server = Server::start("")?;
    let bricks: Vec<Vec<u8>> = (0..20).map(|it| bytes(it, 50_000)).collect();
    let sections = |bricks: &[Vec<u8>]| -> Vec<u8> {
        let section = |brick: &Vec<u8>| archive::section(&archive::cid(brick), brick);
        bricks.iter().flat_map(section).collect()
    };
    let check = |case: &str, reply: &Reply, count: usize| {
        let answer = json_of(reply);
        assert_eq!(answer.as_array().map(Vec::len), Some(count), "{case}");
    };
    let chunked = crate::post_chunked(&server, PUT, archive::of(&bricks))?;
    check("chunked", &chunked, 20);
    // No root, and one that is not in it.
    for roots in [vec![], vec![archive::cid(b"elsewhere")]] {
        let body = [archive::header(&roots), sections(&bricks[..2])].concat();
        check("roots", &post(&server, PUT, body)?, 2);
    }
    check("no block", &post(&server, PUT, archive::header(&[]))?, 0);
    let mut old = server.request("POST", PUT).body(archive::of(&bricks));
    old.version = Version::Http10;
    check("HTTP/1.0", &server.ask(&old)?, 20);
    assert_eq!(get(&server, &names(&bricks))?.blocks, bricks);
    Ok(())
}

#[test]
fn domains_are_apart() -> Result<()> {
    let server = Server::start("[[domain]]\nname = \"default\"\n[[domain]]\nname = \"other\"\n")?;
    let brick = bytes(1, 100);
    put_all(&server, std::slice::from_ref(&brick), "stored")?;
    let reply = server.fetch(&format!("/bricking/other/get-brick/{}", name(&brick)))?;
    Message(404, "Brick not found").check("other", &reply);
    let reply = post(
        &server,
        "/bricking/other/put-bricks/",
        archive::of(std::slice::from_ref(&brick)),
    )?;
    assert_eq!(json_of(&reply)[0]["outcome"], "stored");
    Ok(())
}
