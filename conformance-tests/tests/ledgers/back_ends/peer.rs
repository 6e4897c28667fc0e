//! Another node that serves the routes of an EthAdapter, for every domain of the suite.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use keyssi::Domain;
use ledger::adapter::{AdapterKind, AdapterLedger, AdapterOptions};
use tempfile::TempDir;
use testkit::process::{Launch, NodeProcess};
use testkit::server::write_file;

use super::PATIENCE;
use crate::bench::domains;

/// A node that is killed and started again with each restart.
pub(super) struct Peer {
    folder: TempDir,
    process: Option<NodeProcess>,
    urls: HashMap<Domain, String>,
}

impl Peer {
    pub(super) fn start() -> Self {
        let section = |domain: Domain| {
            format!(
                "[[domain]]\nname = \"{domain}\"\n[domain.eth_adapter]\nlisten = \"127.0.0.1:0\"\n"
            )
        };
        let config: String = domains().map(section).collect();
        let folder = tempfile::tempdir().unwrap();
        let mut peer = Self {
            process: None,
            urls: HashMap::new(),
            folder,
        };
        write_file(&peer.config(), config.as_bytes()).unwrap();
        peer.restart();
        peer
    }

    /// Ends the process with SIGKILL, and starts it again on other ports.
    pub(super) fn restart(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill_hard();
        }
        let data = self.folder.path().join("data");
        let launch = Launch::kiln_serve(&data, Some(&self.config())).unwrap();
        let process = NodeProcess::start(&launch).unwrap();
        // A node names its listeners in the order of the domains.
        let mut served: Vec<Domain> = domains().collect();
        served.sort();
        for domain in served {
            let name = format!("eth-adapter of {domain}");
            let address = process.further_address(&name).unwrap();
            self.urls.insert(domain, format!("http://{address}"));
        }
        self.process = Some(process);
    }

    /// A client of the routes for a domain.
    pub(super) fn client(&self, domain: &Domain) -> AdapterLedger {
        let options = AdapterOptions {
            unit_of_time: Duration::from_millis(50),
            request_time_max: PATIENCE,
            write_time_max: PATIENCE,
            read_time_max: PATIENCE,
            retry_wait: Duration::from_millis(10),
            retry_wait_max: Duration::from_millis(100),
            ..AdapterOptions::default()
        };
        AdapterLedger::new(&self.urls[domain], AdapterKind::Eth, options).unwrap()
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("kiln.toml")
    }
}
