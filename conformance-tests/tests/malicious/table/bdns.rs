//! Lies about which services serve which domain.

use std::time::Duration;

use testkit::liar::{Endlessness, Lie, Route};

use super::row::{Act, Row};

pub(super) fn rows() -> Vec<Row> {
    let read = |lie, expected| Row::new(Act::Read, Route::Bdns, lie, expected);
    let said = |body: &str| Lie::Instead(200, body.to_owned());
    let storages =
        |storages: &str| said(&format!(r#"{{"default":{{"brickStorages":{storages}}}}}"#));
    let many: Vec<String> = (0..1_000)
        .map(|it| format!("http://127.0.0.1:9/{it}"))
        .collect();
    vec![
        read(said("nonsense"), "Nonsense"),
        read(said("[]"), "Nonsense"),
        read(said(r#"{"default":7}"#), "Nonsense"),
        read(said("{}"), "UnknownDomain"),
        read(said(r#"{"defaults":{}}"#), "UnknownDomain"),
        read(storages(r#"["nonsense"]"#), "Nonsense"),
        read(storages(r#"["file:///etc/passwd"]"#), "Nonsense"),
        read(
            storages(r#"[{"url":"$ORIGIN","headers":{"a b":"c"}}]"#),
            "Nonsense",
        ),
        // A client would open a connection to each of them for every brick.
        read(storages(&format!("{many:?}")), "Nonsense"),
        read(Lie::FlipBit(0), "Nonsense"),
        read(Lie::ChangeByte(0, 2), "Nonsense"),
        read(Lie::Shorten(10), "Nonsense"),
        read(Lie::CutAfter(10), "CutBody"),
        read(Lie::Endless(Endlessness::Chunked), "EndlessBody"),
        read(Lie::Endless(Endlessness::Sized(1 << 40)), "EndlessBody"),
        read(Lie::Endless(Endlessness::UntilClose), "EndlessBody"),
        read(Lie::Drip(Duration::from_millis(200)), "TooSlow"),
        read(Lie::Stall, "TooSlow"),
        read(Lie::Silence, "TooSlow"),
        read(Lie::Drop, "Unreachable"),
        read(Lie::Instead(302, String::new()), "Redirect"),
        read(Lie::Instead(404, String::new()), "Refused 404"),
        read(Lie::Instead(500, String::new()), "Refused 500"),
        read(Lie::Instead(500, String::new()), "read 2").times(1),
    ]
}
