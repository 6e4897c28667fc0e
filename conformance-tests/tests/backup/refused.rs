//! What cannot be done: one wrong thing of each kind, with the code and the words.

use std::fs;

use anyhow::{Result, ensure};
use testkit::server::{Server, write_file};

use crate::{age_key, backup, text};

#[test]
fn wrong_places_keys_and_folders_are_named() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name).display().to_string();
    let check = |verb: &str, arguments: &[&str], code: i32, words: &str| -> Result<()> {
        let ran = backup(verb, arguments)?;
        let told = &ran.stderr;
        ensure!(
            ran.code == Some(code),
            "{verb} {arguments:?}: {:?} {told}",
            ran.code
        );
        ensure!(
            told.contains(words) && told.contains("next:"),
            "{verb}: {told}"
        );
        Ok(())
    };
    let (recipient, key) = age_key(folder.path())?;
    check("list", &[&at("absent")], 5, "there is no such folder")?;
    write_file(&folder.path().join("mine/file"), b"x")?;
    check("list", &[&at("mine")], 5, "no backup.json")?;
    write_file(&folder.path().join("data/bricks/file"), b"x")?;
    check(
        "create",
        &[&at("mine"), "--data", &at("data")],
        5,
        "name an empty place",
    )?;
    check("list", &["gs://bucket"], 2, "gs://bucket")?;
    check(
        "create",
        &[&at("place"), "--data", &at("absent")],
        3,
        "there is no data folder",
    )?;
    check(
        "create",
        &[&at("place"), "--data", &at("mine")],
        3,
        "holds no stores",
    )?;
    // What is to be backed up is looked at before a place is made for it.
    ensure!(!folder.path().join("place").exists());
    let (place, mine) = (at("place"), at("mine"));
    let wrong = [&place, "--data", &mine, "--recipient", "age1x"];
    check("create", &wrong, 2, "recipient 1 is no age recipient")?;
    // A private key is not repeated, on the command line or in a file.
    let secret = fs::read_to_string(&key)?;
    let told = backup("create", &[&place, "--recipient", &secret])?.stderr;
    ensure!(told.contains("recipient 1 is a private key"), "{told}");
    ensure!(!told.contains(&secret) && told.contains("next:"), "{told}");
    write_file(
        &folder.path().join("both"),
        format!("# created: now\n\n{recipient}\n{secret}\n").as_bytes(),
    )?;
    let told = backup("create", &[&place, "--recipients-file", &at("both")])?.stderr;
    ensure!(told.contains("line 4 of "), "{told}");
    ensure!(told.contains("is a private key"), "{told}");
    ensure!(!told.contains(&secret) && told.contains("next:"), "{told}");
    write_file(&folder.path().join("empty"), b"# nobody\n")?;
    let empty = at("empty");
    check(
        "create",
        &[&place, "--recipients-file", &empty],
        2,
        "holds no age recipients",
    )?;
    let ran = backup(
        "restore",
        &[&at("place"), "--data", &at("new"), "--backup", "x"],
    )?;
    ensure!(
        ran.code == Some(2) && ran.stderr.contains("no name of a backup"),
        "{}",
        ran.stderr
    );

    let server = Server::start("[admin]\nlisten = \"127.0.0.1:0\"\n")?;
    let data = server.data();
    let data = text(&data)?;
    backup(
        "create",
        &[&at("sealed"), "--data", data, "--recipient", &recipient],
    )?
    .done()?;
    check("check", &[&at("sealed")], 6, "no age identity")?;
    let strangers = tempfile::tempdir()?;
    let (_, other) = age_key(strangers.path())?;
    check(
        "check",
        &[&at("sealed"), "--identity", &other],
        6,
        "none of the age identities",
    )?;
    check(
        "restore",
        &[&at("sealed"), "--identity", &key, "--data", data],
        7,
        "is not empty",
    )?;
    let unknown = "1790000000000-0123456789abcdef";
    check("check", &[&at("sealed"), "--backup", unknown], 5, unknown)?;
    Ok(())
}

#[test]
fn a_node_without_an_admin_listener_says_what_to_do() -> Result<()> {
    let server = Server::start("[admin]\nlisten = \"\"\n")?;
    let folder = tempfile::tempdir()?;
    let place = folder.path().join("place");
    let data = server.data();
    let ran = backup("create", &[text(&place)?, "--data", text(&data)?])?;
    ensure!(ran.code == Some(3), "{:?}", ran.code);
    ensure!(ran.stderr.contains("admin.listen"), "{}", ran.stderr);
    let ran = backup("check", &[text(&place)?])?;
    ensure!(ran.code == Some(5), "{:?}", ran.code);
    ensure!(
        ran.stderr.contains("has no backup at all") && ran.stderr.contains("next:"),
        "{}",
        ran.stderr
    );
    Ok(())
}
