//! `kiln serve` on a temporary folder that goes when the value goes.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::http::{ANSWER_WAIT, Connection, HttpError, Reply, Request, ask};
use crate::process::{Launch, NodeProcess, ProcessError};

/// A running node with its folder.
#[derive(Debug)]
pub struct Server {
    process: NodeProcess,
    folder: TempDir,
}

impl Server {
    /// Starts a node with the configuration file `config` (TOML, may be empty)
    /// on an empty data folder and a free loopback port.
    ///
    /// # Errors
    /// As [`NodeProcess::start`].
    pub fn start(config: &str) -> Result<Self, ProcessError> {
        Self::start_with(config, |launch, _| launch)
    }

    /// As [`Self::start`], with a last word on the command line and the
    /// environment; `adjust` is also given the data folder, which may not exist.
    ///
    /// # Errors
    /// As [`NodeProcess::start`].
    pub fn start_with(
        config: &str,
        adjust: impl FnOnce(Launch, &Path) -> Launch,
    ) -> Result<Self, ProcessError> {
        let folder = tempfile::tempdir()?;
        let (data, file) = (data_in(&folder), folder.path().join("kiln.toml"));
        write_file(&file, config.as_bytes())?;
        let launch = adjust(Launch::kiln_serve(&data, Some(&file))?, &data);
        let process = NodeProcess::start(&launch)?;
        Ok(Self { process, folder })
    }

    /// Where the node listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.process.address()
    }

    /// The data folder.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        data_in(&self.folder)
    }

    /// The process.
    #[must_use]
    pub fn process(&self) -> &NodeProcess {
        &self.process
    }

    /// The process alone, with the folder, which must outlive it.
    #[must_use]
    pub fn into_parts(self) -> (NodeProcess, TempDir) {
        (self.process, self.folder)
    }

    /// A request to this node, with its `Host` header.
    #[must_use]
    pub fn request(&self, method: &str, target: &str) -> Request {
        Request::to(self.address(), method, target)
    }

    /// Sends a request on a connection of its own.
    ///
    /// # Errors
    /// As [`ask`].
    pub fn ask(&self, request: &Request) -> Result<Reply, HttpError> {
        ask(self.address(), request)
    }

    /// `GET` of a target.
    ///
    /// # Errors
    /// As [`ask`].
    pub fn fetch(&self, target: &str) -> Result<Reply, HttpError> {
        self.ask(&self.request("GET", target))
    }

    /// `PUT` of a body to a target.
    ///
    /// # Errors
    /// As [`ask`].
    pub fn put(&self, target: &str, body: impl Into<Vec<u8>>) -> Result<Reply, HttpError> {
        self.ask(&self.request("PUT", target).body(body))
    }

    /// A connection on which several requests may follow.
    ///
    /// # Errors
    /// As [`Connection::open`].
    pub fn connect(&self) -> Result<Connection, HttpError> {
        Connection::open(self.address(), ANSWER_WAIT)
    }
}

/// Writes a file that a test needs: parents first, whole at once.
///
/// # Errors
/// What the operating system says.
pub fn write_file(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
        // Renamed into place, so that who watches the file never sees half.
        let mut file = tempfile::NamedTempFile::new_in(parent)?;
        file.write_all(bytes)?;
        file.persist(path)?;
    }
    Ok(())
}

fn data_in(folder: &TempDir) -> PathBuf {
    folder.path().join("data")
}
