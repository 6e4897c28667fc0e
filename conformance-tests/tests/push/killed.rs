//! A push that is killed again and again ends complete: every item once, none twice, and a report
//! whose numbers are those of an undisturbed run.
//!
//! The kill comes when the journal has grown to a random length, so that kills fall on every step
//! of the work, however fast the machine is.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use client::dsus::{At, Snapshot};
use client::{Client, ClientOptions};
use dsu::{Depth, DsuPath};
use keyssi::KeySsi;
use serde_json::Value;
use testkit::random::Random;
use tokio::task::JoinSet;

use crate::{Place, files, numbers};

const PATIENTS: u64 = 1000;
const KILLS: usize = 5;
/// DSUs read at a time.
const READERS: usize = 8;
/// Lines of the journal before the last kill: two for each item, begun and stored, and so many
/// items left that the kill comes before the end.
const LINES_MAX: u64 = 2 * (PATIENTS - 200);
/// How often the length of the journal is looked at.
const POLL: Duration = Duration::from_millis(1);
/// Longest wait for the journal to grow.
const GROW_WAIT: Duration = Duration::from_mins(5);

const PUSH: [&str; 10] = [
    "push",
    "patients",
    "--keys",
    "keys",
    "--journal",
    "journal",
    "--jobs",
    "8",
    "--report",
    "report.json",
];

#[test]
fn a_thousand_patients_arrive_once_each_however_often_the_push_is_killed() -> Result<()> {
    let mut random = Random::announced("push killed")?;
    let place = Place::new()?;
    for seed in 0..PATIENTS {
        let files = [
            samples::patient_summary(seed),
            samples::device_readings(seed, 1),
        ];
        for file in files {
            place.write(&format!("patients/{}", file.path), file.content)?;
        }
    }
    let mut points: Vec<u64> = (0..KILLS).map(|_| 2 + random.below(LINES_MAX)).collect();
    points.sort_unstable();
    for lines in points {
        kill_at(&place, &PUSH, lines)?;
    }
    let started = Instant::now();
    let report = place.json(0, &[&PUSH[..], &["--json"]].concat())?;
    eprintln!("the last run took {:?}", started.elapsed());
    check_complete(&place, &report)?;

    // Nothing is left to do, and that is what the next run says.
    let report = place.json(0, &[&PUSH[..], &["--json"]].concat())?;
    assert_eq!(numbers(&report), [0, PATIENTS, 0, PATIENTS]);
    assert_eq!(report["starts"], 1);
    assert_eq!(place.anchors()?, PATIENTS);
    Ok(())
}

fn check_complete(place: &Place, report: &Value) -> Result<()> {
    assert_eq!(numbers(report), [PATIENTS, 0, 0, PATIENTS]);
    assert_eq!(report["starts"], KILLS + 1);
    let written: Value = serde_json::from_slice(&fs::read(place.path("report.json"))?)?;
    assert_eq!(&written, report);
    // Distinct names, distinct anchors, and each anchored once.
    let items = report["items"].as_array().unwrap();
    for member in ["item", "anchor_id"] {
        let distinct: BTreeSet<_> = items
            .iter()
            .map(|it| it[member].as_str().unwrap())
            .collect();
        assert_eq!(distinct.len() as u64, PATIENTS, "{member}");
    }
    assert!(
        items
            .iter()
            .all(|it| it["version"] == 0 && it["outcome"] == "stored")
    );
    assert_eq!(place.anchors()?, PATIENTS);
    let keys = fs::read_to_string(place.path("keys"))?;
    assert_eq!(keys.lines().count() as u64, PATIENTS);

    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(check_readable(place, &keys))
}

/// Each key opens its own patient, to the last byte.
async fn check_readable(place: &Place, keys: &str) -> Result<()> {
    let node = format!("http://{}", place.server.address()).parse()?;
    let client = Client::new(ClientOptions::new(node))?;
    let mut reading = JoinSet::new();
    for line in keys.lines() {
        let line: Value = serde_json::from_str(line)?;
        let key = KeySsi::parse(line["keyssi"].as_str().unwrap())?;
        let folder = place.path("patients").join(line["name"].as_str().unwrap());
        let client = client.clone();
        reading.spawn(async move { is_same(&client, &key, &folder).await });
        if reading.len() >= READERS {
            reading.join_next().await.unwrap()??;
        }
    }
    while let Some(read) = reading.join_next().await {
        read??;
    }
    Ok(())
}

async fn is_same(client: &Client, key: &KeySsi, folder: &Path) -> Result<()> {
    let snapshot = Snapshot::open(client, key, At::Latest).await?;
    let sent = files(folder)?;
    let listed = snapshot.list(&DsuPath::root(), Depth::Recursive).await?;
    assert_eq!(listed.len(), sent.len());
    for (path, content) in sent {
        let inner = DsuPath::parse(path.to_str().unwrap())?;
        let read = snapshot.read(&inner).await?.to_end().await?;
        assert!(*read == content, "{} differs", folder.join(path).display());
    }
    Ok(())
}

/// Runs `kiln` and kills it with SIGKILL when the journal has this many lines, and one more than
/// before at least: that it was started is one.
pub(crate) fn kill_at(place: &Place, arguments: &[&str], lines: u64) -> Result<()> {
    let before = count_lines(&place.path("journal"));
    let mut command = place.kiln(arguments)?;
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let journal = place.path("journal");
    let lines = lines.max(before + 1);
    let deadline = Instant::now() + GROW_WAIT;
    let mut grown = Ok(());
    while count_lines(&journal) < lines && child.try_wait()?.is_none() {
        if Instant::now() > deadline {
            grown = Err(anyhow::anyhow!(
                "the journal does not grow to {lines} lines"
            ));
            break;
        }
        thread::sleep(POLL);
    }
    let ended = child.try_wait()?;
    child.kill()?;
    child.wait()?;
    grown?;
    eprintln!("killed at line {} of the journal", count_lines(&journal));
    ensure!(
        ended.is_none(),
        "the push ended before its journal had {lines} lines"
    );
    Ok(())
}

fn count_lines(path: &Path) -> u64 {
    let bytes = fs::read(path).unwrap_or_default();
    bytes
        .split_inclusive(|it| *it == b'\n')
        .filter(|it| it.ends_with(b"\n"))
        .count() as u64
}
