//! The commands of the README's tour, run one after the other against a node of their own, and
//! their output compared with what the README shows.
//!
//! In the README a line of a `console` block that begins with `$ ` is a command, carried out by
//! `bash`; the lines up to the next one are its output, on stdout and stderr. `…` stands for any
//! text within a line, a line that is only `…` for any lines.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::path::Path;
use std::process::Command;

use testkit::binaries::Binary;
use testkit::server::Server;

/// The address that the README's commands name.
const README_ADDRESS: &str = "127.0.0.1:8080";

/// A command with the output that the README promises.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    line: usize,
    command: String,
    output: Vec<String>,
}

#[test]
fn the_tour_does_what_the_readme_shows() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let steps = steps(&std::fs::read_to_string(readme).unwrap());
    assert!(steps.len() >= 10, "the tour has {} commands", steps.len());
    let server = Server::start("").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let kiln = testkit::binaries::path(Binary::Kiln).unwrap();
    let mut failures = Vec::new();
    for step in steps {
        let address = server.address().to_string();
        let command = step.command.replace(README_ADDRESS, &address);
        let output =
            run(&command, folder.path(), &kiln, &address).replace(&address, README_ADDRESS);
        let lines: Vec<&str> = output.lines().map(str::trim_end).collect();
        if !matches(&step.output, &lines) {
            failures.push(format!(
                "README.md:{}: $ {}\npromised:\n{}\ncame:\n{output}",
                step.line,
                step.command,
                step.output.join("\n")
            ));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// Runs one command as a reader would who has `kiln` on the path, a home of their own, and the node
/// at its usual address.
fn run(command: &str, folder: &Path, kiln: &Path, address: &str) -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("bash")
        .args(["-c", &format!("exec 2>&1; {command}")])
        .current_dir(folder)
        .env_clear()
        .env(
            "PATH",
            format!("{}:{path}", kiln.parent().unwrap().display()),
        )
        .env("HOME", folder)
        .env("LANG", "C.UTF-8")
        .env("KILN_NODE", format!("http://{address}"))
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn steps(readme: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut is_inside = false;
    for (index, line) in readme.lines().enumerate() {
        if line.starts_with("```") {
            is_inside = line == "```console";
        } else if is_inside {
            if let Some(command) = line.strip_prefix("$ ") {
                let (line, command) = (index + 1, command.to_owned());
                let output = Vec::new();
                steps.push(Step {
                    line,
                    command,
                    output,
                });
            } else if let Some(step) = steps.last_mut() {
                step.output.push(line.trim_end().to_owned());
            }
        }
    }
    // An empty line before the next command is for the eye.
    for step in &mut steps {
        while step.output.last().is_some_and(String::is_empty) {
            step.output.pop();
        }
    }
    steps
}

fn matches(promised: &[String], came: &[&str]) -> bool {
    let Some((first, others)) = promised.split_first() else {
        return came.is_empty();
    };
    if first == "…" {
        return (0..=came.len()).any(|skipped| matches(others, &came[skipped..]));
    }
    came.split_first()
        .is_some_and(|(line, rest)| line_matches(first, line) && matches(others, rest))
}

fn line_matches(promised: &str, came: &str) -> bool {
    let mut parts = promised.split('…');
    let Some(mut rest) = parts.next().and_then(|first| came.strip_prefix(first)) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[test]
fn a_promise_is_compared_line_by_line() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let holds =
        |promised: &str, came: &str| matches(&lines(promised), &came.lines().collect::<Vec<_>>());
    assert!(holds("a\nb", "a\nb"));
    assert!(!holds("a\nb", "a"));
    assert!(!holds("a", "a\nb"));
    assert!(!holds("", "a"));
    assert!(holds("a\n…\nd", "a\nb\nc\nd"));
    assert!(holds("a\n…\nd", "a\nd"));
    assert!(!holds("a\n…\nd", "a\nb"));
    assert!(holds("hash … at …", "hash abc at now"));
    assert!(!holds("hash … at …", "hash abc"));
    assert!(!holds("hash …x", "hash y"));
    let readme = "text\n```console\n$ one\nout\n\n$ two\n```\n```\n$ three\n```\n";
    let steps = steps(readme);
    assert_eq!(steps.len(), 2);
    assert_eq!((steps[0].line, steps[0].output.len()), (3, 1));
    assert!(steps[1].output.is_empty());
}
