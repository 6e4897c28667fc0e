//! Lies about what was stored: the brick map, and the value of the anchor.

use testkit::liar::{Endlessness, Lie, Route};

use super::row::{Act, Row};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = maps();
    rows.extend(lost());
    rows.extend(refused());
    rows
}

fn maps() -> Vec<Row> {
    let edit = |lie, expected| Row::new(Act::Edit, Route::PutBrick, lie, expected);
    let done_but = |status, body: &str| Lie::DoneBut(status, body.to_owned());
    let other = r#"{"message":"11111111111111111111111111111111"}"#;
    vec![
        // Not noticed at once: the next reader finds out, or `kiln dsu verify`.
        edit(Lie::PretendStored, "committed 1").then("FetchMap 1: MissingBrick"),
        edit(done_but(201, other), "Nonsense").then("read 0"),
        edit(done_but(201, ""), "Nonsense"),
        edit(Lie::FlipBit(20), "Nonsense"),
        edit(Lie::Shorten(9), "Nonsense"),
        edit(Lie::CutAfter(9), "CutBody"),
        edit(Lie::Endless(Endlessness::Chunked), "EndlessBody"),
        edit(Lie::Stall, "TooSlow"),
        edit(Lie::Silence, "TooSlow").then("read 0"),
        edit(Lie::Drop, "Unreachable"),
        edit(Lie::DoneThenDrop, "committed 1")
            .times(1)
            .then("read 1"),
        edit(Lie::Instead(302, String::new()), "Redirect"),
        edit(Lie::Instead(413, String::new()), "Refused 413").then("read 0"),
        edit(Lie::Instead(500, String::new()), "Refused 500"),
        Row::new(
            Act::EditSingly,
            Route::PutBrick,
            Lie::PretendStored,
            "committed 1",
        )
        .then("FetchMap 1: MissingBrick"),
    ]
}

/// The answer is lost, or says that something was stored that was not.
fn lost() -> Vec<Row> {
    let edit = |lie, expected| Row::new(Act::Edit, Route::AnchorWrite, lie, expected);
    let make = |lie, expected| Row::new(Act::Make, Route::AnchorWrite, lie, expected);
    let instead = |status, body: &str| Lie::Instead(status, body.to_owned());
    vec![
        // The client remembers what it anchored: its next look at the history tells.
        edit(Lie::PretendStored, "committed 1").then("RolledBack 2 to 1"),
        make(Lie::PretendStored, "committed 0").then("RolledBack 1 to 0"),
        edit(instead(200, "nonsense"), "committed 1").then("RolledBack 2 to 1"),
        edit(Lie::DoneThenDrop, "committed 1").then("read 1"),
        make(Lie::DoneThenDrop, "committed 0").then("read 0"),
        edit(Lie::Endless(Endlessness::Chunked), "committed 1").then("read 1"),
        edit(Lie::DoneBut(500, "{}".to_owned()), "committed 1").then("read 1"),
        edit(Lie::DoneBut(302, String::new()), "committed 1").then("read 1"),
        edit(Lie::Drop, "Unreachable").then("read 0"),
        edit(Lie::Drop, "committed 1").times(1).then("read 1"),
        edit(Lie::Silence, "TooSlow").then("read 0"),
        edit(instead(500, ""), "Refused 500").then("read 0"),
        edit(instead(302, ""), "Redirect").then("read 0"),
        // The history hides it, too: nothing was learnt, and the next look shows it.
        edit(Lie::DoneThenDrop, "Unreachable")
            .also(Route::AllVersions, Lie::Forget(1))
            .then("read 1"),
        edit(Lie::DoneThenDrop, "OutcomeUnknown: Unreachable")
            .also(Route::AllVersions, Lie::Drop)
            .then("read 1"),
    ]
}

/// The answer says that it was refused.
fn refused() -> Vec<Row> {
    let edit = |lie, expected| Row::new(Act::Edit, Route::AnchorWrite, lie, expected);
    let make = |lie, expected| Row::new(Act::Make, Route::AnchorWrite, lie, expected);
    let said = |text: &str| format!(r#"{{"message":"{text}"}}"#);
    let done_but = |status, text: &str| Lie::DoneBut(status, said(text));
    let instead = |status, text: &str| Lie::Instead(status, said(text));
    let event = "stored it";
    vec![
        edit(done_but(428, "Versions out of sync"), "committed 1")
            .event(event)
            .then("read 1"),
        edit(done_but(400, "no"), "committed 1")
            .event(event)
            .then("read 1"),
        edit(done_but(403, "no"), "committed 1")
            .event(event)
            .then("read 1"),
        edit(done_but(404, "no"), "committed 1")
            .event(event)
            .then("read 1"),
        make(done_but(500, "anchor x already exist"), "committed 0")
            .event(event)
            .then("read 0"),
        edit(instead(428, "Versions out of sync"), "Anchor OutOfSync").then("read 0"),
        edit(instead(403, "no"), "Refused 403").then("read 0"),
        make(instead(500, "anchor x already exist"), "Exists").then("NotAnchored"),
        // It says so and hides it. Who tries again finds the version, and merges with it.
        edit(done_but(428, "Versions out of sync"), "Anchor OutOfSync")
            .also(Route::AllVersions, Lie::Forget(1))
            .then("read 1"),
    ]
}
