//! Where a test runs `kiln import`: a data folder, a report, and the folder of what is remembered.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;
use testkit::binaries::{self, Binary};
use testkit::process::{Launch, NodeProcess};
use testkit::store;

use crate::tree::{Tree, read_report};

pub(crate) struct Place {
    folder: TempDir,
    data: PathBuf,
}

impl Place {
    pub(crate) fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let data = folder.path().join("data");
        Ok(Self { folder, data })
    }

    /// With the data folder elsewhere.
    pub(crate) fn with_data(data: PathBuf) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        Ok(Self { folder, data })
    }

    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command with this place's folders.
    pub(crate) fn kiln(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new(binaries::path(Binary::Kiln)?);
        command.current_dir(self.folder.path()).args(arguments);
        command.stdin(Stdio::null());
        command.env("KILN_STATE", self.path("state"));
        Ok(command)
    }

    /// `kiln import apihub` of a tree into the data folder.
    pub(crate) fn import(&self, source: &Path) -> Result<Command> {
        let mut command = self.kiln(&["import", "apihub"])?;
        command.arg(source).arg("--data").arg(&self.data);
        command.arg("--report").arg(self.path("report.ndjson"));
        command.arg("--json");
        Ok(command)
    }

    /// Imports, and gives the findings and the numbers; they must end with this exit code.
    pub(crate) fn imported(&self, source: &Path, code: i32) -> Result<(Vec<Value>, Value)> {
        let said = run(self.import(source)?, code)?;
        let (findings, summary) = read_report(&self.path("report.ndjson"))?;
        ensure!(said["summary"] == summary, "{said} is not {summary}");
        Ok((findings, summary))
    }

    /// Starts a node on what was imported, with the configuration that the import wrote.
    pub(crate) fn serve(&self) -> Result<NodeProcess> {
        let config = self.data.parent().context("no parent")?.join("kiln.toml");
        let launch = Launch::kiln_serve(&self.data, Some(&config))?;
        Ok(NodeProcess::start(&launch)?)
    }

    /// Runs the store's own check, which must find nothing; the numbers must be those of the tree.
    pub(crate) fn check(&self, tree: &Tree) -> Result<()> {
        let checked = store::check(&self.data)?;
        ensure!(checked.is_well(), "{}", checked.text);
        let expected = [
            ("/bricks/sound", tree.bricks),
            ("/bricks/bytes", tree.bytes),
            ("/anchors/sound", tree.anchors),
            ("/anchors/versions", tree.versions),
            ("/anchors/documents", tree.documents),
        ];
        for (pointer, number) in expected {
            let found = checked.count(pointer);
            ensure!(found == number, "{pointer}: {found} instead of {number}");
        }
        Ok(())
    }
}

/// Runs a command that must end with `code`, and gives what it wrote to stdout.
pub(crate) fn run(mut command: Command, code: i32) -> Result<Value> {
    let output: Output = command.output()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.code() == Some(code),
        "{command:?}: {:?} instead of {code}: {stderr}",
        output.status
    );
    Ok(serde_json::from_slice(&output.stdout).unwrap_or_default())
}

/// Fails unless the numbers of one kind are these: found, stored, present, skipped.
pub(crate) fn must_count(summary: &Value, kind: &str, expected: [u64; 4]) -> Result<()> {
    let numbers = ["found", "stored", "present", "skipped"];
    let found = numbers.map(|it| summary[kind][it].as_u64().unwrap_or(u64::MAX));
    ensure!(
        found == expected,
        "{kind}: {found:?} instead of {expected:?}"
    );
    Ok(())
}
