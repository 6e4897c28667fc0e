//! What every call shares: BDNS, credentials, repetitions, redirects; and versionless documents.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

#[expect(dead_code, reason = "each test file uses a part of it")]
mod support;

use std::error::Error;
use std::fmt::Write as _;
use std::io::{Read as _, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use client::{Client, ClientError, ClientOptions, Violation};
use support::{Stage, Watched, domain, options};
use testkit::liar::{Endlessness, Lie, Route, Rule};

/// Answers one request on one connection after the other, then ends. Gives its URL and, when it
/// has ended, the heads of the requests.
fn peer(answers: Vec<String>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serve = move || {
        let answer = |answer: String| {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                head.extend(byte);
            }
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8(head).unwrap()
        };
        answers.into_iter().map(answer).collect()
    };
    (url, std::thread::spawn(serve))
}

fn answer(status: u16, headers: &str, body: &str) -> String {
    let bytes = body.len();
    format!(
        "HTTP/1.1 {status} x\r\nConnection: close\r\n{headers}Content-Length: {bytes}\r\n\r\n{body}"
    )
}

/// All that an error says, to whomever it is shown.
fn all_texts(error: &dyn Error) -> String {
    let mut texts = format!("{error} {error:?}\n");
    let mut cause = error.source();
    while let Some(error) = cause {
        writeln!(texts, "{error} {error:?}").unwrap();
        cause = error.source();
    }
    texts
}

#[tokio::test]
async fn retry_after_is_honoured_up_to_the_limit() {
    let bdns = answer(200, "", r#"{"default":{}}"#);
    let busy = |seconds: u32| answer(503, &format!("Retry-After: {seconds}\r\n"), "");
    let (url, peer) = peer(vec![busy(1), busy(3600), bdns]);
    let watched = Watched::new(ClientOptions {
        retry_wait_max: Duration::from_millis(40),
        ..options(&url)
    });
    let began = Instant::now();
    watched.client.bdns().await.unwrap();
    assert_eq!(watched.waits(), [Duration::from_millis(40); 2]);
    assert!(began.elapsed() >= Duration::from_millis(80));
    let heads = peer.join().unwrap();
    assert!(
        heads
            .iter()
            .all(|head| head.starts_with("GET /bdns HTTP/1.1\r\n")),
        "{heads:?}"
    );
}

#[tokio::test]
async fn attempts_are_bounded_and_the_last_failure_is_told() {
    let (url, peer) = peer(vec![
        answer(
            503,
            "Retry-After: 0\r\n",
            "{\"message\":\"full\"}"
        );
        3
    ]);
    let failed = Watched::new(options(&url)).client.bdns().await.map(|_| ());
    let is_told = |error: &ClientError| matches!(error, ClientError::Busy { message, .. } if message == "full");
    assert!(failed.as_ref().is_err_and(is_told), "{failed:?}");
    assert_eq!(peer.join().unwrap().len(), 3);
}

#[tokio::test]
async fn what_is_not_http_is_named() {
    let (url, peer) = peer(vec!["220 mail.example ESMTP\r\n".to_owned()]);
    let failed = Watched::new(options(&url)).client.bdns().await.map(|_| ());
    assert!(
        matches!(
            &failed,
            Err(ClientError::ProtocolViolation {
                what: Violation::Nonsense { .. },
                ..
            })
        ),
        "{failed:?}"
    );
    peer.join().unwrap();
}

#[tokio::test]
async fn redirects_are_not_followed_and_carry_no_credentials() {
    let (away, _other) = peer(Vec::new());
    let (url, peer) = peer(vec![answer(302, &format!("Location: {away}/bdns\r\n"), "")]);
    let failed = Watched::new(options(&url)).client.bdns().await.map(|_| ());
    assert!(
        matches!(
            failed,
            Err(ClientError::ProtocolViolation {
                what: Violation::Redirect,
                ..
            })
        ),
        "{failed:?}"
    );
    assert_eq!(peer.join().unwrap().len(), 1);
}

#[tokio::test]
async fn credentials_are_sent_and_never_shown() {
    let (storage, stored) = peer(vec![answer(403, "", "")]);
    let bdns = format!(
        r#"{{"default":{{"brickStorages":[{{"url":"{storage}","headers":{{"x-api-key":"hidden-key"}}}}]}}}}"#
    );
    let (url, node) = peer(vec![answer(200, "Set-Cookie: a=b\r\n", &bdns)]);
    let watched = Watched::new(options(&url.replace("http://", "http://me:hidden-word@")));
    let hash = keyssi::BrickHash::of(b"x");
    let failed = watched
        .client
        .bricks()
        .put(&domain(), &hash, Bytes::from_static(b"x"))
        .await;
    let mut shown = all_texts(&failed.unwrap_err());
    shown.push_str(&watched.bad_nodes().join("\n"));
    let bdns_shown = watched.client.bdns().await;
    write!(shown, "{:?} {bdns_shown:?}", watched.client).unwrap();
    assert!(
        !shown.contains("hidden") && !shown.contains("me:"),
        "{shown}"
    );
    let at_node = node.join().unwrap().remove(0).to_lowercase();
    // me:hidden-word
    assert!(
        at_node.contains("authorization: basic bwu6aglkzgvulxdvcmq="),
        "{at_node}"
    );
    let at_storage = stored.join().unwrap().remove(0).to_lowercase();
    assert!(at_storage.contains("x-api-key: hidden-key"), "{at_storage}");
    assert!(at_storage.contains("content-length: 1\r\n"), "{at_storage}");
    assert!(
        !at_storage.contains("authorization") && !at_storage.contains("cookie"),
        "{at_storage}"
    );
}

#[tokio::test]
async fn a_node_that_is_not_there_is_named() {
    let (url, peer) = peer(Vec::new());
    peer.join().unwrap();
    let failed = Watched::new(options(&url)).client.bdns().await.map(|_| ());
    assert!(
        matches!(&failed, Err(ClientError::Unreachable { .. })),
        "{failed:?}"
    );
    let bad = Client::new(ClientOptions::new("ftp://h/".parse().unwrap())).map(|_| ());
    assert!(matches!(bad, Err(ClientError::Setup { .. })), "{bad:?}");
}

#[tokio::test]
async fn bdns_that_is_none_is_refused_and_asked_for_again() {
    let stage = Stage::new(1);
    stage.liars[0].be_honest();
    for lie in [
        Lie::Instead(200, "<html>".to_owned()),
        Lie::Endless(Endlessness::Chunked),
    ] {
        stage.liars[0].tell(Rule::new(Route::Bdns, lie).times(1));
        let watched = stage.client();
        let failed = watched.client.bdns().await.map(|_| ());
        assert!(
            matches!(failed, Err(ClientError::ProtocolViolation { .. })),
            "{failed:?}"
        );
        // The node's own BDNS names itself by `$ORIGIN`.
        let services = watched.client.services(&domain()).await.unwrap();
        let own = watched.client.node();
        assert_eq!(services.brick_storages, std::slice::from_ref(own));
        assert_eq!(services.anchoring_services, std::slice::from_ref(own));
    }
}

#[tokio::test]
async fn documents_are_written_and_read() {
    let stage = Stage::new(1);
    let documents = stage.client().client.documents();
    assert_eq!(documents.read("folder/a?b=1").await.unwrap(), None);
    let text = Bytes::from_static(b"{\"files\":{}}");
    documents.write("folder/a?b=1", text.clone()).await.unwrap();
    assert_eq!(documents.read("folder/a?b=1").await.unwrap(), Some(text));
    assert_eq!(documents.read("folder/a").await.unwrap(), None);
    let bad = documents.read("../bdns").await;
    assert!(
        matches!(bad, Err(ClientError::BadDocumentPath { .. })),
        "{bad:?}"
    );
}

#[tokio::test]
async fn a_transfer_that_moves_may_take_longer_than_the_idle_limit() {
    let stage = Stage::new(1);
    let hash = stage.store(&[1; 60]);
    let interval = Duration::from_millis(10);
    stage.liars[0].tell(Rule::new(Route::GetBrick, Lie::Drip(interval)));
    let watched = stage.client_with(|options| ClientOptions {
        idle_timeout: Duration::from_secs(20),
        ..options
    });
    let brick = watched.client.bricks().fetch(&domain(), &hash).await;
    assert_eq!(brick.unwrap().len(), 60);
}
