//! An ApiHub's folder, made by hand.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Result;
use tempfile::TempDir;
use testkit::binaries::Binary;
use testkit::http::{Reply, Request, ask};
use testkit::process::{Launch, NodeProcess};
use testkit::server::write_file;

/// The folder, which goes when the value goes.
#[derive(Debug)]
pub(crate) struct Hub {
    folder: TempDir,
}

/// What a folder holds: per file its bytes and the time of its last change.
pub(crate) type Snapshot = BTreeMap<PathBuf, (Vec<u8>, SystemTime)>;

impl Hub {
    /// An installation without any file of configuration.
    pub(crate) fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::create_dir_all(folder.path().join("external-volume/config/domains"))?;
        Ok(Self { folder })
    }

    /// The folder that `--apihub-root` names.
    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    /// A path below `external-volume`.
    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.root().join("external-volume").join(below)
    }

    /// Writes a file below `external-volume`, whole at once.
    pub(crate) fn write(&self, below: &str, text: &str) -> Result<()> {
        Ok(write_file(&self.path(below), text.as_bytes())?)
    }

    /// Writes a file of `external-volume/config`.
    pub(crate) fn configure(&self, file: &str, text: &str) -> Result<()> {
        self.write(&format!("config/{file}"), text)
    }

    /// A `kiln serve` on this folder; where its own data go is the caller's.
    pub(crate) fn launch(&self) -> Result<Launch> {
        let launch = Launch::of(Binary::Kiln)?.arg("serve");
        let launch = launch.arg("--listen").arg("127.0.0.1:0");
        Ok(launch.arg("--apihub-root").arg(self.root()))
    }

    /// Everything below `external-volume`.
    pub(crate) fn snapshot(&self) -> Result<Snapshot> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.path("")];
        while let Some(folder) = folders.pop() {
            let state = folder.metadata()?.modified()?;
            found.insert(folder.clone(), (Vec::new(), state));
            for entry in folder.read_dir()? {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let state = path.metadata()?.modified()?;
                    found.insert(path.clone(), (std::fs::read(&path)?, state));
                }
            }
        }
        Ok(found)
    }
}

/// A node on an ApiHub's folder, with its data elsewhere.
#[derive(Debug)]
pub(crate) struct HubNode {
    process: NodeProcess,
    _data: TempDir,
}

impl HubNode {
    pub(crate) fn start(hub: &Hub) -> Result<Self> {
        let data = tempfile::tempdir()?;
        let launch = hub.launch()?.arg("--data").arg(data.path());
        Ok(Self {
            process: NodeProcess::start(&launch)?,
            _data: data,
        })
    }

    pub(crate) fn process(&self) -> &NodeProcess {
        &self.process
    }

    pub(crate) fn fetch(&self, target: &str) -> Result<Reply> {
        let address = self.process.address();
        Ok(ask(address, &Request::to(address, "GET", target))?)
    }

    pub(crate) fn put(&self, target: &str, body: &[u8]) -> Result<Reply> {
        let address = self.process.address();
        let request = Request::to(address, "PUT", target).body(body);
        Ok(ask(address, &request)?)
    }

    /// The status of storing a brick in a domain.
    pub(crate) fn put_brick(&self, domain: &str) -> Result<u16> {
        let target = format!("/bricking/{domain}/put-brick");
        Ok(self.put(&target, domain.as_bytes())?.status)
    }

    /// Asserts what is served of a domain: bricks and anchors, or not.
    pub(crate) fn check_domain(&self, domain: &str, bricks: bool, anchors: bool) -> Result<()> {
        let status = if bricks { 201 } else { 404 };
        assert_eq!(self.put_brick(domain)?, status, "bricks of {domain}");
        let total = format!("/anchor/{domain}/get-total-numbers-of-anchors");
        let status = if anchors { 404 } else { 400 };
        let reply = self.fetch(&total)?;
        assert_eq!(
            reply.status,
            status,
            "anchors of {domain}: {}",
            reply.text()
        );
        Ok(())
    }
}
