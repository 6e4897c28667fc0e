//! Reading brick maps, looking at them, and edits where we differ from the SDK.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod common;

use std::collections::BTreeSet;

use common::{apply_all, at, edits, entry, path, state, text, vectors};
use dsu::{
    BrickMap, BrickMapError, Depth, DsuPath, EditError, EmbeddedContent, ListError, Node, NodeKind,
    SEGMENTS_MAX, StoredIn, Timing,
};
use keyssi::json::{Json, Object};
use proptest::prelude::*;

fn map(json: &str) -> BrickMap {
    BrickMap::parse(json.as_bytes()).unwrap()
}

fn member<'a>(value: &'a Json, name: &str) -> &'a Json {
    let object: &Object = value.as_object().unwrap();
    object.get(name).unwrap_or(&Json::Null)
}

#[test]
fn recorded_maps_are_written_as_they_were_and_list_what_the_sdk_lists() {
    let mut maps = 0;
    for folder in std::fs::read_dir(vectors()).unwrap() {
        let file = folder.unwrap().path().join("dsu.json");
        let Ok(json) = std::fs::read_to_string(&file) else {
            continue;
        };
        let vector = Json::parse_nested(&json, 600).unwrap();
        for dsu in member(&vector, "dsus").as_list().unwrap_or_default() {
            for version in member(dsu, "versions").as_list().unwrap() {
                let Json::Object(recorded) = member(version, "brickMap") else {
                    continue;
                };
                check_recorded(&recorded.print(), version, &file.to_string_lossy());
                maps += 1;
            }
        }
    }
    assert!(maps >= 50, "{maps}");
}

fn check_recorded(json: &str, version: &Json, name: &str) {
    let map = map(json);
    assert_eq!(map.to_json(), json, "{name}");
    let recorded = |member_name: &str| -> BTreeSet<String> {
        match member(version, member_name) {
            Json::Object(files) => files
                .iter()
                .map(|(key, _)| key.decoded().unwrap())
                .collect(),
            Json::List(names) => names.iter().map(|name| name.as_text().unwrap()).collect(),
            _ => BTreeSet::new(),
        }
    };
    let listed = map.list(&DsuPath::root(), Depth::Recursive).unwrap();
    // The SDK does not list the folders of embedded files.
    let names = |kind: NodeKind| -> BTreeSet<String> {
        let lines = listed.iter().filter(|line| line.kind() == kind);
        let lines =
            lines.filter(|line| kind == NodeKind::File || line.stored_in == StoredIn::Items);
        lines
            .map(|line| line.path.as_str()[1..].to_owned())
            .collect()
    };
    // In a map of the Diff strategy the SDK lists what the map alone holds.
    assert_eq!(names(NodeKind::File), recorded("files"), "{name}");
    assert_eq!(names(NodeKind::Folder), recorded("folders"), "{name}");
}

#[test]
fn old_and_unknown_members_are_read_and_kept() {
    let json = r#"{"items":{"f":{"hashLinks":[{"hashLink":"x","more":1}],"note":{"a":[]}},"d":{"items":{},"hashLinks":[]}},"zzz":null}"#;
    let mut map = map(json);
    assert_eq!(map.to_json(), json);
    assert_eq!(map.timing(), Timing::TimeFree);
    assert!(matches!(map.lookup(&path("/d")), Some(Node::Folder(_))));
    assert_eq!(map.metadata().created_at(), None);
    map.append(&path("/f"), vec![entry(1)], at(0)).unwrap();
    map.embed(&path("/e"), &text("t"), at(0)).unwrap();
    let edited = map.to_json();
    assert!(edited.starts_with(r#"{"items":{"f":{"hashLinks":[{"hashLink":"x","more":1},{"#));
    let end = r#""zzz":null,"embedded":{"/e":{"content":"t","metadata":{}}}}"#;
    assert!(edited.ends_with(end), "{edited}");
}

#[test]
fn what_is_not_a_brick_map_is_refused() {
    let refused = |json: &[u8]| BrickMap::parse(json).unwrap_err();
    assert_eq!(refused(b"\xff"), BrickMapError::NotJson);
    assert_eq!(refused(b"{"), BrickMapError::NotJson);
    for json in [
        "[]",
        "{}",
        r#"{"items":[]}"#,
        r#"{"items":{},"metadata":[]}"#,
        r#"{"items":{},"embedded":""}"#,
        r#"{"items":{},"embedded":{"/a":1}}"#,
        r#"{"items":{"a":1}}"#,
        r#"{"items":{"a":{}}}"#,
        r#"{"items":{"a":{"hashLinks":{}}}}"#,
        r#"{"items":{"a":{"hashLinks":[1]}}}"#,
        r#"{"items":{"a":{"items":{},"metadata":1}}}"#,
    ] {
        let error = refused(json.as_bytes());
        assert!(
            matches!(error, BrickMapError::Malformed { .. }),
            "{json}: {error:?}"
        );
    }
    for json in [
        r#"{"items":{"..":{"hashLinks":[]}}}"#,
        r#"{"items":{"":{"hashLinks":[]}}}"#,
        r#"{"items":{"d":{"items":{"../../etc/passwd":{"hashLinks":[]}}}}}"#,
        r#"{"items":{"a\\b":{"hashLinks":[]}}}"#,
        r#"{"items":{"\ud800":{"hashLinks":[]}}}"#,
        r#"{"items":{},"embedded":{"/a/../../b":{"content":""}}}"#,
        r#"{"items":{},"embedded":{"/":{"content":""}}}"#,
        r#"{"items":{},"embedded":{"/a//b":{"content":""}}}"#,
    ] {
        let error = refused(json.as_bytes());
        assert!(
            matches!(error, BrickMapError::BadName { .. }),
            "{json}: {error:?}"
        );
    }
    let nested = |levels: usize| {
        let (open, close) = (r#"{"items":{"a":"#.repeat(levels), "}}".repeat(levels));
        format!(r#"{open}{{"hashLinks":[]}}{close}"#)
    };
    let deepest = map(&nested(SEGMENTS_MAX));
    assert_eq!(deepest.files()[0].0.segments().count(), SEGMENTS_MAX);
    assert!(BrickMap::parse(nested(SEGMENTS_MAX + 1).as_bytes()).is_err());
    assert!(BrickMap::parse(nested(100_000).as_bytes()).is_err());
}

/// `/a`, a tombstone `/gone`, `/d/x`; embedded `/d/e`, `/dd`, `/only/here`.
fn sample() -> BrickMap {
    let mut map = BrickMap::new(Timing::Stamped, at(0));
    for name in ["/a", "/gone", "/d/x"] {
        map.write(&path(name), vec![entry(1)], at(0)).unwrap();
    }
    map.delete(&path("/gone"), at(0)).unwrap();
    for name in ["/d/e", "/dd", "/only/here"] {
        map.embed(&path(name), &text(name), at(0)).unwrap();
    }
    map
}

#[test]
fn listings_go_by_segments_and_leave_tombstones_out() {
    let map = sample();
    let list = |folder: &str, depth: Depth| -> Vec<String> {
        let listed = map.list(&path(folder), depth).unwrap();
        listed.iter().map(|line| line.path.to_string()).collect()
    };
    assert_eq!(
        list("/", Depth::Recursive),
        ["/a", "/d", "/d/x", "/d/e", "/dd", "/only", "/only/here"]
    );
    assert_eq!(list("/", Depth::Here), ["/a", "/d", "/dd", "/only"]);
    assert_eq!(list("/d", Depth::Here), ["/d/x", "/d/e"]);
    assert_eq!(list("/only", Depth::Recursive), ["/only/here"]);
    let fails = |folder: &str| map.list(&path(folder), Depth::Here).unwrap_err();
    assert_eq!(fails("/a"), ListError::IsFile(path("/a")));
    assert_eq!(fails("/dd"), ListError::IsFile(path("/dd")));
    assert_eq!(fails("/gone"), ListError::NotFound(path("/gone")));
    assert_eq!(fails("/none"), ListError::NotFound(path("/none")));
    assert!(map.lookup(&path("/gone")).is_none());
    assert!(map.lookup(&path("/a/below")).is_none());
    assert!(map.is_embedded(&path("/dd")) && !map.is_embedded(&path("/a")));
}

#[test]
fn embedded_files_are_found_under_the_keys_that_the_sdk_leaves() {
    let file = r#"{"content":"x","metadata":{}}"#;
    for key in ["/d/e", "d/e", "/d/e/", "d/e/"] {
        let mut map = map(&format!(
            r#"{{"v":1,"items":{{}},"metadata":{{}},"embedded":{{"{key}":{file}}}}}"#
        ));
        assert_eq!(state(&map, &path("/d/e")), "x", "{key}");
        assert_eq!(state(&map, &path("/d")), "/", "{key}");
        assert_eq!(map.files()[0].0, path("/d/e"), "{key}");
        map.append_embedded(&path("/d/e"), &text("y"), at(0))
            .unwrap();
        assert_eq!(state(&map, &path("/d/e")), "xy", "{key}");
        map.delete(&path("/d/e"), at(0)).unwrap();
        assert!(map.files().is_empty(), "{key}");
    }
}

#[test]
fn embedded_content_is_text_or_bytes() {
    let mut map = BrickMap::new(Timing::TimeFree, at(0));
    let at_path = path("/e");
    let content = |map: &BrickMap| map.file(&path("/e")).unwrap().embedded().unwrap();
    let bytes = |data: &[u8]| EmbeddedContent::Bytes(data.to_vec().into());
    map.embed(&at_path, &bytes(&[0, 255]), at(0)).unwrap();
    assert!(
        map.to_json()
            .contains(r#""content":{"type":"Buffer","data":[0,255]}"#)
    );
    assert_eq!(content(&map), Ok(bytes(&[0, 255])));
    map.append_embedded(&at_path, &text("a"), at(0)).unwrap();
    assert_eq!(content(&map), Ok(bytes(&[0, 255, 97])));
    map.embed(&at_path, &text("a"), at(0)).unwrap();
    map.append_embedded(&at_path, &bytes("é".as_bytes()), at(0))
        .unwrap();
    assert_eq!(content(&map), Ok(text("aé")));
    map.append_embedded(&at_path, &bytes(&[0xff]), at(0))
        .unwrap();
    assert_eq!(content(&map), Ok(bytes(&[97, 0xc3, 0xa9, 0xff])));
    for odd in [
        "1",
        "null",
        r#"{"type":"Buffer","data":[256]}"#,
        r#"{"type":"Buffer","data":[0.5]}"#,
    ] {
        let mut map = self::map(&format!(
            r#"{{"items":{{}},"embedded":{{"/e":{{"content":{odd}}}}}}}"#
        ));
        assert!(content(&map).is_err(), "{odd}");
        assert_eq!(
            map.append_embedded(&at_path, &text("a"), at(0)),
            Err(EditError::Unreadable(path("/e")))
        );
    }
}

#[test]
fn what_the_sdk_would_spoil_is_refused() {
    let map = sample();
    let check = |edit: &dyn Fn(&mut BrickMap) -> Result<(), EditError>, expected: EditError| {
        let mut edited = map.clone();
        assert_eq!(edit(&mut edited), Err(expected));
        assert_eq!(edited, map);
    };
    let now = at(1);
    let write =
        |name: &'static str| move |map: &mut BrickMap| map.write(&path(name), vec![entry(2)], now);
    let is_file = |name: &str| EditError::IsFile(path(name));
    let is_folder = |name: &str| EditError::IsFolder(path(name));
    check(&write("/a/b"), is_file("/a"));
    check(&write("/a/b/c"), is_file("/a"));
    check(&write("/dd/b"), is_file("/dd"));
    check(&write("/d"), is_folder("/d"));
    check(&write("/only"), is_folder("/only"));
    check(&write("/"), is_folder("/"));
    check(
        &write("/x/__proto__"),
        EditError::ReservedName(path("/x/__proto__")),
    );
    check(
        &|map| map.append(&path("/dd"), vec![entry(2)], now),
        EditError::IsEmbedded(path("/dd")),
    );
    check(
        &|map| map.embed(&path("/a/b"), &text(""), now),
        is_file("/a"),
    );
    check(
        &|map| map.embed(&path("/d"), &text(""), now),
        is_folder("/d"),
    );
    check(
        &|map| map.create_file(&path("/a"), now),
        EditError::Exists(path("/a")),
    );
    check(
        &|map| map.create_folder(&path("/dd"), now),
        EditError::Exists(path("/dd")),
    );
    check(
        &|map| map.create_folder(&path("/"), now),
        EditError::Exists(path("/")),
    );
    check(&|map| map.create_folder(&path("/a/b"), now), is_file("/a"));
    check(
        &|map| map.delete(&path("/gone"), now),
        EditError::NotFound(path("/gone")),
    );
    check(
        &|map| map.delete(&path("/none"), now),
        EditError::NotFound(path("/none")),
    );
    check(&|map| map.delete(&path("/"), now), is_folder("/"));
    check(
        &|map| map.copy(&path("/gone"), &path("/new"), now),
        EditError::NotFound(path("/gone")),
    );
    check(
        &|map| map.rename(&path("/a"), &path("/d"), now),
        is_folder("/d"),
    );
    check(
        &|map| map.rename(&path("/d"), &path("/a"), now),
        is_file("/a"),
    );
    check(
        &|map| map.rename(&path("/d"), &path("/only"), now),
        EditError::Exists(path("/only")),
    );
    for to in ["/d", "/d/inner", "/d/x/y"] {
        check(
            &|map| map.rename(&path("/d"), &path(to), now),
            EditError::IntoItself {
                from: path("/d"),
                to: path(to),
            },
        );
    }
    let deep = path(&"/n".repeat(SEGMENTS_MAX));
    check(
        &|map| map.copy(&path("/d"), &deep, now),
        EditError::TooDeep(deep.clone()),
    );
}

#[test]
fn embedded_files_are_deleted_renamed_and_taken_along() {
    let mut map = sample();
    map.delete(&path("/dd"), at(1)).unwrap();
    assert!(map.lookup(&path("/dd")).is_none());
    map.rename(&path("/only/here"), &path("/there"), at(1))
        .unwrap();
    assert!(map.lookup(&path("/only")).is_none());
    assert_eq!(state(&map, &path("/there")), "/only/here");
    map.embed(&path("/dx"), &text("beside"), at(1)).unwrap();
    map.rename(&path("/d"), &path("/moved/to"), at(1)).unwrap();
    assert_eq!(state(&map, &path("/moved/to/e")), "/d/e");
    assert_eq!(state(&map, &path("/dx")), "beside");
    assert!(map.lookup(&path("/d/e")).is_none());
    map.delete(&path("/moved"), at(1)).unwrap();
    let left: Vec<String> = map
        .files()
        .iter()
        .map(|(path, _)| path.to_string())
        .collect();
    assert_eq!(left, ["/a", "/there", "/dx"]);
    map.write(&path("/there"), vec![entry(3)], at(1)).unwrap();
    assert!(!map.is_embedded(&path("/there")));
}

#[test]
fn maps_without_times_hold_no_ghosts() {
    let mut map = BrickMap::new(Timing::TimeFree, at(0));
    let empty = map.to_json();
    assert_eq!(empty, r#"{"v":1,"items":{},"metadata":{},"embedded":{}}"#);
    map.write(&path("/a"), vec![entry(1)], at(0)).unwrap();
    map.rename(&path("/a"), &path("/b"), at(0)).unwrap();
    map.delete(&path("/b"), at(0)).unwrap();
    map.finish(None, at(0));
    assert_eq!(map.to_json(), empty);
}

#[test]
fn a_tombstone_of_the_other_kind_makes_way() {
    let mut map = sample();
    map.create_folder(&path("/gone"), at(5)).unwrap();
    assert_eq!(state(&map, &path("/gone")), "/");
    map.delete(&path("/d"), at(5)).unwrap();
    map.write(&path("/d"), vec![entry(4)], at(5)).unwrap();
    let node = map.lookup(&path("/d")).unwrap();
    assert_eq!(node.kind(), NodeKind::File);
    assert_eq!(node.metadata().created_at(), Some(at(5)));
    map.delete(&path("/a"), at(6)).unwrap();
    map.write(&path("/a/below"), vec![entry(5)], at(6)).unwrap();
    assert_eq!(map.list(&path("/a"), Depth::Here).unwrap().len(), 1);
}

#[test]
fn nothing_secret_is_shown() {
    let map = sample();
    let (node, file) = (map.lookup(&path("/dd")), map.files());
    let shown = format!(
        "{map:?} {node:?} {file:?} {:?} {:?}",
        entry(1),
        text("secret")
    );
    for secret in ["secret", "hashLink\":", &state(&map, &path("/a"))] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn a_folder_of_a_hundred_thousand_files_is_handled_in_one_pass() {
    let mut map = BrickMap::new(Timing::Stamped, at(0));
    for number in 0..100_000_u32 {
        let name = path(&format!("/d/{number}"));
        map.write(&name, Vec::new(), at(0)).unwrap();
    }
    let json = map.to_json();
    let again = BrickMap::parse(json.as_bytes()).unwrap();
    assert_eq!(again.to_json(), json);
    assert_eq!(again.files().len(), 100_000);
    assert!(again.file(&path("/d/99999")).is_some());
}

proptest! {
    #[test]
    fn edited_maps_are_read_as_they_are_written(steps in edits(40)) {
        let mut map = BrickMap::new(Timing::Stamped, at(0));
        apply_all(&mut map, &steps, 1);
        let json = map.to_json();
        prop_assert_eq!(BrickMap::parse(json.as_bytes()).unwrap().to_json(), json);
    }

    #[test]
    fn an_edit_leaves_all_other_paths_alone(steps in edits(25)) {
        let mut map = BrickMap::new(Timing::Stamped, at(0));
        for (step, second) in steps.iter().zip(1..) {
            let before = map.clone();
            let done = step.apply(&mut map, at(second));
            let touched = step.touched();
            for line in before.list(&DsuPath::root(), Depth::Recursive).unwrap() {
                let is_near = touched
                    .iter()
                    .any(|path| line.path.starts_with(path) || path.starts_with(&line.path));
                if done.is_err() || !is_near {
                    let states = [&before, &map].map(|map| state(map, &line.path));
                    prop_assert_eq!(&states[0], &states[1], "{:?} {}", step, line.path);
                }
            }
        }
    }

    #[test]
    fn any_bytes_are_refused_or_read(json in "\\PC{0,60}") {
        let _ = BrickMap::parse(json.as_bytes());
    }
}
