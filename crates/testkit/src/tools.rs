//! Other people's tools, as `.ci/tools` installs them.
//!
//! `KILN_TOOLS` names their folder; `.ci/in-env cargo test` sets it. A missing tool is an error, so
//! that no test passes without it.

use std::env;
use std::path::{Path, PathBuf};

/// A tool is not there.
#[derive(Debug, thiserror::Error)]
#[error(
    "{tool} is missing: run `.ci/tools` and put the folder that it prints into KILN_TOOLS, or run \
     the tests by `make test`, which does both"
)]
pub struct MissingTool {
    tool: &'static str,
}

/// The `anvil` of `KILN_TOOLS`, else the one on `PATH`.
///
/// # Errors
/// [`MissingTool`] when there is neither.
pub fn anvil() -> Result<PathBuf, MissingTool> {
    program("anvil")
}

/// The `helm` of `KILN_TOOLS`, else the one on `PATH`.
///
/// # Errors
/// [`MissingTool`] when there is neither.
pub fn helm() -> Result<PathBuf, MissingTool> {
    program("helm")
}

/// `age-keygen`, which makes keys for backups: Debian's package `age`.
///
/// # Errors
/// [`MissingTool`] when it is not there.
pub fn age_keygen() -> Result<PathBuf, MissingTool> {
    program("age-keygen")
}

/// `hadolint`, which reads Containerfiles.
///
/// # Errors
/// [`MissingTool`] when it is not there.
pub fn hadolint() -> Result<PathBuf, MissingTool> {
    let tool = "hadolint";
    in_tools("python/bin/hadolint").ok_or(MissingTool { tool })
}

/// The Python that has `pymerkle` and the schemas of Kubernetes.
///
/// # Errors
/// [`MissingTool`] when it is not there.
pub fn python() -> Result<PathBuf, MissingTool> {
    let tool = "Python with pymerkle";
    in_tools("python/bin/python").ok_or(MissingTool { tool })
}

/// The `promtool` of `KILN_TOOLS`.
///
/// # Errors
/// [`MissingTool`] when it is not there.
pub fn promtool() -> Result<PathBuf, MissingTool> {
    in_tools("bin/promtool").ok_or(MissingTool { tool: "promtool" })
}

/// The `prometheus` of `KILN_TOOLS`.
///
/// # Errors
/// [`MissingTool`] when it is not there.
pub fn prometheus() -> Result<PathBuf, MissingTool> {
    let tool = "prometheus";
    in_tools("bin/prometheus").ok_or(MissingTool { tool })
}

/// The `rclone` that serves S3.
///
/// # Errors
/// [`MissingTool`] when it is not there.
pub fn rclone() -> Result<PathBuf, MissingTool> {
    in_tools("python/bin/rclone").ok_or(MissingTool { tool: "rclone" })
}

/// The browser that tries the console.
///
/// # Errors
/// [`MissingTool`] when it is not there.
pub fn chromium() -> Result<PathBuf, MissingTool> {
    in_tools("bin/chromium").ok_or(MissingTool { tool: "Chromium" })
}

/// The folder of the npm packages that the console is built with.
///
/// # Errors
/// [`MissingTool`] when it is not there.
pub fn console_modules() -> Result<PathBuf, MissingTool> {
    let tool = "what builds the console";
    modules("console/node_modules/vite/package.json").ok_or(MissingTool { tool })
}

/// The folder of the npm packages of the tests: `solc`, `playwright-core` and others.
///
/// # Errors
/// [`MissingTool`] when it is not there.
pub fn node_modules() -> Result<PathBuf, MissingTool> {
    let tool = "the Solidity compiler";
    modules("node_modules/solc/package.json").ok_or(MissingTool { tool })
}

/// The folder of npm packages in which this file of a package lies.
fn modules(file: &str) -> Option<PathBuf> {
    in_tools(file)?.ancestors().nth(2).map(Path::to_owned)
}

fn program(tool: &'static str) -> Result<PathBuf, MissingTool> {
    let on_path = || {
        let folders = env::var_os("PATH")?;
        let mut files = env::split_paths(&folders).map(|it| it.join(tool));
        files.find(|it| it.is_file())
    };
    in_tools(&format!("bin/{tool}"))
        .or_else(on_path)
        .ok_or(MissingTool { tool })
}

fn in_tools(path: &str) -> Option<PathBuf> {
    let file = PathBuf::from(env::var_os("KILN_TOOLS")?).join(path);
    file.is_file().then_some(file)
}
