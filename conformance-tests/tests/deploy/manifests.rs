//! YAML for Kubernetes and compose, checked by `manifests.py` against the published schemas.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use testkit::tools;

/// Which schema documents are checked against.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// Kubernetes' own, of this version.
    Kubernetes(&'static str),
    /// The Compose Specification's.
    Compose,
}

/// The documents in a text of YAML, each of which keeps to its schema.
pub(crate) fn checked(kind: Kind, yaml: &[u8]) -> Vec<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/deploy/manifests.py");
    let mut command = Command::new(tools::python().unwrap());
    command.arg(script);
    match kind {
        Kind::Kubernetes(version) => command.args(["kubernetes", version]),
        Kind::Compose => command.arg("compose"),
    };
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    // It reads to the end before it writes, so that neither waits for the other.
    child.stdin.take().unwrap().write_all(yaml).unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The first object of a kind.
pub(crate) fn find<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    let found = objects.iter().find(|it| it["kind"] == kind);
    found.unwrap_or_else(|| panic!("no {kind}"))
}

/// A value that is text.
pub(crate) fn text_of(value: &Value) -> String {
    let text = value.as_str().map(str::to_owned);
    text.unwrap_or_else(|| panic!("{value} is not text"))
}

#[test]
fn what_breaks_a_schema_is_caught() {
    let script = |arguments: &[&str], yaml: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/deploy/manifests.py");
        let mut child = Command::new(tools::python().unwrap())
            .arg(path)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(yaml.as_bytes()).unwrap();
        drop(stdin);
        child.wait().unwrap().success()
    };
    let service =
        "apiVersion: v1\nkind: Service\nmetadata: { name: a }\nspec: { ports: [{ port: 1 }] }\n";
    assert!(script(&["kubernetes", "1.34"], service));
    assert!(!script(
        &["kubernetes", "1.34"],
        &service.replace("ports", "portz")
    ));
    assert!(script(&["compose"], "services: { a: { image: b } }"));
    assert!(!script(&["compose"], "services: { a: { imagine: b } }"));
}
