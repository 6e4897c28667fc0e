//! A node with the configuration and the environment that a container would give it.

use std::net::SocketAddr;
use std::path::PathBuf;

use testkit::binaries::Binary;
use testkit::http::{Request, ask};
use testkit::process::{Launch, NodeProcess};
use testkit::server::write_file;
use toml::Table;

/// A running node on a folder of the test and on loopback; all else is as configured.
pub(crate) struct Node {
    process: NodeProcess,
    _folder: tempfile::TempDir,
    /// The port that it would listen on in its container.
    pub(crate) port_configured: u16,
    /// The folder that it would keep its data in.
    pub(crate) data_configured: PathBuf,
}

impl Node {
    /// Has the node accept the configuration as it is, then starts it.
    pub(crate) fn start(config: &str, environment: &[(String, String)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kiln.toml");
        write_file(&file, config.as_bytes()).unwrap();
        let mut launch = Launch::of(Binary::Kiln).unwrap().arg("serve");
        launch = launch.arg("--config").arg(&file);
        for (name, value) in environment {
            launch = launch.env(name, value);
        }
        let output = launch.clone().arg("--check-config").run().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}");
        let effective: Table = String::from_utf8(output.stdout).unwrap().parse().unwrap();
        let listen: SocketAddr = effective["node"]["listen"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        assert!(listen.ip().is_unspecified(), "{listen} is not for others");
        let data_configured = PathBuf::from(effective["node"]["data"].as_str().unwrap());
        let launch = launch.arg("--data").arg(folder.path().join("data"));
        let launch = launch.arg("--listen").arg("127.0.0.1:0");
        Self {
            process: NodeProcess::start(&launch).unwrap(),
            _folder: folder,
            port_configured: listen.port(),
            data_configured,
        }
    }

    /// The status of `GET`.
    pub(crate) fn status(&self, target: &str) -> u16 {
        let address = self.process.address();
        let request = Request::to(address, "GET", target);
        ask(address, &request).unwrap().status
    }
}
