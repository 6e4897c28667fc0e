//! A pulled folder follows its DSU, and what somebody changed in it stays.

use std::fs;

use anyhow::Result;
use serde_json::Value;

use crate::Place;

const PUSH: [&str; 4] = ["push", "in", "--keys", "keys"];

/// Fetched, unchanged, removed, kept, of the first DSU.
fn counts(pulled: &Value) -> [usize; 4] {
    let dsu = &pulled["dsus"][0];
    let number = |it: &str| usize::try_from(dsu[it].as_u64().unwrap()).unwrap();
    let kept = dsu["kept"].as_array().unwrap().len();
    [
        number("fetched"),
        number("unchanged"),
        number("removed"),
        kept,
    ]
}

#[test]
fn only_changes_come_and_local_changes_stay() -> Result<()> {
    let place = Place::new()?;
    for name in ["a", "b", "gone", "edited", "deep/c"] {
        place.write(&format!("in/dsu/{name}"), format!("first {name}"))?;
    }
    place.run(0, &PUSH)?;
    let pull = ["pull", "--keys", "keys", "out", "--json"];
    assert_eq!(counts(&place.json(0, &pull)?), [5, 0, 0, 0]);
    assert_eq!(counts(&place.json(0, &pull)?), [0, 5, 0, 0]);

    place.write("in/dsu/a", "second a")?;
    place.write("in/dsu/edited", "second edited")?;
    fs::remove_file(place.path("in/dsu/gone"))?;
    fs::remove_file(place.path("in/dsu/deep/c"))?;
    fs::remove_dir(place.path("in/dsu/deep"))?;
    place.run(0, &PUSH)?;
    place.write("out/dsu/edited", "mine")?;
    place.write("out/dsu/own", "mine")?;
    fs::remove_file(place.path("out/dsu/b"))?;
    // The file that was lost here comes back; the one that was changed here stays.
    assert_eq!(counts(&place.json(1, &pull)?), [2, 0, 2, 1]);
    let read = |name: &str| fs::read_to_string(place.path("out/dsu").join(name));
    assert_eq!(read("a")?, "second a");
    assert_eq!(read("b")?, "first b");
    assert_eq!(read("edited")?, "mine");
    assert!(!place.path("out/dsu/gone").exists() && !place.path("out/dsu/deep").exists());

    let forced = [&pull[..], &["--force"]].concat();
    assert_eq!(counts(&place.json(0, &forced)?)[3], 0);
    assert_eq!(read("edited")?, "second edited");
    assert_eq!(read("own")?, "mine");
    Ok(())
}

#[test]
fn without_its_memory_a_pull_overwrites_nothing_that_differs() -> Result<()> {
    let place = Place::new()?;
    place.write("in/dsu/same", "same")?;
    place.write("in/dsu/other", "theirs")?;
    place.run(0, &PUSH)?;
    place.write("out/dsu/same", "same")?;
    place.write("out/dsu/other", "mine")?;
    let pull = ["pull", "--keys", "keys", "out", "--json"];
    assert_eq!(counts(&place.json(1, &pull)?), [0, 1, 0, 1]);
    assert_eq!(fs::read_to_string(place.path("out/dsu/other"))?, "mine");
    Ok(())
}

#[test]
fn a_watch_prints_each_version_once() -> Result<()> {
    let place = Place::new()?;
    place.write("in/dsu/a", "first")?;
    place.write("in/dsu/b", "first")?;
    place.run(0, &PUSH)?;
    let keys: Value = serde_json::from_slice(&fs::read(place.path("keys"))?)?;
    place.write("key", keys["keyssi"].as_str().unwrap())?;
    let watch = |state: &str| -> Result<Vec<Value>> {
        let arguments = ["watch", "file:key", "--once", "--json", "--state", state];
        let output = place.run(0, &arguments)?;
        let lines = String::from_utf8(output.stdout)?;
        lines
            .lines()
            .map(|it| Ok(serde_json::from_str(it)?))
            .collect()
    };
    let lines = watch("other")?;
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["version"], 0);
    assert_eq!(lines[0]["changes"].as_array().unwrap().len(), 2);
    assert!(watch("other")?.is_empty());
    place.write("in/dsu/a", "second")?;
    fs::remove_file(place.path("in/dsu/b"))?;
    place.write("in/dsu/c", "first")?;
    place.run(0, &PUSH)?;
    let lines = watch("other")?;
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["version"], 1);
    let changes = serde_json::json!([
        { "path": "/a", "change": "changed" },
        { "path": "/b", "change": "removed" },
        { "path": "/c", "change": "added" },
    ]);
    assert_eq!(lines[0]["changes"], changes);
    assert!(lines[0]["signer"].is_string() && lines[0]["time"].is_string());
    // One that never looked is told of both.
    assert_eq!(watch("new")?.len(), 2);
    Ok(())
}

#[test]
fn a_name_that_is_no_folder_stops_only_its_own_dsu() -> Result<()> {
    let place = Place::new()?;
    place.write(
        "in.ndjson",
        "{\"id\":\"../x\"}\n{\"id\":\"a//b\"}\n{\"id\":\"good\"}\n",
    )?;
    place.run(0, &["push", "in.ndjson", "--keys", "keys"])?;
    let pulled = place.json(1, &["pull", "--keys", "keys", "out", "--json"])?;
    // Several are in work at a time: the key file has them in any order.
    let of = |name: &str| {
        let mut dsus = pulled["dsus"].as_array().unwrap().iter();
        dsus.find(|it| it["name"] == name).unwrap()
    };
    for name in ["../x", "a//b"] {
        let why = of(name)["failed"].as_str().unwrap();
        assert!(why.contains("cannot be that of a folder"), "{why}");
    }
    assert_eq!(of("good")["fetched"], 1);
    assert!(place.path("out/good/record.json").exists() && !place.path("x").exists());
    Ok(())
}
