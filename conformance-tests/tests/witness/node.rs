//! A node whose log is cosigned by a real witness.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use testkit::binaries::Binary;
use testkit::owner::Owner;
use testkit::process::Launch;
use testkit::server::{Server, write_file};
use translog::{Policy, SignedNote};

use crate::grown::key;
use crate::server::Witness;

#[test]
fn a_node_gets_its_checkpoints_cosigned_and_readers_can_demand_it() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (log_key, origin) = (folder.path().join("log-key"), "localhost/default");
    let log = key(origin, 3);
    write_file(&log_key, log.to_text().as_bytes())?;
    let witness = Witness::start(&[log.verifier().to_string()])?;
    let policy = format!(
        "log {}\nwitness one {}\nquorum one\n",
        log.verifier(),
        witness.vkey()?
    );
    let file = folder.path().join("policy");
    write_file(&file, policy.as_bytes())?;
    let config = format!(
        "[[domain]]\nname = \"default\"\n[domain.log]\nopenings = \"public\"\n\
         key = {log_key:?}\npolicy = {file:?}\nwitnesses = [\"{}\"]\n",
        witness.url()?
    );
    let node = Server::start(&config)?;
    let mut owner = Owner::new(&"default".parse()?, &[7; 32])?;
    let policy = Policy::parse(&policy)?;
    for (size, verb) in [(1, "create-anchor"), (2, "append-to-anchor")] {
        let hash = "BsDZDZZsSfW3tP9Kr8epe1c8Wd49kB7UYTrva7dZGeVU";
        let value = owner.sign(hash, 1_700_000_000_000)?;
        let target = format!("/anchor/default/{verb}/{}/{value}", owner.id());
        ensure!(node.put(&target, "")?.status < 300);
        owner.follow(Some(&value))?;
        let started = Instant::now();
        loop {
            let reply = node.fetch("/log/default/checkpoint/cosigned")?;
            let cosigned = SignedNote::parse(&reply.text()).ok();
            let has_size = |it: &SignedNote| it.checkpoint().is_ok_and(|it| it.size == size);
            if let Some(cosigned) = cosigned.filter(has_size) {
                policy.check(&cosigned)?;
                break;
            }
            ensure!(started.elapsed().as_secs() < 60, "{reply:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    let run = Launch::of(Binary::Kiln)?.arg("log").arg("check");
    let run = run.arg(format!("http://{}/log/default", node.address()));
    let run = run
        .arg("--policy")
        .arg(&file)
        .arg("--state")
        .arg(folder.path());
    let said = run.run()?;
    ensure!(said.status.success(), "{said:?}");
    Ok(())
}
