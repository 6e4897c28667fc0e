//! A Node process with the SDK in it: one JSON line per call, one per answer.

use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;

/// The variable that names the checkout of the SDK.
pub(crate) const SDK_VARIABLE: &str = "OPENDSU_SDK";
/// The built SDK inside of its checkout.
const SDK_BUNDLE: &str = "builds/output/openDSU.js";
/// Longest wait for one answer: several calls of the SDK, each of which ends by itself after a
/// minute.
const ANSWER_WAIT: Duration = Duration::from_mins(3);

/// The checkout of the SDK; `None` if there is none.
pub(crate) fn checkout() -> Result<Option<PathBuf>> {
    let Some(sdk) = env::var_os(SDK_VARIABLE) else {
        return Ok(None);
    };
    let sdk = PathBuf::from(sdk);
    let bundle = sdk.join(SDK_BUNDLE);
    ensure!(
        bundle.is_file(),
        "{SDK_VARIABLE} must name a checkout of OpenDSU/opendsu-sdk: there is no {}",
        bundle.display()
    );
    Ok(Some(sdk))
}

/// The process. It is ended when the value is dropped.
pub(crate) struct Peer {
    child: Child,
    input: ChildStdin,
    answers: Receiver<String>,
    /// Where the process keeps what it needs for a moment.
    _folder: TempDir,
}

impl Peer {
    /// Starts it for the node at `base_url`.
    pub(crate) fn start(sdk: &Path, base_url: &str) -> Result<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("interop/peer.cjs");
        let folder = tempfile::tempdir()?;
        let mut child = Command::new("node")
            .arg(script)
            .current_dir(folder.path())
            .env(SDK_VARIABLE, sdk)
            .env("BDNS_ROOT_HOSTS", base_url)
            .env("NO_LOGS", "true")
            .env("DEV", "false")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("the SDK needs Node.js 20 or newer as `node` on the PATH")?;
        let input = child.stdin.take().context("no standard input")?;
        let output = child.stdout.take().context("no standard output")?;
        let (send, answers) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                let Ok(line) = line else { break };
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self {
            child,
            input,
            answers,
            _folder: folder,
        })
    }

    /// Makes a call and waits for its answer.
    pub(crate) fn call(&mut self, request: &Value) -> Result<Value> {
        let name = request["call"].as_str().unwrap_or_default().to_owned();
        writeln!(self.input, "{request}").with_context(|| format!("SDK, {name}"))?;
        let answer = self.answers.recv_timeout(ANSWER_WAIT);
        let answer = answer.with_context(|| format!("SDK, {name}: no answer"))?;
        let mut answer: Value = serde_json::from_str(&answer)?;
        if let Some(error) = answer.get("error") {
            bail!("SDK, {name}: {error}");
        }
        Ok(answer["result"].take())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended already; nothing else can go wrong with an own child.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
