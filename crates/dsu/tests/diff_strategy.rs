//! DSUs of the Diff strategy are read whole.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::path::Path;

use dsu::diff_strategy::is_diff;
use dsu::{BrickMap, DsuPath, EditError, ReplayError, replay};
use keyssi::json::{Json, Object};
use serde_json::Value;

fn map(json: &str) -> BrickMap {
    BrickMap::parse(json.as_bytes()).unwrap()
}

/// What a map holds beside the times of its root.
fn state(map: &BrickMap) -> (Object, Object) {
    let root = Json::parse_nested(&map.to_json(), 600).unwrap();
    let member = |name: &str| {
        let root = root.as_object().unwrap();
        root.get(name).unwrap().as_object().unwrap().clone()
    };
    (member("items"), member("embedded"))
}

#[test]
fn the_recorded_dsu_has_the_files_of_both_versions() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance-tests/vectors/dsu");
    let text = std::fs::read(folder.join("diff-strategy/dsu.json")).unwrap();
    let vector: Value = serde_json::from_slice(&text).unwrap();
    let versions = vector["dsus"][0]["versions"].as_array().unwrap();
    let maps: Vec<BrickMap> = versions
        .iter()
        .map(|version| map(&version["brickMap"].to_string()))
        .collect();
    assert!(maps.iter().all(is_diff));
    let files = |maps: &[BrickMap]| -> Vec<(String, usize)> {
        let state = replay(maps).unwrap();
        let files = state.files().into_iter();
        let files = files.map(|(path, file)| (path.to_string(), file.entries().len()));
        files.collect()
    };
    assert_eq!(files(&maps[..1]), [("/a.txt".to_owned(), 1)]);
    assert_eq!(
        files(&maps),
        [("/a.txt".to_owned(), 1), ("/b.txt".to_owned(), 1)]
    );
    let whole = replay(&maps).unwrap();
    let entry = &whole
        .file(&DsuPath::parse("/a.txt").unwrap())
        .unwrap()
        .entries()[0];
    let logged = &versions[0]["brickMap"]["metadata"]["log"][0]["data"][0];
    let link = entry.hash_link().unwrap().unwrap().wrapped().to_string();
    let key = entry.key().unwrap().unwrap().wrapped().to_string();
    assert_eq!(Value::from(link), logged["hashLink"]);
    assert_eq!(Value::from(key), logged["encryptionKey"]);
}

#[test]
fn logs_that_the_sdk_wrote_leave_the_state_that_it_had() {
    let recording: Value = serde_json::from_str(include_str!("recorded/cases.json")).unwrap();
    for sequence in recording["sequences"].as_array().unwrap() {
        if sequence["timing"] != "stamped" {
            continue;
        }
        let mut logs = Vec::new();
        for batch in sequence["batches"].as_array().unwrap() {
            logs.push(map(batch["diff"].as_str().unwrap()));
            let expected = map(batch["json"].as_str().unwrap());
            let replayed = replay(&logs).unwrap();
            assert_eq!(state(&replayed), state(&expected), "{}", sequence["name"]);
            assert_eq!(replayed.previous_value(), expected.previous_value());
        }
    }
}

#[test]
fn a_map_written_over_a_log_adds_changes_and_removes() {
    let log = r#""log":[{"op":"add","path":"/a","timestamp":"Fri, 20 Nov 2026 16:16:54 GMT","data":[{"hashLink":"x"}]}]"#;
    let times = r#""createdAt":"Fri, 20 Nov 2026 16:16:54 GMT""#;
    let version = |items: &str, embedded: &str, log: &str| {
        map(&format!(
            r#"{{"v":1,"items":{{{items}}},"metadata":{{{times},{log}}},"embedded":{{{embedded}}}}}"#
        ))
    };
    let file = r#"{"hashLinks":[{"hashLink":"y"}],"metadata":{}}"#;
    let folder = |items: &str| format!(r#"{{"metadata":{{}},"items":{{{items}}}}}"#);
    let note = r#""/note":{"content":"n","metadata":{}}"#;
    let maps = [
        version("", "", log),
        version(
            &format!(r#""b":{file},"d":{}"#, folder(&format!(r#""x":{file}"#))),
            note,
            log,
        ),
        version(
            &format!(
                r#""b":{{"hashLinks":[],"metadata":{{"deletedAt":"now"}}}},"d":{}"#,
                folder(&format!(r#""y":{file}"#))
            ),
            "",
            log,
        ),
    ];
    let files = |count: usize| -> Vec<String> {
        let state = replay(&maps[..count]).unwrap();
        state
            .files()
            .iter()
            .map(|(path, _)| path.to_string())
            .collect()
    };
    assert_eq!(files(1), ["/a"]);
    assert_eq!(files(2), ["/a", "/b", "/d/x", "/note"]);
    assert_eq!(files(3), ["/a", "/d/y"]);
}

#[test]
fn what_cannot_be_replayed_is_named() {
    let with_log = |log: &str| {
        map(&format!(
            r#"{{"items":{{}},"metadata":{{"createdAt":"Fri, 20 Nov 2026 16:16:54 GMT","log":[{log}]}}}}"#
        ))
    };
    let check = |log: &str, expected: ReplayError| {
        assert_eq!(replay(&[with_log(log)]), Err(expected), "{log}");
    };
    assert_eq!(replay(&[]), Err(ReplayError::NoVersions));
    check(
        r#"{"op":"frob","path":"/a"}"#,
        ReplayError::UnknownOperation {
            version: 0,
            name: "frob".to_owned(),
        },
    );
    let malformed = |operation| ReplayError::Malformed {
        version: 0,
        operation,
    };
    check(r#"{"op":"add"}"#, malformed(0));
    check(
        r#"{"op":"delete","path":"/not-there"},{"op":"copy","path":"/a"}"#,
        malformed(1),
    );
    check(r#"{"op":"add","path":"/a","data":["x"]}"#, malformed(0));
    check(
        r#"{"op":"add","path":"/a","data":[]},{"op":"add","path":"/a/b","data":[]}"#,
        ReplayError::Impossible {
            version: 0,
            operation: 1,
            source: EditError::IsFile(DsuPath::parse("/a").unwrap()),
        },
    );
}
