//! A consistent copy of a data folder, made of hard links: what a backup reads while the node goes on.
//!
//! ```text
//! DATA/frozen/<time, ms>/anchors/     first: whatever an anchor names was stored before it
//! DATA/frozen/<time, ms>/bricks/
//! DATA/frozen/<time, ms>/control.db
//! DATA/frozen/<time, ms>/keys/
//! DATA/frozen/<time, ms>/node-id
//! ```

use std::error::Error;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use backup::{LogHead, UNFINISHED};
use brickstore::BrickStore;
use ledger::{EmbeddedLedger, EngineOptions, Mode};
use node::{ControlError, LimitsConfig};
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use crate::admin::AdminNode;
use crate::exit::{Exit, Failure};
use crate::hex::{hex, unhex};
use crate::local_file::create_private;

/// The stores, in the order in which they are frozen.
const STORES: [&str; 2] = ["anchors", "bricks"];
const FOLDER: &str = "frozen";
/// The file with the node's number, which goes where its data goes: so backups of two nodes are told
/// apart.
const NODE: &str = "node-id";
/// Bytes of a number; it is written in twice as many digits.
const NODE_BYTES: usize = 16;

/// A frozen copy; taken away when the value goes.
pub(super) struct Frozen {
    folder: PathBuf,
    since_ms: u64,
    node: String,
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

/// Refuses a folder that has nothing to back up.
pub(super) fn require_stores(data: &Path) -> Result<(), Failure> {
    if STORES.iter().any(|store| data.join(store).is_dir()) {
        return Ok(());
    }
    let message = if data.is_dir() {
        format!("{} holds no stores", data.display())
    } else {
        format!("there is no data folder {}", data.display())
    };
    Err(Failure::new(Exit::Local, message).next("name the node's data folder with --data"))
}

/// Freezes a data folder, whether a node runs on it or not.
pub(super) fn freeze(data: &Path) -> Result<Frozen, Failure> {
    require_stores(data)?;
    let lock = node::lock_store(data, "backup").map_err(|error| {
        let in_use = (Exit::Conflict, "wait for the other backup of this folder");
        not_locked(data, &error, in_use)
    })?;
    let all = data.join(FOLDER);
    remove(&all)?;
    let since_ms = node::clock_ms();
    let mut frozen = Frozen {
        folder: all.join(since_ms.to_string()),
        since_ms,
        node: String::new(),
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
    frozen.number(data)?;
    Ok(frozen)
}

impl Frozen {
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The node's number, 32 hex digits.
    pub(super) fn node(&self) -> &str {
        &self.node
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
        for store in STORES {
            if !data.join(store).is_dir() {
                self.left_out
                    .push(format!("the {store}: this folder has none"));
                continue;
            }
            let answer = match AdminNode::serving(data, store)? {
                Some(node) => runtime.block_on(self.ask(&node, store))?,
                None => runtime.block_on(self.open(data, store))?,
            };
            self.logs.extend(answer.logs);
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
            Failure::new(Exit::Protocol, "the node's answer is not understood")
                .because(error)
                .next("use the version of kiln that the node runs")
        })
    }

    /// Nobody serves the store: it is opened here.
    async fn open(&self, data: &Path, store: &str) -> Result<Answer, Failure> {
        let _lock = node::lock_store(data, store).map_err(|error| {
            let in_use = (
                Exit::Local,
                "a running node is backed up through its admin listener (admin.listen), \
                 or stop it first",
            );
            not_locked(data, &error, in_use)
        })?;
        let options = EngineOptions {
            free_bytes_min: LimitsConfig::default().free_bytes_min,
            mode: Mode::Serve,
        };
        let (from, to) = (data.join(store), self.folder.join(store));
        let cannot = |error: Box<dyn Error + Send + Sync>| {
            Failure::new(Exit::Local, format!("the {store} cannot be copied"))
                .because(error)
                .next("see what is wrong with `kiln store check`, and that the disk has room")
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
        // One of a newer version may hold what a restore here would not know of.
        let copied = node::control_format(data).and_then(|_| node::copy_control(data, &to));
        match copied {
            Ok(true) => Ok(()),
            Ok(false) => {
                self.left_out
                    .push("control.db: this folder has none".to_owned());
                Ok(())
            }
            Err(error) => {
                let next = match &error {
                    ControlError::Newer { .. } => "use the version of kiln that the node runs",
                    ControlError::Foreign => "put back the right file, or restore a backup",
                    _ => {
                        "run this as the user that the node runs as; see with `kiln store check` \
                         whether the file is damaged"
                    }
                };
                Err(Failure::new(Exit::Local, "control.db cannot be copied")
                    .because(error)
                    .next(next))
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
            // Links are followed: keys are often kept elsewhere.
            if path.metadata().is_ok_and(|file| file.is_file()) {
                copy_private(&path, &to.join(entry.file_name()))?;
            } else {
                let name = entry.file_name();
                let what = format!("keys/{}: no file is there", name.display());
                self.left_out.push(what);
            }
        }
        Ok(())
    }

    fn number(&mut self, data: &Path) -> Result<(), Failure> {
        self.node = node_number(data)?;
        let to = self.folder.join(NODE);
        fs::hard_link(data.join(NODE), &to).map_err(|error| cannot_write(&to, error))
    }
}

/// Why something of the data folder could not be locked; what is said when another process has it.
fn not_locked(data: &Path, error: &anyhow::Error, in_use: (Exit, &str)) -> Failure {
    let is_disk = error.chain().any(<dyn Error>::is::<io::Error>);
    let (exit, next) = if is_disk {
        (
            Exit::Local,
            "run this as the user that the node runs as, and check the disk",
        )
    } else if data.join(UNFINISHED).exists() {
        (
            Exit::Local,
            "let that restore end, then back the new folder up",
        )
    } else {
        in_use
    };
    Failure::new(exit, format!("{error:#}")).next(next)
}

/// Copies a small file for its owner alone.
fn copy_private(from: &Path, to: &Path) -> Result<(), Failure> {
    let mut read = File::open(from).map_err(|error| cannot_write(from, error))?;
    let written = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)
        .and_then(|mut to| io::copy(&mut read, &mut to));
    written.map(drop).map_err(|error| cannot_write(to, error))
}

/// The number of the node that has this data folder, which gets one if it has none.
fn node_number(data: &Path) -> Result<String, Failure> {
    let path = data.join(NODE);
    if !path.exists() {
        let mut number = [0; NODE_BYTES];
        getrandom::fill(&mut number).map_err(|error| {
            Failure::new(Exit::Local, "the system gives no random numbers")
                .because(error)
                .next("check that this process may use getrandom(2), then run it again")
        })?;
        create_private(&path, format!("{}\n", hex(&number)).as_bytes())?;
    }
    let text = fs::read_to_string(&path).map_err(|error| cannot_write(&path, error))?;
    match unhex(text.trim_end()) {
        Some(number) if number.len() == NODE_BYTES => Ok(hex(&number)),
        _ => {
            let message = format!("{} holds no number of a node", path.display());
            Err(Failure::new(Exit::Local, message).next(
                "put back what the restored folder or kiln backup list shows (32 hex digits), or take \
                 the file away and name a new place for the backups",
            ))
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_keys_that_lie_elsewhere_and_names_what_it_lacks() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["data/keys/folder", "data/bricks", "elsewhere"] {
            fs::create_dir_all(at(name)).unwrap();
        }
        create_private(&at("elsewhere/key"), b"a key").unwrap();
        create_private(&at("data/keys/own.log-key"), b"another").unwrap();
        symlink(at("elsewhere/key"), at("data/keys/default.log-key")).unwrap();
        symlink(at("nowhere"), at("data/keys/lost.log-key")).unwrap();
        let frozen = freeze(&at("data")).unwrap();
        let keys = frozen.folder().join("keys");
        assert_eq!(fs::read(keys.join("default.log-key")).unwrap(), b"a key");
        assert_eq!(fs::read(keys.join("own.log-key")).unwrap(), b"another");
        for name in ["default.log-key", "own.log-key"] {
            let metadata = keys.join(name).symlink_metadata().unwrap();
            assert!(metadata.is_file());
            assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        }
        let left_out = frozen.left_out().join("\n");
        for name in ["keys/folder", "keys/lost.log-key"] {
            assert!(left_out.contains(name), "{left_out}");
        }
        // The number is made once and is in the copy.
        let number = frozen.node().to_owned();
        assert_eq!(number.len(), 2 * NODE_BYTES);
        let copied = fs::read_to_string(frozen.folder().join(NODE)).unwrap();
        assert_eq!(copied.trim_end(), number);
        drop(frozen);
        assert!(!at("data/frozen").exists());
        assert_eq!(freeze(&at("data")).unwrap().node(), number);
    }

    #[test]
    fn another_backup_is_waited_for_and_a_folder_that_cannot_be_used_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path();
        fs::create_dir(data.join("bricks")).unwrap();
        let check = |exit: Exit, words: &str| {
            let refused = freeze(data).err().unwrap();
            assert_eq!(refused.exit(), exit, "{refused}");
            assert!(refused.to_string().contains(words), "{refused}");
        };
        let lock = node::lock_store(data, "backup").unwrap();
        check(Exit::Conflict, "wait for the other backup");
        drop(lock);
        fs::create_dir(data.join(UNFINISHED)).unwrap();
        check(Exit::Local, "let that restore end");
        fs::remove_dir(data.join(UNFINISHED)).unwrap();
        fs::remove_file(data.join("backup.lock")).unwrap();
        fs::create_dir(data.join("backup.lock")).unwrap();
        check(Exit::Local, "run this as the user that the node runs as");
    }

    #[test]
    fn a_control_file_that_a_restore_could_not_use_is_not_backed_up() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path();
        fs::create_dir(data.join("bricks")).unwrap();
        create_private(&data.join("control.db"), &[b'x'; 5000]).unwrap();
        let refused = freeze(data).err().unwrap();
        assert_eq!(refused.exit(), Exit::Local);
        let told = refused.to_string();
        for words in [
            "control.db cannot be copied",
            "not a database",
            "kiln store check",
        ] {
            assert!(told.contains(words), "{told}");
        }
    }
}
