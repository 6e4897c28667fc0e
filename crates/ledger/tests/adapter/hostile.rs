//! Answers that no adapter gives: each ends in an error that says why, never in a wrong answer.

use keyssi::AnchorValue;
use ledger::{Intent, Ledger, LedgerError};
use testkit::eth_adapter::{Answer, EthAdapter};

use super::{Signed, impatient, named, outcome, patient, text};

fn raw(text: &str) -> Answer {
    Answer::Raw(text.as_bytes().to_vec())
}

/// Answers that are wrong for whatever is asked.
fn hostile_answers() -> Vec<Answer> {
    let endless = |first: &str| Answer::Endless(first.as_bytes().to_vec());
    vec![
        text(200, "<!DOCTYPE html><title>Sign in</title>"),
        text(200, "{"),
        text(200, "{}"),
        text(200, "null"),
        text(200, "[null]"),
        text(200, "[1, 2]"),
        text(200, "[\"\"]"),
        text(200, "[\"8iQ1THWriEFDQiKd2UTA7Sx6usKoETqo7E\"]"),
        text(200, "[[[[[[[[[[[["),
        text(200, &"[".repeat(200_000)),
        text(200, "18446744073709551616"),
        text(200, "-1"),
        text(200, "0x"),
        text(200, &format!("0x{}", "g".repeat(64))),
        text(200, &"A".repeat(100_000)),
        text(201, "[]"),
        text(302, "[]"),
        text(400, ""),
        text(401, ""),
        text(999, ""),
        endless("["),
        endless("[\"8iQ1\","),
        raw(""),
        raw("\r\n\r\n"),
        raw("SSH-2.0-OpenSSH_9.6\r\n"),
        raw("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n[\"8iQ1"),
        raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffff\r\n[]"),
        raw("HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n[]"),
        raw("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n[]"),
        raw(&format!(
            "HTTP/1.1 200 OK\r\nx: {}\r\n\r\n",
            "x".repeat(1 << 20)
        )),
        Answer::Raw(vec![0xff; 4096]),
        Answer::Whole {
            status: 428,
            headers: vec![("X-Anchoring-Status".to_owned(), "a lot".to_owned())],
            body: "Smart contract invocation failed".to_owned(),
        },
        Answer::Close,
        Answer::Silence,
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_adapter_is_unavailable_and_nothing_else() {
    let anchor = Signed::new(1, "a", 1);
    for answer in hostile_answers() {
        let peer = EthAdapter::start().unwrap();
        for action in ["getAllVersions", "getLastVersion", "totalNumberOfAnchors"] {
            peer.answer(action, [answer.clone()]);
        }
        let ledger = impatient(&peer);
        let shown = format!("{answer:?}");
        let shown = shown.get(..200).unwrap_or(&shown);
        let total = ledger.total(anchor.id.domain()).await;
        assert!(
            matches!(
                total,
                Err(LedgerError::Unavailable(Some(_)) | LedgerError::Broken(_))
            ),
            "total: {shown}"
        );
        let history = ledger.all_versions(&anchor.id).await;
        let is_unavailable = matches!(
            history,
            Err(LedgerError::Unavailable(Some(_)) | LedgerError::Broken(_))
        );
        assert!(is_unavailable, "history: {shown}");
        let written = ledger.write(anchor.entry(0, Intent::Create)).await;
        assert_eq!(outcome(written), "unavailable", "last value: {shown}");
        assert!(peer.asked().iter().all(|it| it.method == "GET"), "{shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_answer_to_a_write_is_no_acknowledgement() {
    let anchor = Signed::new(1, "a", 1);
    for answer in hostile_answers() {
        let peer = EthAdapter::start().unwrap();
        peer.answer("getLastVersion", [named("getLast_unknown")]);
        peer.answer("getAllVersions", [named("getAll_unknown")]);
        peer.answer("createAnchor", [answer.clone()]);
        let shown = format!("{answer:?}");
        let shown = shown.get(..200).unwrap_or(&shown);
        let written = impatient(&peer)
            .write(anchor.entry(0, Intent::Create))
            .await;
        assert_eq!(outcome(written), "unavailable", "{shown}");
    }
}

/// A value that another server's lenient reading takes may stand in a history; it is served in its
/// one form, and the next value is judged against it.
#[tokio::test(flavor = "multi_thread")]
async fn a_history_in_plain_text_is_read_as_what_it_means() {
    let anchor = Signed::new(1, "a", 1);
    let plain: Vec<&str> = anchor.values[..2].iter().map(AnchorValue::plain).collect();
    let peer = EthAdapter::start().unwrap();
    peer.answer(
        "getAllVersions",
        [text(200, &serde_json::to_string(&plain).unwrap())],
    );
    peer.answer("appendAnchor", [named("append_ok")]);
    let ledger = patient(&peer);
    let history = ledger.all_versions(&anchor.id).await.unwrap();
    let wrapped: Vec<&str> = anchor.values[..2].iter().map(AnchorValue::as_str).collect();
    assert_eq!(history, wrapped);
    let written = ledger.write(anchor.entry(2, Intent::Append)).await;
    assert_eq!(outcome(written), "stored");
}
