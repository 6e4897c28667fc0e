//! A node under test on a data folder of its own.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;
use testkit::process::{Launch, NodeProcess};

/// A `kiln serve` process and its folder, which goes when the value goes.
#[derive(Debug)]
pub(crate) struct TestNode {
    process: Option<NodeProcess>,
    folder: TempDir,
}

impl TestNode {
    /// Starts a node on an empty data folder that serves `domains`.
    pub(crate) fn start(domains: &BTreeSet<String>) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut text = String::new();
        for domain in domains {
            // JSON's quoting of a string is also TOML's.
            let name = serde_json::to_string(domain)?;
            write!(text, "[[domain]]\nname = {name}\n")?;
        }
        let mut config = tempfile::Builder::new()
            .prefix("kiln")
            .suffix(".toml")
            .tempfile_in(folder.path())?;
        config.write_all(text.as_bytes())?;
        config.keep()?;
        let mut node = Self {
            process: None,
            folder,
        };
        node.run(&[])?;
        Ok(node)
    }

    /// Where the node listens.
    pub(crate) fn address(&self) -> Result<SocketAddr> {
        let process = self.process.as_ref().context("the node is stopped")?;
        Ok(process.address())
    }

    /// The data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Ends the node with SIGTERM, which must succeed.
    pub(crate) fn stop(&mut self) -> Result<()> {
        let process = self.process.take().context("the node is stopped")?;
        let status = process.stop()?;
        ensure!(
            status.success(),
            "the node ended with {status} after SIGTERM"
        );
        Ok(())
    }

    /// Starts the stopped node again on the same data, with these variables
    /// added to its environment.
    pub(crate) fn run(&mut self, environment: &[(&str, &str)]) -> Result<()> {
        let config = self.config()?;
        let mut launch = Launch::kiln_serve(&self.data(), Some(&config))?;
        for (name, value) in environment {
            launch = launch.env(name, value);
        }
        self.process = Some(NodeProcess::start(&launch)?);
        Ok(())
    }

    fn config(&self) -> Result<PathBuf> {
        let mut entries = self.folder.path().read_dir()?.filter_map(Result::ok);
        let file = entries.find(|it| it.path().extension().is_some_and(|it| it == "toml"));
        Ok(file.context("the configuration file is gone")?.path())
    }
}
