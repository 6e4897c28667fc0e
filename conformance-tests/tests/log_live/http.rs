//! What may be kept, what is not there, what is not ready yet, and what is not for everyone.

use serde_json::Value;

use crate::live::{Live, ORIGIN, anchor, config, usual};

/// Anchors that are tried until one is asked for before its checkpoint is signed.
const TRIES: u16 = 50;

#[test]
fn what_never_changes_may_be_kept_for_ever() {
    let live = Live::start(&usual());
    live.anchor(0..3);
    live.checkpoint(3);
    for path in ["tile/0/000.p/3", "tile/0/000.p/1", "tile/entries/000.p/3"] {
        let target = format!("/log/default/{path}");
        let reply = live.fetch(&target);
        assert_eq!(reply.status, 200, "{path}");
        assert_eq!(
            reply.header("content-type"),
            Some("application/octet-stream")
        );
        let kept = reply.header("cache-control").unwrap().to_owned();
        assert!(
            kept.contains("immutable") && kept.contains("public"),
            "{kept}"
        );
        assert!(kept.contains("max-age=31536000"), "{kept}");
        let tag = reply.header("etag").unwrap();
        let again = live.request("GET", &target).header("If-None-Match", tag);
        let again = live.ask(&again);
        assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
    }
    for path in ["checkpoint", "vkey"] {
        let reply = live.fetch(&format!("/log/default/{path}"));
        assert_eq!(
            reply.header("content-type"),
            Some("text/plain; charset=utf-8")
        );
        assert_eq!(reply.header("cache-control"), Some("no-cache"), "{path}");
    }
    let note = String::from_utf8(live.part("checkpoint")).unwrap();
    assert!(note.starts_with(&format!("{ORIGIN}\n3\n")), "{note}");
}

#[test]
fn what_is_not_there_is_404() {
    let live = Live::start(&usual());
    for target in [
        "/log/default/checkpoint",
        "/log/default/checkpoint/cosigned",
        "/log/default/tile/0/000.p/1",
    ] {
        assert_eq!(live.fetch(target).status, 404, "of an empty log: {target}");
    }
    live.anchor(0..3);
    live.checkpoint(3);
    let absent = anchor(9).0;
    for target in [
        "/log/default/checkpoint/cosigned",
        "/log/default/tile/0/000",
        "/log/default/tile/0/000.p/4",
        "/log/default/tile/0/001.p/1",
        "/log/default/tile/1/000.p/1",
        "/log/default/tile/entries/000",
        "/log/default/tile/entries/000.p/4",
        "/log/default/tile/8/0/000.p/3",
        "/log/default/tile/0/0.p/3",
        "/log/default/tile/0/000.p/0",
        "/log/default/tile/0/000.p/256",
        "/log/default/tile/64/000.p/1",
        "/log/default/tile/data/000.p/3",
        "/log/default/nothing",
        "/log/default/",
        &format!("/anchor/default/proof/{absent}"),
        &format!("/anchor/default/status/{absent}"),
    ] {
        assert_eq!(live.fetch(target).status, 404, "{target}");
    }
    // As on every route, for a domain that is not served.
    assert_eq!(live.fetch("/log/elsewhere/checkpoint").status, 400);
}

/// An anchor is acknowledged before the checkpoint that proves it is signed.
#[test]
fn a_proof_that_is_not_there_yet_is_202_and_comes() {
    let live = Live::start(&usual());
    let mut early = None;
    for number in 0..TRIES {
        let id = live.anchor(number..number + 1).remove(0);
        let reply = live.fetch(&format!("/anchor/default/proof/{id}"));
        if reply.status == 202 {
            assert_eq!(reply.header("retry-after"), Some("1"));
            early = Some((id, number));
            break;
        }
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    let (id, number) = early.expect("a checkpoint was signed before each answer");
    live.checkpoint(u64::from(number) + 1);
    let reply = live.fetch(&format!("/anchor/default/proof/{id}"));
    assert_eq!(reply.status, 200, "{}", reply.text());
    let status = live.fetch(&format!("/anchor/default/status/{id}"));
    let status: Value = serde_json::from_slice(&status.body).unwrap();
    assert_eq!(status["state"], "inLog", "{status}");
    assert_eq!(status["log"]["origin"], ORIGIN);
    assert_eq!(status["log"]["index"], number);
}

#[test]
fn openings_are_for_everyone_only_where_that_is_configured() {
    let open = config(&format!("origin = \"{ORIGIN}\"\nopenings = \"public\""));
    for (config, status) in [(usual(), 403), (open, 200)] {
        let live = Live::start(&config);
        let ids = live.anchor(0..3);
        live.checkpoint(3);
        let reply = live.fetch("/log/default/openings/000.p/3");
        assert_eq!(reply.status, status, "{}", reply.text());
        let text = reply.text();
        let plain = |id: &String| keyssi::AnchorId::parse_wrapped(id).unwrap();
        if status == 403 {
            assert!(ids.iter().all(|id| !text.contains(plain(id).plain())));
            continue;
        }
        let openings: Vec<Value> = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(openings.len(), 3);
        for (opening, id) in openings.iter().zip(&ids) {
            assert_eq!(opening["anchorId"], plain(id).plain());
        }
    }
}
