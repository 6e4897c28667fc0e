//! A node that is administered: started, killed and started again on one folder.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Output;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;
use testkit::binaries::Binary;
use testkit::http::{Reply, Request, ask};
use testkit::process::{Launch, NodeProcess};
use testkit::server::write_file;

/// A node with its folder, which goes when the value goes.
pub(crate) struct Node {
    process: Option<NodeProcess>,
    folder: TempDir,
}

impl Node {
    /// Starts a node with this configuration on an empty data folder.
    pub(crate) fn start(config: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        write_file(&folder.path().join("kiln.toml"), config.as_bytes())?;
        let mut node = Self {
            process: None,
            folder,
        };
        node.run()?;
        Ok(node)
    }

    /// Starts it again.
    pub(crate) fn run(&mut self) -> Result<()> {
        let config = self.folder.path().join("kiln.toml");
        let launch = Launch::kiln_serve(&self.data(), Some(&config))?;
        self.process = Some(NodeProcess::start(&launch)?);
        Ok(())
    }

    /// Ends it as a power cut would, and starts it again.
    pub(crate) fn kill_and_run(&mut self) -> Result<()> {
        self.process().kill_hard();
        self.run()
    }

    /// Ends it in good order.
    pub(crate) fn stop(&mut self) -> Result<()> {
        let status = self.process().stop()?;
        ensure!(status.success(), "it ended with {status}");
        Ok(())
    }

    fn process(&mut self) -> NodeProcess {
        self.process.take().unwrap()
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Where clients reach it.
    pub(crate) fn address(&self) -> SocketAddr {
        self.process.as_ref().unwrap().address()
    }

    /// Where one of its further listeners is.
    pub(crate) fn further_address(&self, name: &str) -> Result<SocketAddr> {
        let process = self.process.as_ref().unwrap();
        process.further_address(name).map_err(anyhow::Error::msg)
    }

    /// Where operators reach it.
    pub(crate) fn admin_address(&self) -> Result<SocketAddr> {
        let text = fs::read_to_string(self.data().join("admin-address"))?;
        let address = text.trim().strip_prefix("http://").context("no address")?;
        Ok(address.parse()?)
    }

    pub(crate) fn token(&self) -> Result<String> {
        let text = fs::read_to_string(self.data().join("admin-token"))?;
        Ok(text.trim().to_owned())
    }

    /// A request of an operator who has the token.
    pub(crate) fn admin_request(&self, method: &str, target: &str) -> Result<Request> {
        let request = Request::to(self.admin_address()?, method, target);
        Ok(request.header("Authorization", &format!("Bearer {}", self.token()?)))
    }

    pub(crate) fn ask_admin(&self, request: &Request) -> Result<Reply> {
        Ok(ask(self.admin_address()?, request)?)
    }

    /// A client's request.
    pub(crate) fn ask(&self, method: &str, target: &str, body: Option<&[u8]>) -> Result<Reply> {
        let request = Request::to(self.address(), method, target);
        let request = match body {
            Some(body) => request.body(body),
            None => request,
        };
        Ok(ask(self.address(), &request)?)
    }

    /// `kiln admin` on its data folder.
    pub(crate) fn admin(&self, arguments: &[&str]) -> Result<Output> {
        admin(&self.data(), arguments)
    }

    /// `kiln admin --json`, which must succeed.
    pub(crate) fn admin_json(&self, arguments: &[&str]) -> Result<Value> {
        admin_json(&self.data(), arguments)
    }

    /// `kiln admin`, which must end with this code and say these words.
    pub(crate) fn admin_fails(&self, arguments: &[&str], code: i32, words: &str) -> Result<()> {
        check_failed(arguments, &self.admin(arguments)?, code, words)
    }

    /// A client's command, which must succeed.
    pub(crate) fn kiln(&self, arguments: &[&str]) -> Result<Output> {
        let mut launch = Launch::of(Binary::Kiln)?;
        launch = launch
            .arg("--node")
            .arg(format!("http://{}", self.address()));
        launch = launch.arg("--state").arg(self.folder().join("state"));
        for argument in arguments {
            launch = launch.arg(argument);
        }
        Ok(launch.run()?)
    }
}

/// `kiln admin` on a data folder.
pub(crate) fn admin(data: &Path, arguments: &[&str]) -> Result<Output> {
    let mut launch = Launch::of(Binary::Kiln)?.arg("admin");
    launch = launch.arg("--data").arg(data);
    for argument in arguments {
        launch = launch.arg(argument);
    }
    Ok(launch.run()?)
}

/// `kiln admin --json`, which must succeed.
pub(crate) fn admin_json(data: &Path, arguments: &[&str]) -> Result<Value> {
    let output = admin(data, &[&["--json"], arguments].concat())?;
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{arguments:?}: {stderr}");
    Ok(serde_json::from_slice(&output.stdout)?)
}

pub(crate) fn check_failed(
    arguments: &[&str],
    output: &Output,
    code: i32,
    words: &str,
) -> Result<()> {
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.code() == Some(code) && stderr.contains(words) && stderr.contains("next: "),
        "{arguments:?} ended with {:?}, not {code} and {words:?}: {stderr}",
        output.status.code()
    );
    Ok(())
}
