//! Restarts, kills in the middle, and files that are not as they should be.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::mpsc;
use std::thread;

use anyhow::{Context as _, Result, ensure};
use testkit::random::Random;
use testkit::server::write_file;

use crate::grown::{Grown, key};
use crate::server::{NAME, Witness, cosigned, submit, told_size};

/// How often the witness is killed while it works.
const KILLS: u64 = 12;

#[test]
fn a_restart_forgets_nothing() -> Result<()> {
    let log = Grown::new().to(7, "main");
    let mut witness = Witness::start(&[log.key.verifier().to_string()])?;
    let vkey = witness.vkey()?;
    cosigned(&witness.submit(&log.request(0)?.to_string())?)?;
    let newest = witness.newest()?;
    witness.stop()?;
    witness.run()?;
    ensure!(witness.vkey()? == vkey && witness.newest()? == newest);
    ensure!(told_size(&witness.submit(&log.request(0)?.to_string())?)? == 7);
    witness.kill()?;
    witness.run()?;
    ensure!(witness.vkey()? == vkey && witness.newest()? == newest);
    let larger = log.to(8, "main");
    cosigned(&witness.submit(&larger.request(7)?.to_string())?)?;
    Ok(())
}

/// A log grows as fast as it is cosigned while the witness is killed; what was answered must be
/// known afterwards, and of what was not at most the one request that was under way.
#[test]
fn what_was_answered_before_a_kill_is_known_after_it() -> Result<()> {
    let mut random = Random::announced("witness kill")?;
    let mut log = Grown::new();
    let mut witness = Witness::start(&[log.key.verifier().to_string()])?;
    for _ in 0..KILLS {
        let (address, begin) = (witness.address()?, log.size());
        let (sender, answers) = mpsc::channel();
        let asking = thread::spawn(move || {
            loop {
                let next = log.to(usize::try_from(log.size()).unwrap() + 1, "main");
                let request = next.request(log.size()).unwrap().to_string();
                let Ok(reply) = submit(address, &request) else {
                    return log;
                };
                cosigned(&reply).unwrap();
                log = next;
                // Nobody listens any more when the witness is being killed.
                let _ = sender.send(());
            }
        });
        // The next request is under way, or will be before the process is gone.
        for _ in 0..=random.below(8) {
            answers.recv().context("it ended by itself")?;
        }
        witness.kill()?;
        let grown = asking.join().unwrap();
        witness.run()?;
        let newest = witness.newest()?.context("it has forgotten all")?;
        let known = newest.checkpoint()?.size;
        let answered = grown.size();
        ensure!(
            known == answered || known == answered + 1,
            "{begin} before, {answered} answered, {known} known"
        );
        log = grown.to(usize::try_from(known)?, "main");
        ensure!(newest.text() == log.checkpoint().to_string());
    }
    Ok(())
}

#[test]
fn one_process_runs_a_witness_and_under_one_name() -> Result<()> {
    let log = Grown::new().to(7, "main");
    let mut witness = Witness::start(&[log.key.verifier().to_string()])?;
    let second = witness.launch(NAME)?.run()?;
    ensure!(second.status.code() == Some(3), "{second:?}");
    witness.stop()?;
    let other = witness.launch("witness.example/w2")?.run()?;
    ensure!(other.status.code() == Some(2), "{other:?}");
    let text = String::from_utf8_lossy(&other.stderr).into_owned();
    ensure!(text.contains("is called witness.example/w1"), "{text}");
    Ok(())
}

#[test]
fn a_key_that_others_can_read_is_refused() -> Result<()> {
    let mut witness = Witness::start(&[key("log.example/a", 1).verifier().to_string()])?;
    witness.stop()?;
    let file = witness.data().join("witness-key");
    let mode = fs::metadata(&file)?.permissions().mode() & 0o777;
    ensure!(mode == 0o600, "{mode:o}");
    fs::set_permissions(&file, Permissions::from_mode(0o640))?;
    let refused = witness.launch(NAME)?.run()?;
    ensure!(refused.status.code() == Some(3), "{refused:?}");
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    ensure!(text.contains("chmod 600"), "{text}");
    let secret = fs::read_to_string(&file)?;
    ensure!(!text.contains(secret.trim()), "the key is in the message");
    Ok(())
}

/// A witness that began from nothing again would cosign a second history.
#[test]
fn a_state_that_cannot_be_read_stops_the_start() -> Result<()> {
    let log = Grown::new().to(7, "main");
    let mut witness = Witness::start(&[log.key.verifier().to_string()])?;
    cosigned(&witness.submit(&log.request(0)?.to_string())?)?;
    witness.stop()?;
    let file = witness.state("checkpoint");
    let sound = fs::read_to_string(&file)?;
    let larger = log.to(9, "main").note().to_string();
    let cut = &sound[..sound.len() - 20];
    let altered = sound.replacen("\n7\n", "\n6\n", 1);
    for damaged in ["", cut, &altered, &larger] {
        write_file(&file, damaged.as_bytes())?;
        let refused = witness.launch(NAME)?.run()?;
        ensure!(refused.status.code() == Some(3), "{damaged}: {refused:?}");
        ensure!(fs::read_to_string(&file)? == damaged, "it was changed");
    }
    write_file(&file, sound.as_bytes())?;
    witness.run()?;
    ensure!(told_size(&witness.submit(&log.request(0)?.to_string())?)? == 7);
    Ok(())
}

/// One that began anew under the key that it has would cosign a second history.
#[test]
fn a_state_that_is_gone_stops_the_start() -> Result<()> {
    let (log, other) = (Grown::new().to(7, "main"), key("other.example/log", 1));
    let keys = [&log.key, &other].map(|key| key.verifier().to_string());
    let mut witness = Witness::start(&keys)?;
    witness.stop()?;
    // Nothing was cosigned yet: nothing can be missing.
    witness.run()?;
    cosigned(&witness.submit(&log.request(0)?.to_string())?)?;
    witness.stop()?;
    let (folder, away) = (witness.data().join("cosigned"), witness.data().join("away"));
    fs::rename(&folder, &away)?;
    let refused = |witness: &Witness, words: &str| -> Result<()> {
        let run = witness.launch(NAME)?.run()?;
        ensure!(run.status.code() == Some(3), "{run:?}");
        let text = String::from_utf8_lossy(&run.stderr).into_owned();
        ensure!(text.contains(words), "{text}");
        Ok(())
    };
    refused(&witness, "has cosigned the log anchors.example/default")?;
    // The list went with it: the key alone tells that something was there.
    let list = witness.data().join("known-logs");
    let listed = fs::read_to_string(&list)?;
    ensure!(listed == "anchors.example/default\n", "{listed}");
    fs::remove_file(&list)?;
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    refused(&witness, "neither what it cosigned nor")?;
    // A folder without a list, as an earlier version left it, gets one.
    fs::rename(&away, &folder)?;
    witness.run()?;
    ensure!(fs::read_to_string(&list)? == listed);
    ensure!(told_size(&witness.submit(&log.request(0)?.to_string())?)? == 7);
    Ok(())
}
