//! The unmodified `OpenDSU` SDK against `kiln serve`.
//!
//! `OPENDSU_SDK` names a checkout of the public repository `OpenDSU/opendsu-sdk`;
//! without it there is nothing to drive, and the test says so and passes. The
//! scenarios are in `interop/`, which says what each of them checks.
//!
//! `INTEROP_SCENARIOS` (names with spaces between them) runs only some of them.

use std::env;
use std::ffi::OsStr;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use testkit::process::{Launch, NodeProcess};

/// The variable that names the checkout of the SDK.
const SDK_VARIABLE: &str = "OPENDSU_SDK";
/// The variable that names the scenarios to run; all when it is unset.
const SCENARIOS_VARIABLE: &str = "INTEROP_SCENARIOS";
/// The built SDK inside of its checkout.
const SDK_BUNDLE: &str = "builds/output/openDSU.js";
/// The domains that the scenarios use.
const DOMAINS: [&str; 4] = ["default", "test1", "test2", "vault"];

#[test]
fn the_unmodified_sdk_works_against_kiln_serve() -> anyhow::Result<()> {
    let Some(sdk) = env::var_os(SDK_VARIABLE) else {
        // Written past the test harness, which hides what a passing test prints.
        writeln!(
            io::stderr(),
            "interop skipped: {SDK_VARIABLE} does not name a checkout of OpenDSU/opendsu-sdk"
        )?;
        return Ok(());
    };
    let bundle = Path::new(&sdk).join(SDK_BUNDLE);
    ensure!(
        bundle.is_file(),
        "{SDK_VARIABLE} must name a checkout of OpenDSU/opendsu-sdk: there is no {}",
        bundle.display()
    );

    let data = tempfile::tempdir()?;
    let config = domains_config()?;
    let launch = Launch::kiln_serve(data.path(), Some(config.path()))?;
    let node = NodeProcess::start(&launch)?;
    let base_url = format!("http://{}", node.address());

    let status = driver(&sdk, &base_url)
        .status()
        .context("the driver needs Node.js 20 or newer as `node` on the PATH")?;
    ensure!(
        status.success(),
        "the driver ended with {status}; the last words of kiln serve:\n{}",
        node.stderr_tail()
    );
    let ended = node.stop()?;
    ensure!(
        ended.success(),
        "kiln serve ended with {ended} when it was asked to stop"
    );
    Ok(())
}

/// A configuration file with the domains and nothing else.
fn domains_config() -> anyhow::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::Builder::new().suffix(".toml").tempfile()?;
    for domain in DOMAINS {
        writeln!(file, "[[domain]]\nname = \"{domain}\"\n")?;
    }
    file.flush()?;
    Ok(file)
}

/// The driver, on the output streams of this process: its lines are the report.
fn driver(sdk: &OsStr, base_url: &str) -> Command {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("interop/driver.cjs");
    let mut command = Command::new("node");
    command.arg(script).arg(base_url);
    if let Some(names) = env::var_os(SCENARIOS_VARIABLE) {
        command.args(names.to_string_lossy().split_whitespace());
    }
    command.env(SDK_VARIABLE, sdk).stdin(Stdio::null());
    command
}
