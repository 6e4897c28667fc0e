//! Several brick storages of one domain, some of which lie: one honest storage is enough to read, a
//! majority is needed to write, and who lies is reported.

use std::time::Duration;

use client::BatchUse;
use testkit::liar::{Endlessness, Liar, Lie, Route, Rule};

use crate::shape::{shape, text};
use crate::stage::{Habits, IMPATIENCE, Stage, Watched};

/// Storages before one node; the first is asked for BDNS and for anchors.
struct Storages(Vec<Liar>);

impl Storages {
    fn before(stage: &Stage, count: usize) -> Self {
        let liars: Vec<Liar> = (0..count)
            .map(|_| Liar::before(stage.node.address()).unwrap())
            .collect();
        let urls: Vec<String> = liars.iter().map(Liar::url).collect();
        let bdns = format!(r#"{{"default":{{"brickStorages":{urls:?}}}}}"#);
        liars[0].tell(Rule::new(Route::Bdns, Lie::Instead(200, bdns)));
        Self(liars)
    }

    fn client(&self, habits: Habits) -> Watched {
        Watched::new(&self.0[0].url(), None, habits)
    }

    /// One of them tells this lie of every brick.
    fn tell(&self, number: usize, lie: &Lie, routes: &[Route]) {
        for route in routes {
            self.0[number].tell(Rule::new(*route, lie.clone()));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_honest_storage_is_enough_to_read() {
    let stage = Stage::new().await;
    for lie in [
        Lie::FlipBit(50),
        Lie::Shorten(20),
        Lie::CutAfter(20),
        Lie::Endless(Endlessness::Chunked),
        Lie::Drip(Duration::from_millis(200)),
        Lie::Silence,
        Lie::Drop,
        Lie::reference_not_found(),
        Lie::Instead(404, String::new()),
        Lie::Instead(500, String::new()),
        Lie::Instead(302, String::new()),
    ] {
        let storages = Storages::before(&stage, 2);
        storages.tell(1, &lie, &[Route::GetBrick, Route::GetBricks]);
        let mut bad = Vec::new();
        for batch in [BatchUse::WhereOffered, BatchUse::Never] {
            let mut habits = Habits {
                batch,
                ..Habits::default()
            };
            if matches!(lie, Lie::Drip(_) | Lie::Silence) {
                habits.idle = IMPATIENCE;
            }
            let watched = storages.client(habits);
            // Reads take turns: in some of them the liar is asked first.
            for _ in 0..3 {
                let read = stage.record.read(&watched.client).await;
                assert_eq!(read.map_err(|it| text(&it)), Ok(2), "{lie:?}");
            }
            bad.extend(watched.bad_nodes());
        }
        let (honest, liar) = (storages.0[0].url(), storages.0[1].url());
        assert!(
            bad.iter().any(|it| it.starts_with(&liar)),
            "{lie:?}: {bad:?}"
        );
        assert!(
            !bad.iter().any(|it| it.starts_with(&honest)),
            "{lie:?}: {bad:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_majority_is_needed_to_write() {
    const WRITES: [Route; 3] = [Route::HaveBricks, Route::PutBricks, Route::PutBrick];
    let stage = Stage::new().await;
    for (liars, expected) in [
        (vec![1], "committed 1"),
        (vec![0, 2], "NoMajority 1 of 3"),
        (vec![0, 1, 2], "NoMajority 0 of 3"),
    ] {
        let mut record = stage.fresh().await;
        let storages = Storages::before(&stage, 3);
        let watched = storages.client(Habits::default());
        let draft = record.draft(&watched.client).await.unwrap();
        for number in &liars {
            let full = Lie::Instead(507, "full".to_owned());
            storages.tell(*number, &full, &WRITES[1..]);
        }
        let file = [("/new", vec![7; 9_000])];
        let committed = record.commit(draft, &file, &[]).await;
        let found = match &committed {
            Ok(version) => format!("committed {version}"),
            Err(error) => shape(error),
        };
        assert_eq!(found, expected);
        let bad = watched.bad_nodes();
        for number in liars {
            let url = storages.0[number].url();
            assert!(bad.iter().any(|it| it.starts_with(&url)), "{bad:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storage_that_only_says_that_it_stores_is_outvoted() {
    let stage = Stage::new().await;
    let mut record = stage.fresh().await;
    let storages = Storages::before(&stage, 3);
    for route in [Route::PutBricks, Route::PutBrick] {
        storages.tell(1, &Lie::PretendStored, &[route]);
    }
    storages.tell(1, &Lie::SayAll(true), &[Route::HaveBricks]);
    let watched = storages.client(Habits::default());
    let draft = record.draft(&watched.client).await.unwrap();
    let file = [("/new", vec![7; 9_000])];
    assert_eq!(
        record
            .commit(draft, &file, &[])
            .await
            .map_err(|it| text(&it)),
        Ok(1)
    );
    assert_eq!(
        record.read(&watched.client).await.map_err(|it| text(&it)),
        Ok(1)
    );
}
