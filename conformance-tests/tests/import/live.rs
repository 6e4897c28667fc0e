//! Imports beside an ApiHub that goes on writing, and what they must not undo.

use std::fs;

use anyhow::{Result, ensure};
use keyssi::BrickHash;
use serde_json::Value;
use testkit::http::{Request, ask};
use testkit::random::Random;
use testkit::server::write_file;

use crate::killed::must_be;
use crate::made::{MadeDsu, Wish, make};
use crate::opened;
use crate::place::{Place, must_count, run};
use crate::tree::{Sound, Tree, anchor_path, brick_path, document_path};

fn one(random: &mut Random, versions: usize) -> Result<MadeDsu> {
    let wish = Wish {
        domain: &"default".parse()?,
        versions,
        bricks: 2,
        is_constant: false,
    };
    make(&wish, random)
}

fn lines(dsu: &MadeDsu, versions: usize) -> String {
    let values: Vec<_> = dsu
        .values
        .iter()
        .take(versions)
        .map(ToString::to_string)
        .collect();
    values.join("\n") + "\n"
}

fn put_all(tree: &Tree, dsu: &MadeDsu, but: Option<usize>) -> Result<()> {
    for (index, brick) in dsu.bricks.iter().enumerate() {
        if Some(index) != but {
            let path = brick_path(dsu.anchor.domain(), 2, &brick.hash);
            tree.write(&path, &brick.bytes)?;
        }
    }
    Ok(())
}

fn sound(dsu: MadeDsu) -> Sound {
    Sound {
        versions: dsu.values.len(),
        ssi: dsu.ssi,
        files: dsu.files,
    }
}

/// The findings as (reason, effect), in order.
fn reasons(findings: &[Value]) -> Vec<(String, String)> {
    let word = |it: &Value| it.as_str().unwrap_or_default().to_owned();
    let mut reasons: Vec<_> = findings
        .iter()
        .map(|it| (word(&it["reason"]), word(&it["effect"])))
        .collect();
    reasons.sort();
    reasons
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let pairs = expected.iter();
    let pairs = pairs.map(|(reason, effect)| ((*reason).to_owned(), (*effect).to_owned()));
    pairs.collect()
}

#[test]
fn what_was_being_written_is_taken_in_the_next_pass() -> Result<()> {
    let mut random = Random::announced("import live")?;
    let tree = Tree::bare()?;
    let place = Place::new()?;
    // One is whole. Of one a brick and of one a line of the anchor are half written.
    let (whole, half_brick, half_line) = (
        one(&mut random, 1)?,
        one(&mut random, 1)?,
        one(&mut random, 3)?,
    );
    put_all(&tree, &whole, None)?;
    put_all(&tree, &half_brick, Some(0))?;
    put_all(&tree, &half_line, None)?;
    let brick = &half_brick.bricks[0];
    let brick_file = brick_path(half_brick.anchor.domain(), 2, &brick.hash);
    tree.write(&brick_file, &brick.bytes[..brick.bytes.len() / 2])?;
    for dsu in [&whole, &half_brick] {
        tree.write(&anchor_path(dsu), lines(dsu, 1).as_bytes())?;
    }
    let all = lines(&half_line, 3);
    tree.write(&anchor_path(&half_line), &all.as_bytes()[..all.len() - 40])?;
    let (findings, summary) = place.imported(tree.root(), 1)?;
    let expected = [("torn-or-altered", "skipped"), ("torn-tail", "partly")];
    ensure!(reasons(&findings) == pairs(&expected), "{findings:?}");
    must_count(&summary, "anchors", [3, 3, 0, 0])?;

    // The writes end, and there is a new DSU.
    tree.write(&brick_file, &brick.bytes)?;
    tree.write(&anchor_path(&half_line), all.as_bytes())?;
    let new = one(&mut random, 2)?;
    put_all(&tree, &new, None)?;
    tree.write(&anchor_path(&new), lines(&new, 2).as_bytes())?;
    let (findings, summary) = place.imported(tree.root(), 0)?;
    ensure!(findings.is_empty(), "{findings:?}");
    let bricks = [&whole, &half_brick, &half_line, &new].map(|it| it.bricks.len() as u64);
    let stored = 1 + bricks[3];
    let all: u64 = bricks.iter().sum();
    must_count(&summary, "bricks", [all, stored, all - stored, 0])?;
    must_count(&summary, "anchors", [4, 2, 2, 0])?;
    ensure!(summary["versions_stored"] == 3, "{summary}");
    let dsus = [whole, half_brick, half_line, new].map(sound);
    opened::check(&place, &dsus)
}

#[test]
fn what_went_another_way_here_is_not_overwritten() -> Result<()> {
    let mut random = Random::announced("import another way")?;
    let tree = Tree::bare()?;
    let place = Place::new()?;
    let dsu = one(&mut random, 3)?;
    put_all(&tree, &dsu, None)?;
    let path = anchor_path(&dsu);
    tree.write(&path, lines(&dsu, 1).as_bytes())?;
    // A second history of the same owner, which parts at entry 1.
    let key = dsu.ssi.private_key()?;
    let head = keyssi::create(&dsu.anchor, &dsu.values[0])?;
    let hash = BrickHash::of(b"another way").to_string();
    let time = testkit::owner::FIRST_MS + 500;
    let other = crate::made::sign(&dsu.anchor, &key, Some(&head), &hash, time)?;
    let documents = ["one", "two"].map(|it| BrickHash::of(it.as_bytes()).to_string());
    for name in &documents {
        tree.write(&document_path(name), b"from the ApiHub")?;
    }
    place.imported(tree.root(), 0)?;

    // Here a wallet goes on, and writes a document.
    let node = place.serve()?;
    let anchor = format!("/anchor/default/append-to-anchor/{}/{other}", dsu.anchor);
    for (target, body) in [
        (anchor.as_str(), ""),
        ("/versionlessdsu/one", "written here"),
    ] {
        let request = Request::to(node.address(), "PUT", target).body(body);
        let reply = ask(node.address(), &request)?;
        ensure!(reply.status < 300, "{target}: {}", reply.text());
    }
    ensure!(node.stop()?.success(), "the node did not end well");

    // At the ApiHub another one goes on, and writes both documents.
    tree.write(&path, lines(&dsu, 3).as_bytes())?;
    for name in &documents {
        tree.write(&document_path(name), b"later, from the ApiHub")?;
    }
    let (findings, summary) = place.imported(tree.root(), 1)?;
    let differs = ("differs-here", "skipped");
    ensure!(
        reasons(&findings) == pairs(&[differs, differs]),
        "{findings:?}"
    );
    must_count(&summary, "documents", [2, 1, 0, 1])?;
    let node = place.serve()?;
    let read = |target: &str| -> Result<String> {
        Ok(ask(node.address(), &Request::to(node.address(), "GET", target))?.text())
    };
    ensure!(read("/versionlessdsu/one")? == "written here", "one");
    ensure!(
        read("/versionlessdsu/two")? == "later, from the ApiHub",
        "two"
    );
    let versions = read(&format!("/anchor/default/get-all-versions/{}", dsu.anchor))?;
    let expected = serde_json::json!([dsu.values[0].as_str(), other.as_str()]);
    ensure!(
        serde_json::from_str::<Value>(&versions)? == expected,
        "{versions}"
    );
    Ok(())
}

#[test]
fn the_beginning_of_a_broken_history_is_taken_only_when_asked_for() -> Result<()> {
    let mut random = Random::announced("import beginnings")?;
    let tree = Tree::bare()?;
    let place = Place::new()?;
    let dsu = one(&mut random, 3)?;
    put_all(&tree, &dsu, None)?;
    let text = format!("{}garbage\n{}\n", lines(&dsu, 2), dsu.values[2]);
    tree.write(&anchor_path(&dsu), text.as_bytes())?;
    let (findings, _) = place.imported(tree.root(), 1)?;
    ensure!(
        reasons(&findings) == pairs(&[("not-a-value", "skipped")]),
        "{findings:?}"
    );
    let mut command = place.import(tree.root())?;
    command.arg("--beginnings");
    let said = run(command, 1)?;
    ensure!(said["summary"]["versions_stored"] == 2, "{said}");
    ensure!(said["summary"]["anchors_partly"] == 1, "{said}");
    Ok(())
}

#[test]
fn a_folder_without_configuration_is_taken_whole_and_one_that_is_none_is_refused() -> Result<()> {
    let mut random = Random::announced("import bare")?;
    let tree = Tree::bare()?;
    let place = Place::new()?;
    let dsu = one(&mut random, 1)?;
    put_all(&tree, &dsu, None)?;
    tree.write(&anchor_path(&dsu), lines(&dsu, 1).as_bytes())?;
    // The volume itself may be named; the data of a ledger's domain are not those of its anchors.
    let ledger = br#"{"anchoring": {"type": "ETH", "option": {"endpoint": "http://127.0.0.1:1"}}}"#;
    tree.write("config/domains/chain.json", ledger)?;
    tree.write("config/domains/default.json", b"{}")?;
    tree.write("domains/chain/anchors/x", b"x")?;
    let volume = tree.path("");
    let (findings, _) = place.imported(&volume, 1)?;
    ensure!(
        reasons(&findings) == pairs(&[("ledger-elsewhere", "skipped")]),
        "{findings:?}"
    );
    let text = fs::read_to_string(place.path("kiln.toml"))?;
    ensure!(text.contains("adapter"), "{text}");
    let other = place.path("other");
    write_file(&other.join("file"), b"")?;
    run(place.import(&other)?, 2)?;
    run(place.import(&place.path("nothing"))?, 3)?;
    let mut mistyped = place.import(&volume)?;
    mistyped.args(["--domain", "nosuch"]);
    run(mistyped, 2)?;
    // A node that serves holds its stores.
    let chain = volume.join("config/domains/chain.json");
    fs::remove_file(chain)?;
    fs::remove_file(place.path("kiln.toml"))?;
    let (findings, _) = place.imported(&volume, 1)?;
    must_be(
        &findings,
        &[serde_json::json!({
            "subject": "domain", "path": "domains/chain", "reason": "unknown-domain",
            "effect": "skipped",
        })],
    )?;
    let node = place.serve()?;
    run(place.import(&volume)?, 3)?;
    ensure!(node.stop()?.success(), "the node did not end well");
    Ok(())
}
