//! What `kiln log check` and `kiln log monitor` do over time: growth, forks, older checkpoints,
//! erased and withheld openings, and a log of a running node.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use keyssi::{AnchorSigner, KeySsi, PrivateKey, Timestamp};
use serde_json::Value;
use testkit::binaries::Binary;
use testkit::owner::Owner;
use testkit::process::Launch;
use testkit::random::Random;
use testkit::server::{Server, write_file};
use translog::{BundleId, KeyName, Op, TileId, WitnessKey};

use crate::built::{Log, Record};
use crate::tamper::Expected;
use crate::{Written, check};

/// The first entries of a log.
pub(crate) fn beginning(log: &Log, size: usize) -> Log {
    let mut beginning = log.clone();
    beginning.records.truncate(size);
    beginning
}

/// The same log with another history from an entry on.
fn branch(log: &Log, from: usize) -> Result<Log> {
    let mut random = Random::new(99);
    let other = Log::of_anchors(log.records.len() * 2, &mut random)?;
    let mut branch = beginning(log, from);
    // Whole anchors of another log, so that only the checkpoints show that something is wrong.
    let further = other.records[other.records.len() / 8..].iter();
    let first: Vec<Record> = further
        .filter(|it| it.op() == Op::Create as u8)
        .take(log.records.len() - from)
        .cloned()
        .collect();
    branch.records.extend(first);
    Ok(branch)
}

fn fork(size: u64) -> Expected {
    Expected {
        kind: "fork",
        index: Some(size),
        path: None,
        exit: 18,
    }
}

#[test]
fn growth_is_followed_and_another_history_is_kept_as_evidence() -> Result<()> {
    let mut random = Random::announced("growth")?;
    let log = Log::of_anchors(300, &mut random)?;
    let (state, vkey) = (tempfile::tempdir()?, log.vkey());
    let mut last = Value::Null;
    for size in [1, 20, 20, 255, 256, 257] {
        let written = Written::new(beginning(&log, size))?;
        let said = check(written.folder.path(), &vkey, state.path(), &[])?;
        ensure!(said.exit == 0, "{size}: {}{}", said.json, said.stderr);
        ensure!(said.json["remembered"] == last, "{size}: {}", said.json);
        last = said.json["size"].clone();
    }
    let older = Written::new(beginning(&log, 256))?;
    let said = check(older.folder.path(), &vkey, state.path(), &[])?;
    said.require_found(&Expected {
        kind: "rollback",
        index: Some(256),
        path: None,
        exit: 11,
    })?;
    // A branch from within what was seen, larger and of the same size.
    for size in [300, 257] {
        let other = Written::new(beginning(&branch(&log, 250)?, size))?;
        let said = check(other.folder.path(), &vkey, state.path(), &[])?;
        said.require_found(&fork(257))?;
        let evidence = said.json["evidence"].as_str().context("no evidence")?;
        let text = fs::read_to_string(evidence)?;
        for note in [log.note(257), other.log.note(size)] {
            ensure!(text.contains(&note.to_string()), "{text}");
        }
    }
    // What was found wrong is not remembered.
    let sound = Written::new(log)?;
    let said = check(sound.folder.path(), &vkey, state.path(), &[])?;
    ensure!(
        said.exit == 0 && said.json["remembered"] == 257,
        "{}",
        said.json
    );
    Ok(())
}

#[test]
fn a_checkpoint_from_somebody_else_has_to_fit() -> Result<()> {
    let mut random = Random::announced("second checkpoint")?;
    let log = Log::of_anchors(40, &mut random)?;
    let written = Written::new(log.clone())?;
    let friend = written.folder.path().join("friend");
    let ask = || -> Result<_> {
        let state = tempfile::tempdir()?;
        let given = ["--checkpoint", friend.to_str().context("a path")?];
        check(written.folder.path(), &log.vkey(), state.path(), &given)
    };
    for size in [1, 32, 40] {
        write_file(&friend, log.note(size).to_string().as_bytes())?;
        let said = ask()?;
        ensure!(said.exit == 0, "{}{}", said.json, said.stderr);
    }
    for size in [31, 40] {
        let other = branch(&log, 30)?;
        write_file(&friend, other.note(size).to_string().as_bytes())?;
        ask()?.require_found(&fork(size as u64))?;
    }
    let unsigned = log.note(8).to_string().replace("\n8\n", "\n9\n");
    write_file(&friend, unsigned.as_bytes())?;
    ask()?.require_found(&Expected {
        kind: "signature",
        index: None,
        path: None,
        exit: 1,
    })
}

#[test]
fn a_memory_that_cannot_be_read_is_not_forgotten() -> Result<()> {
    let mut random = Random::announced("memory")?;
    let written = Written::new(Log::of_anchors(5, &mut random)?)?;
    let (state, vkey) = (tempfile::tempdir()?, written.log.vkey());
    let ask = || check(written.folder.path(), &vkey, state.path(), &[]);
    ensure!(ask()?.exit == 0);
    let file = fs::read_dir(state.path().join("logs"))?.next();
    let file = file.context("nothing was remembered")??.path();
    write_file(&file, b"")?;
    let said = ask()?;
    ensure!(said.exit == 3, "{}", said.json);
    ensure!(
        said.stderr.contains("remembered checkpoint"),
        "{}",
        said.stderr
    );
    Ok(())
}

#[test]
fn a_full_file_serves_where_the_partial_one_is_gone() -> Result<()> {
    let mut random = Random::announced("full files")?;
    let log = Log::of_anchors(600, &mut random)?;
    let written = Written::new(log.clone())?;
    let folder = written.folder.path();
    // Of level 1 there is no full one yet, so the partial ones are all kept.
    let (one, two) = (TileId::new(1, 0, 1)?, TileId::new(1, 0, 2)?);
    let hashes = fs::read(folder.join(two.path()))?;
    write_file(&folder.join(one.path()), &hashes[..32])?;
    for size in [300, 256, 511, 512] {
        let note = log.note(size).to_string();
        write_file(&folder.join("checkpoint"), note.as_bytes())?;
        let state = tempfile::tempdir()?;
        let said = check(folder, &log.vkey(), state.path(), &[])?;
        ensure!(said.exit == 0, "{size}: {}{}", said.json, said.stderr);
        ensure!(said.json["opened"] == size, "{}", said.json);
    }
    fs::remove_file(folder.join(one.path()))?;
    let note = log.note(300).to_string();
    write_file(&folder.join("checkpoint"), note.as_bytes())?;
    let state = tempfile::tempdir()?;
    check(folder, &log.vkey(), state.path(), &[])?.require_found(&Expected {
        kind: "missing",
        index: Some(0),
        path: Some(one.path()),
        exit: 17,
    })
}

#[test]
fn withheld_openings_are_said_and_demanded_ones_must_be_there() -> Result<()> {
    let mut random = Random::announced("withheld")?;
    let mut log = Log::of_anchors(270, &mut random)?;
    log.public = false;
    let written = Written::new(log.clone())?;
    let (folder, state) = (written.folder.path(), tempfile::tempdir()?);
    let said = check(folder, &log.vkey(), state.path(), &[])?;
    said.require_in_order(&log)?;
    ensure!(said.json["openings"] == "withheld", "{}", said.json);
    let elsewhere = tempfile::tempdir()?;
    let given = ["--openings", elsewhere.path().to_str().context("a path")?];
    let missing = |number, width| -> Result<Expected> {
        Ok(Expected {
            kind: "missing",
            index: Some(number * 256),
            path: Some(BundleId::new(number, width)?.openings_path()),
            exit: 17,
        })
    };
    check(folder, &log.vkey(), state.path(), &given)?.require_found(&missing(0, 256)?)?;
    log.public = true;
    log.write(elsewhere.path())?;
    let said = check(folder, &log.vkey(), state.path(), &given)?;
    ensure!(
        said.exit == 0 && said.json["opened"] == 270,
        "{}",
        said.json
    );
    let last = BundleId::new(1, 14)?.openings_path();
    fs::remove_file(elsewhere.path().join(last))?;
    check(folder, &log.vkey(), state.path(), &given)?.require_found(&missing(1, 14)?)
}

/// All openings or none: one that begins later than the entries hides something.
#[test]
fn openings_that_are_withheld_in_the_first_bundle_only_are_missing() -> Result<()> {
    let mut random = Random::announced("first openings")?;
    let log = Log::of_anchors(270, &mut random)?;
    let written = Written::new(log.clone())?;
    let (folder, state) = (written.folder.path(), tempfile::tempdir()?);
    let first = BundleId::new(0, 256)?.openings_path();
    fs::remove_file(folder.join(&first))?;
    check(folder, &log.vkey(), state.path(), &[])?.require_found(&Expected {
        kind: "missing",
        index: Some(0),
        path: Some(first),
        exit: 17,
    })
}

/// Serves files below a folder, and `checkpoint/cosigned`, which a folder cannot hold beside
/// `checkpoint`. Ends with the test.
fn serve(folder: PathBuf, cosigned: String) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}/log/default", listener.local_addr()?);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let request = lines.next().unwrap_or_default();
            while lines.next().is_some_and(|line| !line.is_empty()) {}
            let path = request.split(' ').nth(1).unwrap_or_default();
            let path = path.trim_start_matches("/log/default/");
            let body = match path {
                "checkpoint/cosigned" => Some(cosigned.clone().into_bytes()),
                path => fs::read(folder.join(path)).ok(),
            };
            let status = if body.is_some() { "200 OK" } else { "404 no" };
            let body = body.unwrap_or_default();
            let head = format!(
                "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            // The client may have gone already.
            let _ = (&stream).write_all(&[head.as_bytes(), &body].concat());
        }
    });
    Ok(url)
}

/// What the witnesses cosigned is in order by itself; the newer one that only the log signed is not.
#[test]
fn a_forked_newest_checkpoint_beside_a_cosigned_one_is_found() -> Result<()> {
    let mut random = Random::announced("forked newest")?;
    let log = Log::of_anchors(40, &mut random)?;
    let name = KeyName::parse("witness.example/w1")?;
    let witness = WitnessKey::from_seed(&name, &[2; 32]);
    let mut cosigned = log.note(30);
    let checkpoint = cosigned.checkpoint()?;
    cosigned.add(witness.cosign(&checkpoint, 1_700_000_000))?;
    let files = tempfile::tempdir()?;
    let policy = files.path().join("policy");
    let text = format!(
        "log {}\nwitness w1 {}\nquorum w1\n",
        log.vkey(),
        witness.verifier()
    );
    write_file(&policy, text.as_bytes())?;
    let look = |written: &Written| -> Result<(i32, Value)> {
        let url = serve(written.folder.path().to_owned(), cosigned.to_string())?;
        let state = tempfile::tempdir()?;
        let launch = Launch::of(Binary::Kiln)?.arg("log").arg("check").arg(url);
        let launch = launch.arg("--policy").arg(&policy).arg("--json");
        let output = launch.arg("--state").arg(state.path()).run()?;
        let json = serde_json::from_slice(&output.stdout).unwrap_or_default();
        Ok((output.status.code().context("it was killed")?, json))
    };
    let (exit, said) = look(&Written::new(log.clone())?)?;
    ensure!(
        exit == 0 && said["size"] == 30 && said["entries"] == 40,
        "{said}"
    );
    let (exit, said) = look(&Written::new(branch(&log, 20)?)?)?;
    ensure!(exit == 18, "{exit} {said}");
    ensure!(
        said["finding"]["kind"] == "fork" && said["finding"]["index"] == 30,
        "{said}"
    );
    Ok(())
}

/// Bug: a log that is written to is accused of a rollback. Mechanism: it grows, and is cosigned, between the
/// answer with its newest checkpoint and the one with the cosigned one, which is then the larger. Fix: the
/// larger is the newest; the other has to fit it.
#[test]
fn a_log_that_grows_between_two_answers_is_in_order() -> Result<()> {
    let mut random = Random::announced("grown between answers")?;
    let log = Log::of_anchors(40, &mut random)?;
    let name = KeyName::parse("witness.example/w1")?;
    let witness = WitnessKey::from_seed(&name, &[2; 32]);
    let mut cosigned = log.note(40);
    let checkpoint = cosigned.checkpoint()?;
    cosigned.add(witness.cosign(&checkpoint, 1_700_000_000))?;
    let files = tempfile::tempdir()?;
    let policy = files.path().join("policy");
    let text = format!(
        "log {}\nwitness w1 {}\nquorum w1\n",
        log.vkey(),
        witness.verifier()
    );
    write_file(&policy, text.as_bytes())?;
    for (shown, exit) in [(log.note(25), 0), (branch(&log, 20)?.note(25), 18)] {
        let written = Written::new(log.clone())?;
        let folder = written.folder.path();
        write_file(&folder.join("checkpoint"), shown.to_string().as_bytes())?;
        let url = serve(folder.to_owned(), cosigned.to_string())?;
        let state = tempfile::tempdir()?;
        let launch = Launch::of(Binary::Kiln)?.arg("log").arg("check").arg(url);
        let launch = launch.arg("--policy").arg(&policy).arg("--json");
        let output = launch.arg("--state").arg(state.path()).run()?;
        let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        ensure!(output.status.code() == Some(exit), "{exit} {said}");
        ensure!(said["size"] == 40, "{said}");
    }
    Ok(())
}

#[test]
fn a_domain_that_the_node_does_not_serve_is_unknown() -> Result<()> {
    let node = Server::start("")?;
    let url = format!("http://{}/log/elsewhere", node.address());
    let (vkey, state) = (
        Log::of_secrets(0, &mut Random::new(1)).vkey(),
        tempfile::tempdir()?,
    );
    let (exit, _) = run_on("check", &url, &vkey, state.path(), &[])?;
    ensure!(exit == 13, "{exit}");
    Ok(())
}

/// Two anchors with four versions each, in turns.
fn two_anchors() -> Result<Log> {
    let mut random = Random::new(5);
    let mut log = Log::of_secrets(0, &mut random);
    log.public = true;
    let mut owners = Vec::new();
    for low in [1, 2] {
        let key = PrivateKey::from_bytes(&[low; 32])?;
        let id = KeySsi::seed("default", &key)?.anchor()?;
        let id = keyssi::AnchorId::parse_wrapped(&id.wrapped())?;
        owners.push((AnchorSigner::new(id, key, "default", None)?, None));
    }
    for version in 0..4_u64 {
        for (signer, head) in &mut owners {
            let time = Timestamp::from_millis(1_700_000_000_000 + version);
            let (id, hash) = (
                signer.id().clone(),
                "BsDZDZZsSfW3tP9Kr8epe1c8Wd49kB7UYTrva7dZGeVU",
            );
            let (op, next) = match head.take() {
                None => {
                    let value = signer.create(hash, &time)?;
                    (Op::Create, keyssi::create(&id, &value)?)
                }
                Some(head) => {
                    let value = signer.append(&head, hash, &time)?;
                    (Op::Append, keyssi::append(&id, &head, &value)?)
                }
            };
            log.push(op, id.plain(), next.value().plain(), &mut random);
            *head = Some(next);
        }
    }
    Ok(log)
}

#[test]
fn an_erased_opening_excuses_one_anchor_and_no_more() -> Result<()> {
    let sound = two_anchors()?;
    // Places are 2 * version + anchor.
    let run = |log: Log| -> Result<_> {
        let (written, state) = (Written::new(log)?, tempfile::tempdir()?);
        check(written.folder.path(), &sound.vkey(), state.path(), &[])
    };
    let counts = |erased: &[usize]| -> Result<[u64; 3]> {
        let mut log = sound.clone();
        for place in erased {
            log.records[*place].opening = None;
        }
        let said = run(log)?;
        ensure!(said.exit == 0, "{erased:?}: {}", said.json);
        let count = |name: &str| said.json[name].as_u64().context("a count");
        Ok([count("opened")?, count("erased")?, count("unjudged")?])
    };
    ensure!(counts(&[])? == [8, 0, 0]);
    ensure!(counts(&[0])? == [7, 1, 3], "the first of an anchor");
    ensure!(counts(&[2])? == [7, 1, 2], "one between");
    ensure!(counts(&[7])? == [7, 1, 0], "the last");
    ensure!(counts(&[0, 2, 4, 6])? == [4, 4, 0], "a whole anchor");
    ensure!(counts(&[2, 3])? == [6, 2, 4], "one of each");
    let mut erased = sound.clone();
    erased.records[0].opening = None;
    erased.records[2].opening = None;
    erased.records[4].opening = None;
    erased.records[6].opening = None;
    let mut random = Random::new(6);
    erased.push(Op::Erased, "ssi:sza:default::x:v0", "", &mut random);
    erased.records[8].opening = None;
    ensure!(run(erased)?.exit == 0, "a tombstone that nobody can open");

    // A tombstone where nothing was erased.
    let mut log = sound.clone();
    let opening = log.records[0].opening.as_ref();
    let id = opening.context("an opening")?.anchor_id.clone();
    log.push(Op::Erased, &id, "", &mut random);
    run(log)?.require_found(&Expected {
        kind: "rule",
        index: Some(8),
        path: None,
        exit: 10,
    })?;

    // One erased entry, and two anchors that lack one: the second one is not excused.
    let mut log = sound.clone();
    log.records[2].opening = None;
    log.records.remove(3);
    let said = run(log)?;
    said.require_found(&Expected {
        kind: "rule",
        index: Some(4),
        path: None,
        exit: 10,
    })
}

#[test]
fn the_log_of_a_node_is_in_order_and_is_monitored() -> Result<()> {
    let config = "[[domain]]\nname = \"default\"\n[domain.log]\nopenings = \"public\"\n";
    let node = Server::start(config)?;
    let domain = "default".parse()?;
    let mut owner = Owner::new(&domain, &[7; 32])?;
    let mut write = |times: u64| -> Result<()> {
        for step in 0..times {
            let hash = "BsDZDZZsSfW3tP9Kr8epe1c8Wd49kB7UYTrva7dZGeVU";
            let value = owner.sign(hash, 1_700_000_000_000 + step)?;
            let verb = if owner.exists() {
                "append-to"
            } else {
                "create"
            };
            let target = format!("/anchor/default/{verb}-anchor/{}/{value}", owner.id());
            let verb = node.put(&target, "")?;
            ensure!(verb.status < 300, "{verb:?}");
            owner.follow(Some(&value))?;
        }
        Ok(())
    };
    let vkey = String::from_utf8(node.fetch("/log/default/vkey")?.body)?;
    let (vkey, state) = (vkey.trim(), tempfile::tempdir()?);
    let url = format!("http://{}/log/default", node.address());
    write(3)?;
    wait_for_size(&node, 3)?;
    let run = |verb: &str, further: &[&str]| run_on(verb, &url, vkey, state.path(), further);
    let (exit, said) = run("check", &[])?;
    ensure!(exit == 0 && said["opened"] == 3, "{said}");
    write(300)?;
    wait_for_size(&node, 303)?;
    let (exit, said) = run("monitor", &["--once"])?;
    ensure!(exit == 0 && said["opened"] == 303, "{said}");
    ensure!(said["remembered"] == 3, "{said}");
    let (exit, said) = run("check", &["--openings", &url])?;
    ensure!(exit == 0 && said["openings"] == "public", "{said}");
    drop(node);
    let (exit, _) = run("monitor", &["--once"])?;
    ensure!(exit == 4, "{exit}");
    Ok(())
}

fn run_on(
    verb: &str,
    url: &str,
    vkey: &str,
    state: &Path,
    further: &[&str],
) -> Result<(i32, Value)> {
    let mut launch = Launch::of(Binary::Kiln)?.arg("log").arg(verb).arg(url);
    launch = launch.arg("--vkey").arg(vkey).arg("--json");
    launch = launch.arg("--state").arg(state);
    for argument in further {
        launch = launch.arg(argument);
    }
    let output = launch.run()?;
    let json = serde_json::from_slice(&output.stdout).unwrap_or_default();
    Ok((output.status.code().context("it was killed")?, json))
}

/// Asks until the checkpoint covers so many entries: at most a second behind, says the node.
fn wait_for_size(node: &Server, size: u64) -> Result<()> {
    let started = std::time::Instant::now();
    loop {
        let answer = node.fetch("/log/default/checkpoint")?;
        let text = String::from_utf8(answer.body)?;
        if text.lines().nth(1) == Some(&size.to_string()) {
            return Ok(());
        }
        ensure!(started.elapsed().as_secs() < 60, "{text}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
