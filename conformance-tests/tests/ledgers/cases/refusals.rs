//! What the rules refuse, each with its exact reason, and that it changes nothing.

use keyssi::{
    AnchorKind, AnchorValue, AnchorValueError, AnchorValueKind, AppendError, CreateError,
    DomainError,
};
use ledger::Intent;

use super::{Case, cases};
use crate::author::{entry, hash, time};
use crate::world::{OUT_OF_SYNC, Refusal, World, unsigned};

pub(super) fn cases() -> Vec<Case> {
    cases![
        an_anchor_is_not_created_twice,
        the_same_first_value_is_not_taken_twice,
        a_constant_anchor_is_not_created_twice,
        nothing_is_appended_to_an_absent_anchor,
        nothing_is_appended_to_an_absent_constant_anchor,
        nothing_is_appended_to_a_constant_anchor,
        a_first_value_of_a_stranger_is_refused,
        a_first_value_signed_as_a_later_one_is_refused,
        a_first_value_that_was_altered_is_refused,
        a_first_time_has_thirteen_digits,
        a_signed_anchor_does_not_begin_with_an_unsigned_value,
        a_constant_anchor_takes_no_signed_value,
        a_first_value_that_only_others_would_store_is_refused,
        an_older_time_is_refused,
        an_older_time_is_told_before_a_bad_signature,
        a_version_of_a_stranger_is_refused,
        a_version_that_was_altered_is_refused,
        a_version_over_an_older_one_is_refused,
        the_same_version_is_not_taken_twice,
        a_first_value_does_not_follow_another,
        an_unsigned_value_does_not_follow,
        a_version_that_only_others_would_store_is_refused,
        a_handing_over_by_a_stranger_is_refused,
    ]
}

async fn an_anchor_is_not_created_twice(world: &World) {
    let author = world.anchored(&["one"]).await;
    let other = author.handed_to(world.key());
    for value in [author.next("two"), other.next("two")] {
        let told = world.refused(author.create(&value)).await;
        assert_eq!(told, Refusal::AlreadyExists);
    }
    world.assert_holds(&author).await;
}

async fn the_same_first_value_is_not_taken_twice(world: &World) {
    let mut author = world.signed();
    let one = world.put(&mut author, "one").await;
    let told = world.refused(author.create(&one)).await;
    assert_eq!(told, Refusal::AlreadyExists);
    assert_eq!(world.refused(author.append(&one)).await, OUT_OF_SYNC);
    assert_eq!(world.refused(author.either(&one)).await, OUT_OF_SYNC);
    world.assert_holds(&author).await;
}

async fn a_constant_anchor_is_not_created_twice(world: &World) {
    let (id, value) = world.constant();
    let ledger = world.ledger();
    ledger
        .write(entry(&id, &value, Intent::Create))
        .await
        .unwrap();
    for again in [&value, &unsigned(&hash("other"))] {
        let told = world.refused(entry(&id, again, Intent::Create)).await;
        assert_eq!(told, Refusal::AlreadyExists);
    }
    world
        .assert_history(&id, &[value.as_str().to_owned()])
        .await;
}

async fn nothing_is_appended_to_an_absent_anchor(world: &World) {
    let author = world.signed();
    let told = world.refused(author.append(&author.next("one"))).await;
    assert_eq!(told, Refusal::Absent);
    world.assert_absent(author.id()).await;
}

async fn nothing_is_appended_to_an_absent_constant_anchor(world: &World) {
    let (id, value) = world.constant();
    let told = world.refused(entry(&id, &value, Intent::Append)).await;
    assert_eq!(told, Refusal::Append(AppendError::ConstantAnchor));
    world.assert_absent(&id).await;
}

async fn nothing_is_appended_to_a_constant_anchor(world: &World) {
    let (id, value) = world.constant();
    let ledger = world.ledger();
    ledger
        .write(entry(&id, &value, Intent::Create))
        .await
        .unwrap();
    for intent in [Intent::Append, Intent::CreateOrAppend] {
        for next in [&value, &unsigned(&hash("next")), &world.signed().next("x")] {
            let told = world.refused(entry(&id, next, intent)).await;
            assert_eq!(told, Refusal::Append(AppendError::ConstantAnchor));
        }
    }
    world
        .assert_history(&id, &[value.as_str().to_owned()])
        .await;
}

async fn a_first_value_of_a_stranger_is_refused(world: &World) {
    let author = world.signed();
    let strangers = [author.handed_to(world.key()), world.signed()];
    for stranger in strangers {
        let told = world.refused(author.create(&stranger.next("one"))).await;
        assert_eq!(told, Refusal::Create(CreateError::BadSignature));
    }
    world.assert_absent(author.id()).await;
}

async fn a_first_value_signed_as_a_later_one_is_refused(world: &World) {
    let author = world.signed();
    let earlier = author.next("earlier");
    let later = author.forged(&hash("later"), earlier.plain(), time(0).as_str());
    for entry in [author.create(&later), author.either(&later)] {
        let told = world.refused(entry).await;
        assert_eq!(told, Refusal::Create(CreateError::BadSignature));
    }
    world.assert_absent(author.id()).await;
}

async fn a_first_value_that_was_altered_is_refused(world: &World) {
    let author = world.signed();
    for altered in altered(&author.next("one")) {
        let told = world.refused(author.create(&altered)).await;
        assert_eq!(told, Refusal::Create(CreateError::BadSignature));
    }
    world.assert_absent(author.id()).await;
}

/// Digits could be moved between hash and time otherwise: the signature of both is the same.
async fn a_first_time_has_thirteen_digits(world: &World) {
    let author = world.signed();
    let refused = || Refusal::Create(CreateError::TimestampNotThirteenDigits);
    let signed = author.forged("hash1", "", time(0).as_str());
    let moved = signed.plain().replace("hash1:1700", "hash11:700");
    let moved = AnchorValue::parse(&moved).unwrap();
    assert_eq!(world.refused(author.create(&moved)).await, refused());
    for digits in ["999999999999", "10000000000000", "0"] {
        let value = author.forged("hash1", "", digits);
        assert_eq!(world.refused(author.either(&value)).await, refused());
    }
    world.assert_absent(author.id()).await;
}

async fn a_signed_anchor_does_not_begin_with_an_unsigned_value(world: &World) {
    let author = world.signed();
    let told = world.refused(author.create(&unsigned(&hash("one")))).await;
    let expected = CreateError::WrongValueKind {
        anchor: AnchorKind::Signed,
        value: AnchorValueKind::HashLink,
    };
    assert_eq!(told, Refusal::Create(expected));
    world.assert_absent(author.id()).await;
}

async fn a_constant_anchor_takes_no_signed_value(world: &World) {
    let (id, _) = world.constant();
    let author = world.signed();
    let transfer = author.transfer_to(&author.public_key());
    for value in [author.next("one"), transfer] {
        let told = world.refused(entry(&id, &value, Intent::Create)).await;
        let expected = CreateError::WrongValueKind {
            anchor: AnchorKind::Constant,
            value: value.kind(),
        };
        assert_eq!(told, Refusal::Create(expected));
    }
    world.assert_absent(&id).await;
}

async fn a_first_value_that_only_others_would_store_is_refused(world: &World) {
    let author = world.signed();
    let value = hidden(&author.next("one"));
    let expected = || CreateError::Malformed(AnchorValueError::BadDomain(DomainError::BadStart));
    let told = world.refused(author.create(&value)).await;
    assert_eq!(told, Refusal::Create(expected()));
    let (id, value) = world.constant();
    let told = world
        .refused(entry(&id, &hidden(&value), Intent::Create))
        .await;
    assert_eq!(told, Refusal::Create(expected()));
    world.assert_absent(author.id()).await;
    world.assert_absent(&id).await;
}

async fn an_older_time_is_refused(world: &World) {
    let author = world.anchored(&["one", "two"]).await;
    let older = author.forged(&hash("three"), author.previous(), time(0).as_str());
    for entry in [author.append(&older), author.either(&older)] {
        assert_eq!(world.refused(entry).await, too_old(1, 0));
    }
    world.assert_holds(&author).await;
}

async fn an_older_time_is_told_before_a_bad_signature(world: &World) {
    let author = world.anchored(&["one", "two", "three"]).await;
    let stranger = author.handed_to(world.key());
    let older = stranger.forged(&hash("four"), author.previous(), time(1).as_str());
    assert_eq!(world.refused(author.append(&older)).await, too_old(2, 1));
    world.assert_holds(&author).await;
}

async fn a_version_of_a_stranger_is_refused(world: &World) {
    let author = world.anchored(&["one"]).await;
    let stranger = author.handed_to(world.key());
    let value = stranger.next("two");
    for entry in [author.append(&value), author.either(&value)] {
        assert_eq!(world.refused(entry).await, OUT_OF_SYNC);
    }
    world.assert_holds(&author).await;
}

async fn a_version_that_was_altered_is_refused(world: &World) {
    let author = world.anchored(&["one"]).await;
    for altered in altered(&author.next("two")) {
        assert_eq!(world.refused(author.append(&altered)).await, OUT_OF_SYNC);
    }
    world.assert_holds(&author).await;
}

async fn a_version_over_an_older_one_is_refused(world: &World) {
    let mut author = world.anchored(&["one"]).await;
    let late = author.next_at("late", &time(9));
    world.put(&mut author, "two").await;
    assert_eq!(world.refused(author.append(&late)).await, OUT_OF_SYNC);
    assert_eq!(world.refused(author.either(&late)).await, OUT_OF_SYNC);
    world.assert_holds(&author).await;
}

async fn the_same_version_is_not_taken_twice(world: &World) {
    let mut author = world.anchored(&["one"]).await;
    let two = world.put(&mut author, "two").await;
    assert_eq!(world.refused(author.append(&two)).await, OUT_OF_SYNC);
    assert_eq!(world.refused(author.either(&two)).await, OUT_OF_SYNC);
    world.assert_holds(&author).await;
}

async fn a_first_value_does_not_follow_another(world: &World) {
    let author = world.signed();
    let (one, other) = (author.next("one"), author.next("other"));
    world.ledger().write(author.create(&one)).await.unwrap();
    assert_eq!(world.refused(author.append(&other)).await, OUT_OF_SYNC);
    assert_eq!(world.refused(author.either(&other)).await, OUT_OF_SYNC);
    let history = [one.as_str().to_owned()];
    world.assert_history(author.id(), &history).await;
}

async fn an_unsigned_value_does_not_follow(world: &World) {
    let author = world.anchored(&["one"]).await;
    let value = unsigned(&hash("two"));
    let expected = AppendError::WrongValueKind {
        anchor: AnchorKind::Signed,
        value: AnchorValueKind::HashLink,
    };
    let told = world.refused(author.append(&value)).await;
    assert_eq!(told, Refusal::Append(expected));
    world.assert_holds(&author).await;
}

async fn a_version_that_only_others_would_store_is_refused(world: &World) {
    let author = world.anchored(&["one"]).await;
    let value = hidden(&author.next("two"));
    let expected = AnchorValueError::BadDomain(DomainError::BadStart);
    let told = world.refused(author.append(&value)).await;
    assert_eq!(told, Refusal::Append(AppendError::Malformed(expected)));
    world.assert_holds(&author).await;
}

async fn a_handing_over_by_a_stranger_is_refused(world: &World) {
    let mut author = world.anchored(&["one"]).await;
    let stranger = author.handed_to(world.key());
    let transfer = stranger.transfer_to(&stranger.public_key());
    assert_eq!(world.refused(author.append(&transfer)).await, OUT_OF_SYNC);
    world.put(&mut author, "still mine").await;
    world.assert_holds(&author).await;
}

fn too_old(last_ms: u64, found_ms: u64) -> Refusal {
    Refusal::Append(AppendError::OlderTimestamp {
        last: time(last_ms),
        found: time(found_ms),
    })
}

/// The value with each of its signed fields changed a little, and with another signature.
fn altered(value: &AnchorValue) -> [AnchorValue; 3] {
    let plain = value.plain();
    let (hash_text, time_text) = (value.brick_map_hash().unwrap(), value.timestamp().unwrap());
    let signature = value.signature_text().unwrap();
    let first = if signature.starts_with('A') { "B" } else { "A" };
    let later = time(999);
    [
        plain.replace(hash_text, &hash("altered")),
        plain.replace(time_text.as_str(), later.as_str()),
        plain.replace(signature, &format!("{first}{}", &signature[1..])),
    ]
    .map(|text| AnchorValue::parse(&text).unwrap())
}

/// The value in a bricks domain that others take and we do not; the signature does not cover it.
fn hidden(value: &AnchorValue) -> AnchorValue {
    let text = value.plain().replacen(":default:", ":.hidden:", 1);
    AnchorValue::parse_stored(&text).unwrap()
}
