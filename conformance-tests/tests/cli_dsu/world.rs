//! A node, a folder to work in, and the command.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;
use testkit::binaries::{self, Binary};
use testkit::server::{Server, write_file};

/// A node with an empty folder beside it, in which commands run.
pub(crate) struct World {
    pub(crate) server: Server,
    folder: TempDir,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl World {
    pub(crate) fn start() -> Result<Self> {
        Ok(Self {
            server: Server::start("[[domain]]\nname = \"default\"\n")?,
            folder: tempfile::tempdir()?,
        })
    }

    pub(crate) fn node(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// A path in the folder.
    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        Ok(write_file(&self.at(name), bytes)?)
    }

    pub(crate) fn read(&self, name: &str) -> Result<Vec<u8>> {
        fs::read(self.at(name)).with_context(|| name.to_owned())
    }

    /// A command that speaks to the node named.
    pub(crate) fn command_to(&self, node: &str, arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new(binaries::path(Binary::Kiln)?);
        command.args(arguments).current_dir(self.folder.path());
        command.env("KILN_NODE", node);
        command.env("KILN_STATE", self.at("state"));
        command.env("KILN_KEYRING", self.at("keyring"));
        command.stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(command)
    }

    /// Runs a command to its end, whatever that is.
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<Ended> {
        self.run_on(&self.node(), arguments)
    }

    /// As [`World::run`], on another node.
    pub(crate) fn run_on(&self, node: &str, arguments: &[&str]) -> Result<Ended> {
        Ok(self.command_to(node, arguments)?.output()?.into())
    }

    /// Runs a command with this on stdin.
    pub(crate) fn run_with(&self, stdin: &[u8], arguments: &[&str]) -> Result<Ended> {
        let mut command = self.command_to(&self.node(), arguments)?;
        let mut child = command.stdin(Stdio::piped()).spawn()?;
        let mut pipe = child.stdin.take().context("no stdin")?;
        pipe.write_all(stdin)?;
        drop(pipe);
        Ok(child.wait_with_output()?.into())
    }

    /// Runs a command that must succeed, and gives its stdout.
    pub(crate) fn ok(&self, arguments: &[&str]) -> Result<String> {
        self.run(arguments)?.text(arguments)
    }

    /// Runs a command with `--json` that must succeed.
    pub(crate) fn json(&self, arguments: &[&str]) -> Result<Value> {
        let arguments: Vec<_> = arguments.iter().copied().chain(["--json"]).collect();
        Ok(serde_json::from_str(&self.ok(&arguments)?)?)
    }

    /// Runs a command that must end with this code, with an error that holds these words and the
    /// next action; gives stderr.
    pub(crate) fn fails(&self, code: i32, words: &str, arguments: &[&str]) -> Result<String> {
        let ended = self.run(arguments)?;
        ended.failed(code, words, arguments)
    }

    /// Makes a DSU with these paths and gives the form of its key for other commands.
    pub(crate) fn create(&self, name: &str, paths: &[&str]) -> Result<String> {
        let file = format!("{name}.key");
        let arguments: Vec<_> = ["dsu", "create", "--out", &file]
            .into_iter()
            .chain(paths.iter().copied())
            .collect();
        self.ok(&arguments)?;
        Ok(format!("file:{file}"))
    }

    /// Everything below a folder, sorted: paths with the content of files.
    pub(crate) fn tree(&self, name: &str) -> Result<Vec<(String, Option<Vec<u8>>)>> {
        let mut found = Vec::new();
        walk(&self.at(name), "", &mut found)?;
        found.sort();
        Ok(found)
    }
}

fn walk(folder: &Path, above: &str, found: &mut Vec<(String, Option<Vec<u8>>)>) -> Result<()> {
    for entry in folder.read_dir()? {
        let entry = entry?;
        let name = format!("{above}/{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), &name, found)?;
            found.push((name, None));
        } else {
            found.push((name, Some(fs::read(entry.path())?)));
        }
    }
    Ok(())
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Ended {
    pub(crate) fn text(self, arguments: &[&str]) -> Result<String> {
        ensure!(
            self.code == Some(0),
            "{arguments:?} ended with {:?}: {}",
            self.code,
            self.stderr
        );
        Ok(String::from_utf8(self.stdout)?)
    }

    pub(crate) fn failed(self, code: i32, words: &str, arguments: &[&str]) -> Result<String> {
        let said = format!("{arguments:?} ended with {:?}: {}", self.code, self.stderr);
        ensure!(self.code == Some(code), "not {code}: {said}");
        ensure!(self.stderr.contains(words), "no {words:?}: {said}");
        ensure!(
            self.stderr.lines().any(|line| line.starts_with("next: ")),
            "no next action: {said}"
        );
        Ok(self.stderr)
    }
}
