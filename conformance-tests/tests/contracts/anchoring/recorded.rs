//! Histories that clients signed and the original stored and gave back.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{Item, anchoring, append, create, dump, status, total, versions};

#[test]
fn what_the_original_stored_is_stored_and_dumped_alike() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/ledger/adapter-fixtures.json");
    let recorded: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let all = items(&recorded["dump_neg"]);
    assert_eq!(all.len(), 4);
    let contract = anchoring();
    // The answers before the fourth anchor was made are asked for before it is made here.
    for (number, item) in all.iter().enumerate() {
        if number == 3 {
            assert_eq!(total(&contract).to_string(), recorded["total"]["body"]);
            let first_two = items(&recorded["dump"]);
            assert_eq!(contract.call(&dump(0, 2, 100_000)), first_two);
            let limited = items(&recorded["dump_small_max"]);
            assert_eq!(contract.call(&dump(0, 3, 700)), limited);
            assert!(contract.reverts(&dump(100, 1, 1_000)));
        }
        let (first, later) = item.anchorValues.split_first().unwrap();
        assert_eq!(status(&contract, &create(&item.anchorId, first)), 200);
        for value in later {
            assert_eq!(status(&contract, &append(&item.anchorId, value)), 200);
        }
        assert_eq!(versions(&contract, &item.anchorId), item.anchorValues);
    }
    assert_eq!(contract.call(&dump(0, 99_999_999, 100_000_000)), all);
}

fn items(recorded: &Value) -> Vec<Item> {
    let body: Value = serde_json::from_str(recorded["body"].as_str().unwrap()).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let item = |it: &Value| Item {
        anchorId: text(&it["anchorId"]),
        anchorValues: it["anchorValues"]
            .as_array()
            .unwrap()
            .iter()
            .map(text)
            .collect(),
    };
    body.as_array().unwrap().iter().map(item).collect()
}
