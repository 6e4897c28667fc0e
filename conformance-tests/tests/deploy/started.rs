//! A node with the configuration and the environment that a container would give it.

use std::net::SocketAddr;
use std::path::PathBuf;

use testkit::binaries::Binary;
use testkit::http::{Request, ask};
use testkit::process::{Launch, NodeProcess};
use testkit::server::write_file;
use toml::Table;

/// Has the node accept a configuration and an environment, and gives what it makes of them.
pub(crate) fn effective(config: &str, environment: &[(String, String)]) -> Table {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kiln.toml");
    write_file(&file, config.as_bytes()).unwrap();
    let mut launch = Launch::of(Binary::Kiln).unwrap().arg("serve");
    launch = launch.arg("--check-config").arg("--config").arg(&file);
    for (name, value) in environment {
        launch = launch.env(name, value);
    }
    let output = launch.run().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    String::from_utf8(output.stdout).unwrap().parse().unwrap()
}

/// A running node on a folder of the test and on loopback; all else is as configured.
pub(crate) struct Node {
    process: NodeProcess,
    metrics: SocketAddr,
    _folder: tempfile::TempDir,
    /// The port that it would listen on in its container.
    pub(crate) port_configured: u16,
    /// The port of its metrics there.
    pub(crate) metrics_port_configured: u16,
    /// The folder that it would keep its data in.
    pub(crate) data_configured: PathBuf,
}

impl Node {
    /// Has the node accept the configuration as it is, then starts it.
    pub(crate) fn start(config: &str, environment: &[(String, String)]) -> Self {
        let effective = effective(config, environment);
        let text = |section: &str, key: &str| effective[section][key].as_str().unwrap().to_owned();
        let listens = |section: &str| -> u16 {
            let listen: SocketAddr = text(section, "listen").parse().unwrap();
            assert!(listen.ip().is_unspecified(), "{listen} is not for others");
            listen.port()
        };
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kiln.toml");
        write_file(&file, config.as_bytes()).unwrap();
        let data = folder.path().join("data");
        let mut launch = Launch::kiln_serve(&data, Some(&file)).unwrap();
        for (name, value) in environment {
            launch = launch.env(name, value);
        }
        let launch = launch.env("KILN__METRICS__LISTEN", "127.0.0.1:0");
        let process = NodeProcess::start(&launch).unwrap();
        Self {
            metrics: process.further_address("metrics").unwrap(),
            process,
            _folder: folder,
            port_configured: listens("node"),
            metrics_port_configured: listens("metrics"),
            data_configured: PathBuf::from(text("node", "data")),
        }
    }

    /// The status of `GET` under a name.
    pub(crate) fn status(&self, host: &str, target: &str) -> u16 {
        get(self.process.address(), host, target)
    }

    /// The status of `GET /metrics` under a name.
    pub(crate) fn metrics_status(&self, host: &str) -> u16 {
        get(self.metrics, host, "/metrics")
    }
}

fn get(address: SocketAddr, host: &str, target: &str) -> u16 {
    let request = Request::new("GET", target).header("Host", host);
    ask(address, &request).unwrap().status
}
