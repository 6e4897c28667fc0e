//! A node whose newest entries are lost for good: its log ends, and another one continues it.
//!
//! *Bug that this looks for:* two histories under one name; a new log that nobody can hold against the
//! old one; a node that goes on under the old name, or does not start after the command was cut off;
//! anchors that can no longer be proven. *Mechanism:* a backup, more entries, a restore of the backup,
//! `kiln log renew`; the witness, `kiln log check` and `kiln anchor verify` are the judges.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use testkit::binaries::Binary;
use testkit::process::{Launch, NodeProcess};
use testkit::server::write_file;
use translog::{Checkpoint, Policy, SignedNote};

use crate::grown::key;
use crate::put_back::Node;
use crate::restored::backup;
use crate::server::{NAME, Witness};
use crate::verify;

const OLD: &str = "localhost/default";
const NEW: &str = "localhost/second";

/// What a command said, and its exit code.
struct Said {
    exit: Option<i32>,
    json: Value,
    told: String,
}

fn said(launch: &Launch) -> Result<Said> {
    let run = launch.run()?;
    let told = [run.stdout.clone(), run.stderr].concat();
    Ok(Said {
        exit: run.status.code(),
        json: serde_json::from_slice(&run.stdout).unwrap_or_default(),
        told: String::from_utf8_lossy(&told).into_owned(),
    })
}

impl Said {
    fn require(&self, exit: i32, words: &str) -> Result<()> {
        ensure!(
            self.exit == Some(exit) && self.told.contains(words),
            "{exit} {words:?}: {:?} {}",
            self.exit,
            self.told
        );
        Ok(())
    }
}

impl Node {
    /// `kiln log renew` under this name, with this checkpoint.
    fn renew(&self, origin: &str, checkpoint: &str) -> Result<Said> {
        let file = self.at("outside");
        write_file(&file, checkpoint.as_bytes())?;
        let launch = Launch::of(Binary::Kiln)?.arg("log").arg("renew");
        let launch = launch.arg("--data").arg(self.at("data"));
        let launch = launch.arg("--key").arg(self.at("log-key"));
        let launch = launch.arg("--checkpoint").arg(file);
        let launch = launch.arg("--policy").arg(self.at("policy"));
        said(&launch.arg("--origin").arg(origin).arg("--json"))
    }

    /// `kiln log check` with these keys, and nothing remembered but by checks with the same `state`.
    fn check(&self, state: &str, further: &[&str]) -> Result<Said> {
        let launch = Launch::of(Binary::Kiln)?
            .arg("log")
            .arg("check")
            .arg("--json");
        let url = format!("http://{}/log/default", self.address()?);
        let launch = launch.arg(url).arg("--state").arg(self.at(state));
        said(&further.iter().fold(launch, Launch::arg))
    }

    /// Why it does not start.
    fn does_not_start(&self) -> Result<String> {
        let launch = Launch::kiln_serve(&self.at("data"), Some(&self.at("kiln.toml")))?;
        let refused = NodeProcess::start(&launch).err().context("it started")?;
        Ok(format!("{refused:#}"))
    }

    fn checkpoint(&self, path: &str) -> Result<(String, Checkpoint)> {
        let text = self.ask("GET", &format!("/log/default/{path}"))?.text();
        let checkpoint = SignedNote::parse(&text)?.checkpoint()?;
        Ok((text, checkpoint))
    }
}

/// A node that was restored from a backup of two entries after it had signed four; with its last
/// checkpoint, the one in the backup, and the proof of its first anchor.
struct Lost {
    node: Node,
    first: String,
    last: String,
    kept: String,
}

fn lost(witness: &Witness) -> Result<Lost> {
    let mut node = Node::new(witness)?;
    node.run()?;
    let first = node.create_at_start(1)?;
    node.create(2)?;
    node.until_cosigned(2)?;
    let kept = node.checkpoint("checkpoint/cosigned")?.0;
    node.stop()?;
    backup(&node, "create", "data")?;
    node.run()?;
    node.create_at_start(3)?;
    node.create(4)?;
    node.until_cosigned(4)?;
    let last = node.checkpoint("checkpoint/cosigned")?.0;
    let old = key(OLD, 3).verifier().to_string();
    node.check("state", &["--vkey", &old])?.require(0, "")?;
    node.stop()?;
    fs::rename(node.at("data"), node.at("lost"))?;
    backup(&node, "restore", "data")?;
    node.lift(&last)?;
    Ok(Lost {
        node,
        first,
        last,
        kept,
    })
}

#[test]
fn a_log_that_lost_entries_is_continued_by_another() -> Result<()> {
    let old = key(OLD, 3).verifier().to_string();
    let mut witness = Witness::start(std::slice::from_ref(&old))?;
    let Lost {
        mut node,
        first,
        last,
        kept,
    } = lost(&witness)?;
    let (exit, told) = node.lift(&last)?;
    ensure!(
        exit == Some(11) && told.contains("kiln log renew"),
        "{told}"
    );
    let renewed = node.renew(NEW, &last)?;
    renewed.require(0, "")?;
    let new = renewed.json["vkey"].as_str().context("no key")?.to_owned();
    ensure!(new.starts_with(&format!("{NEW}+")), "{new}");
    let expected = json!({ "origin": OLD, "size": 4, "kept": 2 });
    ensure!(renewed.json["continues"] == expected && renewed.json["size"] == 2);
    // Done once, whoever asks again.
    let again = node.renew(NEW, &last)?;
    again.require(0, "renewed before")?;
    ensure!(again.json["vkey"] == new.as_str());

    // The old name is over, and so is any other.
    let refused = node.does_not_start()?;
    ensure!(
        refused.contains("has ended") && refused.contains(NEW),
        "{refused}"
    );
    node.configure_as("localhost/third", &witness.url()?)?;
    let refused = node.does_not_start()?;
    ensure!(
        refused.contains("keeps its name") && refused.contains(NEW),
        "{refused}"
    );

    witness.know(&new)?;
    node.configure_as(NEW, &witness.url()?)?;
    node.run()?;
    node.until_cosigned(2)?;
    let read = node.ask("GET", &format!("/anchor/default/get-last-version/{first}"))?;
    ensure!(read.status == 200, "{read:?}");
    // An owner who has more than the node appends it again.
    let (third, created) = node.create(3)?;
    ensure!(created.status == 201, "{created:?}");
    node.until_cosigned(3)?;

    // One line tells of the old log, and log and witness have signed it.
    let (text, newest) = node.checkpoint("checkpoint/cosigned")?;
    let predecessor = newest.predecessor()?.context("it continues none")?;
    let ended = SignedNote::parse(&last)?.checkpoint()?;
    ensure!((predecessor.size, predecessor.kept) == (4, 2));
    ensure!(predecessor.origin == ended.origin && predecessor.root == ended.root);
    let note = SignedNote::parse(&text)?;
    let by_witness = note.signatures().iter().find(|it| it.name.as_str() == NAME);
    let body = newest.to_string();
    ensure!(body.ends_with(&format!("{predecessor}\n")), "{body}");
    verify(
        &witness.vkey()?,
        by_witness.context("no cosignature")?,
        &body,
    )?;
    // What the old key signed and what the new one signs are never of one name.
    ensure!(newest.origin.as_str() == NEW && ended.origin.as_str() == OLD);
    ensure!(node.checkpoint("predecessor")?.0 == last);

    node.readers_see_it(&[&new, &old], &kept, &first)?;
    node.owners_see_it(&first, &third, &new)?;
    node.stop()
}

impl Node {
    /// `kiln log check` holds the new log against the old one.
    fn readers_see_it(&self, [new, old]: &[&str; 2], kept: &str, first: &str) -> Result<()> {
        let file = self.at("kept");
        write_file(&file, kept.as_bytes())?;
        let file = file.display().to_string();
        let seen = self.check("fresh", &["--vkey", new])?;
        seen.require(0, "")?;
        let continues = json!({ "origin": OLD, "size": 4, "kept": 2, "signed": false });
        ensure!(seen.json["continues"] == continues, "{}", seen.told);
        // With what was remembered of the old log, and one from a friend.
        let both = ["--vkey", new, "--old-vkey", old, "--checkpoint", &file];
        let seen = self.check("state", &both)?;
        seen.require(0, "")?;
        ensure!(seen.json["continues"]["signed"] == true, "{}", seen.told);
        // Another history of the old log, and one that went further.
        let origin = ended_origin(old)?;
        for (size, exit) in [(2, 18), (4, 18), (5, 11)] {
            let other = Checkpoint::new(origin.clone(), size, [7; 32]);
            let note = SignedNote::new(&other, key(OLD, 3).sign(&other));
            write_file(&self.at("kept"), note.to_string().as_bytes())?;
            self.check("fresh", &both)?.require(exit, "")?;
        }
        let stranger = key(OLD, 4).verifier().to_string();
        let seen = self.check("fresh", &["--vkey", new, "--old-vkey", &stranger])?;
        seen.require(1, "signature")?;
        // Its proofs are proofs under the new name.
        let proof = self.ask("GET", &format!("/anchor/default/proof/{first}"))?;
        ensure!(proof.status == 200, "{proof:?}");
        write_file(&self.at("proof"), proof.text().as_bytes())?;
        for (log, exit) in [(new, 0), (old, 1)] {
            let launch = Launch::of(Binary::Kiln)?.arg("anchor").arg("verify");
            let launch = launch.arg(self.at("proof")).arg("--log").arg(log);
            said(&launch)?.require(exit, "")?;
        }
        Ok(())
    }

    fn owners_see_it(&self, first: &str, third: &str, new: &str) -> Result<()> {
        for (id, index) in [(first, 0), (third, 2)] {
            let status = self.ask("GET", &format!("/anchor/default/status/{id}"))?;
            let status: Value = serde_json::from_str(&status.text())?;
            let log = &status["log"];
            ensure!(log["origin"] == NEW && log["index"] == index, "{status}");
            ensure!(log["continues"]["origin"] == OLD, "{status}");
            ensure!(
                log["continues"]["kept"] == 2 && log["hold"].is_null(),
                "{status}"
            );
        }
        let vkey = self.ask("GET", "/log/default/vkey")?.text();
        ensure!(vkey.trim() == new, "{vkey}");
        let policy = format!("log {new}\n");
        Policy::parse(&policy)?.check(&SignedNote::parse(&self.checkpoint("checkpoint")?.0)?)?;
        Ok(())
    }
}

fn ended_origin(vkey: &str) -> Result<translog::Origin> {
    let name = translog::VerifierKey::parse(vkey)?.name().to_string();
    Ok(translog::Origin::parse(&name)?)
}

#[test]
fn a_log_that_can_go_on_is_not_ended() -> Result<()> {
    let old = key(OLD, 3).verifier().to_string();
    let witness = Witness::start(std::slice::from_ref(&old))?;
    let Lost {
        mut node,
        last,
        kept,
        ..
    } = lost(&witness)?;
    let before = fs::read(node.at("log-key"))?;
    for (origin, checkpoint, exit, words) in [
        (OLD, &last, 2, "choose a name"),
        ("no name", &last, 2, "is no name of a log"),
        ("", &last, 2, "is no name of a log"),
        (NEW, &kept, 7, "kiln log lift"),
        (NEW, &last.replacen("\n4\n", "\n5\n", 1), 1, "of no use"),
        (NEW, &"nothing\n\n".to_owned(), 1, "of no use"),
    ] {
        node.renew(origin, checkpoint)?.require(exit, words)?;
    }
    ensure!(fs::read(node.at("log-key"))? == before);
    ensure!(
        !node.at("log-key.next").exists(),
        "a key was made for nothing"
    );
    // The log that has everything is not on hold; nor is a running node's store to be had.
    fs::rename(node.at("data"), node.at("older"))?;
    fs::rename(node.at("lost"), node.at("data"))?;
    node.renew(NEW, &last)?.require(7, "not on hold")?;
    node.run()?;
    node.renew(NEW, &last)?.require(3, "stop the node")?;
    node.create_at_start(5)?;
    node.until_cosigned(5)?;
    node.stop()
}

/// The command is cut off before and after the store says that the old log ended.
#[test]
fn a_renewal_that_was_cut_off_is_done_or_not_done() -> Result<()> {
    let old = key(OLD, 3).verifier().to_string();
    let mut witness = Witness::start(std::slice::from_ref(&old))?;
    let Lost { mut node, last, .. } = lost(&witness)?;
    // Before: a key was made, and the old log is on hold as it was.
    let made = key(NEW, 8);
    write_file(&node.at("log-key.next"), made.to_text().as_bytes())?;
    node.run()?;
    ensure!(node.create(5)?.1.status == 503 && node.signed_size()? == 2);
    node.stop()?;
    let renewed = node.renew(NEW, &last)?;
    renewed.require(0, "")?;
    let new = made.verifier().to_string();
    ensure!(renewed.json["vkey"] == new.as_str(), "{}", renewed.told);
    // After: the keys are not in their places yet. The node puts them there.
    let aside = node.only_file("log-key.ended-")?;
    fs::rename(node.at("log-key"), node.at("log-key.next"))?;
    fs::hard_link(&aside, node.at("log-key"))?;
    witness.know(&new)?;
    node.configure_as(NEW, &witness.url()?)?;
    node.run()?;
    node.create_at_start(5)?;
    node.until_cosigned(3)?;
    ensure!(node.ask("GET", "/log/default/vkey")?.text().trim() == new);
    node.stop()?;
    let text = |name: &str| fs::read_to_string(node.at(name));
    ensure!(text("log-key")?.trim() == made.to_text().trim());
    ensure!(fs::read_to_string(aside)?.trim() == key(OLD, 3).to_text().trim());
    ensure!(!node.at("log-key.next").exists());
    Ok(())
}

/// A backup in clear has no key: the old log's verifier key says whose checkpoint it is.
#[test]
fn a_log_without_its_key_can_be_continued() -> Result<()> {
    let old = key(OLD, 3).verifier().to_string();
    let witness = Witness::start(std::slice::from_ref(&old))?;
    let Lost { node, last, .. } = lost(&witness)?;
    fs::remove_file(node.at("log-key"))?;
    node.renew(NEW, &last)?.require(3, "--old-vkey")?;
    let launch = Launch::of(Binary::Kiln)?
        .arg("log")
        .arg("renew")
        .arg("--json");
    let launch = launch.arg("--data").arg(node.at("data"));
    let launch = launch.arg("--key").arg(node.at("log-key"));
    let launch = launch.arg("--checkpoint").arg(node.at("outside"));
    let launch = launch.arg("--origin").arg(NEW).arg("--old-vkey").arg(&old);
    let renewed = said(&launch)?;
    renewed.require(0, "")?;
    // Nobody was named whose cosignature shows that the old log has what the store has.
    let expected = json!({ "origin": OLD, "size": 4, "kept": 0 });
    ensure!(renewed.json["continues"] == expected, "{}", renewed.told);
    let made = fs::read_to_string(node.at("log-key"))?;
    let made = translog::LogKey::parse(made.trim())?;
    ensure!(renewed.json["vkey"] == made.verifier().to_string().as_str());
    Ok(())
}
