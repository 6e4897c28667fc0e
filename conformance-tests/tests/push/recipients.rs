//! A job whose keyring it cannot read back: killed, it still makes each DSU once, and every DSU has
//! its key.

use std::collections::BTreeSet;

use anyhow::Result;
use testkit::random::Random;

use crate::killed::kill_at;
use crate::{Place, numbers};

const ITEMS: u64 = 60;
const KILLS: usize = 4;

/// A test key that the age project has published, and its public key.
const AGE_KEY: &str = "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33";
const AGE_RECIPIENT: &str = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";

const PUSH: [&str; 6] = [
    "push",
    "wards",
    "--save-prefix",
    "ward.",
    "--journal",
    "journal",
];

#[test]
fn a_job_that_cannot_read_its_keyring_makes_each_dsu_once() -> Result<()> {
    let mut random = Random::announced("push recipients")?;
    let place = Place::new()?;
    place.run(0, &["keyring", "init", "--recipient", AGE_RECIPIENT])?;
    for number in 0..ITEMS {
        place.write(
            &format!("wards/bed {number}/note.txt"),
            format!("note {number}"),
        )?;
    }
    let mut points: Vec<u64> = (0..KILLS)
        .map(|_| 2 + random.below(2 * (ITEMS - 30)))
        .collect();
    points.sort_unstable();
    for lines in points {
        kill_at(&place, &PUSH, lines)?;
    }
    let report = place.json(0, &[&PUSH[..], &["--json"]].concat())?;
    assert_eq!(numbers(&report), [ITEMS, 0, 0, ITEMS]);
    assert_eq!(place.anchors()?, ITEMS);

    // Whoever has the private key finds the key of every DSU.
    place.write("identity", AGE_KEY)?;
    let listed = place.json(0, &["keyring", "list", "--identity", "identity", "--json"])?;
    let kept = listed["keys"].as_array().unwrap().iter();
    let kept: BTreeSet<&str> = kept.map(|it| it["anchor_id"].as_str().unwrap()).collect();
    let items = report["items"].as_array().unwrap().iter();
    let made: BTreeSet<&str> = items.map(|it| it["anchor_id"].as_str().unwrap()).collect();
    assert_eq!(kept, made);
    let name = report["items"][7]["key"].as_str().unwrap();
    let key = format!("@{name}");
    let note = place.run(
        0,
        &[
            "dsu",
            "get",
            &key,
            "/note.txt",
            "-",
            "--identity",
            "identity",
        ],
    )?;
    let item = report["items"][7]["item"].as_str().unwrap();
    assert_eq!(String::from_utf8(note.stdout)?, item.replace("bed", "note"));

    // Without it a changed item is not stored, and no second DSU is made for it.
    place.write("wards/bed 7/note.txt", "changed")?;
    let report = place.json(1, &[&PUSH[..], &["--json"]].concat())?;
    assert_eq!(numbers(&report), [0, ITEMS - 1, 1, ITEMS]);
    let report = place.json(
        0,
        &[&PUSH[..], &["--json", "--identity", "identity"]].concat(),
    )?;
    assert_eq!(numbers(&report), [1, ITEMS - 1, 0, ITEMS]);
    assert_eq!(place.anchors()?, ITEMS);
    Ok(())
}
