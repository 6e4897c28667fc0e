//! What stands in `deploy/` is true: the sample configuration names every key with its default, the
//! systemd unit, chart, compose file and Containerfile are accepted by the tools that read them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod chart;
mod container;
mod manifests;
mod sample;
mod started;
mod systemd;

use std::path::{Path, PathBuf};

use testkit::server::write_file;

/// A file or folder in `deploy/`.
fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../deploy")
        .join(path)
}

/// A text file in `deploy/`.
fn text(path: &str) -> String {
    std::fs::read_to_string(deploy(path)).unwrap_or_else(|error| panic!("deploy/{path}: {error}"))
}

/// Writes a certificate for `localhost` and its key, named as in a secret of Kubernetes.
fn certificate(folder: &Path) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    write_file(&folder.join("tls.crt"), made.cert.pem().as_bytes()).unwrap();
    let key = made.signing_key.serialize_pem();
    write_file(&folder.join("tls.key"), key.as_bytes()).unwrap();
}
