//! The Python package `pymerkle` on our log: the same leaves, roots and paths.

use alloy_primitives::hex;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use testkit::process::Launch;
use testkit::server::write_file;
use testkit::tools;

use crate::live::{Live, proof_lines, usual};

/// The third line of a checkpoint, in hexadecimal.
fn root_of(note: &[u8]) -> String {
    let text = String::from_utf8(note.to_vec()).unwrap();
    hex::encode(STANDARD.decode(text.lines().nth(2).unwrap()).unwrap())
}

/// What `tree.py` says of a tree.
fn judged(entries: &[Vec<u8>], sizes: &[u64]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("asked.json");
    let entries: Vec<_> = entries.iter().map(hex::encode).collect();
    let asked = json!({"entries": entries, "sizes": sizes});
    write_file(&file, asked.to_string().as_bytes()).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/log_live/tree.py");
    let python = Launch::program(tools::python().unwrap());
    let output = python.arg(script).arg(&file).run().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn another_implementation_gives_the_same_leaves_roots_and_paths() {
    let live = Live::start(&usual());
    let sizes = [1, 2, 7, 8, 255, 256, 257, 300];
    let (mut ids, mut roots, mut before) = (Vec::new(), Vec::new(), 0);
    for size in sizes {
        ids.extend(live.anchor(before..size));
        roots.push(root_of(&live.checkpoint(u64::from(size))));
        before = size;
    }
    let entries = live.entries(300);
    let judged = judged(&entries, &sizes.map(u64::from));
    assert_eq!(judged["roots"], json!(roots));
    let mut leaves = live.part("tile/0/000");
    leaves.extend(live.part("tile/0/001.p/44"));
    let leaves: Vec<_> = leaves.chunks(32).map(hex::encode).collect();
    assert_eq!(judged["leaves"], json!(leaves));
    for (number, id) in ids.iter().enumerate().step_by(23) {
        let file = live.fetch(&format!("/anchor/default/proof/{id}")).text();
        let (_, hashes) = proof_lines(&file);
        let decode = |text: &String| hex::encode(STANDARD.decode(text).unwrap());
        let path: Vec<_> = hashes.iter().map(decode).collect();
        assert_eq!(judged["paths"][number], json!(path), "entry {number}");
    }
}
