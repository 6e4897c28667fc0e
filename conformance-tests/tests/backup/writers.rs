//! Writers that never stop, and a record of what was acknowledged to them.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use anyhow::{Result, ensure};
use keyssi::BrickHash;
use testkit::http::{ANSWER_WAIT, Connection, Request, ask};
use testkit::owner::{FIRST_MS, Owner};
use testkit::random::Random;

/// Writers at the same time.
const WRITERS: u64 = 6;
/// Bricks are up to so long, in bytes: some lie in tables, some in blob files.
const BRICK_BYTES: u64 = 30_000;
/// An anchor gets so many versions before the next one is made.
const VERSIONS: u64 = 5;

/// What a node acknowledged.
#[derive(Clone, Debug, Default)]
pub(crate) struct Acknowledged {
    /// Hashes of bricks.
    pub(crate) bricks: Vec<String>,
    /// Ids of anchors with a value each.
    pub(crate) entries: Vec<(String, String)>,
}

/// Threads that write until they are told to stop.
pub(crate) struct Writers {
    record: Arc<Mutex<Acknowledged>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Result<()>>>,
}

impl Writers {
    pub(crate) fn start(address: SocketAddr, seed: u64) -> Self {
        let record = Arc::new(Mutex::new(Acknowledged::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let threads = (0..WRITERS).map(|number| {
            let (record, stop) = (Arc::clone(&record), Arc::clone(&stop));
            let random = Random::new(seed.wrapping_mul(1_000).wrapping_add(number));
            std::thread::spawn(move || write(address, random, &record, &stop))
        });
        Self {
            threads: threads.collect(),
            record,
            stop,
        }
    }

    /// What is acknowledged by now, once it is as much as `entries`.
    pub(crate) fn acknowledged(&self, entries: usize) -> Result<Acknowledged> {
        loop {
            let record = self.record.lock().unwrap().clone();
            if record.entries.len() >= entries {
                return Ok(record);
            }
            let ended = self.threads.iter().any(JoinHandle::is_finished);
            ensure!(!ended, "a writer ended");
            std::thread::yield_now();
        }
    }

    /// Ends them.
    pub(crate) fn stop(self) -> Result<Acknowledged> {
        self.stop.store(true, Ordering::SeqCst);
        for thread in self.threads {
            thread.join().unwrap()?;
        }
        Ok(self.record.lock().unwrap().clone())
    }
}

fn write(
    address: SocketAddr,
    mut random: Random,
    record: &Mutex<Acknowledged>,
    stop: &AtomicBool,
) -> Result<()> {
    let domain = "default".parse()?;
    let mut connection = Connection::open(address, ANSWER_WAIT)?;
    loop {
        let mut owner = Owner::new(&domain, &random.bytes(32))?;
        for version in 0..VERSIONS {
            if stop.load(Ordering::SeqCst) {
                return Ok(());
            }
            let length = usize::try_from(random.below(BRICK_BYTES))? + 1;
            let brick = random.bytes(length);
            let hash = BrickHash::of(&brick).to_string();
            let put = Request::to(address, "PUT", "/bricking/default/put-brick").body(brick);
            let reply = connection.send(&put)?;
            ensure!(reply.status == 201, "{reply:?}");
            record.lock().unwrap().bricks.push(hash.clone());
            let value = owner.sign(&hash, FIRST_MS + version)?;
            let action = if version == 0 {
                "create-anchor"
            } else {
                "append-to-anchor"
            };
            let target = format!("/anchor/default/{action}/{}/{value}", owner.id());
            let reply = connection.send(&Request::to(address, "PUT", &target))?;
            ensure!(reply.status == 201 || reply.status == 200, "{reply:?}");
            owner.follow(Some(&value))?;
            let entry = (owner.id().to_owned(), value);
            record.lock().unwrap().entries.push(entry);
        }
    }
}

/// Requires that a node has all of it.
pub(crate) fn require(address: SocketAddr, acknowledged: &Acknowledged) -> Result<()> {
    let mut connection = Connection::open(address, ANSWER_WAIT)?;
    for hash in &acknowledged.bricks {
        let target = format!("/bricking/default/get-brick/{hash}");
        let reply = connection.send(&Request::to(address, "GET", &target))?;
        ensure!(reply.status == 200, "brick {hash}: {}", reply.status);
        ensure!(
            BrickHash::of(&reply.body).to_string() == *hash,
            "brick {hash}"
        );
    }
    for (id, value) in &acknowledged.entries {
        let target = format!("/anchor/default/get-all-versions/{id}");
        let reply = ask(address, &Request::to(address, "GET", &target))?;
        ensure!(
            reply.text().contains(value.as_str()),
            "a version of {id} is missing"
        );
    }
    Ok(())
}
