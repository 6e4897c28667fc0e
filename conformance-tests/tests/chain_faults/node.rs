//! A node over the chain: a folder with its configuration and data, and the process on it.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;
use testkit::anvil::Account;
use testkit::http::{Reply, Request, ask};
use testkit::process::{Launch, NodeProcess};
use testkit::server::write_file;

use crate::chain::{CONFIRMATIONS, Chain};

/// The domain whose anchors go to the contract, each by itself, behind an outbox.
pub(crate) const DIRECT: &str = "direct";
/// The domain whose log's roots go to the registry.
pub(crate) const ROOTS: &str = "roots";
/// Name of the log of [`ROOTS`].
pub(crate) const ROOTS_ORIGIN: &str = "anchors.example/roots";

/// A node that is there or not, and its folder.
pub(crate) struct Node {
    folder: TempDir,
    account: Account,
    process: Option<NodeProcess>,
}

impl Node {
    /// Starts a node that serves these domains and writes to the chain from an account of its own.
    pub(crate) fn start(chain: &Chain, account: Account, domains: &[&str]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let config: String = domains.iter().map(|it| section(chain, it)).collect();
        write_file(&folder.path().join("kiln.toml"), config.as_bytes())?;
        let mut node = Self {
            folder,
            account,
            process: None,
        };
        node.start_again()?;
        Ok(node)
    }

    /// Starts the process on the same folder.
    pub(crate) fn start_again(&mut self) -> Result<()> {
        let folder = self.folder.path();
        let config = folder.join("kiln.toml");
        let launch = Launch::kiln_serve(&folder.join("data"), Some(&config))?;
        let launch = launch.env("KILN_CHAIN_KEY", self.account.key);
        self.process = Some(NodeProcess::start(&launch)?);
        Ok(())
    }

    /// Ends it with SIGKILL.
    pub(crate) fn kill(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill_hard();
        }
    }

    /// Ends it in good order.
    pub(crate) fn stop(&mut self) -> Result<()> {
        let process = self.process.take().context("the node is not running")?;
        let status = process.stop()?;
        ensure!(status.success(), "the node ended with {status}");
        Ok(())
    }

    /// The account that it writes to the chain from.
    pub(crate) const fn account(&self) -> Account {
        self.account
    }

    pub(crate) fn address(&self) -> Result<SocketAddr> {
        let process = self.process.as_ref().context("the node is not running")?;
        Ok(process.address())
    }

    /// The last lines that it wrote, for messages.
    pub(crate) fn said(&self) -> String {
        let process = self.process.as_ref();
        process.map_or_else(String::new, NodeProcess::stderr_tail)
    }

    /// `GET` of a target.
    pub(crate) fn fetch(&self, target: &str) -> Result<Reply> {
        let address = self.address()?;
        Ok(ask(address, &Request::to(address, "GET", target))?)
    }

    /// What became of a version of an anchor; of the last when none is given.
    pub(crate) fn status(&self, domain: &str, id: &str, version: Option<usize>) -> Result<Value> {
        let query = version.map_or_else(String::new, |it| format!("?version={it}"));
        let reply = self.fetch(&format!("/anchor/{domain}/status/{id}{query}"))?;
        ensure!(reply.status == 200, "{} {}", reply.status, reply.text());
        Ok(serde_json::from_slice(&reply.body)?)
    }

    /// The state of the last version of an anchor, which is never a conflict unless a test makes one.
    pub(crate) fn state(&self, domain: &str, id: &str) -> Result<String> {
        let status = self.status(domain, id, None)?;
        Ok(status["state"].as_str().context("no state")?.to_owned())
    }
}

/// The configuration of a domain.
fn section(chain: &Chain, domain: &str) -> String {
    let (kind, contract) = if domain == ROOTS {
        ("anchoring = \"evm-roots\"", &chain.registry)
    } else {
        ("anchoring = \"evm\"\noptimistic = true", &chain.anchoring)
    };
    format!(
        "[[domain]]\nname = \"{domain}\"\n{kind}\n\
         [domain.log]\norigin = \"anchors.example/{domain}\"\nopenings = \"public\"\n\
         [domain.evm]\nrpc = \"{}\"\nchain_id = 31337\ncontract = \"{contract}\"\n\
         confirmations = {CONFIRMATIONS}\npoll_ms = 50\n\
         batch_entries_max = 20\nbatch_ms_max = 500\n",
        chain.rpc
    )
}
