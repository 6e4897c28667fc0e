//! Bricks against a real node, with honest and lying storages before it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod support;

use bytes::Bytes;
use client::{BatchUse, ClientError, ClientOptions, Event, Fetched, PutOutcome, Violation};
use futures_util::StreamExt as _;
use keyssi::BrickHash;
use support::{Stage, Watched, bricks, domain, hashes};
use testkit::liar::{Endlessness, Lie, Route, Rule};

/// What ApiHub answers to a route that it does not know.
fn without_batches(stage: &Stage, liar: usize) {
    for route in [Route::HaveBricks, Route::GetBricks, Route::PutBricks] {
        stage.liars[liar].tell(Rule::new(route, Lie::Instead(404, String::new())));
    }
}

async fn fetch_all(watched: &Watched, hashes: Vec<BrickHash>) -> Vec<Fetched> {
    let bricks = watched.client.bricks();
    bricks.fetch_many(&domain(), hashes).collect().await
}

fn assert_are(fetched: &[Fetched], expected: &[(BrickHash, Bytes)]) {
    assert_eq!(fetched.len(), expected.len());
    for ((hash, bytes), (name, content)) in fetched.iter().zip(expected) {
        assert_eq!(hash, name);
        assert_eq!(bytes.as_ref().unwrap(), content);
    }
}

/// Stores, asks and fetches; gives how many requests the storage got.
async fn round_trip(stage: &Stage, batch: BatchUse) -> usize {
    let watched = stage.client_with(|options| ClientOptions { batch, ..options });
    // The SDK's bricks may be larger than a batch; an empty one is one, too.
    let mut all = bricks(&[0, 1, 100_000, 1 << 20, 9_000_000, 7]);
    let stores = watched.client.bricks();
    assert_eq!(
        stores.have_many(&domain(), &hashes(&all)).await.unwrap(),
        [false; 6]
    );
    let reports = stores.put_many(&domain(), all.clone()).await.unwrap();
    let named: Vec<BrickHash> = reports.iter().map(|report| report.hash).collect();
    assert_eq!(named, hashes(&all));
    assert!(
        reports
            .iter()
            .all(|report| report.outcome == PutOutcome::Stored)
    );
    let absent = BrickHash::of(b"absent");
    let mut asked = hashes(&all);
    asked.push(absent);
    let mut expected = vec![true; 6];
    expected.push(false);
    assert_eq!(stores.have_many(&domain(), &asked).await.unwrap(), expected);
    // In the order asked for, repetitions included.
    all.extend([all[3].clone(), all[3].clone(), all[0].clone()]);
    assert_are(&fetch_all(&watched, hashes(&all)).await, &all);
    let missing = fetch_all(&watched, vec![all[1].0, absent, all[2].0]).await;
    assert!(missing[0].1.is_ok() && missing[2].1.is_ok());
    assert!(matches!(
        &missing[1],
        (hash, Err(ClientError::MissingBrick { hash: named, asked, .. }))
            if *hash == absent && *named == absent && asked.len() == 1
    ));
    assert_eq!(
        watched.count(|event| matches!(event, Event::BrickStored { .. })),
        6
    );
    stage.liars[0].requests().len()
}

#[tokio::test]
async fn bricks_go_and_come_one_by_one() {
    let stage = Stage::new(1);
    assert!(round_trip(&stage, BatchUse::Never).await > 20);
    assert_eq!(stage.asked(0, "-bricks"), 0);
}

#[tokio::test]
async fn bricks_go_and_come_in_batches() {
    let stage = Stage::new(1);
    round_trip(&stage, BatchUse::WhereOffered).await;
    assert_eq!(stage.asked(0, "brick-exists"), 0);
    // The one that is larger than a batch, and the one that is alone after it.
    assert_eq!(stage.asked(0, "put-brick"), 1 + 2);
    assert_eq!(stage.asked(0, "/put-bricks"), 1);
}

#[tokio::test]
async fn a_storage_without_batches_is_asked_for_them_once() {
    let stage = Stage::new(1);
    without_batches(&stage, 0);
    round_trip(&stage, BatchUse::WhereOffered).await;
    assert_eq!(stage.asked(0, "-bricks"), 1);
}

#[tokio::test]
async fn an_unknown_domain_is_told_from_a_missing_brick() {
    let stage = Stage::new(1);
    let watched = stage.client();
    let unnamed = "elsewhere".parse().unwrap();
    let hash = stage.store(b"x");
    let failed = watched.client.bricks().fetch(&unnamed, &hash).await;
    assert!(matches!(failed, Err(ClientError::UnknownDomain { .. })));
    // Named by BDNS, but not served.
    let text = r#"{"message":"[Bricking] Domain 'default' not found!"}"#.to_owned();
    stage.liars[0].tell(Rule::new(Route::Any, Lie::Instead(404, text)));
    let stores = watched.client.bricks();
    for failed in [
        stores.fetch(&domain(), &hash).await.map(|_| ()),
        stores.have_many(&domain(), &[hash]).await.map(|_| ()),
        stores
            .put(&domain(), &hash, Bytes::from_static(b"x"))
            .await
            .map(|_| ()),
    ] {
        assert!(
            matches!(failed, Err(ClientError::UnknownDomain { .. })),
            "{failed:?}"
        );
    }
}

/// A lie about one brick, and what it must be called.
async fn check_lie(lie: Lie, is_named: impl Fn(&ClientError) -> bool) {
    let stage = Stage::new(1);
    let hash = stage.store(&vec![7; 50_000]);
    stage.store(b"other");
    stage.liars[0].tell(Rule::new(Route::GetBrick, lie.clone()));
    let watched = stage.client_with(|mut options| {
        options.limits.brick_bytes_max = 100_000;
        if support::does_not_move(&lie) {
            options.idle_timeout = support::IDLE;
        }
        options
    });
    let failure = watched
        .client
        .bricks()
        .fetch(&domain(), &hash)
        .await
        .unwrap_err();
    assert!(is_named(&failure), "{lie:?}: {failure:?}");
    assert!(!watched.bad_nodes().is_empty(), "{lie:?}");
}

fn is_violation(failure: &ClientError, is: impl Fn(&Violation) -> bool) -> bool {
    matches!(failure, ClientError::ProtocolViolation { what, .. } if is(what))
}

#[tokio::test]
async fn wrong_bytes_are_named() {
    let other = BrickHash::of(b"other");
    let is_damaged = |failure: &ClientError| matches!(failure, ClientError::DamagedBrick { .. });
    check_lie(Lie::FlipBit(49_999), is_damaged).await;
    check_lie(Lie::Shorten(49_999), is_damaged).await;
    check_lie(Lie::BytesOf(other.to_string()), move |failure| {
        matches!(failure, ClientError::DamagedBrick { actual, .. } if *actual == other)
    })
    .await;
}

#[tokio::test]
async fn bodies_without_end_are_named() {
    for endlessness in [
        Endlessness::Chunked,
        Endlessness::Sized(1 << 40),
        Endlessness::UntilClose,
    ] {
        check_lie(Lie::Endless(endlessness), |failure| {
            is_violation(failure, |what| {
                *what == Violation::EndlessBody { bytes_max: 100_000 }
            })
        })
        .await;
    }
}

#[tokio::test]
async fn cut_and_stalled_answers_are_named() {
    check_lie(Lie::CutAfter(40_000), |failure| {
        is_violation(failure, |what| matches!(what, Violation::CutBody { .. }))
    })
    .await;
    let is_slow = |failure: &ClientError| matches!(failure, ClientError::TooSlow { .. });
    check_lie(Lie::Stall, is_slow).await;
    check_lie(Lie::Silence, is_slow).await;
    // A byte now and then is no progress.
    check_lie(Lie::Drip(support::IDLE / 3), is_slow).await;
    check_lie(Lie::Drop, |failure| {
        matches!(failure, ClientError::Unreachable { .. })
    })
    .await;
}

#[tokio::test]
async fn refusals_are_named_and_those_that_pass_are_outlived() {
    let status = |status: u16| Lie::Instead(status, r#"{"message":"because"}"#.to_owned());
    check_lie(status(500), |failure| {
        matches!(failure, ClientError::Refused { status: 500, message, .. } if message == "because")
    })
    .await;
    check_lie(status(403), |failure| {
        matches!(failure, ClientError::Refused { status: 403, .. })
    })
    .await;
    check_lie(status(503), |failure| {
        matches!(failure, ClientError::Busy { .. })
    })
    .await;
    check_lie(status(307), |failure| {
        is_violation(failure, |what| *what == Violation::Redirect)
    })
    .await;
    for passing in [
        status(500),
        status(503),
        Lie::Drop,
        Lie::CutAfter(5),
        Lie::Silence,
    ] {
        let stage = Stage::new(1);
        let hash = stage.store(b"patience");
        let watched = stage.client_against(&passing);
        stage.liars[0].tell(Rule::new(Route::GetBrick, passing).times(2));
        let brick = watched.client.bricks().fetch(&domain(), &hash).await;
        assert_eq!(&brick.unwrap()[..], b"patience");
        assert_eq!(watched.waits().len(), 2);
    }
}

#[tokio::test]
async fn a_missing_brick_is_one_also_where_the_status_says_otherwise() {
    let stage = Stage::new(1);
    let hash = stage.store(b"x");
    stage.liars[0].tell(Rule::new(Route::GetBrick, Lie::reference_not_found()));
    let failed = stage.client().client.bricks().fetch(&domain(), &hash).await;
    assert!(
        matches!(failed, Err(ClientError::MissingBrick { .. })),
        "{failed:?}"
    );
}

#[tokio::test]
async fn a_brick_comes_from_whoever_has_it_and_the_others_are_reported() {
    let lies = [
        Lie::FlipBit(3),
        Lie::Instead(404, r#"{"message":"Brick not found"}"#.to_owned()),
        Lie::Silence,
    ];
    for lie in lies {
        let stage = Stage::new(3);
        let hash = stage.store(b"somewhere");
        for liar in &stage.liars[..2] {
            liar.tell(Rule::new(Route::GetBrick, lie.clone()));
        }
        let watched = stage.client_against(&lie);
        for _ in 0..3 {
            let brick = watched.client.bricks().fetch(&domain(), &hash).await;
            assert_eq!(&brick.unwrap()[..], b"somewhere", "{lie:?}");
        }
        let bad = watched.bad_nodes();
        for liar in &stage.liars[..2] {
            assert!(
                bad.iter().any(|text| text.starts_with(&liar.url())),
                "{bad:?}"
            );
        }
    }
}

#[tokio::test]
async fn reads_take_turns() {
    let stage = Stage::new(3);
    let hash = stage.store(b"popular");
    let watched = stage.client();
    for _ in 0..6 {
        watched
            .client
            .bricks()
            .fetch(&domain(), &hash)
            .await
            .unwrap();
    }
    assert_eq!(
        [0, 1, 2].map(|liar| stage.asked(liar, "get-brick")),
        [2, 2, 2]
    );
}

#[tokio::test]
async fn a_majority_stores_and_the_bad_one_is_reported_and_left_alone() {
    let stage = Stage::new(3);
    stage.liars[1].tell(Rule::new(Route::Any, Lie::Drop));
    let watched = stage.client();
    let all = bricks(&[10, 20, 30]);
    let reports = watched
        .client
        .bricks()
        .put_many(&domain(), all.clone())
        .await
        .unwrap();
    for report in &reports {
        assert_eq!((report.stored_by.len(), report.failed.len()), (2, 1));
        assert!(
            stage.liars[1]
                .url()
                .starts_with(report.failed[0].as_str().trim_end_matches('/'))
        );
    }
    let bad = watched.bad_nodes();
    assert!(
        bad.iter()
            .any(|text| text.starts_with(&stage.liars[1].url())),
        "{bad:?}"
    );
    let asked = stage.liars[1].requests().len();
    let again = bricks(&[40]);
    watched
        .client
        .bricks()
        .put_many(&domain(), again)
        .await
        .unwrap();
    assert_eq!(stage.liars[1].requests().len(), asked);
    let have = watched
        .client
        .bricks()
        .have_many(&domain(), &hashes(&all))
        .await;
    assert_eq!(have.unwrap(), [true; 3]);
    // Two of three fail: no majority, and those that rest are asked again before that is said.
    stage.liars[2].tell(Rule::new(Route::Any, Lie::Drop));
    let (hash, bytes) = bricks(&[50]).remove(0);
    let failed = watched.client.bricks().put(&domain(), &hash, bytes).await;
    let is_named = |failure: &ClientError| {
        matches!(
            failure,
            ClientError::NoMajority {
                stored: 1,
                storages: 3,
                ..
            }
        )
    };
    assert!(failed.as_ref().is_err_and(is_named), "{failed:?}");
    assert!(stage.liars[1].requests().len() > asked);
}

#[tokio::test]
async fn what_a_storage_only_says_that_it_stored_is_found_out_later() {
    let stage = Stage::new(1);
    stage.liars[0].tell(Rule::new(Route::PutBrick, Lie::PretendStored));
    let watched = stage.client();
    let (hash, bytes) = bricks(&[10]).remove(0);
    let stores = watched.client.bricks();
    stores.put(&domain(), &hash, bytes.clone()).await.unwrap();
    assert_eq!(stores.have_many(&domain(), &[hash]).await.unwrap(), [false]);
    // A confirmation of another brick is none.
    stage.liars[0].be_honest();
    let confirmed = format!(r#"{{"message":"{}"}}"#, BrickHash::of(b"another"));
    stage.liars[0].tell(Rule::new(Route::PutBrick, Lie::Instead(201, confirmed)));
    let failed = stores.put(&domain(), &hash, bytes).await;
    assert!(matches!(failed, Err(ClientError::ProtocolViolation { .. })));
}

#[tokio::test]
async fn archives_that_lie_are_made_up_for() {
    for lie in [
        Lie::SwapBlocks(2, 5),
        Lie::FlipInBlock(3),
        Lie::OmitBlock(4),
        Lie::RepeatBlock(1),
        Lie::CutAfter(30_000),
        Lie::Shorten(30_000),
        Lie::Endless(Endlessness::Chunked),
        Lie::Stall,
        Lie::Instead(200, "no archive".to_owned()),
        Lie::Instead(500, String::new()),
    ] {
        let stage = Stage::new(1);
        let all = bricks(&[10_000; 9]);
        for (_, bytes) in &all {
            stage.store(bytes);
        }
        stage.liars[0].tell(Rule::new(Route::GetBricks, lie.clone()));
        let watched = stage.client_against(&lie);
        assert_are(&fetch_all(&watched, hashes(&all)).await, &all);
        assert_eq!(stage.liars[0].told().len(), 2, "{lie:?}");
        assert!(!watched.bad_nodes().is_empty(), "{lie:?}");
    }
}

#[tokio::test]
async fn a_stream_that_is_dropped_stops_fetching() {
    let stage = Stage::new(1);
    without_batches(&stage, 0);
    let all = bricks(&[100; 200]);
    for (_, bytes) in &all {
        stage.store(bytes);
    }
    let watched = stage.client();
    let mut stream = watched.client.bricks().fetch_many(&domain(), hashes(&all));
    assert!(stream.next().await.unwrap().1.is_ok());
    drop(stream);
    // At most `parallel` were on their way or waiting.
    assert!(stage.asked(0, "get-brick/") <= 1 + 2 * 8);
}
