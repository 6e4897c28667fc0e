//! Random single bytes of the answers of a session are others: BDNS, history, brick maps, archives,
//! single bricks, lists of what is there. What comes is the right bytes or an error; never other
//! bytes, never a panic, never a hang.

use std::time::Duration;

use client::dsus::verify;
use testkit::liar::{Liar, Lie, Route, Rule};
use testkit::random::Random;
use tokio::time::timeout;

use crate::shape::{shape, text};
use crate::stage::{Habits, Stage, Watched};

/// Corruptions in all.
const COUNT: usize = 2_000;
/// Sessions at a time.
const AT_ONCE: usize = 4;
const HANGS: Duration = Duration::from_mins(1);

/// What came of the sessions.
#[derive(Debug, Default)]
struct Tally {
    right: usize,
    refused: usize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_corrupted_byte_gives_the_right_bytes_or_an_error() {
    let stage = Stage::new().await;
    let mut random = Random::announced("corruption").unwrap();
    let sessions = (0..AT_ONCE).map(|_| many(&stage, random.fork(), COUNT / AT_ONCE));
    let tallies = futures_util::future::join_all(sessions).await;
    let sum = |of: fn(&Tally) -> usize| tallies.iter().map(of).sum::<usize>();
    let (right, refused) = (sum(|it| it.right), sum(|it| it.refused));
    assert_eq!(right + refused, COUNT);
    // A session that always or never gets through tests nothing.
    assert!(
        right > COUNT / 20 && refused > COUNT / 20,
        "{right} right, {refused} refused"
    );
}

async fn many(stage: &Stage, mut random: Random, count: usize) -> Tally {
    let liar = Liar::before(stage.node.address()).unwrap();
    assert_eq!(session(stage, &liar).await, Ok(()));
    let requests = liar.requests().len();
    let mut tally = Tally::default();
    for _ in 0..count {
        let bits = u8::try_from(1 + random.below(255)).unwrap();
        let lie = Lie::ChangeByte(random.index(1 << 20), bits);
        let place = random.index(requests);
        liar.be_honest();
        liar.tell(Rule::new(Route::Any, lie.clone()).after(place).times(1));
        let Ok(done) = timeout(HANGS, session(stage, &liar)).await else {
            panic!("{lie:?} of request {place}: it hangs");
        };
        match done {
            Ok(()) => tally.right += 1,
            Err(said) => {
                assert!(!said.is_empty(), "{lie:?} of request {place}");
                tally.refused += 1;
            }
        }
    }
    tally
}

/// A first-time reader reads all of the newest version, with batches and without, then checks every
/// version; the errors that it met. Wrong bytes fail the test.
async fn session(stage: &Stage, liar: &Liar) -> Result<(), String> {
    let record = &stage.record;
    let watched = Watched::new(&liar.url(), None, Habits::default());
    let version = record.read(&watched.client).await.map_err(|it| text(&it))?;
    // One byte makes no older history that verifies.
    assert_eq!(version, 2);
    let verified = verify(&watched.client, &record.reader())
        .await
        .map_err(|it| text(&it))?;
    let faults: Vec<String> = verified.faults.iter().map(|it| shape(&it.error)).collect();
    if faults.is_empty() {
        assert_eq!(verified.versions, 3);
        return Ok(());
    }
    Err(faults.join("; "))
}
