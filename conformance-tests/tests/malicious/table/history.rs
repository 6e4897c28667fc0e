//! Lies about the history of an anchor.

use std::time::Duration;

use keyssi::{AnchorSigner, Timestamp, base58};
use testkit::liar::{Endlessness, Lie, Part, Route};

use super::row::{Act, Row};
use crate::stage::{Stage, map_brick};

const HISTORY: Route = Route::History;

pub(super) async fn rows(stage: &Stage) -> Vec<Row> {
    let mut rows = shortened();
    rows.extend(altered(stage).await);
    rows.extend(invented(stage).await);
    rows.extend(constant(stage));
    rows.extend(broken());
    rows
}

/// Its end is missing.
fn shortened() -> Vec<Row> {
    let vanished = || Lie::Instead(404, String::new());
    vec![
        // Nothing tells a first-time reader: `docs/threat-model.md`, "What nobody notices".
        Row::new(Act::Read, HISTORY, Lie::Forget(1), "read 1"),
        Row::new(Act::Read, HISTORY, Lie::Forget(2), "read 0"),
        Row::new(Act::Read, HISTORY, Lie::Forget(3), "NotAnchored"),
        Row::new(Act::Read, HISTORY, vanished(), "NotAnchored"),
        // Whoever saw it before is told, and not only for once.
        Row::new(Act::ReadAgain, HISTORY, Lie::Forget(1), "RolledBack 3 to 2").then("read 2"),
        Row::new(Act::ReadAgain, HISTORY, Lie::Forget(3), "RolledBack 3 to 0").then("read 2"),
        Row::new(Act::ReadAgain, HISTORY, vanished(), "RolledBack 3 to 0").then("read 2"),
    ]
}

/// Values are others, elsewhere, or not there.
async fn altered(stage: &Stage) -> Vec<Row> {
    let read = |lie, expected| Row::new(Act::Read, HISTORY, lie, expected);
    let values = values(stage).await;
    let [first, second, third] = &values[..] else {
        panic!("three versions");
    };
    let other = stage.truth(&stage.other).await;
    let foreign = other.history().values()[0].as_str();
    let of = |values: &[&str]| Lie::Invent(values.iter().map(ToString::to_string).collect());
    vec![
        read(Lie::Alter(0, Part::Signature), "Forged 0"),
        read(Lie::Alter(1, Part::Signature), "Forged 1"),
        read(Lie::Alter(2, Part::Signature), "Forged 2"),
        read(Lie::Alter(0, Part::Hash), "Forged 0"),
        read(Lie::Alter(1, Part::Hash), "Forged 1"),
        read(Lie::Alter(2, Part::Hash), "Forged 2"),
        read(Lie::Alter(0, Part::Timestamp), "Forged 0"),
        read(Lie::Alter(1, Part::Timestamp), "Forged 1"),
        read(Lie::Alter(2, Part::Timestamp), "Forged 2"),
        Row::new(
            Act::Verify,
            HISTORY,
            Lie::Alter(1, Part::Hash),
            "0 versions; Forged 1",
        ),
        read(Lie::ForgetOldest(1), "Forged 0"),
        read(Lie::ForgetOldest(2), "Forged 0"),
        read(Lie::Swap(0, 1), "Forged 0"),
        read(Lie::Swap(1, 2), "Forged 1"),
        read(Lie::Swap(0, 2), "Forged 0"),
        read(
            Lie::HistoryOf(stage.other.id().as_str().to_owned()),
            "Forged 0",
        ),
        read(of(&[first, third]), "Forged 1"),
        read(of(&[first, foreign, second, third]), "Forged 1"),
        read(of(&[first, second, third, foreign]), "Forged 3"),
        read(of(&[first, first, second, third]), "Forged 1"),
        read(of(&[first, second, third, third]), "Forged 3"),
        read(of(&["1".repeat(40).as_str()]), "Forged 0"),
        read(of(&["1".repeat(20_000).as_str()]), "Forged 0"),
        // Many short texts would take many times the memory that the limit on bytes allows.
        read(of(&["1"; 20_000]), "Nonsense"),
    ]
}

/// Values that verify and are not those that were seen.
async fn invented(stage: &Stage) -> Vec<Row> {
    let values = values(stage).await;
    let snapshot = stage.truth(&stage.record).await;
    // Two versions that the owner signed upon one: who helps the node shows each reader another.
    let signer = AnchorSigner::of_seed(&stage.record.owner).unwrap();
    let head = keyssi::check_history(
        &stage.record.id(),
        snapshot.history().values()[..2].iter().cloned(),
    );
    let time = Timestamp::from_millis(1_795_191_999_000);
    let hash = map_brick(&snapshot, 2).to_string();
    let fork = signer
        .append(&head.unwrap().unwrap(), &hash, &time)
        .unwrap();
    let forked = vec![
        values[0].clone(),
        values[1].clone(),
        fork.as_str().to_owned(),
    ];
    // The signature does not cover the domain of the newest value.
    let mut plain = String::from_utf8(base58::decode(&values[2]).unwrap()).unwrap();
    plain = plain.replacen(":default:", ":elsewhere:", 1);
    let moved = vec![
        values[0].clone(),
        values[1].clone(),
        base58::encode(plain.as_bytes()),
    ];
    vec![
        Row::new(Act::Read, HISTORY, Lie::Invent(forked.clone()), "read 2"),
        Row::new(Act::ReadAgain, HISTORY, Lie::Invent(forked), "Replaced 2").then("read 2"),
        Row::new(
            Act::Read,
            HISTORY,
            Lie::Invent(moved.clone()),
            "FetchMap 2: UnknownDomain",
        ),
        Row::new(Act::ReadAgain, HISTORY, Lie::Invent(moved), "Replaced 2"),
    ]
}

/// Values of the constant family are not signed: the key must open what they name.
fn constant(stage: &Stage) -> Vec<Row> {
    let other = || Lie::HistoryOf(stage.other_constant.id().as_str().to_owned());
    let signed = || Lie::HistoryOf(stage.record.id().as_str().to_owned());
    vec![
        Row::new(Act::ReadConstant, HISTORY, other(), "Map 0: WrongKey"),
        Row::new(Act::ReadConstantAgain, HISTORY, other(), "Replaced 0"),
        Row::new(Act::ReadConstant, HISTORY, signed(), "Forged 0"),
        Row::new(
            Act::ReadConstantAgain,
            HISTORY,
            Lie::Forget(1),
            "RolledBack 1 to 0",
        ),
    ]
}

/// The answer is none, or does not come.
fn broken() -> Vec<Row> {
    let read = |lie, expected| Row::new(Act::Read, HISTORY, lie, expected);
    let instead = |status, body: &str| Lie::Instead(status, body.to_owned());
    vec![
        read(Lie::FlipBit(0), "Nonsense"),
        read(Lie::FlipBit(10), "Forged 0"),
        read(Lie::ChangeByte(0, 0xff), "Nonsense"),
        read(Lie::Shorten(200), "Nonsense"),
        read(Lie::CutAfter(200), "CutBody"),
        read(Lie::Endless(Endlessness::Chunked), "EndlessBody"),
        read(
            Lie::Endless(Endlessness::Sized(u64::MAX >> 1)),
            "EndlessBody",
        ),
        read(Lie::Endless(Endlessness::UntilClose), "EndlessBody"),
        read(Lie::Drip(Duration::from_millis(20)), "TooSlow"),
        read(Lie::Stall, "TooSlow"),
        read(Lie::Silence, "TooSlow"),
        read(Lie::Drop, "Unreachable"),
        read(Lie::Drop, "read 2").times(1),
        read(instead(200, "nonsense"), "Nonsense"),
        read(instead(200, "{}"), "Nonsense"),
        read(instead(200, "[7]"), "Nonsense"),
        read(instead(200, &"[".repeat(50_000)), "Nonsense"),
        read(instead(204, ""), "Nonsense"),
        read(instead(302, ""), "Redirect"),
        read(instead(307, ""), "Redirect"),
        read(instead(403, "no"), "Refused 403"),
        read(instead(404, r#"{"message":"who?"}"#), "UnknownDomain"),
        read(instead(500, ""), "Refused 500"),
        read(instead(500, ""), "read 2").times(1),
        read(instead(503, ""), "Busy 503"),
    ]
}

/// The values of the record, oldest first.
async fn values(stage: &Stage) -> Vec<String> {
    let snapshot = stage.truth(&stage.record).await;
    let values = snapshot.history().values().iter();
    values.map(|value| value.as_str().to_owned()).collect()
}
