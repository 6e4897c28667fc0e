//! Edits leave the JSON that the SDK leaves: sequences of operations that the
//! SDK carried out, and the brick maps that it wrote at each commit. How they
//! were recorded stands in `recorded/README.md`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use dsu::{BrickMap, DsuPath, EmbeddedContent, Entry, Moment, Timing};
use keyssi::{AnchorValue, KeySsi};
use serde_json::Value;

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn moment(value: &Value) -> Moment {
    Moment::from_millis(value.as_u64().unwrap())
}

fn entry(value: &Value) -> Entry {
    let ssi = |name: &str| {
        value
            .get(name)
            .map(|id| KeySsi::parse_stored(text(id)).unwrap())
    };
    match ssi("size") {
        Some(size) => Entry::size_of(&size),
        None => Entry::brick(&ssi("hashLink").unwrap(), ssi("key").as_ref()),
    }
}

fn content(operation: &Value) -> EmbeddedContent {
    if let Some(value) = operation.get("text") {
        return EmbeddedContent::Text(text(value).to_owned().into());
    }
    let bytes = operation["bytes"].as_array().unwrap().iter();
    let bytes = bytes.map(|byte| u8::try_from(byte.as_u64().unwrap()).unwrap());
    EmbeddedContent::Bytes(bytes.collect::<Vec<u8>>().into())
}

fn carry_out(map: &mut BrickMap, operation: &Value, now: Moment) {
    let path = DsuPath::parse(text(&operation["path"])).unwrap();
    let to = operation
        .get("to")
        .map(|to| DsuPath::parse(text(to)).unwrap());
    let entries = || {
        let entries = operation["entries"].as_array().unwrap();
        entries.iter().map(entry).collect::<Vec<Entry>>()
    };
    let done = match text(&operation["op"]) {
        "write" => map.write(&path, entries(), now),
        "append" => map.append(&path, entries(), now),
        "create_file" => map.create_file(&path, now),
        "create_folder" => map.create_folder(&path, now),
        "delete" => map.delete(&path, now),
        "copy" => map.copy(&path, &to.unwrap(), now),
        "rename" => map.rename(&path, &to.unwrap(), now),
        "embed" => map.embed(&path, &content(operation), now),
        "append_embedded" => map.append_embedded(&path, &content(operation), now),
        other => panic!("{other}"),
    };
    done.unwrap_or_else(|error| panic!("{operation}: {error}"));
}

fn check(recording: &str) {
    let recording: Value = serde_json::from_str(recording).unwrap();
    let previous = AnchorValue::parse_wrapped(text(&recording["previous"])).unwrap();
    let sequences = recording["sequences"].as_array().unwrap();
    assert!(!sequences.is_empty());
    for (number, sequence) in sequences.iter().enumerate() {
        let timing = match text(&sequence["timing"]) {
            "stamped" => Timing::Stamped,
            _ => Timing::TimeFree,
        };
        let mut map = BrickMap::new(timing, moment(&sequence["now"]));
        for batch in sequence["batches"].as_array().unwrap() {
            let now = moment(&batch["now"]);
            for operation in batch["ops"].as_array().unwrap() {
                carry_out(&mut map, operation, now);
            }
            let is_first = batch["previous"] == Value::Bool(false);
            map.finish((!is_first).then_some(&previous), now);
            assert_eq!(
                map.to_json(),
                text(&batch["json"]),
                "sequence {number} {}: {batch}",
                sequence["name"]
            );
            let again = BrickMap::parse(map.to_json().as_bytes()).unwrap();
            assert_eq!(again.to_json(), map.to_json());
        }
    }
}

#[test]
fn each_operation_leaves_the_json_of_the_sdk() {
    check(include_str!("recorded/cases.json"));
}

#[test]
fn random_sequences_leave_the_json_of_the_sdk() {
    check(include_str!("recorded/random.json"));
}
