//! A node whose data folder was put back to an older state.
//!
//! *Bug that this looks for:* it goes on, and signs a second history under its key, although its
//! witness has cosigned a larger checkpoint. *Mechanism:* the folder of a stopped node is copied, the
//! node goes on, the copy takes the folder's place.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use ledger::{EmbeddedLedger, EngineOptions, HoldCause, Mode};
use tempfile::TempDir;
use testkit::binaries::Binary;
use testkit::http::{Reply, Request, ask};
use testkit::owner::Owner;
use testkit::process::{Launch, NodeProcess};
use testkit::server::write_file;
use translog::{Policy, SignedNote};

use crate::grown::key;
use crate::server::Witness;

const HASH: &str = "BsDZDZZsSfW3tP9Kr8epe1c8Wd49kB7UYTrva7dZGeVU";
const PATIENCE: Duration = Duration::from_mins(1);
const LOOK: Duration = Duration::from_millis(20);

/// A node that asks a witness, with its folder.
pub(crate) struct Node {
    folder: TempDir,
    process: Option<NodeProcess>,
}

impl Node {
    pub(crate) fn new(witness: &Witness) -> Result<Self> {
        let node = Self {
            folder: tempfile::tempdir()?,
            process: None,
        };
        let log = key("localhost/default", 3);
        write_file(&node.at("log-key"), log.to_text().as_bytes())?;
        let policy = format!("witness one {}\nquorum one\n", witness.vkey()?);
        write_file(&node.at("policy"), policy.as_bytes())?;
        node.configure(&witness.url()?)?;
        Ok(node)
    }

    pub(crate) fn configure(&self, witness: &str) -> Result<()> {
        self.configure_as("localhost/default", witness)
    }

    /// With this name of its log.
    pub(crate) fn configure_as(&self, origin: &str, witness: &str) -> Result<()> {
        let [key, policy] = ["log-key", "policy"].map(|it| self.at(it).display().to_string());
        let config = format!(
            "[[domain]]\nname = \"default\"\n[domain.log]\norigin = {origin:?}\nkey = {key:?}\n\
             policy = {policy:?}\nwitnesses = [{witness:?}]\n"
        );
        write_file(&self.at("kiln.toml"), config.as_bytes())?;
        Ok(())
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn run(&mut self) -> Result<()> {
        let launch = Launch::kiln_serve(&self.at("data"), Some(&self.at("kiln.toml")))?;
        self.process = Some(NodeProcess::start(&launch)?);
        Ok(())
    }

    pub(crate) fn stop(&mut self) -> Result<()> {
        let status = self.process.take().context("it is stopped")?.stop()?;
        ensure!(status.success(), "{status}");
        Ok(())
    }

    pub(crate) fn address(&self) -> Result<SocketAddr> {
        Ok(self.process.as_ref().context("it is stopped")?.address())
    }

    /// The one file of its folder whose name begins like this.
    pub(crate) fn only_file(&self, beginning: &str) -> Result<PathBuf> {
        let mut found = Vec::new();
        for entry in self.folder.path().read_dir()? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(beginning) {
                found.push(entry.path());
            }
        }
        ensure!(found.len() == 1, "{found:?}");
        found.pop().context("none")
    }

    pub(crate) fn ask(&self, method: &str, target: &str) -> Result<Reply> {
        let address = self.address()?;
        Ok(ask(address, &Request::to(address, method, target))?)
    }

    pub(crate) fn create(&self, number: u8) -> Result<(String, Reply)> {
        self.create_in("default", number)
    }

    /// Creates one right after a start, when the log may still wait for what its witnesses say and
    /// takes nothing.
    pub(crate) fn create_at_start(&self, number: u8) -> Result<String> {
        let started = Instant::now();
        loop {
            let (id, reply) = self.create(number)?;
            if reply.status == 201 {
                return Ok(id);
            }
            ensure!(
                reply.status == 503 && started.elapsed() < PATIENCE,
                "{reply:?}"
            );
            std::thread::sleep(LOOK);
        }
    }

    pub(crate) fn create_in(&self, domain: &str, number: u8) -> Result<(String, Reply)> {
        let owner = Owner::new(&domain.parse()?, &[number; 32])?;
        let value = owner.sign(HASH, 1_700_000_000_000)?;
        let target = format!("/anchor/{domain}/create-anchor/{}/{value}", owner.id());
        Ok((owner.id().to_owned(), self.ask("PUT", &target)?))
    }

    /// Puts the logs of the stopped node on hold, as whoever restores a backup does.
    fn hold(&self) -> Result<Vec<keyssi::Domain>> {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let options = EngineOptions {
            free_bytes_min: 0,
            mode: Mode::Serve,
        };
        let store = EmbeddedLedger::open(&self.at("data/anchors"), options, || 1)?;
        let held = store.hold_logs(HoldCause::Restored, "from the backup of Monday");
        Ok(runtime.block_on(held)?)
    }

    /// `kiln log lift` with this checkpoint: its exit code and words.
    pub(crate) fn lift(&self, checkpoint: &str) -> Result<(Option<i32>, String)> {
        self.lift_with(checkpoint, &[])
    }

    fn lift_with(&self, checkpoint: &str, flags: &[&str]) -> Result<(Option<i32>, String)> {
        let file = self.at("checkpoint");
        write_file(&file, checkpoint.as_bytes())?;
        let file = file.display().to_string();
        self.lift_as(&[&["--checkpoint", &file], flags].concat())
    }

    /// `kiln log lift` of the log of the default domain: its exit code and words.
    pub(crate) fn lift_as(&self, flags: &[&str]) -> Result<(Option<i32>, String)> {
        let mut lift = Launch::of(Binary::Kiln)?.arg("log").arg("lift");
        lift = lift.arg("--data").arg(self.at("data"));
        lift = lift.arg("--key").arg(self.at("log-key"));
        for flag in flags {
            lift = lift.arg(flag);
        }
        let run = lift.run()?;
        let told = [run.stdout, run.stderr].concat();
        Ok((
            run.status.code(),
            String::from_utf8_lossy(&told).into_owned(),
        ))
    }

    /// Waits until so many entries are cosigned.
    pub(crate) fn until_cosigned(&self, size: u64) -> Result<()> {
        let started = Instant::now();
        loop {
            let reply = self.ask("GET", "/log/default/checkpoint/cosigned")?;
            let note = SignedNote::parse(&reply.text()).ok();
            if note.is_some_and(|it| it.checkpoint().is_ok_and(|it| it.size == size)) {
                return Ok(());
            }
            ensure!(started.elapsed() < PATIENCE, "{reply:?}");
            std::thread::sleep(LOOK);
        }
    }

    pub(crate) fn signed_size(&self) -> Result<u64> {
        let reply = self.ask("GET", "/log/default/checkpoint")?;
        Ok(SignedNote::parse(&reply.text())?.checkpoint()?.size)
    }

    /// Requires that the log is on hold, and that everybody who asks is told.
    fn is_on_hold(&self, known: &str) -> Result<()> {
        let target = format!("/anchor/default/status/{known}");
        let started = Instant::now();
        // Nothing is taken from the first moment on; the reason comes with what the witness says.
        let (refused, status) = loop {
            let (_, refused) = self.create(99)?;
            ensure!(refused.status == 503, "{refused:?}");
            let status = self.ask("GET", &target)?;
            let status: serde_json::Value = serde_json::from_str(&status.text())?;
            if status["log"]["hold"]["cause"] == "contradicted"
                && refused.text().contains("read-only")
            {
                break (refused, status);
            }
            ensure!(started.elapsed() < PATIENCE, "{refused:?} {status}");
            std::thread::sleep(LOOK);
        };
        ensure!(refused.header("retry-after") == Some("60"), "{refused:?}");
        let ready = self.ask("GET", "/readyz")?;
        ensure!(
            ready.status == 503 && ready.text().contains("on hold"),
            "{ready:?}"
        );
        let read = self.ask("GET", &format!("/anchor/default/get-last-version/{known}"))?;
        ensure!(read.status == 200, "{read:?}");
        ensure!(status["log"]["hold"]["outside"][0]["size"] == 4, "{status}");
        ensure!(self.signed_size()? == 2);
        Ok(())
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in from.read_dir()? {
        let (entry, to) = (entry?, to);
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            std::fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

#[test]
fn a_node_that_was_put_back_signs_no_second_history() -> Result<()> {
    let witness = Witness::start(&[key("localhost/default", 3).verifier().to_string()])?;
    let mut node = Node::new(&witness)?;
    node.run()?;
    let known = node.create_at_start(1)?;
    node.create(2)?;
    node.until_cosigned(2)?;
    node.stop()?;
    copy(&node.at("data"), &node.at("copy"))?;
    node.run()?;
    node.create_at_start(3)?;
    node.create(4)?;
    node.until_cosigned(4)?;
    node.stop()?;
    std::fs::rename(node.at("data"), node.at("lost"))?;
    std::fs::rename(node.at("copy"), node.at("data"))?;

    node.run()?;
    node.is_on_hold(&known)?;
    node.stop()?;
    // The witness is gone: the node remembers what it saw.
    node.configure("http://127.0.0.1:1")?;
    node.run()?;
    node.is_on_hold(&known)?;
    let ours = node.ask("GET", "/log/default/checkpoint")?;
    node.stop()?;
    // No checkpoint that is older than what is known makes it go on.
    let (exit, told) = node.lift(&ours.text())?;
    ensure!(exit == Some(11), "{exit:?} {told}");
    // What was there before the folder was put back goes on.
    std::fs::rename(node.at("data"), node.at("old"))?;
    std::fs::rename(node.at("lost"), node.at("data"))?;
    node.configure(&witness.url()?)?;
    node.run()?;
    node.create_at_start(5)?;
    node.until_cosigned(5)?;
    Ok(())
}

/// After a restore nothing is signed or taken until the log was compared with what others kept of it.
#[test]
fn a_restored_node_waits_until_it_was_compared() -> Result<()> {
    let witness = Witness::start(&[key("localhost/default", 3).verifier().to_string()])?;
    let mut node = Node::new(&witness)?;
    node.run()?;
    node.create_at_start(1)?;
    node.create(2)?;
    node.until_cosigned(2)?;
    let kept = node.ask("GET", "/log/default/checkpoint")?.text();
    node.stop()?;
    let held = node.hold()?;
    ensure!(held == ["default".parse()?], "{held:?}");
    node.configure("http://127.0.0.1:1")?;
    node.run()?;
    let (_, refused) = node.create(3)?;
    ensure!(
        refused.status == 503 && refused.text().contains("was put back"),
        "{refused:?}"
    );
    let ready = node.ask("GET", "/readyz")?;
    ensure!(
        ready.status == 503 && ready.text().contains("Monday"),
        "{ready:?}"
    );
    node.stop()?;
    let (exit, told) = node.lift("nothing of use\n\n")?;
    ensure!(exit == Some(1), "{exit:?} {told}");
    let (exit, told) = node.lift(&kept)?;
    ensure!(
        exit == Some(0) && told.contains("goes on with 2 entries"),
        "{exit:?} {told}"
    );
    node.run()?;
    node.create_at_start(3)?;
    let started = Instant::now();
    while node.signed_size()? < 3 {
        ensure!(started.elapsed() < PATIENCE, "it is not signed");
        std::thread::sleep(LOOK);
    }
    node.stop()?;
    // A witness that has seen less than the store has signed lifts nothing, nor does what it has seen.
    node.hold()?;
    node.configure(&witness.url()?)?;
    node.run()?;
    ensure!(node.create(4)?.1.status == 503);
    node.stop()?;
    let (exit, told) = node.lift(&kept)?;
    ensure!(exit == Some(1), "{exit:?} {told}");
    let loud = "--no-newer-checkpoint-exists";
    ensure!(told.contains(loud), "{told}");
    let (exit, told) = node.lift_with(&kept, &[loud])?;
    ensure!(exit == Some(0), "{exit:?} {told}");
    node.run()?;
    node.until_cosigned(3)?;
    node.stop()?;
    // By itself, when every witness shows all that the store has signed.
    node.hold()?;
    node.run()?;
    node.create_at_start(4)?;
    node.until_cosigned(4)
}

/// Under a mistyped name there is nothing to lift or to end, and no empty node is made there.
#[test]
fn a_mistyped_folder_is_named_and_not_made() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (typo, checkpoint) = (folder.path().join("typo"), folder.path().join("checkpoint"));
    write_file(&checkpoint, b"never read")?;
    let commands: [&[&str]; 3] = [
        &["lift"],
        &["lift", "--key", "log-key"],
        &["renew", "--origin", "localhost/second"],
    ];
    for command in commands {
        let launch = Launch::of(Binary::Kiln)?.arg("log");
        let launch = command.iter().fold(launch, Launch::arg);
        let launch = launch.arg("--checkpoint").arg(&checkpoint);
        let by_option = launch.clone().arg("--data").arg(&typo);
        for launch in [by_option, launch.env("KILN_DATA", &typo)] {
            let run = launch.run()?;
            let told = String::from_utf8_lossy(&run.stderr).into_owned();
            ensure!(run.status.code() == Some(3), "{:?} {told}", run.status);
            ensure!(
                told.contains("typo holds no anchors") && told.contains("--data"),
                "{told}"
            );
            ensure!(!typo.exists(), "{command:?}");
        }
    }
    Ok(())
}

/// A quorum that is not reached is told from a log that is not signed.
#[test]
fn what_a_checkpoint_waits_for_is_told() -> Result<()> {
    let witness = Witness::start(&[key("other.example/log", 3).verifier().to_string()])?;
    let mut node = Node::new(&witness)?;
    let policy = std::fs::read_to_string(node.at("policy"))?;
    Policy::parse(&policy)?;
    node.run()?;
    let id = node.create_at_start(1)?;
    let refusal = format!(
        "{}: it refused with 404: the log is not known",
        witness.url()?
    );
    let words = format!(
        "the checkpoint of 1 entries waits for cosignatures: it needs one, has none; {refusal}"
    );
    let started = Instant::now();
    loop {
        let proof = node.ask("GET", &format!("/anchor/default/proof/{id}"))?;
        ensure!(proof.status == 202, "{proof:?}");
        if proof.text().contains(&words) {
            break;
        }
        ensure!(started.elapsed() < PATIENCE, "{proof:?}");
        std::thread::sleep(LOOK);
    }
    let status = node.ask("GET", &format!("/anchor/default/status/{id}"))?;
    let status: serde_json::Value = serde_json::from_str(&status.text())?;
    let log = &status["log"];
    ensure!(
        status["state"] == "pending" && log["waitsFor"] == words.as_str(),
        "{status}"
    );
    ensure!(
        log["cosignatures"]["missing"] == serde_json::json!(["one"]),
        "{status}"
    );
    ensure!(
        log["hold"].is_null() && log["checkpointSize"].is_null(),
        "{status}"
    );
    Ok(())
}

/// A policy that asks for no cosignature: the log's own signature is enough, as without a policy.
#[test]
fn a_policy_without_witnesses_asks_for_none() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (policy, config) = (
        folder.path().join("policy"),
        folder.path().join("kiln.toml"),
    );
    write_file(&policy, b"quorum none\n")?;
    let policy = policy.display().to_string();
    let text = format!("[[domain]]\nname = \"default\"\n[domain.log]\npolicy = {policy:?}\n");
    write_file(&config, text.as_bytes())?;
    let launch = Launch::kiln_serve(&folder.path().join("data"), Some(&config))?;
    let node = Node {
        process: Some(NodeProcess::start(&launch)?),
        folder,
    };
    let id = node.create_at_start(1)?;
    node.until_cosigned(1)?;
    let proof = node.ask("GET", &format!("/anchor/default/proof/{id}"))?;
    ensure!(proof.status == 200, "{proof:?}");
    let status = node.ask("GET", &format!("/anchor/default/status/{id}"))?;
    let status: serde_json::Value = serde_json::from_str(&status.text())?;
    ensure!(
        status["state"] == "inLog" && status["log"]["checkpointSize"] == 1,
        "{status}"
    );
    ensure!(status["log"]["cosignatures"].is_null(), "{status}");
    Ok(())
}
