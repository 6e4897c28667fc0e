//! Several entries at once: whole, in order, or not at all.

use keyssi::{AppendError, CreateError};
use ledger::{Entry, Intent};

use super::{Case, cases};
use crate::author::{Author, entry, hash, time};
use crate::world::{OUT_OF_SYNC, Refusal, World};

/// Anchors of a batch that every back end can take at once.
const BATCH: usize = 5;

pub(super) fn cases() -> Vec<Case> {
    cases![
        an_empty_batch_does_nothing,
        a_batch_of_one_is_an_entry,
        a_batch_of_new_anchors_is_written,
        a_batch_of_versions_is_written,
        a_batch_creates_and_appends,
        a_bad_entry_at_any_place_keeps_the_batch_out,
        a_version_that_is_too_old_keeps_the_batch_out,
        an_anchor_that_exists_keeps_the_batch_out,
        an_absent_anchor_keeps_the_batch_out,
        a_refused_batch_can_be_sent_again_without_its_bad_entry,
        a_batch_is_not_taken_twice,
        the_same_entry_twice_is_not_taken,
        several_versions_of_an_anchor_are_a_batch,
        a_constant_anchor_is_part_of_a_batch,
        a_second_value_of_a_constant_anchor_keeps_the_batch_out,
        a_hundred_anchors_are_a_batch,
    ]
}

/// New anchors, and an entry that creates each.
fn creations(world: &World, count: usize, intent: Intent) -> (Vec<Author>, Vec<Entry>) {
    let mut authors = Vec::new();
    let mut entries = Vec::new();
    for number in 0..count {
        let mut author = world.signed();
        let value = author.next(&format!("of {number}"));
        entries.push(entry(author.id(), &value, intent));
        author.took(&value);
        authors.push(author);
    }
    (authors, entries)
}

/// Writes a batch that must be refused; gives the place of the refused entry, and why.
async fn refused(world: &World, entries: Vec<Entry>) -> (usize, Refusal) {
    match world.ledger().write_all(entries).await {
        Ok(()) => panic!("it was taken"),
        Err(error) => (error.index, error.source.into()),
    }
}

async fn an_empty_batch_does_nothing(world: &World) {
    world.ledger().write_all(Vec::new()).await.unwrap();
}

async fn a_batch_of_one_is_an_entry(world: &World) {
    let (mut authors, entries) = creations(world, 1, Intent::Create);
    world.ledger().write_all(entries).await.unwrap();
    let two = authors[0].next("two");
    let batch = vec![authors[0].append(&two)];
    world.ledger().write_all(batch).await.unwrap();
    authors[0].took(&two);
    world.assert_holds(&authors[0]).await;
}

async fn a_batch_of_new_anchors_is_written(world: &World) {
    for intent in [Intent::Create, Intent::CreateOrAppend] {
        let (authors, entries) = creations(world, BATCH, intent);
        world.ledger().write_all(entries).await.unwrap();
        for author in &authors {
            world.assert_holds(author).await;
        }
    }
}

async fn a_batch_of_versions_is_written(world: &World) {
    let (mut authors, entries) = creations(world, BATCH, Intent::Create);
    world.ledger().write_all(entries).await.unwrap();
    for text in ["two", "three"] {
        let mut batch = Vec::new();
        for author in &mut authors {
            let value = author.next(text);
            batch.push(author.append(&value));
            author.took(&value);
        }
        world.ledger().write_all(batch).await.unwrap();
    }
    for author in &authors {
        world.assert_holds(author).await;
    }
}

async fn a_batch_creates_and_appends(world: &World) {
    let (mut authors, mut entries) = creations(world, 4, Intent::Create);
    let later = entries.split_off(2);
    world.ledger().write_all(entries).await.unwrap();
    let mut batch = later;
    for author in &mut authors[..2] {
        let value = author.next("two");
        batch.insert(1, author.append(&value));
        author.took(&value);
    }
    world.ledger().write_all(batch).await.unwrap();
    for author in &authors {
        world.assert_holds(author).await;
    }
}

async fn a_bad_entry_at_any_place_keeps_the_batch_out(world: &World) {
    for place in 0..BATCH {
        let (authors, mut entries) = creations(world, BATCH, Intent::Create);
        entries[place].value = world.signed().next("of a stranger");
        let bad_signature = Refusal::Create(CreateError::BadSignature);
        assert_eq!(refused(world, entries).await, (place, bad_signature));
        for author in &authors {
            world.assert_absent(author.id()).await;
        }
    }
}

async fn a_version_that_is_too_old_keeps_the_batch_out(world: &World) {
    let (authors, mut entries) = creations(world, 3, Intent::Create);
    let old = world.anchored(&["one", "two"]).await;
    let older = old.forged(&hash("three"), old.previous(), time(0).as_str());
    entries.push(old.append(&older));
    let (place, told) = refused(world, entries).await;
    assert!(matches!(
        (place, told),
        (3, Refusal::Append(AppendError::OlderTimestamp { .. }))
    ));
    for author in &authors {
        world.assert_absent(author.id()).await;
    }
    world.assert_holds(&old).await;
}

async fn an_anchor_that_exists_keeps_the_batch_out(world: &World) {
    let there = world.anchored(&["one"]).await;
    let (authors, mut entries) = creations(world, 4, Intent::Create);
    entries.insert(2, there.create(&there.next("two")));
    let told = refused(world, entries).await;
    assert_eq!(told, (2, Refusal::AlreadyExists));
    for author in &authors {
        world.assert_absent(author.id()).await;
    }
    world.assert_holds(&there).await;
}

async fn an_absent_anchor_keeps_the_batch_out(world: &World) {
    let (authors, mut entries) = creations(world, 4, Intent::Create);
    let absent = world.signed();
    entries.insert(1, absent.append(&absent.next("one")));
    assert_eq!(refused(world, entries).await, (1, Refusal::Absent));
    for author in &authors {
        world.assert_absent(author.id()).await;
    }
    world.assert_absent(absent.id()).await;
}

async fn a_refused_batch_can_be_sent_again_without_its_bad_entry(world: &World) {
    let (authors, mut entries) = creations(world, BATCH, Intent::Create);
    let stranger = world.signed();
    let bad = entry(stranger.id(), &entries[0].value, Intent::Create);
    entries.push(bad);
    let bad_signature = Refusal::Create(CreateError::BadSignature);
    let told = refused(world, entries.clone()).await;
    assert_eq!(told, (BATCH, bad_signature));
    entries.pop();
    world.ledger().write_all(entries).await.unwrap();
    for author in &authors {
        world.assert_holds(author).await;
    }
    world.assert_absent(stranger.id()).await;
}

async fn a_batch_is_not_taken_twice(world: &World) {
    let (mut authors, entries) = creations(world, BATCH, Intent::Create);
    world.ledger().write_all(entries.clone()).await.unwrap();
    let told = refused(world, entries).await;
    assert_eq!(told, (0, Refusal::AlreadyExists));
    let mut batch = Vec::new();
    for author in &mut authors {
        let value = author.next("two");
        batch.push(author.append(&value));
        author.took(&value);
    }
    world.ledger().write_all(batch.clone()).await.unwrap();
    assert_eq!(refused(world, batch).await, (0, OUT_OF_SYNC));
    for author in &authors {
        world.assert_holds(author).await;
    }
}

/// Refused by the rules, or because the back end takes one value of an anchor at a time.
async fn the_same_entry_twice_is_not_taken(world: &World) {
    let (authors, mut entries) = creations(world, 2, Intent::Create);
    entries.push(entries[0].clone());
    let (place, told) = refused(world, entries).await;
    assert_eq!(place, 2);
    if told != Refusal::AlreadyExists {
        assert_eq!(told, Refusal::Unsupported);
    }
    for author in &authors {
        world.assert_absent(author.id()).await;
    }
}

async fn several_versions_of_an_anchor_are_a_batch(world: &World) {
    let mut grown = world.signed();
    let (mut authors, mut entries) = creations(world, 1, Intent::Create);
    for text in ["one", "two", "three"] {
        let value = grown.next(text);
        entries.push(grown.either(&value));
        grown.took(&value);
    }
    authors.push(grown);
    let written = world.ledger().write_all(entries).await;
    let is_done = world.done_or_declined(written);
    for author in &authors {
        let values = if is_done { author.values() } else { &[] };
        world.assert_history(author.id(), values).await;
    }
}

async fn a_constant_anchor_is_part_of_a_batch(world: &World) {
    let (authors, mut entries) = creations(world, 2, Intent::Create);
    let (id, value) = world.constant();
    entries.insert(1, entry(&id, &value, Intent::Create));
    let written = world.ledger().write_all(entries).await;
    let is_done = world.done_or_declined(written);
    for author in &authors {
        let values = if is_done { author.values() } else { &[] };
        world.assert_history(author.id(), values).await;
    }
    let values = if is_done {
        vec![value.as_str().to_owned()]
    } else {
        Vec::new()
    };
    world.assert_history(&id, &values).await;
}

/// Refused by the rules, or because the back end takes a constant anchor alone only.
async fn a_second_value_of_a_constant_anchor_keeps_the_batch_out(world: &World) {
    let (authors, mut entries) = creations(world, 2, Intent::Create);
    let (id, value) = world.constant();
    let create = entry(&id, &value, Intent::Create);
    world.ledger().write(create).await.unwrap();
    entries.push(entry(&id, &value, Intent::CreateOrAppend));
    let (place, told) = refused(world, entries).await;
    assert_eq!(place, 2);
    if told != Refusal::Append(AppendError::ConstantAnchor) {
        assert_eq!(told, Refusal::Unsupported);
    }
    for author in &authors {
        world.assert_absent(author.id()).await;
    }
    world
        .assert_history(&id, &[value.as_str().to_owned()])
        .await;
}

async fn a_hundred_anchors_are_a_batch(world: &World) {
    let (authors, entries) = creations(world, 100, Intent::Create);
    let written = world.ledger().write_all(entries).await;
    let is_done = world.done_or_declined(written);
    let ledger = world.ledger();
    for author in &authors {
        let values = if is_done { author.values() } else { &[] };
        assert_eq!(ledger.all_versions(author.id()).await.unwrap(), values);
    }
}
