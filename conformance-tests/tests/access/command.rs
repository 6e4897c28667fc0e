//! `kiln admin keys`, `kiln admin audit`, and client commands with a key.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use testkit::binaries::Binary;
use testkit::process::Launch;
use testkit::server::write_file;

use crate::node::Node;

const CLOSED: &str = "[[domain]]\nname = \"default\"\nanonymous = \"none\"\n";

/// Runs `kiln` with a state folder of its own and a keyring that is not there.
fn kiln(node: &Node, arguments: &[&str]) -> Result<Launch> {
    let url = format!("http://{}", node.address());
    let launch = Launch::of(Binary::Kiln)?
        .env("KILN_STATE", node.folder().join("state"))
        .env("KILN_NODE", url)
        .env("KILN_DATA", node.data());
    Ok(arguments.iter().fold(launch, Launch::arg))
}

fn done(launch: &Launch, code: i32) -> Result<(String, String)> {
    let Output {
        status,
        stdout,
        stderr,
    } = launch.run()?;
    let (stdout, stderr) = (String::from_utf8(stdout)?, String::from_utf8(stderr)?);
    ensure!(status.code() == Some(code), "{status}: {stdout}{stderr}");
    Ok((stdout, stderr))
}

fn key_file(folder: &Path, key: &str) -> Result<PathBuf> {
    let path = folder.join("the.key");
    write_file(&path, key.as_bytes())?;
    Ok(path)
}

#[test]
fn keys_are_made_listed_and_revoked() -> Result<()> {
    let node = Node::start(CLOSED)?;
    let create = [
        "admin",
        "keys",
        "create",
        "ward 7",
        "--grant",
        "default:anchor",
    ];
    let (key, talk) = done(&kiln(&node, &create)?, 0)?;
    assert!(key.starts_with("kiln_") && key.trim().len() == 90, "{key}");
    assert!(!talk.contains(key.trim()), "{talk}");
    let id = key[5..17].to_owned();
    let more = [
        "admin",
        "keys",
        "create",
        "x",
        "--grant",
        "*:read",
        "--expires-in",
        "90d",
        "--requests-per-second",
        "5",
        "--storage-bytes",
        "1000",
        "--json",
    ];
    let (json, _) = done(&kiln(&node, &more)?, 0)?;
    let made: Value = serde_json::from_str(&json)?;
    let spans = &made["key"];
    let days =
        (spans["expiresMs"].as_u64().unwrap() - spans["createdMs"].as_u64().unwrap()) / 86_400_000;
    assert_eq!(days, 90);
    assert_eq!(made["key"]["quotas"]["requestsPerSecond"], 5);
    assert_eq!(made["key"]["quotas"]["storageBytes"], 1000);
    let (list, _) = done(&kiln(&node, &["admin", "keys", "list"])?, 0)?;
    let line = list
        .lines()
        .find(|line| line.starts_with(&id))
        .context("not listed")?;
    for part in ["valid", "default:anchor", "ward 7", "no end"] {
        assert!(line.contains(part), "{line}");
    }
    done(&kiln(&node, &["admin", "keys", "revoke", &id])?, 0)?;
    let (list, _) = done(&kiln(&node, &["admin", "keys", "list"])?, 0)?;
    assert!(list.contains("revoked"), "{list}");
    for (arguments, code) in [
        (vec!["admin", "keys", "revoke", "0123456789ab"], 5),
        (vec!["admin", "keys", "revoke", "x"], 2),
        (vec!["admin", "keys", "create", "x"], 2),
        (
            vec!["admin", "keys", "create", "x", "--grant", "default"],
            2,
        ),
        (
            vec!["admin", "keys", "create", "x", "--grant", "there:read"],
            2,
        ),
        (
            vec![
                "admin",
                "keys",
                "create",
                "x",
                "--grant",
                "*:read",
                "--expires-in",
                "90",
            ],
            2,
        ),
    ] {
        done(&kiln(&node, &arguments)?, code)?;
    }
    let (shown, _) = done(&kiln(&node, &["admin", "audit", "show"])?, 0)?;
    assert!(shown.contains("key.revoke by admin token"), "{shown}");
    let (check, _) = done(&kiln(&node, &["admin", "audit", "check"])?, 0)?;
    assert!(check.starts_with("whole: "), "{check}");
    Ok(())
}

#[test]
fn a_key_goes_into_a_file_of_its_owner_or_is_not_made() -> Result<()> {
    let node = Node::start(CLOSED)?;
    let at = |name: &str| node.folder().join(name).display().to_string();
    let create = |grant: &str, out: &str, code: i32| -> Result<(String, String)> {
        let arguments = [
            "admin", "keys", "create", "x", "--grant", grant, "--out", out,
        ];
        let quotas = ["--storage-bytes", "1_000", "--requests-burst", "none"];
        done(&kiln(&node, &[&arguments[..], &quotas].concat())?, code)
    };
    let file = at("ward-7.key");
    let (id, talk) = create("default:anchor", &file, 0)?;
    let key = fs::read_to_string(&file)?;
    let begins = format!("kiln_{}_", id.trim());
    assert!(key.starts_with(&begins) && key.trim().len() == 90, "{id}");
    assert!(!talk.contains(key.trim()), "{talk}");
    let mode = fs::metadata(&file)?.permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // A file that cannot be made is found out before there is a key, and one without a key goes.
    create("default:anchor", &file, 7)?;
    create("default:anchor", &at("none/other.key"), 3)?;
    create("there:read", &at("other.key"), 2)?;
    assert!(!node.folder().join("other.key").exists());
    assert_eq!(fs::read_to_string(&file)?, key);
    let (list, _) = done(&kiln(&node, &["admin", "keys", "list", "--json"])?, 0)?;
    let list: Value = serde_json::from_str(&list)?;
    let keys = list["keys"].as_array().context("no keys")?;
    assert_eq!(keys.len(), 1, "{list}");
    assert_eq!(
        keys[0]["quotas"],
        serde_json::json!({ "storageBytes": 1000 })
    );
    let words = ["revoke", "0123456789ab"];
    let (_, told) = done(&kiln(&node, &[&["admin", "keys"][..], &words].concat())?, 5)?;
    assert!(told.contains("next: `kiln admin keys list`"), "{told}");
    Ok(())
}

#[test]
fn a_client_works_with_a_key_and_is_told_what_is_missing_without() -> Result<()> {
    let node = Node::start(CLOSED)?;
    let anchor = node.key("wallet", &["default:anchor"])?.text;
    let read = node.key("reader", &["default:read"])?.text;
    let file = node.folder().join("note.txt");
    write_file(&file, b"a note")?;
    let file = file.display().to_string();
    let create = ["dsu", "create", file.as_str(), "--reveal"];
    // Without a key, with one that is not good enough, and with a good one from either place.
    let (_, talk) = done(&kiln(&node, &create)?, 6)?;
    assert!(talk.contains("--api-key-file"), "{talk}");
    let (_, talk) = done(&kiln(&node, &create)?.env("KILN_API_KEY", &read), 6)?;
    assert!(
        talk.contains("--api-key-file") && !talk.contains(&read),
        "{talk}"
    );
    done(&kiln(&node, &create)?.env("KILN_API_KEY", &anchor), 0)?;
    let path = key_file(node.folder(), &anchor)?.display().to_string();
    let named = [&create[..], &["--api-key-file", path.as_str()]].concat();
    done(&kiln(&node, &named)?, 0)?;
    // The log of a closed domain.
    done(&kiln(&node, &["admin", "checkpoint", "now"])?, 0)?;
    let log = format!("http://{}/log/default", node.address());
    let check = [
        "log",
        "check",
        log.as_str(),
        "--api-key-file",
        path.as_str(),
    ];
    let vkey = node
        .ask(&node.request("GET", "/log/default/vkey", Some(&read)))?
        .text();
    let key = vkey.lines().next().context("no key")?.to_owned();
    let check = [&check[..], &["--vkey", key.as_str()]].concat();
    done(&kiln(&node, &check)?, 0)?;
    Ok(())
}
