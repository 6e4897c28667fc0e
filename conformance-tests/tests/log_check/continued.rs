//! A log that continues another one: what it says of that has to stay the same, and to fit.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use testkit::random::Random;
use testkit::server::write_file;
use translog::{Checkpoint, ExtensionLine, LogKey, Origin, Predecessor, SignedNote};

use crate::built::Log;
use crate::cases::beginning;
use crate::tamper::Expected;
use crate::{Said, Written, check};

const OLD: &str = "anchors.example/old";

fn old_key(seed: u8) -> LogKey {
    LogKey::from_seed(&Origin::parse(OLD).unwrap(), &[seed; 32])
}

/// A checkpoint of the old log.
fn old_note(size: u64, root: [u8; 32], seed: u8) -> String {
    let checkpoint = Checkpoint::new(Origin::parse(OLD).unwrap(), size, root);
    SignedNote::new(&checkpoint, old_key(seed).sign(&checkpoint)).to_string()
}

/// The log says that it continues one of 50 entries, of which it kept so many.
fn line(kept: u64) -> ExtensionLine {
    let predecessor = Predecessor {
        origin: Origin::parse(OLD).unwrap(),
        size: 50,
        root: [9; 32],
        kept,
    };
    predecessor.line()
}

fn saying(log: &Log, lines: &[&str]) -> Result<Written> {
    let mut log = log.clone();
    let lines = lines.iter().map(|line| ExtensionLine::parse(line));
    log.extensions = lines.collect::<Result<_, _>>()?;
    Written::new(log)
}

fn require(said: &Said, kind: &'static str, index: Option<u64>, exit: i32) -> Result<()> {
    said.require_found(&Expected {
        kind,
        index,
        path: None,
        exit,
    })
}

#[test]
fn what_a_log_continues_never_changes() -> Result<()> {
    let mut random = Random::announced("continued")?;
    let log = Log::of_anchors(60, &mut random)?;
    let (begun, state, vkey) = (beginning(&log, 40), tempfile::tempdir()?, log.vkey());
    let ask = |written: &Written, state: &Path| check(written.folder.path(), &vkey, state, &[]);
    let (kept, other) = (line(30), line(29));
    let said = ask(&saying(&begun, &[kept.as_str()])?, state.path())?;
    ensure!(said.exit == 0, "{}{}", said.json, said.stderr);
    ensure!(said.json["continues"]["kept"] == 30, "{}", said.json);
    ensure!(said.json["continues"]["signed"] == false, "{}", said.json);
    // Nobody drops the line, or changes it, unseen.
    let changed: [&[&str]; 3] = [&[], &["something else"], &[other.as_str()]];
    for lines in changed {
        let said = ask(&saying(&log, lines)?, state.path())?;
        require(&said, "fork", Some(40), 18)?;
        ensure!(!said.json["evidence"].is_null(), "{}", said.json);
    }
    let with_more = ["something else", kept.as_str()];
    let said = ask(&saying(&log, &with_more)?, state.path())?;
    ensure!(said.exit == 0, "{}{}", said.json, said.stderr);
    // What cannot be.
    let (own, malformed) = (
        kept.as_str().replace(OLD, "anchors.example/default"),
        kept.as_str().replace(" 50 ", " 5 "),
    );
    let (too_many, twice) = (line(41), [kept.as_str(), kept.as_str()]);
    let wrong: [&[&str]; 4] = [&[&own], &[&malformed], &[too_many.as_str()], &twice];
    for lines in wrong {
        let said = ask(&saying(&begun, lines)?, tempfile::tempdir()?.path())?;
        require(&said, "checkpoint", Some(40), 18)?;
    }
    Ok(())
}

#[test]
fn what_was_kept_fits_what_the_old_log_signed() -> Result<()> {
    let mut random = Random::announced("predecessor")?;
    let log = Log::of_anchors(40, &mut random)?;
    let written = saying(&log, &[line(30).as_str()])?;
    let folder = written.folder.path();
    let (ended, friend) = (folder.join("predecessor"), folder.join("friend"));
    let friend_path = friend.to_str().context("a path")?;
    let vkey = old_key(1).verifier().to_string();
    let ask = |further: &[&str]| -> Result<Said> {
        let trusting = [&["--old-vkey", vkey.as_str()][..], further].concat();
        check(folder, &log.vkey(), tempfile::tempdir()?.path(), &trusting)
    };
    require(&ask(&[])?, "missing", None, 17)?;
    for (size, root, seed, kind, exit) in [
        (50, [9; 32], 2, "signature", 1),
        (50, [8; 32], 1, "fork", 18),
        (49, [9; 32], 1, "fork", 18),
    ] {
        write_file(&ended, old_note(size, root, seed).as_bytes())?;
        let index = (exit == 18).then_some(size);
        require(&ask(&[])?, kind, index, exit)?;
    }
    write_file(&ended, old_note(50, [9; 32], 1).as_bytes())?;
    let said = ask(&[])?;
    ensure!(said.exit == 0, "{}{}", said.json, said.stderr);
    ensure!(said.json["continues"]["signed"] == true, "{}", said.json);
    // Other checkpoints of the old log: what was kept, what was lost, what nobody was told of.
    let given = ["--checkpoint", friend_path];
    let root_of = |size| log.note(size).checkpoint().map(|it| it.root);
    for (size, root) in [(30, root_of(30)?), (7, root_of(7)?), (45, [4; 32])] {
        write_file(&friend, old_note(size, root, 1).as_bytes())?;
        let said = ask(&given)?;
        ensure!(said.exit == 0, "{size}: {}{}", said.json, said.stderr);
    }
    for (size, kind, index, exit) in [
        (30, "fork", 30, 18),
        (50, "fork", 50, 18),
        (51, "rollback", 50, 11),
    ] {
        write_file(&friend, old_note(size, [4; 32], 1).as_bytes())?;
        require(&ask(&given)?, kind, Some(index), exit)?;
    }
    // A log that was expected to continue another, and does not say so.
    let silent = Written::new(log.clone())?;
    let trusting = ["--old-vkey", &vkey];
    let (state, folder) = (tempfile::tempdir()?, silent.folder.path());
    let said = check(folder, &log.vkey(), state.path(), &trusting)?;
    require(&said, "fork", Some(40), 18)
}
