//! What an anchor goes through when nothing goes wrong.

use ledger::Intent;

use super::{Case, cases};
use crate::author::{Author, entry, hash, time};
use crate::world::{Refusal, World, main_domain, unsigned};

/// Longest plain form of a value (keyssi specification, `AnchorValueError::TooLong`).
const VALUE_BYTES_MAX: usize = 2048;

pub(super) fn cases() -> Vec<Case> {
    cases![
        an_absent_anchor_has_no_history,
        a_created_anchor_is_read_back,
        an_appended_version_is_the_last,
        thirty_versions_keep_their_order,
        texts_come_back_byte_for_byte,
        create_or_append_does_what_the_anchor_needs,
        a_version_may_carry_the_time_of_the_last,
        a_time_beyond_64_bits_may_follow,
        a_constant_anchor_takes_its_one_value,
        a_constant_anchor_takes_any_link,
        a_hash_may_be_a_short_word,
        bricks_may_lie_in_another_domain,
        a_value_may_carry_a_hint,
        a_value_may_be_as_long_as_allowed,
        a_signature_with_high_s_counts,
        an_anchor_may_be_named_by_a_compressed_key,
        an_anchor_is_handed_over,
        an_anchor_is_handed_over_by_its_first_value,
        an_anchor_is_handed_over_twice,
    ]
}

async fn an_absent_anchor_has_no_history(world: &World) {
    world.assert_absent(world.signed().id()).await;
    world.assert_absent(&world.constant().0).await;
}

async fn a_created_anchor_is_read_back(world: &World) {
    let author = world.anchored(&["one"]).await;
    world.assert_holds(&author).await;
}

async fn an_appended_version_is_the_last(world: &World) {
    let mut author = world.anchored(&["one"]).await;
    let two = world.put(&mut author, "two").await;
    let last = world.ledger().last_version(author.id()).await.unwrap();
    assert_eq!(last, Some((two.as_str().to_owned(), 2)));
    world.assert_holds(&author).await;
}

async fn thirty_versions_keep_their_order(world: &World) {
    let mut author = world.signed();
    for version in 0..30 {
        world.put(&mut author, &format!("version {version}")).await;
        let count = world.ledger().last_version(author.id()).await.unwrap();
        assert_eq!(count.unwrap().1, version + 1);
    }
    world.assert_holds(&author).await;
}

async fn texts_come_back_byte_for_byte(world: &World) {
    let mut author = world.signed();
    let hint = r#"{"bricksDomain":"other","n":[1,{"a":"b\"c"}]}"#;
    for (bricks, hint) in [("default", None), ("UPPER.case-1", Some(hint))] {
        author = author.with_bricks_in(bricks, hint);
        world.put(&mut author, bricks).await;
    }
    world.assert_holds(&author).await;
    let (id, value) = world.constant();
    let create = entry(&id, &value, Intent::Create);
    world.ledger().write(create).await.unwrap();
    world
        .assert_history(&id, &[value.as_str().to_owned()])
        .await;
}

async fn create_or_append_does_what_the_anchor_needs(world: &World) {
    let mut author = world.signed();
    for text in ["one", "two", "three"] {
        let value = author.next(text);
        world.ledger().write(author.either(&value)).await.unwrap();
        author.took(&value);
    }
    world.assert_holds(&author).await;
}

async fn a_version_may_carry_the_time_of_the_last(world: &World) {
    let mut author = world.signed();
    for text in ["one", "two", "three"] {
        let value = author.next_at(text, &time(0));
        world.put_value(&mut author, &value).await;
    }
    world.assert_holds(&author).await;
}

async fn a_time_beyond_64_bits_may_follow(world: &World) {
    let mut author = world.anchored(&["one"]).await;
    // What the reference's clients write when their clock lags twice (keyssi specification §6.3).
    for (text, at) in [
        ("two", "170000000000010000"),
        ("three", "17000000000001000010000"),
    ] {
        let value = author.forged(&hash(text), author.previous(), at);
        world.put_value(&mut author, &value).await;
    }
    world.assert_holds(&author).await;
}

async fn a_constant_anchor_takes_its_one_value(world: &World) {
    for intent in [Intent::Create, Intent::CreateOrAppend] {
        let (id, value) = world.constant();
        world
            .ledger()
            .write(entry(&id, &value, intent))
            .await
            .unwrap();
        world
            .assert_history(&id, &[value.as_str().to_owned()])
            .await;
    }
}

/// Its value need not be the hash that it is named by.
async fn a_constant_anchor_takes_any_link(world: &World) {
    let (id, _) = world.constant();
    let value = unsigned(&hash("something else"));
    let create = entry(&id, &value, Intent::Create);
    world.ledger().write(create).await.unwrap();
    world
        .assert_history(&id, &[value.as_str().to_owned()])
        .await;
}

async fn a_hash_may_be_a_short_word(world: &World) {
    let mut author = world.signed();
    for (hash, later) in [("hash1", 0), ("hash2", 1)] {
        let at = time(later);
        let value = author.forged(hash, author.previous(), at.as_str());
        world.put_value(&mut author, &value).await;
    }
    world.assert_holds(&author).await;
}

async fn bricks_may_lie_in_another_domain(world: &World) {
    let mut author = world.signed().with_bricks_in("elsewhere", None);
    world.put(&mut author, "one").await;
    world.put(&mut author, "two").await;
    world.assert_holds(&author).await;
}

async fn a_value_may_carry_a_hint(world: &World) {
    let hint = Some(r#"{"bricksDomain":"elsewhere"}"#);
    let mut author = world.signed().with_bricks_in("default", hint);
    world.put(&mut author, "one").await;
    world.put(&mut author, "two").await;
    world.assert_holds(&author).await;
}

async fn a_value_may_be_as_long_as_allowed(world: &World) {
    let plain = world.signed().next("long");
    // A colon, and quotes around the text.
    let room = VALUE_BYTES_MAX - plain.plain().len() - 3;
    let hint = format!("\"{}\"", "h".repeat(room));
    let mut author = world.signed().with_bricks_in("default", Some(&hint));
    let value = author.next("long");
    assert!(
        VALUE_BYTES_MAX - value.plain().len() < 4,
        "hashes differ in length"
    );
    let written = world.ledger().write_all(vec![author.create(&value)]).await;
    if world.done_or_declined(written) {
        author.took(&value);
        // What was taken does not stand in the way of what follows.
        author = author.with_bricks_in("default", None);
        world.put(&mut author, "short").await;
    }
    world.assert_holds(&author).await;
}

/// Each signature has a second one, and the reference refuses neither.
async fn a_signature_with_high_s_counts(world: &World) {
    let mut author = world.signed();
    for text in ["one", "two"] {
        let value = author.next_with_high_s(text);
        world.put_value(&mut author, &value).await;
    }
    world.assert_holds(&author).await;
}

/// The same key in another text is another anchor; the contract of a chain cannot read it.
async fn an_anchor_may_be_named_by_a_compressed_key(world: &World) {
    let key = world.key();
    let raw = key.public_key().to_raw();
    let sign = if raw[64].is_multiple_of(2) { 2 } else { 3 };
    let compressed = [&[sign], &raw[1..33]].concat();
    let author = Author::named_by(key.clone(), &compressed, &main_domain());
    let mut author = world.known(author);
    let value = author.next("one");
    let written = world.ledger().write_all(vec![author.create(&value)]).await;
    if world.done_or_declined(written) {
        author.took(&value);
        world.put(&mut author, "two").await;
    }
    world.assert_holds(&author).await;
    world
        .assert_absent(Author::new(key, &main_domain()).id())
        .await;
}

async fn an_anchor_is_handed_over(world: &World) {
    let mut old = world.anchored(&["one"]).await;
    let new_key = world.key();
    let transfer = old.transfer_to(&new_key.public_key());
    let written = world.ledger().write_all(vec![old.append(&transfer)]).await;
    if world.done_or_declined(written) {
        old.took(&transfer);
        let by_old = old.next("by the old owner");
        let told = world.refused(old.append(&by_old)).await;
        assert_eq!(told, crate::world::OUT_OF_SYNC);
        let mut new = old.handed_to(new_key);
        world.put(&mut new, "by the new owner").await;
        world.put(&mut new, "and again").await;
        world.assert_holds(&new).await;
    } else {
        world.put(&mut old, "still the old owner's").await;
        world.assert_holds(&old).await;
    }
}

async fn an_anchor_is_handed_over_by_its_first_value(world: &World) {
    let mut old = world.signed();
    let new_key = world.key();
    let transfer = old.transfer_to(&new_key.public_key());
    let written = world.ledger().write_all(vec![old.create(&transfer)]).await;
    if world.done_or_declined(written) {
        old.took(&transfer);
        let mut new = old.handed_to(new_key);
        world.put(&mut new, "two").await;
        world.assert_holds(&new).await;
    } else {
        world.assert_absent(old.id()).await;
    }
}

/// Back to the first owner in the end.
async fn an_anchor_is_handed_over_twice(world: &World) {
    let mut first = world.anchored(&["one"]).await;
    let other_key = world.key();
    let there = first.transfer_to(&other_key.public_key());
    let written = world.ledger().write_all(vec![first.append(&there)]).await;
    if !world.done_or_declined(written) {
        world.assert_holds(&first).await;
        return;
    }
    first.took(&there);
    let mut other = first.handed_to(other_key);
    let back = other.transfer_to(&first.public_key());
    world.put_value(&mut other, &back).await;
    let by_other = other.next("by the other");
    let told = world.refused(other.append(&by_other)).await;
    assert_eq!(told, Refusal::Append(keyssi::AppendError::OutOfSync));
    first.took(&back);
    world.put(&mut first, "mine again").await;
    world.assert_holds(&first).await;
}
