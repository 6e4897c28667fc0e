//! A node with a certificate.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Result;
use tempfile::TempDir;
use testkit::process::{Launch, NodeProcess};
use testkit::server::write_file;

use crate::authority::{Authority, Leaf, Time};

/// A running node whose certificate lies in `folder`.
pub(crate) struct World {
    pub(crate) authority: Authority,
    pub(crate) leaf: Leaf,
    pub(crate) folder: TempDir,
    pub(crate) node: NodeProcess,
}

impl World {
    /// `tls` goes into the section `[tls]`, `more` behind it.
    pub(crate) fn start(tls: &str, more: &str) -> Result<Self> {
        Self::start_in(tempfile::tempdir()?, tls, more)
    }

    /// The same in a folder that holds further files.
    pub(crate) fn start_in(folder: TempDir, tls: &str, more: &str) -> Result<Self> {
        let authority = Authority::new("nodes")?;
        let leaf = authority.node(Time::Now)?;
        leaf.install(folder.path())?;
        let node = NodeProcess::start(&launch(folder.path(), tls, more)?)?;
        Ok(Self {
            authority,
            leaf,
            folder,
            node,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.node.address()
    }
}

/// `kiln serve` with the certificate in `folder`.
pub(crate) fn launch(folder: &Path, tls: &str, more: &str) -> Result<Launch> {
    let place = folder.display();
    let config = format!(
        "[tls]\ncertificate = \"{place}/node.pem\"\nkey = \"{place}/key.pem\"\n{tls}\n{more}"
    );
    let file = folder.join("kiln.toml");
    write_file(&file, config.as_bytes())?;
    Ok(Launch::kiln_serve(&folder.join("data"), Some(&file))?)
}
