//! `kiln store check` and `kiln store migrate`: what they say of good folders, of folders that are
//! none, and of a folder in use.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use anyhow::Result;
use serde_json::{Value, json};
use testkit::binaries::Binary;
use testkit::owner::{FIRST_MS, Owner};
use testkit::process::{Launch, NodeProcess};
use testkit::server::{Server, write_file};

use crate::{FAILED, check_fails, stdout};

/// Lengths of the bricks that are stored, in bytes: kept beside the key, and in
/// a blob file.
const BRICKS: [usize; 3] = [0, 100, 100_000];

fn store_command(name: &str, data: &Path) -> Result<Launch> {
    let launch = Launch::of(Binary::Kiln)?.arg("store").arg(name);
    Ok(launch.arg("--data").arg(data))
}

fn check_command(data: &Path) -> Result<Launch> {
    store_command("check", data)
}

/// Three bricks, an anchor with two values, a document.
fn fill(server: &Server) -> Result<()> {
    for length in BRICKS {
        let reply = server.put("/bricking/default/put-brick", vec![7; length])?;
        assert_eq!(reply.status, 201);
    }
    let mut owner = Owner::new(&"default".parse()?, &[7; 32])?;
    for (action, hash) in [("create-anchor", "a"), ("append-to-anchor", "b")] {
        let value = owner.sign(hash, FIRST_MS)?;
        let target = format!("/anchor/default/{action}/{}/{value}", owner.id());
        let reply = server.put(&target, *b"")?;
        assert_eq!(reply.status, 201, "{}", reply.text());
        owner.follow(Some(&value))?;
    }
    assert_eq!(server.put("/versionlessdsu/x", *b"text")?.status, 200);
    Ok(())
}

#[test]
fn a_good_folder_is_counted_and_left_as_it_was() -> Result<()> {
    let server = Server::start("")?;
    fill(&server)?;
    let data = server.data();
    let (process, _folder) = server.into_parts();
    assert!(process.stop()?.success());
    let before = files(&data)?;
    let output = check_command(&data)?.run()?;
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.ends_with("all is well\n"), "{text}");
    let output = check_command(&data)?.arg("--json").run()?;
    assert_eq!(output.status.code(), Some(0));
    let report: Value = serde_json::from_str(&stdout(&output))?;
    let bytes: usize = BRICKS.iter().sum();
    let expected = json!({
        "bricks": { "sound": BRICKS.len(), "bytes": bytes },
        "anchors": { "sound": 1, "versions": 2, "documents": 1 },
        "findings": [],
    });
    assert_eq!(report, expected);
    assert_eq!(files(&data)?, before, "the check has changed the folder");
    for option in [Some("--dry-run"), None] {
        let command = option
            .into_iter()
            .fold(store_command("migrate", &data)?, |command, option| {
                command.arg(option)
            });
        let output = command.run()?;
        assert_eq!(output.status.code(), Some(0));
        let text = stdout(&output);
        let expected = [
            "bricks: format 2 is the newest",
            "anchors: format 2 is the newest",
            "control: format 3 is the newest",
        ];
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
        assert_eq!(files(&data)?, before, "there was nothing to bring forward");
    }
    let node = NodeProcess::start(&Launch::kiln_serve(&data, None)?)?;
    assert!(node.stop()?.success());
    Ok(())
}

#[test]
fn a_folder_of_one_service_is_checked_for_what_it_has() -> Result<()> {
    for (binary, section) in [
        (Binary::BricksServer, "bricks"),
        (Binary::AnchorService, "anchors"),
    ] {
        let folder = tempfile::tempdir()?;
        let launch = Launch::of(binary)?.arg("--listen").arg("127.0.0.1:0");
        let node = NodeProcess::start(&launch.arg("--data").arg(folder.path()))?;
        assert!(node.stop()?.success());
        let output = check_command(folder.path())?.arg("--json").run()?;
        assert_eq!(output.status.code(), Some(0));
        let report: Value = serde_json::from_str(&stdout(&output))?;
        let keys: Vec<_> = report.as_object().into_iter().flatten().collect();
        let names: Vec<_> = keys.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, [section, "findings"], "{report}");
    }
    Ok(())
}

#[test]
fn a_control_file_that_cannot_be_used_is_a_finding() -> Result<()> {
    let server = Server::start("")?;
    let data = server.data();
    let (process, _folder) = server.into_parts();
    assert!(process.stop()?.success());
    write_file(&data.join("control.db"), &[b'x'; 5000])?;
    let output = check_command(&data)?.run()?;
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("wrong: control.db: "), "{text}");
    assert!(text.ends_with("1 findings\n"), "{text}");
    Ok(())
}

#[test]
fn a_folder_in_use_or_without_stores_is_refused() -> Result<()> {
    let server = Server::start("")?;
    fill(&server)?;
    for (name, json) in [("check", false), ("check", true), ("migrate", false)] {
        let with = |launch: Launch| if json { launch.arg("--json") } else { launch };
        let check = |case: &str, data: &Path, parts: &[&str]| -> Result<()> {
            let command = with(store_command(name, data)?);
            let named = data.display().to_string();
            check_fails(case, &command, FAILED, &[&[&*named], parts].concat())
        };
        let in_use = ["in use by another process", "stop that one"];
        check("running", &server.data(), &in_use)?;
        let folder = tempfile::tempdir()?;
        let advice = "--data";
        check("empty", folder.path(), &["holds no stores", advice])?;
        let missing = folder.path().join("missing");
        check("missing", &missing, &["no folder", advice])?;
        let file = folder.path().join("file");
        write_file(&file, b"")?;
        check("a file", &file, &["no folder", advice])?;
        for store in ["bricks", "anchors"] {
            let folder = tempfile::tempdir()?;
            std::fs::create_dir(folder.path().join(store))?;
            check("an empty store", folder.path(), &[store])?;
        }
    }
    assert_eq!(
        server.put("/bricking/default/put-brick", *b"x")?.status,
        201
    );
    Ok(())
}

/// Length and time of change of every file below a folder, but those of the
/// engine's diary and of the locks.
fn files(folder: &Path) -> Result<BTreeMap<String, (u64, SystemTime)>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir()? {
            let entry = entry?;
            let (path, state) = (entry.path(), entry.metadata()?);
            let name = entry.file_name().to_string_lossy().into_owned();
            if state.is_dir() {
                folders.push(path);
            } else if !name.starts_with("LOG") {
                let state = (state.len(), state.modified()?);
                found.insert(path.display().to_string(), state);
            }
        }
    }
    Ok(found)
}
