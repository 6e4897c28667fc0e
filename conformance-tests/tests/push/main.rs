//! `kiln push`, `pull`, `watch` and `demo` against a node: the real binary, killed where it hurts.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod demo;
mod items;
mod killed;
mod pull;
mod recipients;
mod resume;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;
use testkit::binaries::{self, Binary};
use testkit::server::{Server, write_file};

/// A node, and a folder in which commands run.
pub(crate) struct Place {
    pub(crate) server: Server,
    folder: TempDir,
}

impl Place {
    pub(crate) fn new() -> Result<Self> {
        let (server, folder) = (Server::start("")?, tempfile::tempdir()?);
        Ok(Self { server, folder })
    }

    /// A path in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file in the folder.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> Result<()> {
        Ok(write_file(&self.path(name), content.as_ref())?)
    }

    /// `kiln` in the folder, with a memory of its own.
    pub(crate) fn kiln(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new(binaries::path(Binary::Kiln)?);
        self.prepare(&mut command);
        command.args(arguments);
        Ok(command)
    }

    /// Sets the folder, the node and the memory of a command.
    pub(crate) fn prepare(&self, command: &mut Command) {
        let node = format!("http://{}", self.server.address());
        command
            .current_dir(self.folder.path())
            .env("KILN_NODE", node)
            .env("KILN_STATE", self.path("state"))
            .env("KILN_KEYRING", self.path("keyring"))
            .env_remove("KILN_KEYRING_IDENTITY")
            .env_remove("KILN_KEYRING_PASSPHRASE")
            .stdin(Stdio::null());
    }

    /// Runs `kiln`, which must end with this code, and gives its stdout as JSON.
    pub(crate) fn json(&self, code: i32, arguments: &[&str]) -> Result<Value> {
        let output = self.run(code, arguments)?;
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Runs `kiln`, which must end with this code.
    pub(crate) fn run(&self, code: i32, arguments: &[&str]) -> Result<Output> {
        let output = self.kiln(arguments)?.output()?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.code() == Some(code),
            "kiln {arguments:?} ended with {}: {stderr}",
            output.status
        );
        Ok(output)
    }

    /// How many anchors the node has.
    pub(crate) fn anchors(&self) -> Result<u64> {
        let reply = self
            .server
            .fetch("/anchor/default/get-total-numbers-of-anchors")?;
        match reply.status {
            404 => Ok(0),
            _ => reply.text().trim().parse().context("no number of anchors"),
        }
    }
}

/// The numbers of a report: stored, skipped, failed, total.
pub(crate) fn numbers(report: &Value) -> [u64; 4] {
    ["stored", "skipped", "failed", "total"].map(|it| report[it].as_u64().unwrap())
}

/// All files below a folder with their contents, but what a pull leaves for itself.
pub(crate) fn files(folder: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut all = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with(".kiln-pull.json") {
                all.insert(path.strip_prefix(folder)?.to_owned(), fs::read(&path)?);
            }
        }
    }
    Ok(all)
}
