//! Callers that go away, answers that nobody hears, and restarts.

use std::pin::pin;
use std::task::Poll;

use keyssi::AppendError;
use ledger::Intent;

use super::{Case, cases};
use crate::author::{Author, entry, hash, time};
use crate::world::{OUT_OF_SYNC, Refusal, World};

/// A write is given up after at most so many steps.
const STEPS_MAX: u32 = 12;

pub(super) fn cases() -> Vec<Case> {
    cases![
        a_creation_given_up_can_be_sent_again,
        a_version_given_up_can_be_sent_again,
        a_batch_given_up_is_there_whole_or_not_at_all,
        a_write_given_up_can_be_sent_again_another_way,
        a_write_given_up_holds_up_nobody,
        a_read_given_up_holds_up_nobody,
        histories_are_there_after_a_restart,
        the_rules_hold_after_a_restart,
        a_handed_over_anchor_stays_so_after_a_restart,
        a_history_goes_on_over_restarts,
        what_was_acknowledged_before_a_restart_is_there,
        a_write_cut_off_by_a_restart_can_be_sent_again,
        a_healthy_back_end_is_ready,
    ]
}

/// Takes a future so many steps, then drops it, wherever it is then.
async fn give_up<T>(future: impl Future<Output = T>, steps: u32) {
    let mut future = pin!(future);
    for _ in 0..steps {
        let step = std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context)));
        if step.await.is_ready() {
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// What sending again what may be there tells.
fn is_there(told: Result<(), ledger::LedgerError>, already: &Refusal) {
    if let Err(error) = told {
        assert_eq!(&Refusal::from(error), already);
    }
}

async fn a_creation_given_up_can_be_sent_again(world: &World) {
    for steps in 1..=STEPS_MAX {
        let mut author = world.signed();
        let value = author.next("one");
        let ledger = world.ledger();
        give_up(ledger.write(author.create(&value)), steps).await;
        let told = ledger.write(author.create(&value)).await;
        is_there(told, &Refusal::AlreadyExists);
        author.took(&value);
        world.assert_holds(&author).await;
    }
}

async fn a_version_given_up_can_be_sent_again(world: &World) {
    let mut author = world.anchored(&["one"]).await;
    for steps in 1..=STEPS_MAX {
        let value = author.next(&format!("after {steps}"));
        let ledger = world.ledger();
        give_up(ledger.write(author.append(&value)), steps).await;
        is_there(ledger.write(author.append(&value)).await, &OUT_OF_SYNC);
        author.took(&value);
        world.assert_holds(&author).await;
    }
}

async fn a_batch_given_up_is_there_whole_or_not_at_all(world: &World) {
    for steps in 1..=STEPS_MAX {
        let mut authors: Vec<Author> = (0..3).map(|_| world.signed()).collect();
        let mut batch = Vec::new();
        for author in &mut authors {
            let value = author.next("one");
            batch.push(author.create(&value));
            author.took(&value);
        }
        let ledger = world.ledger();
        give_up(ledger.write_all(batch.clone()), steps).await;
        let told = ledger.write_all(batch).await;
        is_there(told.map_err(|it| it.source), &Refusal::AlreadyExists);
        for author in &authors {
            world.assert_holds(author).await;
        }
    }
}

async fn a_write_given_up_can_be_sent_again_another_way(world: &World) {
    for steps in 1..=STEPS_MAX {
        let mut author = world.signed();
        let value = author.next("one");
        let (ledger, second) = (world.ledger(), world.second());
        give_up(ledger.write(author.create(&value)), steps).await;
        let told = second.write(author.create(&value)).await;
        is_there(told, &Refusal::AlreadyExists);
        author.took(&value);
        // Whatever the first way does with it yet, the next entry comes after it.
        let next = author.next("two");
        ledger.write(author.append(&next)).await.unwrap();
        author.took(&next);
        world.assert_holds(&author).await;
    }
}

/// Many who go away, and one who stays.
async fn a_write_given_up_holds_up_nobody(world: &World) {
    let author = world.signed();
    let ledger = world.ledger();
    let mut values = Vec::new();
    for number in 0..2 * STEPS_MAX {
        let value = author.next(&format!("given up {number}"));
        give_up(ledger.write(author.create(&value)), number % STEPS_MAX).await;
        values.push(value);
    }
    let mine = author.next("mine");
    let told = ledger.write(author.create(&mine)).await;
    is_there(told, &Refusal::AlreadyExists);
    values.push(mine);
    let history = ledger.all_versions(author.id()).await.unwrap();
    assert_eq!(history.len(), 1);
    assert!(values.iter().any(|it| it.as_str() == history[0]));
}

async fn a_read_given_up_holds_up_nobody(world: &World) {
    let mut author = world.anchored(&["one"]).await;
    let ledger = world.ledger();
    for steps in 0..STEPS_MAX {
        give_up(ledger.all_versions(author.id()), steps).await;
        give_up(ledger.last_version(author.id()), steps).await;
    }
    world.put(&mut author, "two").await;
    world.assert_holds(&author).await;
}

async fn histories_are_there_after_a_restart(world: &World) {
    let author = world.anchored(&["one", "two", "three"]).await;
    let (id, value) = world.constant();
    let create = entry(&id, &value, Intent::Create);
    world.ledger().write(create).await.unwrap();
    let absent = world.signed();
    for _ in 0..2 {
        world.restart();
        world.assert_holds(&author).await;
        world
            .assert_history(&id, &[value.as_str().to_owned()])
            .await;
        world.assert_absent(absent.id()).await;
    }
}

async fn the_rules_hold_after_a_restart(world: &World) {
    let mut author = world.anchored(&["one"]).await;
    let two = world.put(&mut author, "two").await;
    let older = author.forged(&hash("older"), author.previous(), time(0).as_str());
    world.restart();
    let told = world.refused(author.append(&older)).await;
    let expected = AppendError::OlderTimestamp {
        last: time(1),
        found: time(0),
    };
    assert_eq!(told, Refusal::Append(expected));
    assert_eq!(world.refused(author.append(&two)).await, OUT_OF_SYNC);
    let told = world.refused(author.create(&two)).await;
    assert_eq!(told, Refusal::AlreadyExists);
    world.assert_holds(&author).await;
}

async fn a_handed_over_anchor_stays_so_after_a_restart(world: &World) {
    let mut old = world.anchored(&["one"]).await;
    let new_key = world.key();
    let transfer = old.transfer_to(&new_key.public_key());
    let written = world.ledger().write_all(vec![old.append(&transfer)]).await;
    let is_done = world.done_or_declined(written);
    world.restart();
    if !is_done {
        world.put(&mut old, "two").await;
        world.assert_holds(&old).await;
        return;
    }
    old.took(&transfer);
    let by_old = old.next("by the old owner");
    assert_eq!(world.refused(old.append(&by_old)).await, OUT_OF_SYNC);
    let mut new = old.handed_to(new_key);
    world.put(&mut new, "by the new owner").await;
    world.restart();
    world.put(&mut new, "and again").await;
    world.assert_holds(&new).await;
}

async fn a_history_goes_on_over_restarts(world: &World) {
    let mut author = world.signed();
    for round in 0..3 {
        for version in 0..3 {
            world.put(&mut author, &format!("{round} {version}")).await;
        }
        world.restart();
    }
    world.assert_holds(&author).await;
}

async fn what_was_acknowledged_before_a_restart_is_there(world: &World) {
    let mut authors: Vec<Author> = (0..16).map(|_| world.signed()).collect();
    {
        let ledger = world.ledger();
        let mut tasks = Vec::new();
        for author in &mut authors {
            let value = author.next("one");
            let (ledger, entry) = (std::sync::Arc::clone(&ledger), author.create(&value));
            tasks.push(tokio::spawn(async move { ledger.write(entry).await }));
            author.took(&value);
        }
        for task in tasks {
            task.await.unwrap().unwrap();
        }
    }
    world.restart();
    for author in &authors {
        world.assert_holds(author).await;
    }
}

async fn a_write_cut_off_by_a_restart_can_be_sent_again(world: &World) {
    let mut authors: Vec<Author> = (0..STEPS_MAX).map(|_| world.signed()).collect();
    for (author, steps) in authors.iter().zip(1..) {
        let ledger = world.ledger();
        give_up(ledger.write(author.create(&author.next("one"))), steps).await;
    }
    world.restart();
    for author in &mut authors {
        let told = world
            .ledger()
            .write(author.create(&author.next("one")))
            .await;
        is_there(told, &Refusal::AlreadyExists);
        author.took(&author.next("one"));
        world.assert_holds(author).await;
    }
}

async fn a_healthy_back_end_is_ready(world: &World) {
    let author = world.anchored(&["one"]).await;
    // An entry that the rules refuse is no fault of the back end.
    world.refused(author.create(&author.next("two"))).await;
    assert_eq!(world.ledger().readiness(), Ok(()));
    assert_eq!(world.second().readiness(), Ok(()));
}
