//! What the recorded commands cannot show of the keyring: several writers, kills, file modes.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::{AGE_KEY, AGE_RECIPIENT, SEED, kiln};

/// Writers at the same time.
const WRITERS: usize = 12;

/// A folder with a keyring for the test recipient.
fn folder() -> Result<TempDir> {
    let folder = tempfile::tempdir()?;
    testkit::server::write_file(&folder.path().join("identity.txt"), AGE_KEY.as_bytes())?;
    run(
        folder.path(),
        &["keyring", "init", "--recipient", AGE_RECIPIENT],
    )?;
    Ok(folder)
}

/// Runs a command that must succeed, and gives its stdout.
fn run(folder: &Path, arguments: &[&str]) -> Result<String> {
    let output = kiln(folder, arguments)?.output()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{arguments:?}: {stderr}");
    Ok(String::from_utf8(output.stdout)?)
}

/// The names in the keyring.
fn names(folder: &Path) -> Result<BTreeSet<String>> {
    let list: Value = serde_json::from_str(&run(folder, &["keyring", "list", "--json"])?)?;
    let keys = list["keys"].as_array().context("no keys")?;
    Ok(keys
        .iter()
        .filter_map(|key| Some(key["name"].as_str()?.to_owned()))
        .collect())
}

#[test]
fn writers_at_the_same_time_lose_nothing() -> Result<()> {
    let folder = folder()?;
    let mut children = Vec::new();
    for writer in 0..WRITERS {
        let name = format!("key-{writer}");
        let mut command = kiln(folder.path(), &["keyring", "add", &name, "env:SEED"])?;
        // They have no private key: adding needs none.
        command
            .env("KILN_KEYRING_IDENTITY", "none")
            .stderr(Stdio::null());
        children.push(command.spawn()?);
    }
    for mut child in children {
        assert!(child.wait()?.success());
    }
    let expected: BTreeSet<String> = (0..WRITERS).map(|it| format!("key-{it}")).collect();
    assert_eq!(names(folder.path())?, expected);
    Ok(())
}

/// One name, many writers: one wins, the others are told.
#[test]
fn of_writers_of_one_name_one_wins() -> Result<()> {
    let folder = folder()?;
    let mut children = Vec::new();
    for _ in 0..WRITERS {
        let mut command = kiln(folder.path(), &["keyring", "add", "key", "env:SEED"])?;
        children.push(command.stderr(Stdio::null()).spawn()?);
    }
    let mut codes = Vec::new();
    for mut child in children {
        codes.push(child.wait()?.code());
    }
    codes.sort_unstable();
    let mut expected = vec![Some(7); WRITERS];
    expected[0] = Some(0);
    assert_eq!(codes, expected);
    Ok(())
}

/// A write that was cut off at any place is named, hides nothing, and the next write goes on.
#[test]
fn a_keyring_cut_off_anywhere_in_its_last_line_is_used_further() -> Result<()> {
    let folder = folder()?;
    run(folder.path(), &["keyring", "add", "one", "env:SEED"])?;
    let file = folder.path().join("keyring");
    let kept = fs::read(&file)?.len();
    run(folder.path(), &["keyring", "add", "two", "env:SEED"])?;
    let whole = fs::read(&file)?;
    for length in [kept + 1, kept + 40, whole.len() - 20, whole.len() - 2] {
        testkit::server::write_file(&file, &whole[..length])?;
        let list = kiln(folder.path(), &["keyring", "list"])?.output()?;
        let said = String::from_utf8_lossy(&list.stderr).into_owned();
        assert!(
            said.contains("line 3 of") && said.contains("is cut off"),
            "{length}: {said}"
        );
        assert_eq!(names(folder.path())?, BTreeSet::from(["one".to_owned()]));
        run(folder.path(), &["keyring", "add", "three", "env:SEED"])?;
        let expected = BTreeSet::from(["one".to_owned(), "three".to_owned()]);
        assert_eq!(names(folder.path())?, expected, "{length}");
    }
    Ok(())
}

#[test]
fn files_with_keys_are_private() -> Result<()> {
    let folder = folder()?;
    run(folder.path(), &["ssi", "new", "--out", "key"])?;
    run(folder.path(), &["keyring", "add", "one", "file:key"])?;
    run(folder.path(), &["keyring", "rename", "one", "two"])?;
    run(folder.path(), &["keyring", "export", "--out", "export"])?;
    for name in ["key", "keyring", "export"] {
        let mode = folder.path().join(name).metadata()?.permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let left: Vec<_> = folder
        .path()
        .read_dir()?
        .map(|it| it.map(|it| it.file_name()))
        .collect::<Result<_, _>>()?;
    assert!(
        left.iter()
            .all(|name| !name.to_string_lossy().ends_with(".tmp")),
        "{left:?}"
    );
    Ok(())
}

/// The file can be opened without this program, as its format says: each entry is an age file.
#[test]
fn neither_keys_nor_names_stand_in_the_file() -> Result<()> {
    let folder = folder()?;
    run(
        folder.path(),
        &[
            "keyring",
            "add",
            "patient-4711",
            "env:SEED",
            "--note",
            "a remark",
        ],
    )?;
    let file = String::from_utf8(fs::read(folder.path().join("keyring"))?)?;
    let secret = SEED.split(':').nth(3).context("no secret")?;
    for hidden in ["patient-4711", "a remark", secret] {
        assert!(!file.contains(hidden), "{hidden}");
    }
    for line in file.lines().skip(1) {
        let message = line.split(' ').nth(2).context("no message")?;
        let message = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, message)?;
        assert!(message.starts_with(b"age-encryption.org/v1\n"));
    }
    Ok(())
}

/// A link to a keyring stays a link when the keyring is replaced.
#[test]
fn a_link_to_the_keyring_is_followed() -> Result<()> {
    let folder = folder()?;
    run(folder.path(), &["keyring", "add", "one", "env:SEED"])?;
    std::os::unix::fs::symlink("keyring", folder.path().join("link"))?;
    run(
        folder.path(),
        &["keyring", "rename", "one", "two", "--keyring", "link"],
    )?;
    assert!(folder.path().join("link").symlink_metadata()?.is_symlink());
    assert_eq!(names(folder.path())?, BTreeSet::from(["two".to_owned()]));
    Ok(())
}
