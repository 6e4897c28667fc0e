//! Starting and stopping the real binaries: the line on stdout, SIGTERM, mistakes
//! of the operator, lost parts of a data folder, `--check-config`, `kiln store check`.

mod check_config;
mod log_name;
mod lost;
mod mistakes;
mod stop;
mod store_check;

use std::process::Output;

use anyhow::Result;
use testkit::process::Launch;

/// A command could not be carried out.
const FAILED: i32 = 3;
/// A command was called in a wrong way.
const USAGE: i32 = 2;

/// Runs a command that must fail with this code and, on stderr, these parts: no
/// panic, no backtrace (which the child is invited to print), nothing on stdout.
fn check_fails(case: &str, launch: &Launch, code: i32, parts: &[&str]) -> Result<()> {
    let output = launch.clone().env("RUST_BACKTRACE", "1").run()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{case}: {stderr}");
    for part in parts {
        assert!(stderr.contains(part), "{case}: {part:?} is not in {stderr}");
    }
    for word in ["panicked", "backtrace", "stack trace"] {
        assert!(!stderr.to_lowercase().contains(word), "{case}: {stderr}");
    }
    assert!(output.stdout.is_empty(), "{case}: {}", stdout(&output));
    Ok(())
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}
