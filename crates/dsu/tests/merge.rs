//! Merging three ways: both writers' changes survive, real conflicts are named.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod common;

use common::{apply_all, at, edits, entry, path, state, text, tree, vectors};
use dsu::{BrickMap, Change, Depth, DsuPath, Moment, PathConflict, Timing, merge};
use keyssi::json::Json;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// The maps of a recorded DSU, oldest first, byte for byte.
fn versions(scenario: &str) -> Vec<BrickMap> {
    let json = std::fs::read_to_string(vectors().join(scenario).join("dsu.json")).unwrap();
    let vector = Json::parse_nested(&json, 600).unwrap();
    let member = |value: &Json, name: &str| value.as_object().unwrap().get(name).unwrap().clone();
    let dsu = member(&vector, "dsus").as_list().unwrap()[0].clone();
    let versions = member(&dsu, "versions");
    let maps = versions.as_list().unwrap().iter();
    maps.map(|version| BrickMap::parse(member(version, "brickMap").print().as_bytes()).unwrap())
        .collect()
}

fn copy_file(name: &str, from: &BrickMap, to: &mut BrickMap, now: Moment) {
    let at = path(name);
    to.write(&at, from.file(&at).unwrap().entries(), now)
        .unwrap();
}

#[test]
fn the_lost_update_is_not_lost() {
    let maps = versions("lost-update");
    let (base, theirs, by_sdk) = (&maps[0], &maps[1], &maps[2]);
    let mut ours = base.clone();
    copy_file("/unrelated.txt", by_sdk, &mut ours, at(0));
    let merged = merge(base, &ours, theirs, at(1)).unwrap();
    let shared = path("/shared.txt");
    assert_eq!(state(&merged, &shared), state(theirs, &shared));
    assert_ne!(
        state(&merged, &shared),
        state(by_sdk, &shared),
        "the SDK lost it"
    );
    let unrelated = path("/unrelated.txt");
    assert_eq!(state(&merged, &unrelated), state(&ours, &unrelated));
    assert_eq!(merged.files().len(), 3);
}

#[test]
fn the_recorded_conflict_is_one() {
    let maps = versions("conflict");
    let mut ours = maps[0].clone();
    copy_file("/mine.txt", &maps[2], &mut ours, at(0));
    let merged = merge(&maps[0], &ours, &maps[1], at(1)).unwrap();
    assert_eq!(tree(&merged), tree(&maps[2]));
    let mut ours = maps[2].clone();
    ours.write(&path("/same.txt"), vec![entry(1)], at(0))
        .unwrap();
    let conflicts = merge(&maps[2], &ours, &maps[3], at(1)).unwrap_err();
    assert_eq!(conflicts.to_string(), "both sides changed /same.txt");
    let expected = PathConflict {
        path: path("/same.txt"),
        ours: Change::Added,
        theirs: Change::Added,
    };
    assert_eq!(conflicts.0, [expected]);
    assert_eq!(
        conflicts.0[0].to_string(),
        "/same.txt: we added it, they added it"
    );
}

/// A base with `/a`, `/d/x`, `/d/y`, an empty `/f`, embedded `/e`, and a log.
fn base() -> BrickMap {
    let mut map = BrickMap::new(Timing::Stamped, at(0));
    for (name, number) in [
        ("/a", 1),
        ("/d/x", 2),
        ("/d/y", 3),
        ("/dsu-metadata-log", 4),
    ] {
        map.write(&path(name), vec![entry(number)], at(0)).unwrap();
    }
    map.create_folder(&path("/f"), at(0)).unwrap();
    map.embed(&path("/e"), &text("e"), at(0)).unwrap();
    map
}

type Edits = fn(&mut BrickMap);

fn merged(ours: Edits, theirs: Edits) -> Result<BrickMap, Vec<(String, Change, Change)>> {
    let base = base();
    let (mut mine, mut other) = (base.clone(), base.clone());
    ours(&mut mine);
    theirs(&mut other);
    merge(&base, &mine, &other, at(50)).map_err(|conflicts| {
        let conflicts = conflicts.0.into_iter();
        conflicts
            .map(|conflict| (conflict.path.to_string(), conflict.ours, conflict.theirs))
            .collect()
    })
}

/// Both ways round: the same conflict with the sides exchanged.
fn check_conflict(ours: Edits, theirs: Edits, expected: &[(&str, Change, Change)]) {
    let expected: BTreeSet<String> = expected.iter().map(|line| format!("{line:?}")).collect();
    let shown = |conflicts: Vec<(String, Change, Change)>| -> BTreeSet<String> {
        conflicts.iter().map(|line| format!("{line:?}")).collect()
    };
    assert_eq!(shown(merged(ours, theirs).unwrap_err()), expected);
    let turned = merged(theirs, ours).unwrap_err().into_iter();
    let turned = turned.map(|(path, ours, theirs)| (path, theirs, ours));
    assert_eq!(shown(turned.collect()), expected);
}

/// Both ways round: the same tree, which holds `present` and not `absent`.
fn check_merge(ours: Edits, theirs: Edits, present: &[&str], absent: &[&str]) -> BrickMap {
    let one = merged(ours, theirs).unwrap();
    let other = merged(theirs, ours).unwrap();
    assert_eq!(tree(&one), tree(&other));
    for name in present {
        assert!(one.lookup(&path(name)).is_some(), "{name}");
    }
    for name in absent {
        assert!(one.lookup(&path(name)).is_none(), "{name}");
    }
    let again = BrickMap::parse(one.to_json().as_bytes()).unwrap();
    assert_eq!(tree(&again), tree(&one));
    one
}

fn write(map: &mut BrickMap, name: &str, number: u32) {
    map.write(&path(name), vec![entry(number)], at(10)).unwrap();
}

fn delete(map: &mut BrickMap, name: &str) {
    map.delete(&path(name), at(10)).unwrap();
}

#[test]
fn changes_to_different_paths_are_all_taken() {
    check_merge(
        |map| write(map, "/d/x", 10),
        |map| write(map, "/d/z", 11),
        &["/a", "/d/x", "/d/y", "/d/z", "/e", "/f"],
        &[],
    );
    check_merge(
        |map| delete(map, "/a"),
        |map| write(map, "/b", 10),
        &["/b"],
        &["/a"],
    );
    check_merge(
        |map| map.rename(&path("/d/x"), &path("/g/x"), at(10)).unwrap(),
        |map| map.embed(&path("/e"), &text("new"), at(10)).unwrap(),
        &["/g/x", "/d/y", "/e"],
        &["/d/x"],
    );
    check_merge(
        |map| delete(map, "/e"),
        |map| map.embed(&path("/d/e"), &text("new"), at(10)).unwrap(),
        &["/d/e", "/d/x"],
        &["/e"],
    );
}

#[test]
fn the_same_change_on_both_sides_is_one() {
    let change: Edits = |map| {
        write(map, "/a", 10);
        delete(map, "/d/x");
        map.create_folder(&path("/n"), at(10)).unwrap();
    };
    let map = check_merge(change, change, &["/a", "/n"], &["/d/x"]);
    assert_eq!(map.file(&path("/a")).unwrap().entries(), [entry(10)]);
}

#[test]
fn a_deleted_folder_stays_for_what_the_other_side_put_into_it() {
    check_merge(
        |map| delete(map, "/d"),
        |map| write(map, "/d/new", 10),
        &["/d/new"],
        &["/d/x", "/d/y"],
    );
    check_merge(
        |map| delete(map, "/d"),
        |map| write(map, "/b", 10),
        &["/b"],
        &["/d"],
    );
    check_merge(
        |map| delete(map, "/f"),
        |map| delete(map, "/a"),
        &[],
        &["/f", "/a"],
    );
}

#[test]
fn a_deleted_folder_leaves_one_tombstone_and_can_be_used_again() {
    let mut map = merged(|map| delete(map, "/d"), |map| write(map, "/b", 10)).unwrap();
    assert!(map.to_json().contains(r#""items":{}"#));
    write(&mut map, "/d/again", 12);
    let listed = map.list(&path("/d"), Depth::Recursive).unwrap();
    assert_eq!(listed.len(), 1);
}

#[test]
fn different_changes_of_one_path_are_conflicts() {
    use Change::{Added, Deleted, MadeFolder, Written};
    check_conflict(
        |map| write(map, "/a", 10),
        |map| write(map, "/a", 11),
        &[("/a", Written, Written)],
    );
    check_conflict(
        |map| delete(map, "/a"),
        |map| write(map, "/a", 11),
        &[("/a", Deleted, Written)],
    );
    check_conflict(
        |map| delete(map, "/d"),
        |map| write(map, "/d/x", 11),
        &[("/d/x", Deleted, Written)],
    );
    check_conflict(
        |map| map.embed(&path("/e"), &text("1"), at(10)).unwrap(),
        |map| map.embed(&path("/e"), &text("2"), at(10)).unwrap(),
        &[("/e", Written, Written)],
    );
    check_conflict(
        |map| write(map, "/n", 10),
        |map| write(map, "/n/below", 11),
        &[("/n", Added, MadeFolder)],
    );
}

#[test]
fn many_conflicts_are_all_in_the_list_and_a_few_in_the_text() {
    let write_all = |map: &mut BrickMap, start: u32| {
        for number in 0..5 {
            let name = path(&format!("/n{number}"));
            map.write(&name, vec![entry(start + number)], at(10))
                .unwrap();
        }
    };
    let base = base();
    let (mut ours, mut theirs) = (base.clone(), base.clone());
    write_all(&mut ours, 100);
    write_all(&mut theirs, 200);
    let conflicts = merge(&base, &ours, &theirs, at(50)).unwrap_err();
    assert_eq!(conflicts.0.len(), 5);
    let text = conflicts.to_string();
    assert_eq!(text, "both sides changed /n0, /n1, /n2 and 2 more");
}

#[test]
fn a_file_in_place_of_a_folder_meets_what_was_put_into_it() {
    use Change::{Added, Deleted};
    let replace: Edits = |map| {
        delete(map, "/d");
        // A tombstone of a folder makes way for a file.
        write(map, "/d", 10);
    };
    check_merge(
        replace,
        |map| write(map, "/b", 11),
        &["/d", "/b"],
        &["/d/x"],
    );
    check_conflict(
        replace,
        |map| write(map, "/d/new", 11),
        &[("/d/new", Deleted, Added)],
    );
}

#[test]
fn the_log_keeps_the_lines_of_both() {
    let log = path("/dsu-metadata-log");
    let append = |map: &mut BrickMap, number| {
        let log = path("/dsu-metadata-log");
        map.append(&log, vec![entry(number)], at(10 + u64::from(number)))
            .unwrap();
    };
    let base = base();
    let (mut ours, mut theirs) = (base.clone(), base.clone());
    append(&mut ours, 11);
    append(&mut theirs, 12);
    append(&mut theirs, 13);
    let map = merge(&base, &ours, &theirs, at(50)).unwrap();
    let lines = map.file(&log).unwrap().entries();
    assert_eq!(lines, [entry(4), entry(12), entry(13), entry(11)]);
    assert_eq!(
        map.lookup(&log).unwrap().metadata().updated_at(),
        Some(at(23))
    );
}

#[test]
fn newer_times_win_and_are_no_conflict() {
    let base = base();
    let (mut ours, mut theirs) = (base.clone(), base.clone());
    for (map, second) in [(&mut ours, 30), (&mut theirs, 20)] {
        map.write(&path("/a"), vec![entry(9)], at(second)).unwrap();
    }
    for (ours, theirs) in [(&ours, &theirs), (&theirs, &ours)] {
        let map = merge(&base, ours, theirs, at(50)).unwrap();
        let updated = map.lookup(&path("/a")).unwrap().metadata().updated_at();
        assert_eq!(updated, Some(at(30)));
    }
}

fn manifest(map: &mut BrickMap, json: &str) {
    map.embed(&path("/manifest"), &text(json), at(10)).unwrap();
}

#[test]
fn mounts_are_merged_one_by_one() {
    let map = merged(
        |map| manifest(map, r#"{"mounts":{"/m1":"x"}}"#),
        |map| manifest(map, r#"{"mounts":{"/m2":"y"}}"#),
    );
    assert_eq!(
        state(&map.unwrap(), &path("/manifest")),
        r#"{"mounts":{"/m2":"y","/m1":"x"}}"#
    );
    check_conflict(
        |map| manifest(map, r#"{"mounts":{"/m":"x"}}"#),
        |map| manifest(map, r#"{"mounts":{"/m":"y"}}"#),
        &[("/m", Change::Mounted, Change::Mounted)],
    );
    check_conflict(
        |map| manifest(map, r#"{"mounts":{"/m":"x"}}"#),
        |map| write(map, "/m/file", 10),
        &[("/m/file", Change::Mounted, Change::Added)],
    );
}

#[test]
fn an_unmounted_dsu_and_a_new_mount_go_together() {
    let mut base = base();
    manifest(&mut base, r#"{"mounts":{"/old":"x"}}"#);
    let (mut ours, mut theirs) = (base.clone(), base.clone());
    manifest(&mut ours, r#"{"mounts":{}}"#);
    manifest(&mut theirs, r#"{"mounts":{"/old":"x","/new":"y"}}"#);
    let map = merge(&base, &ours, &theirs, at(50)).unwrap();
    assert_eq!(
        state(&map, &path("/manifest")),
        r#"{"mounts":{"/new":"y"}}"#
    );
}

#[test]
fn maps_without_times_are_merged_too() {
    let mut base = BrickMap::new(Timing::TimeFree, at(0));
    write(&mut base, "/a", 1);
    write(&mut base, "/d/x", 2);
    let (mut ours, mut theirs) = (base.clone(), base.clone());
    delete(&mut ours, "/d");
    write(&mut theirs, "/b", 3);
    let map = merge(&base, &ours, &theirs, at(50)).unwrap();
    assert_eq!(
        tree(&map)
            .iter()
            .map(|(path, _)| path.as_str())
            .collect::<Vec<_>>(),
        ["/a", "/b"]
    );
    assert!(!map.to_json().contains("At\""), "no times");
}

proptest! {
    #[test]
    fn nothing_that_one_side_changed_is_lost(
        timing in prop_oneof![Just(Timing::Stamped), Just(Timing::TimeFree)],
        before in edits(12),
        mine in edits(8),
        other in edits(8),
    ) {
        let mut base = BrickMap::new(timing, at(0));
        apply_all(&mut base, &before, 1);
        let (mut ours, mut theirs) = (base.clone(), base.clone());
        apply_all(&mut ours, &mine, 100);
        apply_all(&mut theirs, &other, 200);
        prop_assert_eq!(tree(&merge(&base, &base, &theirs, at(300)).unwrap()), tree(&theirs));
        prop_assert_eq!(tree(&merge(&base, &ours, &base, at(300)).unwrap()), tree(&ours));
        prop_assert_eq!(merge(&base, &ours, &ours, at(300)).unwrap().to_json(), ours.to_json());
        let forth = merge(&base, &ours, &theirs, at(300));
        let back = merge(&base, &theirs, &ours, at(300));
        prop_assert_eq!(forth.is_ok(), back.is_ok());
        let (Ok(forth), Ok(back)) = (forth, back) else {
            return Ok(());
        };
        prop_assert_eq!(tree(&forth), tree(&back));
        let paths: BTreeSet<DsuPath> = [&base, &ours, &theirs]
            .iter()
            .flat_map(|map| map.list(&DsuPath::root(), Depth::Recursive).unwrap())
            .map(|line| line.path)
            .collect();
        for path in paths {
            let [before, mine, other, after] =
                [&base, &ours, &theirs, &forth].map(|map| state(map, &path));
            // A folder stays for what the other side put into it.
            let stays = mine == "/" || other == "/" || before == "/";
            if mine == other {
                prop_assert_eq!(&after, &mine, "{}", path);
            } else if before == mine {
                prop_assert!(after == other || (stays && after == "/"), "{} {}", path, after);
            } else if before == other {
                prop_assert!(after == mine || (stays && after == "/"), "{} {}", path, after);
            } else {
                prop_assert!(false, "{} is a conflict", path);
            }
        }
    }
}
