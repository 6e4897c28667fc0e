//! A node that was restored from a backup older than what its witness has cosigned.
//!
//! *Bug that this looks for:* a restored log that goes on from the backup's size, so that two
//! checkpoints under one key do not fit together. *Mechanism:* `kiln backup` of the node, more
//! entries, `kiln backup restore`; the witness's own memory and its refusals are the judges.

use anyhow::{Context as _, Result, ensure};
use testkit::binaries::Binary;
use testkit::process::Launch;
use testkit::server::write_file;

use crate::grown::key;
use crate::put_back::Node;
use crate::server::Witness;

/// `kiln backup <verb> PLACE --data DATA` of a node's folders.
pub(crate) fn backup(node: &Node, verb: &str, data: &str) -> Result<()> {
    let launch = Launch::of(Binary::Kiln)?.arg("backup").arg(verb);
    let launch = launch.arg(node.at("place")).arg("--data");
    let ran = launch.arg(node.at(data)).run()?;
    let told = String::from_utf8_lossy(&ran.stderr);
    ensure!(ran.status.success(), "{verb}: {told}");
    Ok(())
}

#[test]
fn a_restored_log_never_signs_a_second_history() -> Result<()> {
    let witness = Witness::start(&[key("localhost/default", 3).verifier().to_string()])?;
    let mut node = Node::new(&witness)?;
    node.run()?;
    node.create_at_start(1)?;
    node.create(2)?;
    node.until_cosigned(2)?;
    node.stop()?;
    backup(&node, "create", "data")?;
    let older = node.newest()?;
    node.run()?;
    node.create_at_start(3)?;
    node.create(4)?;
    node.until_cosigned(4)?;
    let kept = node.ask("GET", "/log/default/checkpoint/cosigned")?.text();
    node.stop()?;
    std::fs::rename(node.at("data"), node.at("lost"))?;
    backup(&node, "restore", "data")?;

    // Nobody can be asked: the log stays on hold, whatever is written to it.
    node.configure("http://127.0.0.1:1")?;
    node.run()?;
    let (_, refused) = node.create(5)?;
    ensure!(refused.status == 503, "{refused:?}");
    ensure!(refused.text().contains(&older), "{refused:?}");
    ensure!(node.signed_size()? == 2);
    node.stop()?;
    let (exit, told) = node.lift(&kept)?;
    ensure!(exit == Some(11), "{exit:?} {told}");
    // The witness is asked, and shows more than there is: still on hold, and for a better reason.
    node.configure(&witness.url()?)?;
    node.run()?;
    let (_, refused) = node.create(5)?;
    ensure!(refused.status == 503, "{refused:?}");
    ensure!(node.signed_size()? == 2);
    node.stop()?;

    // A backup of everything goes on by itself: the witness shows what is in it.
    std::fs::rename(node.at("data"), node.at("older"))?;
    std::fs::rename(node.at("lost"), node.at("data"))?;
    backup(&node, "create", "data")?;
    std::fs::rename(node.at("data"), node.at("lost"))?;
    backup(&node, "restore", "data")?;
    node.run()?;
    node.create_at_start(5)?;
    node.until_cosigned(5)
}

/// What was empty in the backup may have signed since: its key lies elsewhere. Two folders restored from
/// one backup would begin two histories.
#[test]
fn a_log_that_was_empty_in_the_backup_waits_for_somebodys_word() -> Result<()> {
    let witness = Witness::start(&[key("localhost/default", 3).verifier().to_string()])?;
    let mut node = Node::new(&witness)?;
    node.run()?;
    node.stop()?;
    backup(&node, "create", "data")?;
    std::fs::rename(node.at("data"), node.at("lost"))?;
    backup(&node, "restore", "data")?;
    // A domain that is new, whose key is made by this start, and one whose key was there before.
    let config = std::fs::read_to_string(node.at("kiln.toml"))?;
    let more = "[[domain]]\nname = \"new\"\n";
    write_file(&node.at("kiln.toml"), format!("{config}{more}").as_bytes())?;
    node.run()?;
    let (_, created) = node.create_in("new", 1)?;
    ensure!(created.status == 201, "{created:?}");
    let (_, refused) = node.create(1)?;
    let loud = "--nothing-was-ever-signed";
    ensure!(
        refused.status == 503 && refused.text().contains(loud),
        "{refused:?}"
    );
    node.stop()?;
    node.run()?;
    ensure!(node.create(1)?.1.status == 503, "after a restart too");
    ensure!(node.create_in("new", 2)?.1.status == 201);
    node.stop()?;
    let (exit, told) = node.lift_as(&[])?;
    ensure!(exit == Some(2), "{exit:?} {told}");
    let (exit, told) = node.lift_as(&[loud])?;
    ensure!(exit == Some(0), "{exit:?} {told}");
    node.run()?;
    node.create_at_start(1)?;
    node.until_cosigned(1)
}

impl Node {
    /// The name of the newest backup.
    fn newest(&self) -> Result<String> {
        let launch = Launch::of(Binary::Kiln)?.arg("backup").arg("list");
        let ran = launch.arg(self.at("place")).arg("--json").run()?;
        let listed: serde_json::Value = serde_json::from_slice(&ran.stdout)?;
        let last = listed.as_array().and_then(|all| all.last());
        let name = last.and_then(|last| last["backup"].as_str());
        Ok(name.context("no backup")?.to_owned())
    }
}
