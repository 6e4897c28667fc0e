//! A consistent copy of a data folder, made of hard links: what a backup reads while the node goes on.
//!
//! ```text
//! DATA/frozen/<time, ms>/anchors/     first: whatever an anchor names was stored before it
//! DATA/frozen/<time, ms>/bricks/
//! DATA/frozen/<time, ms>/control.db
//! DATA/frozen/<time, ms>/keys/
//! ```

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use backup::LogHead;
use brickstore::BrickStore;
use ledger::{EmbeddedLedger, EngineOptions, Mode};
use node::LimitsConfig;
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use crate::admin::AdminNode;
use crate::exit::{Exit, Failure};

/// The stores, in the order in which they are frozen.
const STORES: [&str; 2] = ["anchors", "bricks"];
const FOLDER: &str = "frozen";

/// A frozen copy; taken away when the value goes.
pub(super) struct Frozen {
    folder: PathBuf,
    since_ms: u64,
    logs: Vec<LogHead>,
    left_out: Vec<String>,
    /// One backup of a data folder at a time.
    _lock: File,
}

/// What a store says of its copy.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    logs: Vec<LogHead>,
}

/// Freezes a data folder, whether a node runs on it or not.
pub(super) fn freeze(data: &Path) -> Result<Frozen, Failure> {
    if !data.is_dir() {
        let message = format!("there is no data folder {}", data.display());
        return Err(
            Failure::new(Exit::Local, message).next("name the node's data folder with --data")
        );
    }
    let lock = node::lock_store(data, "backup").map_err(|error| {
        Failure::new(Exit::Conflict, format!("{error:#}"))
            .next("wait for the other backup of this folder")
    })?;
    let all = data.join(FOLDER);
    remove(&all)?;
    let since_ms = node::clock_ms();
    let mut frozen = Frozen {
        folder: all.join(since_ms.to_string()),
        since_ms,
        logs: Vec::new(),
        left_out: Vec::new(),
        _lock: lock,
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&frozen.folder)
        .map_err(|error| cannot_write(&frozen.folder, error))?;
    frozen.stores(data)?;
    frozen.control(data)?;
    frozen.keys(data)?;
    Ok(frozen)
}

impl Frozen {
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn since_ms(&self) -> u64 {
        self.since_ms
    }

    pub(super) fn logs(&self) -> &[LogHead] {
        &self.logs
    }

    pub(super) fn left_out(&self) -> &[String] {
        &self.left_out
    }

    fn stores(&mut self, data: &Path) -> Result<(), Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(|error| Failure::io("no runtime can be started", error))?;
        let mut found = 0;
        for store in STORES {
            if !data.join(store).is_dir() {
                self.left_out
                    .push(format!("the {store}: this folder has none"));
                continue;
            }
            found += 1;
            let answer = match AdminNode::serving(data, store)? {
                Some(node) => runtime.block_on(self.ask(&node, store))?,
                None => runtime.block_on(self.open(data, store))?,
            };
            self.logs.extend(answer.logs);
        }
        if found == 0 {
            let message = format!("{} holds no stores", data.display());
            return Err(
                Failure::new(Exit::Local, message).next("name the node's data folder with --data")
            );
        }
        Ok(())
    }

    /// The node that runs makes the copy.
    async fn ask(&self, node: &AdminNode, store: &str) -> Result<Answer, Failure> {
        let path = format!("{store}/freeze");
        let name = self.since_ms.to_string();
        let answer = node
            .send(Method::POST, &path, &json!({ "name": name }))
            .await?;
        serde_json::from_value(answer).map_err(|error| {
            Failure::new(Exit::Protocol, "the node's answer is not understood").because(error)
        })
    }

    /// Nobody serves the store: it is opened here.
    async fn open(&self, data: &Path, store: &str) -> Result<Answer, Failure> {
        let _lock = node::lock_store(data, store).map_err(|error| {
            Failure::new(Exit::Local, format!("{error:#}")).next(
                "a running node is backed up through its admin listener (admin.listen), \
                 or stop it first",
            )
        })?;
        let options = EngineOptions {
            free_bytes_min: LimitsConfig::default().free_bytes_min,
            mode: Mode::Serve,
        };
        let (from, to) = (data.join(store), self.folder.join(store));
        let cannot = |error: Box<dyn std::error::Error + Send + Sync>| {
            Failure::new(Exit::Local, format!("the {store} cannot be copied")).because(error)
        };
        if store == "bricks" {
            let bricks = BrickStore::open(&from, options).map_err(|error| cannot(error.into()))?;
            let done = bricks.freeze(&to).await;
            done.map_err(|error| cannot(error.into()))?;
            return Ok(Answer { logs: Vec::new() });
        }
        let anchors = EmbeddedLedger::open(&from, options, node::clock_ms);
        let anchors = anchors.map_err(|error| cannot(error.into()))?;
        let logs = anchors.freeze(&to).await;
        let logs = logs.map_err(|error| cannot(error.into()))?;
        let head = |(domain, entries): (keyssi::Domain, u64)| LogHead {
            domain: domain.to_string(),
            entries,
        };
        Ok(Answer {
            logs: logs.into_iter().map(head).collect(),
        })
    }

    fn control(&mut self, data: &Path) -> Result<(), Failure> {
        let to = self.folder.join("control.db");
        match node::copy_control(data, &to) {
            Ok(true) => Ok(()),
            Ok(false) => {
                self.left_out
                    .push("control.db: this folder has none".to_owned());
                Ok(())
            }
            Err(error) => {
                Err(Failure::new(Exit::Local, "control.db cannot be copied").because(error))
            }
        }
    }

    fn keys(&mut self, data: &Path) -> Result<(), Failure> {
        let (from, to) = (data.join("keys"), self.folder.join("keys"));
        let entries = match fs::read_dir(&from) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(cannot_write(&from, error)),
        };
        DirBuilder::new()
            .mode(0o700)
            .create(&to)
            .map_err(|error| cannot_write(&to, error))?;
        for entry in entries {
            let entry = entry.map_err(|error| cannot_write(&from, error))?;
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_file()) {
                let to = to.join(entry.file_name());
                fs::hard_link(&path, &to).map_err(|error| cannot_write(&to, error))?;
            }
        }
        Ok(())
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        if let Some(all) = self.folder.parent() {
            // The next backup takes away what stays.
            let _ = fs::remove_dir_all(all);
        }
    }
}

fn remove(folder: &Path) -> Result<(), Failure> {
    match fs::remove_dir_all(folder) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(cannot_write(folder, error)),
    }
}

fn cannot_write(path: &Path, error: io::Error) -> Failure {
    Failure::io(format!("{} cannot be used", path.display()), error)
        .next("run this as the user that the node runs as")
}
