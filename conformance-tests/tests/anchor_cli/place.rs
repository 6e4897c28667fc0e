//! A folder, and the command in it.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;
use testkit::binaries::{self, Binary};
use testkit::server::write_file;

/// A folder in which commands run.
pub(crate) struct Place {
    folder: TempDir,
    node: String,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Place {
    /// With the address of a node, which may be none.
    pub(crate) fn with_node(node: &str) -> Result<Self> {
        Ok(Self {
            folder: tempfile::tempdir()?,
            node: node.to_owned(),
        })
    }

    /// Without a node: whoever asks one gets no answer.
    pub(crate) fn offline() -> Result<Self> {
        Self::with_node("http://127.0.0.1:9")
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> Result<()> {
        Ok(write_file(&self.at(name), text.as_bytes())?)
    }

    pub(crate) fn read(&self, name: &str) -> Result<String> {
        fs::read_to_string(self.at(name)).with_context(|| name.to_owned())
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new(binaries::path(Binary::Kiln)?);
        command.args(arguments).current_dir(self.folder.path());
        command.env("KILN_NODE", &self.node);
        command.env("KILN_STATE", self.at("state"));
        command.env("KILN_KEYRING", self.at("keyring"));
        command.stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(command)
    }

    /// Runs a command to its end, whatever that is.
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<Ended> {
        let output = self.command(arguments)?.output()?;
        Ok(Ended {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout)?,
            stderr: String::from_utf8(output.stderr)?,
        })
    }

    /// Runs a command that must succeed, and gives its stdout.
    pub(crate) fn ok(&self, arguments: &[&str]) -> Result<String> {
        let ended = self.run(arguments)?;
        ensure!(ended.code == Some(0), "{arguments:?}: {ended:?}");
        Ok(ended.stdout)
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
        ensure!(
            ended.code == Some(code),
            "not {code}: {arguments:?}: {ended:?}"
        );
        ensure!(ended.stderr.contains(words), "no {words:?}: {ended:?}");
        ensure!(
            ended.stderr.contains("\nnext: "),
            "no next action: {ended:?}"
        );
        Ok(ended.stderr)
    }
}
