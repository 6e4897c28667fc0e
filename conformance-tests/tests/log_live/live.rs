//! A node with a log, and what a reader can fetch of it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use keyssi::{BrickHash, Domain};
use ledger::{EmbeddedLedger, EngineOptions, HoldCause, Mode};
use tempfile::TempDir;
use testkit::binaries::Binary;
use testkit::http::{Connection, Reply, Request, ask};
use testkit::owner::{FIRST_MS, Owner};
use testkit::process::{Launch, NodeProcess, ProcessError};
use testkit::server::write_file;
use translog::{Checkpoint, LogKey, Origin, SignedNote};

pub(crate) const ORIGIN: &str = "log.example/default";
/// Longest wait for what takes a second.
const PATIENCE: Duration = Duration::from_mins(1);
const CALL_WAIT: Duration = Duration::from_secs(30);

/// A node whose domain `default` has a log, with a folder that outlives its process.
pub(crate) struct Live {
    folder: TempDir,
    process: Option<NodeProcess>,
}

/// The domain, with these lines in its `[domain.log]`.
pub(crate) fn config(log: &str) -> String {
    format!("[[domain]]\nname = \"default\"\n[domain.log]\n{log}\n")
}

/// The same with the origin of these tests.
pub(crate) fn usual() -> String {
    config(&format!("origin = \"{ORIGIN}\""))
}

impl Live {
    pub(crate) fn start(config: &str) -> Self {
        let mut live = Self {
            folder: tempfile::tempdir().unwrap(),
            process: None,
        };
        live.start_again(config).unwrap();
        live
    }

    /// Starts the node on its folder.
    pub(crate) fn start_again(&mut self, config: &str) -> Result<(), ProcessError> {
        let file = self.folder.path().join("kiln.toml");
        write_file(&file, config.as_bytes())?;
        let launch = Launch::kiln_serve(&self.data(), Some(&file))?;
        self.process = Some(NodeProcess::start(&launch)?);
        Ok(())
    }

    /// Ends it in order.
    pub(crate) fn stop(&mut self) {
        assert!(self.process.take().unwrap().stop().unwrap().success());
    }

    /// Ends it with SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.process.take().unwrap().kill_hard();
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Ends the log of the stopped node, which has signed a checkpoint that its store does not hold, and
    /// continues it under another name.
    pub(crate) fn renew(&self, name: &str) {
        let key = std::fs::read_to_string(self.key_file()).unwrap();
        let key = LogKey::parse(key.trim()).unwrap();
        let lost = Checkpoint::new(Origin::parse(ORIGIN).unwrap(), 5, [5; 32]);
        let lost = SignedNote::new(&lost, key.sign(&lost)).to_string();
        let file = self.folder.path().join("lost");
        write_file(&file, lost.as_bytes()).unwrap();
        let options = EngineOptions {
            free_bytes_min: 0,
            mode: Mode::Serve,
        };
        let store = EmbeddedLedger::open(&self.data().join("anchors"), options, || 1).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let held = store.hold_logs(HoldCause::Restored, "from a backup");
        assert_eq!(runtime.unwrap().block_on(held).unwrap().len(), 1);
        drop(store);
        let launch = Launch::of(Binary::Kiln).unwrap().arg("log").arg("renew");
        let launch = launch
            .arg("--data")
            .arg(self.data())
            .arg("--origin")
            .arg(name);
        let ran = launch.arg("--checkpoint").arg(file).run().unwrap();
        let told = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert!(ran.status.success(), "{told}");
    }

    /// The file with the private key of the log.
    pub(crate) fn key_file(&self) -> PathBuf {
        self.data().join("keys").join("default.log-key")
    }

    pub(crate) fn ask(&self, request: &Request) -> Reply {
        let address = self.process.as_ref().unwrap().address();
        ask(address, request).unwrap()
    }

    pub(crate) fn request(&self, method: &str, target: &str) -> Request {
        Request::to(self.process.as_ref().unwrap().address(), method, target)
    }

    pub(crate) fn fetch(&self, target: &str) -> Reply {
        self.ask(&self.request("GET", target))
    }

    /// A part of the log, which must be there.
    pub(crate) fn part(&self, path: &str) -> Vec<u8> {
        let reply = self.fetch(&format!("/log/default/{path}"));
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        reply.body
    }

    /// Creates the anchors of these numbers over one connection; gives their ids.
    pub(crate) fn anchor(&self, numbers: std::ops::Range<u16>) -> Vec<String> {
        let address = self.process.as_ref().unwrap().address();
        let mut connection = Connection::open(address, CALL_WAIT).unwrap();
        let mut ids = Vec::new();
        for number in numbers {
            let (id, value) = anchor(number);
            let target = format!("/anchor/default/create-anchor/{id}/{value}");
            let request = Request::to(address, "PUT", &target).body(Vec::new());
            let reply = connection.send(&request).unwrap();
            assert_eq!(reply.status, 201, "{}", reply.text());
            ids.push(id);
        }
        ids
    }

    /// The newest checkpoint, once it is of so many entries.
    pub(crate) fn checkpoint(&self, entries: u64) -> Vec<u8> {
        let begun = Instant::now();
        loop {
            let reply = self.fetch("/log/default/checkpoint");
            if reply.status == 200 && size_of(&reply.body) == entries {
                return reply.body;
            }
            let found = reply.text();
            assert!(begun.elapsed() < PATIENCE, "no {entries} entries: {found}");
        }
    }

    /// The entries of the first `size` leaves, from the bundles, taken apart by hand.
    pub(crate) fn entries(&self, size: u64) -> Vec<Vec<u8>> {
        let mut entries = Vec::new();
        for (number, first) in (0..size).step_by(256).enumerate() {
            let width = (size - first).min(256);
            let partial = if width < 256 {
                format!(".p/{width}")
            } else {
                String::new()
            };
            let bundle = self.part(&format!("tile/entries/{number:03}{partial}"));
            let mut rest = bundle.as_slice();
            while let [high, low, after @ ..] = rest {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                entries.push(after[..length].to_vec());
                rest = &after[length..];
            }
            assert!(rest.is_empty(), "a bundle ends in the middle of an entry");
        }
        assert_eq!(entries.len() as u64, size);
        entries
    }
}

/// An anchor of its own for each number: its id and its first value.
pub(crate) fn anchor(number: u16) -> (String, String) {
    let domain: Domain = "default".parse().unwrap();
    let mut key = [9; 32];
    key[..2].copy_from_slice(&number.to_be_bytes());
    let owner = Owner::new(&domain, &key).unwrap();
    let hash = BrickHash::of(&number.to_be_bytes()).to_string();
    let value = owner.sign(&hash, FIRST_MS).unwrap();
    (owner.id().to_owned(), value)
}

/// The second line of a checkpoint.
fn size_of(note: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(note);
    text.lines().nth(1).unwrap().parse().unwrap()
}

/// The index and the hashes of a `.tlog-proof`, read line by line.
pub(crate) fn proof_lines(file: &str) -> (u64, Vec<String>) {
    let (head, _) = file.split_once("\n\n").unwrap();
    let mut lines = head.lines().skip_while(|line| !line.starts_with("index "));
    let index = lines.next().unwrap().strip_prefix("index ").unwrap();
    let hashes = lines.map(str::to_owned).collect();
    (index.parse().unwrap(), hashes)
}
