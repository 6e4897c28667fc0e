//! Anchors against a real node whose answers are altered or lost.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

#[expect(dead_code, reason = "each test file uses a part of it")]
mod support;

use client::{AnchorRefusal, ClientError, Violation};
use keyssi::{AnchorId, AnchorValue, BrickHash};
use support::{Stage, domain};
use testkit::liar::{Endlessness, Lie, Route, Rule};
use testkit::owner::{FIRST_MS, Owner};

/// An anchor's owner and its next values.
struct Writer {
    owner: Owner,
    id: AnchorId,
    time: u64,
}

impl Writer {
    fn new(key: u8) -> Self {
        let owner = Owner::new(&domain(), &[key; 32]).unwrap();
        let id = AnchorId::parse_wrapped(owner.id()).unwrap();
        let time = FIRST_MS;
        Self { owner, id, time }
    }

    /// A value over the last one that was taken up.
    fn next(&mut self) -> AnchorValue {
        self.time += 1;
        let hash = BrickHash::of(&self.time.to_be_bytes()).to_string();
        let value = self.owner.sign(&hash, self.time).unwrap();
        AnchorValue::parse_wrapped(&value).unwrap()
    }

    fn take_up(&mut self, value: &AnchorValue) {
        self.owner.follow(Some(value.as_str())).unwrap();
    }
}

fn is_refusal(result: &Result<(), ClientError>, refusal: &AnchorRefusal) -> bool {
    matches!(result, Err(ClientError::Anchor(found)) if found == refusal)
}

#[tokio::test]
async fn anchors_are_created_appended_to_and_read() {
    let stage = Stage::new(1);
    let anchors = stage.client().client.anchors();
    let mut writer = Writer::new(1);
    assert!(anchors.versions(&writer.id).await.unwrap().is_empty());
    assert_eq!(anchors.last(&writer.id).await.unwrap(), None);
    let first = writer.next();
    let early = anchors.append(&writer.id, &first).await;
    assert!(is_refusal(&early, &AnchorRefusal::Absent), "{early:?}");
    anchors.create(&writer.id, &first).await.unwrap();
    let twice = anchors.create(&writer.id, &first).await;
    assert!(is_refusal(&twice, &AnchorRefusal::Exists), "{twice:?}");
    writer.take_up(&first);
    let (second, other) = (writer.next(), writer.next());
    anchors.append(&writer.id, &second).await.unwrap();
    let late = anchors.append(&writer.id, &other).await;
    assert!(is_refusal(&late, &AnchorRefusal::OutOfSync), "{late:?}");
    let older = anchors.append(&writer.id, &first).await;
    assert!(
        is_refusal(&older, &AnchorRefusal::OlderTimestamp),
        "{older:?}"
    );
    let versions = anchors.versions(&writer.id).await.unwrap();
    assert_eq!(versions, [first.as_str(), second.as_str()]);
    let last = anchors.last(&writer.id).await.unwrap();
    assert_eq!(last.as_deref(), Some(second.as_str()));
    let stranger = Writer::new(2);
    let forged = anchors.create(&stranger.id, &first).await;
    assert!(
        matches!(
            forged,
            Err(ClientError::Anchor(AnchorRefusal::Rejected { .. }))
        ),
        "{forged:?}"
    );
}

#[tokio::test]
async fn a_lost_answer_is_found_out_and_nothing_is_written_twice() {
    for lie in [
        Lie::DoneThenDrop,
        Lie::DoneBut(500, "{}".to_owned()),
        Lie::DoneBut(503, String::new()),
        Lie::Silence,
        Lie::Drop,
    ] {
        let stage = Stage::new(1);
        stage.liars[0].tell(Rule::new(Route::AnchorWrite, lie.clone()).times(2));
        let anchors = stage.client_against(&lie).client.anchors();
        let mut writer = Writer::new(1);
        let first = writer.next();
        anchors.create(&writer.id, &first).await.unwrap();
        writer.take_up(&first);
        let second = writer.next();
        anchors.append(&writer.id, &second).await.unwrap();
        let versions = anchors.versions(&writer.id).await.unwrap();
        assert_eq!(versions, [first.as_str(), second.as_str()], "{lie:?}");
    }
}

#[tokio::test]
async fn a_late_success_explains_the_refusal_of_the_second_attempt() {
    let stage = Stage::new(1);
    // The first attempt is done and its answer lost; the history does not show it yet.
    stage.liars[0].tell(Rule::new(Route::AnchorWrite, Lie::DoneThenDrop).times(1));
    stage.liars[0].tell(Rule::new(Route::AllVersions, Lie::Forget(1)).times(1));
    let anchors = stage.client().client.anchors();
    let mut writer = Writer::new(1);
    let first = writer.next();
    anchors.create(&writer.id, &first).await.unwrap();
    assert_eq!(stage.asked(0, "create-anchor"), 2);
    assert_eq!(anchors.versions(&writer.id).await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_outcome_that_cannot_be_learnt_is_called_unknown() {
    let stage = Stage::new(1);
    let watched = stage.client();
    let anchors = watched.client.anchors();
    let mut writer = Writer::new(1);
    // BDNS is learnt while all is well.
    anchors.last(&writer.id).await.unwrap();
    stage.liars[0].tell(Rule::new(Route::AnchorWrite, Lie::DoneThenDrop));
    stage.liars[0].tell(Rule::new(Route::AllVersions, Lie::Drop));
    let value = writer.next();
    let lost = anchors.create(&writer.id, &value).await;
    assert!(
        matches!(lost, Err(ClientError::OutcomeUnknown { .. })),
        "{lost:?}"
    );
}

#[tokio::test]
async fn a_service_that_cannot_be_reached_is_passed_over() {
    let stage = Stage::new(1);
    // A port that was free a moment ago.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    for (services, is_reached) in [(vec![&*nobody], false), (vec![&nobody, "$ORIGIN"], true)] {
        let bdns = format!(r#"{{"default":{{"anchoringServices":{services:?}}}}}"#);
        stage.liars[0].be_honest();
        stage.liars[0].tell(Rule::new(Route::Bdns, Lie::Instead(200, bdns)));
        let watched = stage.client();
        let mut writer = Writer::new(1);
        let value = writer.next();
        let written = watched.client.anchors().create(&writer.id, &value).await;
        assert_eq!(written.is_ok(), is_reached, "{written:?}");
        if let Err(failure) = written {
            assert!(
                matches!(failure, ClientError::Unreachable { .. }),
                "{failure:?}"
            );
        }
        let bad = watched.bad_nodes();
        assert!(bad.iter().any(|text| text.starts_with(&nobody)), "{bad:?}");
    }
}

#[tokio::test]
async fn texts_of_an_apihub_are_understood() {
    let said = |status: u16, text: &str| Lie::Instead(status, format!(r#"{{"message":"{text}"}}"#));
    let stage = Stage::new(1);
    let anchors = stage.client().client.anchors();
    let mut writer = Writer::new(1);
    let value = writer.next();
    for (lie, expected) in [
        (said(500, "anchor xyz already exist"), AnchorRefusal::Exists),
        (said(500, "Versions out of sync"), AnchorRefusal::OutOfSync),
        (said(428, "Versions out of sync"), AnchorRefusal::OutOfSync),
        (
            said(500, "Cannot update non existing anchor xyz"),
            AnchorRefusal::Absent,
        ),
        (
            said(500, "Failed to verify signature"),
            AnchorRefusal::Rejected {
                message: "Failed to verify signature".to_owned(),
            },
        ),
    ] {
        stage.liars[0].tell(Rule::new(Route::AnchorWrite, lie).times(1));
        let refused = anchors.append(&writer.id, &value).await;
        assert!(is_refusal(&refused, &expected), "{refused:?}");
    }
}

#[tokio::test]
async fn histories_that_are_none_are_refused() {
    let stage = Stage::new(1);
    let watched = stage.client_with(|mut options| {
        options.limits.history_bytes_max = 10_000;
        options
    });
    let anchors = watched.client.anchors();
    let mut writer = Writer::new(1);
    let first = writer.next();
    anchors.create(&writer.id, &first).await.unwrap();
    let endless = Violation::EndlessBody { bytes_max: 10_000 };
    for (lie, expected) in [
        (Lie::Endless(Endlessness::Chunked), Some(&endless)),
        (Lie::Instead(200, "{}".to_owned()), None),
        (Lie::Instead(200, "[1]".to_owned()), None),
        (Lie::CutAfter(20), None),
    ] {
        stage.liars[0].tell(Rule::new(Route::AllVersions, lie.clone()).times(3));
        let failed = anchors.versions(&writer.id).await;
        let Err(ClientError::ProtocolViolation { what, .. }) = failed else {
            panic!("{lie:?}: {failed:?}");
        };
        assert!(expected.is_none_or(|it| *it == what), "{lie:?}: {what:?}");
        stage.liars[0].be_honest();
    }
    assert_eq!(anchors.versions(&writer.id).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_domain_that_is_not_served_is_named() {
    let stage = Stage::new(1);
    let text = r#"{"message":"this node does not serve the domain"}"#.to_owned();
    stage.liars[0].tell(Rule::new(Route::History, Lie::Instead(400, text.clone())));
    stage.liars[0].tell(Rule::new(Route::AnchorWrite, Lie::Instead(400, text)));
    let anchors = stage.client().client.anchors();
    let mut writer = Writer::new(1);
    let value = writer.next();
    let read = anchors.versions(&writer.id).await;
    assert!(
        matches!(read, Err(ClientError::UnknownDomain { .. })),
        "{read:?}"
    );
    let written = anchors.create(&writer.id, &value).await;
    assert!(
        matches!(written, Err(ClientError::UnknownDomain { .. })),
        "{written:?}"
    );
}
