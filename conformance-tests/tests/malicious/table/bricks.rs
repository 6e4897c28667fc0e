//! Lies about single bricks: that of a brick map, and those of a file.

use std::time::Duration;

use keyssi::BrickHash;
use testkit::liar::{Endlessness, Lie, Route};

use super::row::{Act, Row};
use crate::stage::{Stage, bricks_of, map_brick};

pub(super) async fn rows(stage: &Stage) -> Vec<Row> {
    let record = stage.truth(&stage.record).await;
    let other = stage.truth(&stage.other).await;
    let map = map_brick(&record, 2);
    let large = bricks_of(&record, "/large").await;
    let mut rows = maps(&map, &map_brick(&record, 1), &map_brick(&other, 0));
    rows.extend(files(&large, &map));
    rows
}

/// The newest brick map, and others in its place.
fn maps(map: &BrickHash, older: &BrickHash, foreign: &BrickHash) -> Vec<Row> {
    let read = |lie, expected| Row::new(Act::Read, Route::GetBrick, lie, expected).about(map);
    let instead = |status, body: &str| Lie::Instead(status, body.to_owned());
    let damaged = "FetchMap 2: DamagedBrick";
    vec![
        read(Lie::BytesOf(older.to_string()), damaged),
        read(Lie::BytesOf(foreign.to_string()), damaged),
        read(Lie::FlipBit(77), damaged),
        read(Lie::ChangeByte(0, 0x80), damaged),
        read(Lie::Shorten(40), damaged),
        read(Lie::Shorten(0), damaged),
        read(instead(200, "nonsense"), damaged),
        read(instead(204, ""), "FetchMap 2: Nonsense"),
        read(Lie::reference_not_found(), "FetchMap 2: MissingBrick"),
        read(instead(404, ""), "FetchMap 2: MissingBrick"),
        read(Lie::CutAfter(40), "FetchMap 2: CutBody"),
        read(Lie::CutAfter(40), "read 2").times(1),
        read(
            Lie::Endless(Endlessness::Chunked),
            "FetchMap 2: EndlessBody",
        ),
        read(
            Lie::Endless(Endlessness::Sized(1 << 60)),
            "FetchMap 2: EndlessBody",
        ),
        read(
            Lie::Endless(Endlessness::UntilClose),
            "FetchMap 2: EndlessBody",
        ),
        read(Lie::Drip(Duration::from_millis(20)), "FetchMap 2: TooSlow"),
        read(Lie::Stall, "FetchMap 2: TooSlow"),
        read(Lie::Silence, "FetchMap 2: TooSlow"),
        read(Lie::Drop, "FetchMap 2: Unreachable"),
        read(instead(301, ""), "FetchMap 2: Redirect"),
        read(instead(500, ""), "FetchMap 2: Refused 500"),
        // An older version has its own map: the newest one is not needed for it.
        Row::new(
            Act::Verify,
            Route::GetBrick,
            Lie::FlipBit(9),
            "2 versions; FetchMap 2: DamagedBrick",
        )
        .about(map),
    ]
}

/// A brick in the middle of a file; the right ones before it are delivered.
fn files(large: &[BrickHash], map: &BrickHash) -> Vec<Row> {
    let brick = &large[2];
    let read =
        |lie, expected| Row::new(Act::ReadSingly, Route::GetBrick, lie, expected).about(brick);
    let instead = |status, body: &str| Lie::Instead(status, body.to_owned());
    let damaged = "FetchBrick /large 2: DamagedBrick";
    vec![
        read(Lie::BytesOf(large[3].to_string()), damaged),
        read(Lie::BytesOf(map.to_string()), damaged),
        read(Lie::FlipBit(2_000), damaged),
        read(Lie::Shorten(100), damaged),
        read(instead(404, ""), "FetchBrick /large 2: MissingBrick"),
        read(Lie::CutAfter(100), "FetchBrick /large 2: CutBody"),
        read(
            Lie::Endless(Endlessness::Chunked),
            "FetchBrick /large 2: EndlessBody",
        ),
        read(Lie::Stall, "FetchBrick /large 2: TooSlow"),
        read(Lie::Silence, "FetchBrick /large 2: TooSlow"),
        read(instead(503, ""), "FetchBrick /large 2: Busy 503"),
        // The archive lies, and the single call after it as well.
        Row::new(Act::Read, Route::GetBrick, Lie::FlipBit(3), damaged)
            .about(brick)
            .also(Route::GetBricks, Lie::FlipInBlock(2))
            .event("archive is damaged"),
    ]
}
