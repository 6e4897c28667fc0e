//! The commands of `docs/operations.md` that are marked `sh`, run one after the other in a scratch
//! folder with the real binary. (Those marked `sh root` are run by `deploy/debian/try`.)
//!
//! `blocks.awk` makes a script of them, with what stands in comments of the page: what sets the stage,
//! and what looks at the outcome. Addresses of the page are replaced by free ones.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use testkit::binaries::{self, Binary};
use testkit::tools;

const PAGE: &str = "docs/operations.md";
/// The ports that the page names: the node's, and a chain's.
const PORTS: [&str; 2] = ["8080", "8545"];
/// After so many seconds something hangs.
const SECONDS_MAX: &str = "300";

fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.canonicalize().unwrap()
}

/// The commands with a marker, as a script.
fn script(marker: &str) -> String {
    let awk = root().join("conformance-tests/tests/operations/blocks.awk");
    let output = Command::new("awk")
        .args(["-v", &format!("want={marker}"), "-f"])
        .args([awk, root().join(PAGE)])
        .output()
        .unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// Ports that nobody listens on, other ones each.
fn free_ports() -> [u16; 2] {
    let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    // Both are held until both are known.
    let held = [bind(), bind()];
    held.map(|it| it.local_addr().unwrap().port())
}

#[test]
fn the_commands_do_what_the_page_says() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(root().join("deploy"), folder.path().join("deploy")).unwrap();
    let [node, chain] = free_ports();
    let mut script = script("sh");
    for (port, free) in PORTS.iter().zip([node, chain]) {
        script = script.replace(&format!("127.0.0.1:{port}"), &format!("127.0.0.1:{free}"));
        script = script.replace(&format!("--port {port}"), &format!("--port {free}"));
    }
    let end = "trap 'jobs -p | xargs --no-run-if-empty kill 2>/dev/null || true; wait' EXIT\n";
    let programs = [
        binaries::path(Binary::Kiln).unwrap(),
        tools::anvil().unwrap(),
        tools::helm().unwrap(),
        tools::age_keygen().unwrap(),
    ];
    let folders = programs.iter().map(|it| it.parent().unwrap().to_owned());
    let usual = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(folders.chain(std::env::split_paths(&usual))).unwrap();
    let output = Command::new("timeout")
        .args([SECONDS_MAX, "bash", "-c", &format!("{end}{script}")])
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", path)
        .env("HOME", folder.path())
        .env("LANG", "C.UTF-8")
        .env("KILN_NODE", format!("http://127.0.0.1:{node}"))
        .env("KILN__NODE__LISTEN", format!("127.0.0.1:{node}"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{}\nstdout:\n{stdout}\nstderr:\n{stderr}",
        output.status
    );
}

#[test]
fn every_block_is_run_by_somebody() {
    let page = std::fs::read_to_string(root().join(PAGE)).unwrap();
    let mut markers = BTreeSet::new();
    let mut is_inside = false;
    for line in page.lines() {
        if let Some(marker) = line.strip_prefix("```") {
            is_inside = !is_inside;
            if is_inside {
                markers.insert(marker);
            }
        }
        if let Some(comment) = line.strip_prefix("<!-- ") {
            let (purpose, marker) = comment.split_once(' ').unwrap();
            assert!(["stage", "check"].contains(&purpose), "{line}");
            markers.insert(marker);
        }
    }
    assert!(!is_inside, "a block has no end");
    let run = BTreeSet::from(["sh", "sh root"]);
    assert_eq!(markers, run, "nobody runs blocks with other markers");
    // That the other half is run at all: by `make verify`.
    let makefile = std::fs::read_to_string(root().join("Makefile")).unwrap();
    assert!(makefile.contains("deploy/debian/try"));
}
