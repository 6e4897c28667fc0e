//! The files that are checked in: what the sources give.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use testkit::tools;

fn console() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/console")
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap();
    let entries = entries.map(|entry| entry.unwrap().path());
    let read = |path: PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, std::fs::read(path).unwrap())
    };
    entries.map(read).collect()
}

#[test]
fn the_files_are_what_the_sources_give() {
    let output = tempfile::tempdir().unwrap();
    let build = Command::new("node")
        .arg(console().join("build.mjs"))
        .arg(tools::console_modules().unwrap())
        .arg(output.path())
        .output()
        .unwrap();
    let (talk, complaints) = (
        String::from_utf8_lossy(&build.stdout),
        String::from_utf8_lossy(&build.stderr),
    );
    assert!(build.status.success(), "{talk}{complaints}");
    let (made, checked_in) = (files(output.path()), files(&console().join("dist")));
    assert_eq!(
        made.keys().collect::<Vec<_>>(),
        checked_in.keys().collect::<Vec<_>>()
    );
    for (name, bytes) in &made {
        assert!(
            *bytes == checked_in[name],
            "{name} is old: run `make console`"
        );
    }
}
