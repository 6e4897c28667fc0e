//! `Anchoring`, the contract for tests: the rules and status codes of generation 4, and the defects
//! that a client of the original meets (ledger specification §2.3 and §2.4).

mod defects;
mod recorded;

use alloy_sol_types::{SolCall, sol};

use crate::contract::{Contract, Mined};
use crate::writer::{Writer, constant};

sol! {
    #[derive(Debug, PartialEq, Eq)]
    struct Item { string anchorId; string[] anchorValues; }
    event InvokeStatus(uint256 indexed statusCode);
    function createAnchor(string anchorId, string newAnchorValue) external;
    function appendAnchor(string anchorId, string newAnchorValue) external;
    function createOrUpdateMultipleAnchors(string[] anchors) external;
    function getAllVersions(string anchorId) external view returns (string[]);
    function getLastVersion(string anchorId) external view returns (string);
    function dumpAnchors(uint256 from, uint256 limit, uint256 maxSize) external returns (Item[]);
    function totalNumberOfAnchors() external returns (uint256);
}

/// Least gas that the original takes for an anchor (translog specification §10, optimised).
const ORIGINAL_CREATE_GAS: u64 = 1_216_000;

fn anchoring() -> Contract {
    Contract::deploy("Anchoring", &[])
}

fn create(id: &str, value: &str) -> createAnchorCall {
    createAnchorCall {
        anchorId: id.to_owned(),
        newAnchorValue: value.to_owned(),
    }
}

fn append(id: &str, value: &str) -> appendAnchorCall {
    appendAnchorCall {
        anchorId: id.to_owned(),
        newAnchorValue: value.to_owned(),
    }
}

/// The creation of the writer's anchor with the next value that it signs.
fn creation(writer: &mut Writer) -> createAnchorCall {
    let value = writer.next();
    create(&writer.id, &value)
}

/// The next value that the writer signs, for its anchor.
fn continuation(writer: &mut Writer) -> appendAnchorCall {
    let value = writer.next();
    append(&writer.id, &value)
}

fn multiple(items: &[&str]) -> createOrUpdateMultipleAnchorsCall {
    let anchors = items.iter().map(|it| (*it).to_owned()).collect();
    createOrUpdateMultipleAnchorsCall { anchors }
}

fn dump(from: u64, limit: u64, max_size: u64) -> dumpAnchorsCall {
    dumpAnchorsCall {
        from: from.try_into().unwrap(),
        limit: limit.try_into().unwrap(),
        maxSize: max_size.try_into().unwrap(),
    }
}

/// Sends a write and gives the status code of its only event.
fn status<C: SolCall>(contract: &Contract, call: &C) -> u64 {
    code(&contract.send(0, call))
}

fn code(mined: &Mined) -> u64 {
    mined.event::<InvokeStatus>().statusCode.to()
}

fn versions(contract: &Contract, id: &str) -> Vec<String> {
    let last = contract.call(&getLastVersionCall {
        anchorId: id.to_owned(),
    });
    let all = contract.call(&getAllVersionsCall {
        anchorId: id.to_owned(),
    });
    assert_eq!(all.last().cloned().unwrap_or_default(), last);
    all
}

fn total(contract: &Contract) -> u64 {
    contract.call(&totalNumberOfAnchorsCall {}).to()
}

#[test]
fn anchors_are_stored_and_read_back() {
    let contract = anchoring();
    assert_eq!(total(&contract), 0);
    assert!(versions(&contract, "ssi:sza:default::x:v0").is_empty());
    let (mut first, mut second) = (Writer::new(1), Writer::new(2));
    let mut history = vec![first.next()];
    assert_eq!(status(&contract, &create(&first.id, &history[0])), 200);
    let only = second.next();
    assert_eq!(status(&contract, &create(&second.id, &only)), 200);
    for _ in 0..4 {
        history.push(first.next());
        assert_eq!(status(&contract, &append(&first.id, &first.last)), 200);
    }
    let (id, value) = constant(3);
    assert_eq!(status(&contract, &create(&id, &value)), 200);
    assert_eq!(versions(&contract, &first.id), history);
    assert_eq!(versions(&contract, &second.id), [only.as_str()]);
    assert_eq!(versions(&contract, &id), [value.as_str()]);
    assert_eq!(total(&contract), 3);
    let item = |id, values| Item {
        anchorId: id,
        anchorValues: values,
    };
    let items = [
        item(first.id, history),
        item(second.id, vec![only]),
        item(id, vec![value]),
    ];
    assert_eq!(contract.call(&dump(0, 10, 1_000_000)), items);
    assert_eq!(contract.call(&dump(1, 1, 1_000_000)), items[1..2]);
}

#[test]
fn each_rule_has_its_code_and_what_breaks_one_is_not_stored() {
    let contract = anchoring();
    let (mut writer, mut other) = (Writer::new(1), Writer::new(2));
    let unsigned = "ssi:shl:default:x:1700000000000|AAAA:v0";
    assert_eq!(status(&contract, &append(&writer.id, &writer.at("1"))), 106);
    assert_eq!(status(&contract, &create(&writer.id, unsigned)), 103);
    assert_eq!(status(&contract, &create(&writer.id, &other.next())), 103);
    let first = writer.next();
    let another_time = first.replace("1700000000000|", "1700000000001|");
    assert_eq!(status(&contract, &create(&writer.id, &another_time)), 103);
    assert_eq!(total(&contract), 0);
    assert_eq!(status(&contract, &create(&writer.id, &first)), 200);
    assert_eq!(status(&contract, &create(&writer.id, &first)), 105);
    assert_eq!(status(&contract, &create(&writer.id, unsigned)), 105);
    // Of another key, without the value before, and older by a millisecond.
    assert_eq!(status(&contract, &append(&writer.id, &other.last)), 104);
    assert_eq!(status(&contract, &append(&writer.id, &first)), 104);
    assert_eq!(
        status(&contract, &append(&writer.id, &writer.at("1699999999999"))),
        104
    );
    assert_eq!(versions(&contract, &writer.id), [first.as_str()]);
    let second = writer.at("1700000000000");
    assert_eq!(
        status(&contract, &append(&writer.id, &second)),
        200,
        "at the same time"
    );
    assert_eq!(versions(&contract, &writer.id), [first, second]);
    let (id, value) = constant(3);
    assert_eq!(status(&contract, &append(&id, &value)), 106);
    assert_eq!(status(&contract, &create(&id, &value)), 200);
    assert_eq!(status(&contract, &create(&id, &value)), 105);
    assert_eq!(status(&contract, &append(&id, &value)), 107);
    assert_eq!(versions(&contract, &id), [value]);
}

#[test]
fn a_batch_is_stored_as_a_whole_or_not_at_all() {
    let contract = anchoring();
    let (mut first, mut second, mut third) = (Writer::new(1), Writer::new(2), Writer::new(3));
    assert_eq!(status(&contract, &creation(&mut first)), 200);
    let (first_id, second_id, third_id) = (first.id.clone(), second.id.clone(), third.id.clone());
    let (one, two, three) = (first.next(), second.next(), third.next());
    let (id, value) = constant(4);
    let bad = [
        &first_id, &one, &id, &value, &second_id, &three, &third_id, &three,
    ];
    assert_eq!(status(&contract, &multiple(&bad.map(String::as_str))), 104);
    assert_eq!(
        (versions(&contract, &first_id).len(), total(&contract)),
        (1, 1)
    );
    let good = [
        &first_id, &one, &id, &value, &second_id, &two, &third_id, &three,
    ];
    assert_eq!(status(&contract, &multiple(&good.map(String::as_str))), 200);
    assert_eq!(
        (versions(&contract, &first_id).len(), total(&contract)),
        (2, 4)
    );
    assert_eq!(versions(&contract, &second_id), [two]);
    assert_eq!(versions(&contract, &third_id), [three]);
}

#[test]
fn a_dump_ends_where_it_is_told_to() {
    let contract = anchoring();
    let anchors: Vec<_> = (0..5).map(constant).collect();
    for (id, value) in &anchors {
        assert_eq!(status(&contract, &create(id, value)), 200);
    }
    let bytes = |count| {
        anchors[..count]
            .iter()
            .map(|it| it.0.len() + it.1.len())
            .sum::<usize>()
    };
    let ids = |from, limit, size: usize| -> Vec<String> {
        let items = contract.call(&dump(from, limit, size.try_into().unwrap()));
        items.into_iter().map(|it| it.anchorId).collect()
    };
    let all: Vec<_> = anchors.iter().map(|it| it.0.clone()).collect();
    let huge = usize::try_from(u64::MAX).unwrap();
    assert_eq!(ids(0, u64::MAX, huge), all);
    assert_eq!(ids(2, 2, huge), all[2..4]);
    assert!(ids(5, 1, huge).is_empty());
    assert!(ids(0, 0, huge).is_empty());
    // The rest stays, empty.
    let three = [&all[..3], &vec![String::new(); 2]].concat();
    assert_eq!(ids(0, 5, bytes(3)), three);
    assert_eq!(ids(0, 5, bytes(4) - 1), three);
    assert_eq!(ids(0, 5, bytes(1) - 1), vec![String::new(); 5]);
    assert!(contract.reverts(&dump(6, 1, 1_000)));
}

#[test]
fn it_costs_less_than_the_original() {
    let contract = anchoring();
    let mut writer = Writer::new(1);
    let created = contract.send(0, &creation(&mut writer)).gas();
    let appends = (0..20).map(|_| contract.send(0, &continuation(&mut writer)));
    let appends: Vec<_> = appends.inspect(|it| assert_eq!(code(it), 200)).collect();
    let (first, last) = (appends[0].gas(), appends[19].gas());
    let mut batch = Vec::new();
    for mut writer in (10..20).map(Writer::new) {
        batch.extend([writer.id.clone(), writer.next()]);
    }
    let batch: Vec<_> = batch.iter().map(String::as_str).collect();
    let batch = contract.send(0, &multiple(&batch));
    assert_eq!(code(&batch), 200);
    let batch = batch.gas();
    println!("gas: create {created}, append {first} then {last}, ten in a batch {batch}");
    assert!(created.max(first).max(last) < ORIGINAL_CREATE_GAS);
}
