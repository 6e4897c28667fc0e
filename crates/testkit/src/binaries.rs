//! Builds and finds the real binaries that a test drives.
//!
//! The first caller in a test process runs one `cargo build` for all three; the
//! others wait for it. `KILN_BIN_DIR` names a folder with ready binaries and
//! skips the build, so that an installed release can be put under test.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

/// The environment variable that names a folder with ready binaries.
pub const BIN_DIR_VARIABLE: &str = "KILN_BIN_DIR";

/// What the one build of this process gave.
static BUILT: OnceLock<Result<BTreeMap<String, PathBuf>, BinaryError>> = OnceLock::new();

/// One of the binaries that the project ships.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binary {
    /// Both services in one process, and the operator's commands.
    Kiln,
    /// The brick service alone.
    BricksServer,
    /// The anchor service alone.
    AnchorService,
}

impl Binary {
    const ALL: [Self; 3] = [Self::Kiln, Self::BricksServer, Self::AnchorService];

    /// The file name, which is also the name of the crate.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Kiln => "kiln",
            Self::BricksServer => "bricks-server",
            Self::AnchorService => "anchor-service",
        }
    }
}

/// Why a binary could not be had.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum BinaryError {
    /// `cargo build` failed or could not be run; its last words follow.
    #[error("cargo build of the binaries failed: {0}")]
    Build(String),
    /// The folder named by `KILN_BIN_DIR`, or the build, holds no such file.
    #[error("no binary named {name} in {place}")]
    Missing {
        /// The binary that was asked for.
        name: &'static str,
        /// Where it was looked for.
        place: String,
    },
}

/// The path of `binary`, built first when that is needed.
///
/// # Errors
/// [`BinaryError`] when it cannot be built or is not where it should be. A
/// failed build is not tried again in the same process.
pub fn path(binary: Binary) -> Result<PathBuf, BinaryError> {
    if let Some(folder) = env::var_os(BIN_DIR_VARIABLE) {
        return ready_binary(Path::new(&folder), binary);
    }
    let built = BUILT
        .get_or_init(build_all)
        .as_ref()
        .map_err(Clone::clone)?;
    let missing = || BinaryError::Missing {
        name: binary.name(),
        place: "the output of cargo build".to_owned(),
    };
    built.get(binary.name()).cloned().ok_or_else(missing)
}

fn ready_binary(folder: &Path, binary: Binary) -> Result<PathBuf, BinaryError> {
    let file = folder.join(binary.name());
    if file.is_file() {
        return Ok(file);
    }
    Err(BinaryError::Missing {
        name: binary.name(),
        place: folder.display().to_string(),
    })
}

/// Runs cargo with the caller's `CARGO` and `CARGO_TARGET_DIR`, in the dev
/// profile, and reads from its messages where each executable went. It runs in
/// the build's environment, so that it links the machine's one RocksDB.
fn build_all() -> Result<BTreeMap<String, PathBuf>, BinaryError> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut command = Command::new(root.join(".ci/in-env"));
    command
        .current_dir(root)
        .arg(cargo)
        .args(["build", "--locked"]);
    for binary in Binary::ALL {
        command.args(["-p", binary.name()]);
    }
    command.arg("--message-format=json-render-diagnostics");
    let output = command
        .output()
        .map_err(|error| BinaryError::Build(error.to_string()))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        return Err(BinaryError::Build(last_lines(&stderr, 40)));
    }
    Ok(executables(&String::from_utf8_lossy(&output.stdout)))
}

/// The executables that cargo's messages (one JSON object a line) tell of.
fn executables(messages: &str) -> BTreeMap<String, PathBuf> {
    let mut found = BTreeMap::new();
    for message in messages.lines() {
        let Ok(message) = serde_json::from_str::<Value>(message) else {
            continue;
        };
        let name = message.pointer("/target/name").and_then(Value::as_str);
        let file = message.pointer("/executable").and_then(Value::as_str);
        if let (Some(name), Some(file)) = (name, file) {
            found.insert(name.to_owned(), PathBuf::from(file));
        }
    }
    found
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(count);
    lines.get(from..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executables_are_read_from_cargo_messages() {
        let messages = concat!(
            "{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"kiln\"},\"executable\":null}\n",
            "not json\n",
            "{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"kiln\"},\"executable\":\"out/kiln\"}\n",
            "{\"reason\":\"build-finished\",\"success\":true}\n",
        );
        let found = executables(messages);
        assert_eq!(found.len(), 1);
        assert_eq!(found["kiln"], PathBuf::from("out/kiln"));
    }

    #[test]
    fn a_folder_without_the_binary_is_named_in_the_error() {
        let error = ready_binary(Path::new("no-such-folder"), Binary::Kiln).unwrap_err();
        assert_eq!(error.to_string(), "no binary named kiln in no-such-folder");
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        assert_eq!(last_lines("a\nb\nc", 2), "b\nc");
        assert_eq!(last_lines("a", 2), "a");
    }
}
