//! Simultaneous writes: one winner for each head, and losers who are told so.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use keyssi::AnchorValue;
use ledger::{Entry, Intent, Ledger};

use super::{Case, cases};
use crate::author::{Author, entry, hash, time};
use crate::world::{OUT_OF_SYNC, Refusal, World, unsigned};

/// Writers that want the same.
const CONTENDERS: usize = 64;

pub(super) fn cases() -> Vec<Case> {
    cases![
        of_64_creations_one_wins,
        of_64_creations_of_a_constant_anchor_one_wins,
        of_64_versions_of_one_head_one_wins,
        of_64_creations_or_versions_one_wins,
        an_entry_sent_64_times_is_there_once,
        sixty_four_anchors_are_written_at_once,
        of_two_batches_over_the_same_anchors_one_wins,
        of_two_batches_that_share_an_anchor_one_wins,
        two_writers_take_turns,
        a_reader_sees_no_hole_and_all_that_is_acknowledged,
    ]
}

/// Writes each entry at the same time, every other one by the second way. Gives what each was told.
async fn race(world: &World, entries: Vec<Entry>) -> Vec<Result<(), Refusal>> {
    let ways = [world.ledger(), world.second()];
    let tasks = entries.into_iter().enumerate().map(|(number, entry)| {
        let ledger = Arc::clone(&ways[number % 2]);
        tokio::spawn(async move { ledger.write(entry).await })
    });
    let tasks: Vec<_> = tasks.collect();
    let mut told = Vec::new();
    for task in tasks {
        told.push(task.await.unwrap().map_err(Refusal::from));
    }
    told
}

/// Demands one winner, and that each loser was told `lost`.
fn winner(told: &[Result<(), Refusal>], lost: &Refusal) -> usize {
    let won: Vec<usize> = (0..told.len()).filter(|it| told[*it].is_ok()).collect();
    for refusal in told.iter().filter_map(|it| it.as_ref().err()) {
        assert_eq!(refusal, lost);
    }
    assert_eq!(won.len(), 1, "winners");
    won[0]
}

/// Values that each could be the next of an anchor, all of one time.
fn rivals(author: &Author) -> Vec<AnchorValue> {
    let rival = |number| author.next_at(&format!("rival {number}"), &time(1));
    (0..CONTENDERS).map(rival).collect()
}

async fn of_64_creations_one_wins(world: &World) {
    let mut author = world.signed();
    let rivals = rivals(&author);
    let entries = rivals.iter().map(|it| author.create(it)).collect();
    let told = race(world, entries).await;
    author.took(&rivals[winner(&told, &Refusal::AlreadyExists)]);
    world.assert_holds(&author).await;
}

async fn of_64_creations_of_a_constant_anchor_one_wins(world: &World) {
    let (id, _) = world.constant();
    let rivals = (0..CONTENDERS).map(|it| unsigned(&hash(&format!("rival {it}"))));
    let rivals: Vec<_> = rivals.collect();
    let entries = rivals.iter().map(|it| entry(&id, it, Intent::Create));
    let told = race(world, entries.collect()).await;
    let won = &rivals[winner(&told, &Refusal::AlreadyExists)];
    world.assert_history(&id, &[won.as_str().to_owned()]).await;
}

async fn of_64_versions_of_one_head_one_wins(world: &World) {
    let mut author = world.anchored(&["one"]).await;
    let rivals = rivals(&author);
    let entries = rivals.iter().map(|it| author.append(it)).collect();
    let told = race(world, entries).await;
    author.took(&rivals[winner(&told, &OUT_OF_SYNC)]);
    world.assert_holds(&author).await;
}

async fn of_64_creations_or_versions_one_wins(world: &World) {
    let mut author = world.signed();
    for _ in 0..2 {
        let rivals = rivals(&author);
        let entries = rivals.iter().map(|it| author.either(it)).collect();
        let told = race(world, entries).await;
        author.took(&rivals[winner(&told, &OUT_OF_SYNC)]);
    }
    world.assert_holds(&author).await;
}

/// A way that reads what stands there may tell a loser that it is done: its value is there.
async fn an_entry_sent_64_times_is_there_once(world: &World) {
    let mut author = world.signed();
    for text in ["one", "two"] {
        let value = author.next(text);
        let is_first = author.values().is_empty();
        let (entry, lost) = if is_first {
            (author.create(&value), Refusal::AlreadyExists)
        } else {
            (author.append(&value), OUT_OF_SYNC)
        };
        let told = race(world, vec![entry; CONTENDERS]).await;
        assert!(told.iter().any(Result::is_ok));
        let refusals = told.iter().filter_map(|it| it.as_ref().err());
        refusals.for_each(|it| assert_eq!(it, &lost));
        author.took(&value);
        world.assert_holds(&author).await;
    }
}

async fn sixty_four_anchors_are_written_at_once(world: &World) {
    let mut authors: Vec<_> = (0..CONTENDERS).map(|_| world.signed()).collect();
    let mut entries = Vec::new();
    for author in &mut authors {
        let value = author.next("one");
        entries.push(author.create(&value));
        author.took(&value);
    }
    let told = race(world, entries).await;
    assert!(told.iter().all(Result::is_ok), "{told:?}");
    for author in &authors {
        world.assert_holds(author).await;
    }
}

/// Which of two batches that are sent at the same time, one each way, were written.
async fn two_batches(world: &World, batches: [Vec<Entry>; 2]) -> [Result<(), Refusal>; 2] {
    let [one, other] = batches;
    let ways = (world.ledger(), world.second());
    let (one, other) = tokio::join!(ways.0.write_all(one), ways.1.write_all(other));
    [one, other].map(|it| it.map_err(|error| error.source.into()))
}

async fn of_two_batches_over_the_same_anchors_one_wins(world: &World) {
    let authors: Vec<_> = (0..3).map(|_| world.signed()).collect();
    let values = |text: &str| authors.iter().map(|it| it.next(text)).collect::<Vec<_>>();
    let rivals = [values("one"), values("other")];
    let batch = |values: &Vec<AnchorValue>| {
        let entries = authors.iter().zip(values);
        entries
            .map(|(author, value)| author.create(value))
            .collect()
    };
    let told = two_batches(world, [batch(&rivals[0]), batch(&rivals[1])]).await;
    let won = &rivals[winner(&told, &Refusal::AlreadyExists)];
    for (author, value) in authors.iter().zip(won) {
        let history = [value.as_str().to_owned()];
        world.assert_history(author.id(), &history).await;
    }
}

async fn of_two_batches_that_share_an_anchor_one_wins(world: &World) {
    let shared = world.anchored(&["one"]).await;
    let own = [world.signed(), world.signed()];
    let rivals = ["two", "other"].map(|text| shared.next(text));
    let firsts = [own[0].next("own"), own[1].next("own")];
    // The shared one stands first in one batch and last in the other.
    let batches = [
        vec![shared.append(&rivals[0]), own[0].create(&firsts[0])],
        vec![own[1].create(&firsts[1]), shared.append(&rivals[1])],
    ];
    let told = two_batches(world, batches).await;
    let won = winner(&told, &OUT_OF_SYNC);
    let mut history = shared.values().to_vec();
    history.push(rivals[won].as_str().to_owned());
    world.assert_history(shared.id(), &history).await;
    let first = [firsts[won].as_str().to_owned()];
    world.assert_history(own[won].id(), &first).await;
    world.assert_absent(own[1 - won].id()).await;
}

/// What one has written is what the other continues.
async fn two_writers_take_turns(world: &World) {
    let ways = [world.ledger(), world.second()];
    let mut author = world.signed();
    for version in 0..8 {
        let value = author.next(&format!("version {version}"));
        let ledger = &ways[version % 2];
        ledger.write(author.either(&value)).await.unwrap();
        author.took(&value);
        let seen = ways[1 - version % 2].last_version(author.id()).await;
        let count = author.values().len() as u64;
        assert_eq!(seen.unwrap(), Some((value.as_str().to_owned(), count)));
    }
    world.assert_holds(&author).await;
}

/// What is not acknowledged yet may come and go, as a block does that the chain gives up.
async fn a_reader_sees_no_hole_and_all_that_is_acknowledged(world: &World) {
    let mut author = world.signed();
    let id = author.id().clone();
    let reader: Arc<dyn Ledger> = world.second();
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let (ended, mut end) = tokio::sync::oneshot::channel::<()>();
    let known = Arc::clone(&acknowledged);
    let reading = tokio::spawn(async move {
        let mut seen = Vec::new();
        while end.try_recv().is_err() {
            let least = known.load(Ordering::SeqCst);
            seen.push((least, reader.all_versions(&id).await.unwrap()));
        }
        seen
    });
    for version in 0..12 {
        world.put(&mut author, &format!("version {version}")).await;
        acknowledged.store(author.values().len(), Ordering::SeqCst);
    }
    ended.send(()).unwrap();
    for (least, history) in reading.await.unwrap() {
        assert!(author.values().starts_with(&history), "{history:?}");
        assert!(history.len() >= least, "an acknowledged version is missing");
    }
}
