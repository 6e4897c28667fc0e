//! Old backups go, what stays is whole, and making and taking away keep out of each other's way.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use testkit::process::{Launch, NodeProcess};
use testkit::server::{Server, write_file};

use crate::s3::S3;
use crate::stopped::data;
use crate::writers::{self, Writers};
use crate::{age_key, backup, backup_in, text};

#[test]
fn what_stays_is_whole() -> Result<()> {
    let server = Server::start("[admin]\nlisten = \"127.0.0.1:0\"\n")?;
    let folder = tempfile::tempdir()?;
    let (recipient, key) = age_key(folder.path())?;
    let place = folder.path().join("place");
    let (place, data) = (text(&place)?, server.data());
    let data = text(&data)?;
    let create = [place, "--data", data, "--recipient", &recipient];

    let writers = Writers::start(server.address(), 31);
    let mut acknowledged = writers.acknowledged(30)?;
    let mut made = Vec::new();
    for _ in 0..3 {
        made.push(name(&backup("create", &create)?.done()?)?);
        acknowledged = writers.acknowledged(acknowledged.entries.len() + 30)?;
    }
    let newest = name(&backup("create", &create)?.done()?)?;
    writers.stop()?;

    // What is needed is in an encrypted list, and nothing goes without having read it.
    let ran = backup("prune", &[place, "--keep-last", "1"])?;
    ensure!(ran.code == Some(6), "{:?} {}", ran.code, ran.stderr);
    let rules = [place, "--identity", &key, "--keep-last", "1"];
    let told = backup("prune", &[rules.as_slice(), &["--dry-run"]].concat())?.done()?;
    let listed = backup("list", &[place, "--identity", &key])?.done()?;
    ensure!(listed.as_array().map(Vec::len) == Some(4), "{listed}");

    let done = backup("prune", &rules)?.done()?;
    ensure!(done["removed"] == json!(made), "{done}");
    ensure!(done["kept"] == json!([newest]), "{done}");
    ensure!(done["objects"].as_u64() > Some(0), "{done}");
    for figure in ["removed", "kept", "objects", "bytes"] {
        ensure!(done[figure] == told[figure], "{told} and then {done}");
    }
    let listed = backup("list", &[place, "--identity", &key])?.done()?;
    ensure!(listed.as_array().map(Vec::len) == Some(1), "{listed}");
    let which = [place, "--identity", &key];
    backup("check", &which)?.done()?;
    backup("drill", &which)?.done()?;
    let to = folder.path().join("restored");
    backup(
        "restore",
        &[which.as_slice(), &["--data", text(&to)?]].concat(),
    )?
    .done()?;
    let node = NodeProcess::start(&Launch::kiln_serve(&to, None)?)?;
    writers::require(node.address(), &acknowledged)?;
    ensure!(node.stop()?.success());
    // The next one builds on what stayed.
    let next = backup("create", &create)?.done()?;
    ensure!(
        next["storedBytes"].as_u64() < next["bytes"].as_u64(),
        "{next}"
    );
    backup("check", &which)?.done()?;
    Ok(())
}

#[test]
fn rules_are_needed_and_have_a_form() -> Result<()> {
    let (folder, data) = data()?;
    let place = folder.path().join("place");
    let place = text(&place)?;
    backup("create", &[place, "--data", text(&data)?])?.done()?;
    for wrong in [
        [""; 0].as_slice(),
        &["--keep-last", "0"],
        &["--keep-daily", "0"],
        &["--keep-within", "90"],
    ] {
        let ran = backup("prune", &[[place].as_slice(), wrong].concat())?;
        ensure!(
            ran.code == Some(2),
            "{wrong:?}: {:?} {}",
            ran.code,
            ran.stderr
        );
    }
    for rule in [
        ["--keep-last", "1"],
        ["--keep-daily", "1"],
        ["--keep-within", "1s"],
    ] {
        let done = backup("prune", &[[place].as_slice(), &rule].concat())?.done()?;
        ensure!(
            done["removed"] == json!([]) && done["objects"] == 0,
            "{done}"
        );
    }
    let absent = folder.path().join("absent");
    let ran = backup("prune", &[text(&absent)?, "--keep-last", "1"])?;
    ensure!(ran.code == Some(5), "{:?} {}", ran.code, ran.stderr);
    Ok(())
}

#[test]
fn a_bucket_says_what_is_under_way() -> Result<()> {
    let (folder, data) = data()?;
    let served = folder.path().join("s3");
    let place = "s3://bucket/node-1";
    let create = [place, "--data", text(&data)?];
    let prune = [place, "--keep-last", "1"];
    let mark = |work: &str| served.join("bucket/node-1/running").join(work);
    {
        let s3 = S3::start(&served)?;
        backup_in("create", &create, &s3.variables())?.done()?;
        backup_in("create", &create, &s3.variables())?.done()?;
        let done = backup_in("prune", &prune, &s3.variables())?.done()?;
        ensure!(
            done["removed"].as_array().map(Vec::len) == Some(1),
            "{done}"
        );
        ensure!(done["objects"].as_u64() > Some(0), "{done}");
        backup_in("check", &[place], &s3.variables())?.done()?;
    }
    // As one that was cut off leaves it: the other one waits, and its own kind puts it right.
    for (left, refused, arguments, healing, mending) in [
        (
            "create",
            "prune",
            prune.as_slice(),
            "create",
            create.as_slice(),
        ),
        (
            "prune",
            "create",
            create.as_slice(),
            "prune",
            prune.as_slice(),
        ),
    ] {
        write_file(&mark(left), b"{\"running\":true}")?;
        let s3 = S3::start(&served)?;
        let ran = backup_in(refused, arguments, &s3.variables())?;
        ensure!(
            ran.code == Some(7),
            "{refused}: {:?} {}",
            ran.code,
            ran.stderr
        );
        let told = format!("running/{left}");
        ensure!(ran.stderr.contains(&told), "{}", ran.stderr);
        backup_in(healing, mending, &s3.variables())?.done()?;
        backup_in(refused, arguments, &s3.variables())?.done()?;
        backup_in("check", &[place], &s3.variables())?.done()?;
    }
    Ok(())
}

fn name(made: &Value) -> Result<String> {
    let name = made["backup"].as_str().context("no name")?;
    Ok(name.to_owned())
}
