//! Runs that were killed between two lines of the journal: the journal is cut back to where the
//! kill would have left it, the node stays as it is.

use std::fs;

use anyhow::Result;

use crate::{Place, numbers};

const PUSH: [&str; 7] = [
    "push",
    "in",
    "--keys",
    "keys",
    "--journal",
    "journal",
    "--json",
];

/// Drops the last lines of the journal, which must be of these kinds.
fn forget(place: &Place, kinds: &[&str]) -> Result<()> {
    let text = fs::read_to_string(place.path("journal"))?;
    let mut lines: Vec<&str> = text.lines().collect();
    for kind in kinds {
        let line = lines.pop().unwrap();
        assert!(line.starts_with(&format!("{{\"{kind}\"")), "{line}");
    }
    place.write("journal", lines.join("\n") + "\n")
}

#[test]
fn a_source_that_went_back_after_a_kill_is_stored_again() -> Result<()> {
    let place = Place::new()?;
    place.write("in/dsu/a", "first")?;
    place.json(0, &PUSH)?;
    place.write("in/dsu/a", "second")?;
    place.json(0, &PUSH)?;
    forget(&place, &["finished", "stored"])?;
    place.write("in/dsu/a", "first")?;
    let report = place.json(0, &PUSH)?;
    assert_eq!(numbers(&report), [1, 0, 0, 1]);
    assert_eq!(report["items"][0]["version"], 2);
    place.run(0, &["pull", "--keys", "keys", "out"])?;
    assert_eq!(fs::read_to_string(place.path("out/dsu/a"))?, "first");
    assert_eq!(numbers(&place.json(0, &PUSH)?), [0, 1, 0, 1]);
    Ok(())
}

#[test]
fn an_item_whose_key_is_gone_is_not_called_stored() -> Result<()> {
    let place = Place::new()?;
    place.write("in/dsu/a", "first")?;
    place.json(0, &PUSH)?;
    forget(&place, &["finished", "stored"])?;
    fs::rename(place.path("keys"), place.path("lost"))?;
    let report = place.json(1, &PUSH)?;
    assert_eq!(numbers(&report), [0, 0, 1, 1]);
    let why = report["items"][0]["why"].as_str().unwrap();
    assert!(why.contains("its key is not among the keys"), "{why}");

    fs::rename(place.path("lost"), place.path("keys"))?;
    assert_eq!(numbers(&place.json(0, &PUSH)?), [1, 0, 0, 1]);
    assert_eq!(place.anchors()?, 1);
    Ok(())
}
