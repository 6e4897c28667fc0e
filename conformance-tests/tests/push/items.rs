//! What becomes of each item: stored, skipped, or failed with a reason, and the others go on.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;

use anyhow::Result;
use serde_json::Value;

use crate::{Place, numbers};

/// Outcome and reason by item.
fn outcomes(report: &Value) -> BTreeMap<String, (String, String)> {
    let items = report["items"].as_array().unwrap().iter();
    let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
    items
        .map(|it| (text(&it["item"]), (text(&it["outcome"]), text(&it["why"]))))
        .collect()
}

#[track_caller]
fn check(report: &Value, item: &str, outcome: &str, why: &str) {
    let all = outcomes(report);
    let found = all
        .get(item)
        .unwrap_or_else(|| panic!("{item} is not in {all:?}"));
    assert!(
        found.0 == outcome && found.1.contains(why),
        "{item}: {found:?}"
    );
}

#[test]
fn each_folder_has_an_outcome_and_a_reason() -> Result<()> {
    let place = Place::new()?;
    place.write("in/good/a.txt", "a")?;
    place.write("in/good/deep/b.txt", "b")?;
    place.write("in/linked/a.txt", "a")?;
    symlink("/etc/hostname", place.path("in/linked/link"))?;
    place.write("in/odd/a\\b", "a")?;
    place.write("in/beside.txt", "a")?;
    fs::create_dir_all(place.path("in/empty/deep"))?;
    let push = ["push", "in", "--keys", "keys", "--json"];
    let report = place.json(1, &push)?;
    assert_eq!(numbers(&report), [1, 2, 2, 5]);
    check(&report, "good", "stored", "");
    check(&report, "linked", "failed", "symbolic link");
    check(&report, "odd", "failed", "separator");
    check(&report, "beside.txt", "skipped", "beside the folders");
    check(&report, "empty", "skipped", "no files");
    assert_eq!(place.anchors()?, 1);

    // What was mended is stored by the next run; what changed is a new version, without the file
    // that is gone.
    fs::remove_file(place.path("in/linked/link"))?;
    fs::remove_file(place.path("in/odd/a\\b"))?;
    fs::remove_file(place.path("in/good/a.txt"))?;
    place.write("in/good/c.txt", "c")?;
    let report = place.json(0, &push)?;
    assert_eq!(numbers(&report), [2, 3, 0, 5]);
    assert_eq!(place.anchors()?, 2);
    place.run(0, &["pull", "--keys", "keys", "copies"])?;
    let good = crate::files(&place.path("copies/good"))?;
    assert_eq!(good, crate::files(&place.path("in/good"))?);
    Ok(())
}

#[test]
fn each_line_has_an_outcome_and_a_reason() -> Result<()> {
    let place = Place::new()?;
    let text = "{\"id\":\"p1\",\"x\":1}\n\n{\"no\":\"id\"}\nnot json\n{\"id\":\"p1\",\"x\":2}\n{\"id\":\"p2\"}";
    place.write("in.ndjson", text)?;
    let push = ["push", "in.ndjson", "--keys", "keys", "--json"];
    let report = place.json(1, &push)?;
    assert_eq!(numbers(&report), [3, 0, 2, 5]);
    check(&report, "p1", "stored", "");
    let nameless = "line-abb14b28ec59e4a2bffe19315ce7f3da";
    check(&report, nameless, "stored", "");
    check(&report, "line-4", "failed", "not JSON");
    check(&report, "line-5", "failed", "line 1 has the same name, p1");
    check(&report, "p2", "stored", "");
    place.run(0, &["pull", "--keys", "keys", "copies"])?;
    assert_eq!(
        fs::read(place.path("copies/p1/record.json"))?,
        b"{\"id\":\"p1\",\"x\":1}"
    );

    // Lines that come before the others change nothing for them.
    place.write(
        "in.ndjson",
        format!(
            "{{\"id\":\"p0\"}}\n{}",
            text.replace("not json", "{\"id\":\"p3\"}")
        ),
    )?;
    let report = place.json(1, &push)?;
    check(&report, "p1", "skipped", "unchanged");
    check(&report, nameless, "skipped", "unchanged");
    check(&report, "p0", "stored", "");
    check(&report, "p3", "stored", "");
    Ok(())
}

#[test]
fn a_lost_journal_makes_no_second_dsu() -> Result<()> {
    let place = Place::new()?;
    for number in 0..5 {
        place.write(
            &format!("in/{number}/{number}.txt"),
            format!("text {number}"),
        )?;
    }
    let push = [
        "push",
        "in",
        "--per",
        "file",
        "--keys",
        "keys",
        "--journal",
        "journal",
        "--json",
    ];
    assert_eq!(numbers(&place.json(0, &push)?), [5, 0, 0, 5]);
    fs::remove_file(place.path("journal"))?;
    let report = place.json(0, &push)?;
    assert_eq!(numbers(&report), [5, 0, 0, 5]);
    assert!(
        report["items"]
            .as_array()
            .unwrap()
            .iter()
            .all(|it| it["version"] == 0)
    );
    assert_eq!(place.anchors()?, 5);
    Ok(())
}

#[test]
fn a_call_that_cannot_work_stores_nothing_and_says_why() -> Result<()> {
    let place = Place::new()?;
    place.write("in/a/a.txt", "a")?;
    place.write("in.ndjson", "{}\n")?;
    for (code, arguments) in [
        (2, &["push", "in"][..]),
        (2, &["push", "in", "--per", "line", "--keys", "keys"]),
        (
            2,
            &["push", "in.ndjson", "--per", "folder", "--keys", "keys"],
        ),
        (3, &["push", "absent", "--keys", "keys"]),
        (13, &["push", "in", "--keys", "keys", "--domain", "nowhere"]),
        (
            4,
            &[
                "push",
                "in",
                "--keys",
                "keys",
                "--node",
                "http://127.0.0.1:9",
            ],
        ),
        (5, &["push", "in", "--save-prefix", "x."]),
        (3, &["push", "in", "--keys", "keys", "--report", "in"]),
        (
            3,
            &[
                "push",
                "in",
                "--keys",
                "keys",
                "--report",
                "in.ndjson/report",
            ],
        ),
    ] {
        let output = place.run(code, arguments)?;
        assert!(String::from_utf8_lossy(&output.stderr).contains("next: ") || code == 2);
    }
    assert_eq!(place.anchors()?, 0);
    Ok(())
}

#[test]
fn a_report_file_that_cannot_be_written_takes_nothing_of_the_report() -> Result<()> {
    let place = Place::new()?;
    place.write("in/a/a.txt", "a")?;
    // A name that a disk takes, but not with what is added while it is written.
    let report = "r".repeat(250);
    let push = [
        "push", "in", "--keys", "keys", "--json", "--report", &report,
    ];
    assert_eq!(numbers(&place.json(3, &push)?), [1, 0, 0, 1]);
    Ok(())
}
