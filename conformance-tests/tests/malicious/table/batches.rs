//! Lies in the answers of the batch routes. What an archive does not give is fetched brick by brick:
//! the right bytes come, and the node is reported.

use std::time::Duration;

use testkit::liar::{Endlessness, Lie, Route};

use super::row::{Act, Row};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = archives();
    rows.extend(questions());
    rows.extend(outcomes());
    rows
}

fn archives() -> Vec<Row> {
    let fetch = |lie, event| Row::new(Act::Fetch, Route::GetBricks, lie, "fetched 5").event(event);
    let instead = |status, body: &str| Lie::Instead(status, body.to_owned());
    let damaged = "archive is damaged";
    vec![
        fetch(Lie::SwapBlocks(1, 3), damaged),
        fetch(Lie::FlipInBlock(2), damaged),
        fetch(Lie::FlipBit(0), damaged),
        fetch(Lie::FlipBit(30), damaged),
        fetch(Lie::ChangeByte(10_000, 0x10), damaged),
        fetch(Lie::OmitBlock(0), "lacks brick"),
        fetch(Lie::OmitBlock(2), "lacks brick"),
        fetch(Lie::OmitBlock(4), "lacks brick"),
        fetch(Lie::RepeatBlock(1), "not asked for there"),
        fetch(Lie::Shorten(6_000), damaged),
        fetch(Lie::Shorten(0), damaged),
        fetch(Lie::CutAfter(6_000), "cut off"),
        fetch(Lie::Endless(Endlessness::Chunked), damaged),
        fetch(Lie::Endless(Endlessness::Sized(1 << 60)), damaged),
        fetch(Lie::Endless(Endlessness::UntilClose), damaged),
        fetch(Lie::Drip(Duration::from_millis(20)), "too slow"),
        fetch(Lie::Stall, "too slow"),
        fetch(Lie::Silence, "too slow"),
        fetch(Lie::Drop, "cannot be reached"),
        fetch(instead(200, "[true]"), damaged),
        fetch(instead(302, ""), "redirects"),
        fetch(instead(500, ""), "status 500"),
        // Not offered, as with ApiHub: no lie.
        fetch(instead(404, ""), ""),
        Row::new(Act::Read, Route::GetBricks, Lie::FlipInBlock(0), "read 2").event(damaged),
        Row::new(Act::Read, Route::GetBricks, Lie::OmitBlock(1), "read 2").event("lacks brick"),
        Row::new(
            Act::Verify,
            Route::GetBricks,
            Lie::FlipInBlock(1),
            "3 versions",
        )
        .event(damaged),
        // A reader, too, asks whether a storage takes batches.
        Row::new(Act::Read, Route::HaveBricks, instead(200, "{}"), "read 2")
            .event("true and false"),
    ]
}

fn questions() -> Vec<Row> {
    let edit = |lie, expected| Row::new(Act::Edit, Route::HaveBricks, lie, expected);
    let instead = |status, body: &str| Lie::Instead(status, body.to_owned());
    let missing = "FetchBrick /new 1: MissingBrick";
    vec![
        // "It is there", and it is not: the next reader finds out, or `kiln dsu verify`.
        edit(Lie::SayAll(true), "committed 1").then(missing),
        // "It is not there", and it is: it is sent, once more.
        edit(Lie::SayAll(false), "committed 1").then("read 1"),
        edit(Lie::FlipBit(0), "Nonsense").then("read 0"),
        edit(Lie::Shorten(5), "Nonsense"),
        edit(Lie::CutAfter(5), "CutBody"),
        edit(Lie::Endless(Endlessness::Chunked), "EndlessBody"),
        edit(Lie::Drip(Duration::from_millis(200)), "TooSlow"),
        edit(Lie::Stall, "TooSlow"),
        edit(Lie::Silence, "TooSlow"),
        edit(Lie::Drop, "Unreachable"),
        edit(instead(200, "[true]"), "Nonsense"),
        edit(instead(200, "[true,true,true,true]"), "Nonsense"),
        edit(instead(200, "[1,2,3]"), "Nonsense"),
        edit(instead(302, ""), "Redirect"),
        edit(instead(500, ""), "Refused 500"),
        edit(instead(404, ""), "committed 1").then("read 1"),
        // The single question of ApiHub.
        Row::new(
            Act::EditSingly,
            Route::BrickExists,
            Lie::SayAll(true),
            "committed 1",
        )
        .then(missing),
        Row::new(
            Act::EditSingly,
            Route::BrickExists,
            Lie::SayAll(false),
            "committed 1",
        )
        .then("read 1"),
        Row::new(
            Act::EditSingly,
            Route::BrickExists,
            instead(200, "maybe"),
            "Nonsense",
        ),
    ]
}

fn outcomes() -> Vec<Row> {
    let edit = |lie, expected| Row::new(Act::Edit, Route::PutBricks, lie, expected);
    let done_but = |status, body: &str| Lie::DoneBut(status, body.to_owned());
    let foreign = r#"{"hash":"11111111111111111111111111111111","outcome":"stored"}"#;
    vec![
        edit(Lie::PretendStored, "committed 1").then("FetchBrick /new 1: MissingBrick"),
        edit(done_but(200, "[]"), "Nonsense").then("read 0"),
        edit(
            done_but(200, &format!("[{foreign},{foreign},{foreign}]")),
            "Nonsense",
        ),
        edit(done_but(200, "nonsense"), "Nonsense"),
        edit(Lie::FlipBit(12), "Nonsense"),
        edit(Lie::Shorten(30), "Nonsense"),
        edit(Lie::CutAfter(30), "CutBody"),
        edit(Lie::Endless(Endlessness::Chunked), "EndlessBody"),
        edit(Lie::Stall, "TooSlow"),
        edit(Lie::DoneThenDrop, "Unreachable").then("read 0"),
        // Bricks can be sent twice.
        edit(Lie::DoneThenDrop, "committed 1")
            .times(1)
            .then("read 1"),
        edit(done_but(500, ""), "committed 1")
            .times(1)
            .then("read 1"),
        edit(Lie::Drop, "committed 1").times(1).then("read 1"),
        edit(Lie::Instead(507, String::new()), "Refused 507").then("read 0"),
    ]
}
