use keyssi::{AnchorSigner, KeySsi, PublicKey};

use super::*;

const SEED: &str = "ssi:seed:default:Niq62WOdkiBaAmAq/OD/RFU+tZ4neTK/ntIGMdq3gAM=::v0";
const START: u64 = 1_795_191_398_360;

fn seed() -> KeySsi {
    KeySsi::parse(SEED).unwrap()
}

fn id() -> AnchorId {
    AnchorId::of(&seed()).unwrap()
}

fn hash(version: usize) -> keyssi::BrickHash {
    keyssi::BrickHash::of(&[u8::try_from(version).unwrap()])
}

/// Versions signed at the given times after the first.
fn signed(delays: &[u64]) -> Vec<String> {
    let signer = AnchorSigner::of_seed(&seed()).unwrap();
    let mut values: Vec<String> = Vec::new();
    for (version, delay) in delays.iter().enumerate() {
        let hash = hash(version).to_string();
        let now = Timestamp::from_millis(START + delay);
        let history = History::check(&id(), &values).unwrap();
        let value = match history.head() {
            None => signer.create(&hash, &now),
            Some(head) => signer.append(head, &hash, &now),
        };
        values.push(value.unwrap().as_str().to_owned());
    }
    values
}

fn moment(delay: u64) -> Moment {
    Moment::from_millis(START + delay)
}

#[test]
fn versions_are_found_by_number_and_time() {
    let history = History::check(&id(), &signed(&[0, 10, 10, 30])).unwrap();
    assert_eq!(history.len(), 4);
    assert_eq!(history.brick_map(2).unwrap().hash, hash(2));
    assert_eq!(history.brick_map(4), None);
    assert_eq!(history.time(3), Some(moment(30)));
    for (delay, version) in [(0, 0), (9, 0), (10, 2), (29, 2), (30, 3), (99, 3)] {
        assert_eq!(history.at_time(moment(delay)), Some(version), "{delay}");
    }
    assert_eq!(history.at_time(Moment::from_millis(START - 1)), None);
}

#[test]
fn an_anchor_without_versions_has_an_empty_history() {
    let history = History::check(&id(), &[]).unwrap();
    assert!(history.is_empty() && history.head().is_none());
    assert_eq!(history.latest_brick_map(), None);
    assert_eq!(history.at_time(moment(0)), None);
    let grown = History::check(&id(), &signed(&[0])).unwrap();
    assert_eq!(grown.extends(&history.seen_head()), Ok(()));
    let (seen, shown) = (1, 0);
    let rollback = Err(Rollback::Shorter { seen, shown });
    assert_eq!(history.extends(&grown.seen_head()), rollback);
}

#[test]
fn a_constant_has_one_version_without_time() {
    let ssi = KeySsi::constant("default", "text").unwrap();
    let id = AnchorId::of(&ssi).unwrap();
    let value = AnchorValue::constant(&ssi, &hash(0).to_string()).unwrap();
    let value = value.as_str().to_owned();
    let history = History::check(&id, std::slice::from_ref(&value)).unwrap();
    assert_eq!(history.time(0), None);
    assert_eq!(history.at_time(Moment::from_millis(0)), Some(0));
    let fault = History::check(&id, &[value.clone(), value]).unwrap_err();
    assert_eq!(fault.version, 1);
}

#[test]
fn forged_values_are_named() {
    let values = signed(&[0, 10, 20]);
    let check = |change: &dyn Fn(&mut Vec<String>), version: usize| {
        let mut forged = values.clone();
        change(&mut forged);
        let fault = History::check(&id(), &forged).unwrap_err();
        assert_eq!(fault.version, version, "{fault:?}");
    };
    check(&|it| it[1] = it[0].clone(), 1);
    check(&|it| it.swap(1, 2), 1);
    check(&|it| drop(it.remove(1)), 1);
    check(&|it| "nonsense".clone_into(&mut it[2]), 2);
    check(&|it| it[2] = "1".repeat(VALUE_CHARS_MAX + 1), 2);
    check(
        &|it| {
            let value = AnchorValue::parse(&it[2]).unwrap();
            let other = hash(7).to_string();
            let own = value.brick_map_hash().unwrap().to_owned();
            it[2] = value.plain().replace(&own, &other);
        },
        2,
    );
    let stranger = KeySsi::parse(&SEED.replace("Niq6", "Niq7")).unwrap();
    let stranger = AnchorId::of(&stranger).unwrap();
    assert_eq!(History::check(&stranger, &values).unwrap_err().version, 0);
}

/// A clock that was far ahead makes a time beyond 64 bits (§14-12).
#[test]
fn times_beyond_64_bits_are_no_moments_but_are_ordered() {
    let signer = AnchorSigner::of_seed(&seed()).unwrap();
    let mut values = signed(&[0]);
    let history = History::check(&id(), &values).unwrap();
    let far: Timestamp = "17951944729021000010000".parse().unwrap();
    let value = signer.append(history.head().unwrap(), &hash(1).to_string(), &far);
    values.push(value.unwrap().as_str().to_owned());
    let history = History::check(&id(), &values).unwrap();
    assert_eq!(history.time(1), None);
    assert_eq!(history.at_time(Moment::from_millis(u64::MAX)), Some(0));
    assert_eq!(history.latest_brick_map().unwrap().0, 1);
}

#[test]
fn handing_over_is_a_version_without_a_brick_map() {
    let signer = AnchorSigner::of_seed(&seed()).unwrap();
    let mut values = signed(&[0]);
    let history = History::check(&id(), &values).unwrap();
    let next: PublicKey = KeySsi::parse(&SEED.replace("Niq6", "Niq7"))
        .unwrap()
        .public_key()
        .unwrap();
    let now = Timestamp::from_millis(START + 1);
    let value = signer.transfer(history.head(), &next, &now).unwrap();
    values.push(value.as_str().to_owned());
    let history = History::check(&id(), &values).unwrap();
    assert_eq!(history.brick_map(1), None);
    assert_eq!(history.latest_brick_map().unwrap().0, 0);
}

#[test]
fn another_history_than_the_one_seen_is_named() {
    let (first, second) = (signed(&[0, 10]), signed(&[0, 20]));
    let seen = History::check(&id(), &first).unwrap().seen_head();
    let shown = History::check(&id(), &second).unwrap();
    let due = Rollback::Replaced {
        version: 1,
        seen: first[1].clone(),
        shown: second[1].clone(),
    };
    assert_eq!(shown.extends(&seen), Err(due));
    assert_eq!(shown.extends(&shown.seen_head()), Ok(()));
}
