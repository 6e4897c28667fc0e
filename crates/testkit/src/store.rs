//! `kiln store check`, run and read.

use std::path::Path;

use serde_json::Value;

use crate::binaries::Binary;
use crate::process::{Launch, ProcessError};

/// What a check of a data folder said.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The exit code: 0 all is well, 1 something is wrong, 3 a store could not be opened. `None`
    /// when the process was ended by a signal.
    pub code: Option<i32>,
    /// The report as JSON; null when there is none.
    pub report: Value,
    /// Everything that it wrote, for messages.
    pub text: String,
}

impl Checked {
    /// The number at a JSON pointer of the report, such as `/bricks/sound`; 0 when it is absent.
    #[must_use]
    pub fn count(&self, pointer: &str) -> u64 {
        self.report
            .pointer(pointer)
            .and_then(Value::as_u64)
            .unwrap_or(0)
    }

    /// Whether it found the stores to be in order.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.code == Some(0)
    }

    /// Whether it said that something is wrong, in one of the ways that its help names.
    #[must_use]
    pub fn is_alarm(&self) -> bool {
        matches!(self.code, Some(1 | 3)) && !self.text.trim().is_empty()
    }
}

/// Checks the data folder of a stopped node.
///
/// # Errors
/// [`ProcessError`] when the command cannot be run to its end.
pub fn check(data: &Path) -> Result<Checked, ProcessError> {
    let launch = Launch::of(Binary::Kiln)?.arg("store").arg("check");
    let output = launch.arg("--json").arg("--data").arg(data).run()?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let stderr = String::from_utf8_lossy(&output.stderr);
    Ok(Checked {
        code: output.status.code(),
        report: serde_json::from_str(&stdout).unwrap_or_default(),
        text: format!("{stdout}{stderr}"),
    })
}
