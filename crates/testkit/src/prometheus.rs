//! A real Prometheus that scrapes a node, and `promtool`, which judges what a node shows.

use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::http::{HttpError, Request, ask};
use crate::server::write_file;
use crate::tools::{self, MissingTool};

/// Longest wait for Prometheus to listen, and for a query to be answered as wanted.
const WAIT: Duration = Duration::from_mins(1);
/// How often a query is repeated.
const POLL: Duration = Duration::from_millis(100);

/// Why Prometheus or its tool could not be used, or what they found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrometheusError {
    /// It is not installed.
    #[error(transparent)]
    Missing(#[from] MissingTool),
    /// The operating system refused.
    #[error("the operating system refused")]
    Io(#[from] io::Error),
    /// It cannot be asked.
    #[error("prometheus does not answer")]
    Http(#[from] HttpError),
    /// It did not listen, or a query did not come true in time.
    #[error("in vain waited for: {0}")]
    InVain(String),
    /// What `promtool` says is wrong.
    #[error("promtool: {0}")]
    Judged(String),
}

/// A running Prometheus with its folder; ended when dropped.
#[derive(Debug)]
pub struct Prometheus {
    child: Child,
    address: SocketAddr,
    _folder: TempDir,
}

impl Prometheus {
    /// Starts one that scrapes `/metrics` of `target` five times a second, as the job `kiln`.
    ///
    /// # Errors
    /// [`PrometheusError`].
    pub fn start(target: SocketAddr) -> Result<Self, PrometheusError> {
        let folder = tempfile::tempdir()?;
        let config = folder.path().join("prometheus.yml");
        let text = format!(
            "global:\n  scrape_interval: 200ms\n  scrape_timeout: 200ms\nscrape_configs:\n  \
             - job_name: kiln\n    static_configs:\n      - targets: [\"{target}\"]\n"
        );
        write_file(&config, text.as_bytes())?;
        let mut child = Command::new(tools::prometheus()?)
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.path().join("data").display()
            ))
            .arg("--web.listen-address=127.0.0.1:0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let lines = child.stderr.take().map(BufReader::new);
        // From here on the value owns the child: a failure below ends it.
        let mut running = Self {
            child,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            _folder: folder,
        };
        let (sender, receiver) = std::sync::mpsc::channel();
        thread::spawn(move || {
            // Read to the end, so that it never blocks on a full pipe.
            for line in lines
                .into_iter()
                .flat_map(BufRead::lines)
                .map_while(Result::ok)
            {
                if let Some(address) = listening_in(&line) {
                    let _ = sender.send(address);
                }
            }
        });
        running.address = receiver
            .recv_timeout(WAIT)
            .map_err(|_| PrometheusError::InVain("its address".to_owned()))?;
        Ok(running)
    }

    /// Waits until the query has a result, and gives the value of the first.
    ///
    /// # Errors
    /// [`PrometheusError::InVain`] after a minute.
    pub fn wait_for(&self, query: &str) -> Result<String, PrometheusError> {
        let target = format!("/api/v1/query?query={}", percent_encoded(query));
        let deadline = Instant::now() + WAIT;
        while Instant::now() < deadline {
            let request = Request::to(self.address, "GET", &target);
            let answer: Option<Value> = ask(self.address, &request)
                .ok()
                .and_then(|reply| serde_json::from_slice(&reply.body).ok());
            let value = answer
                .as_ref()
                .and_then(|answer| answer.pointer("/data/result/0/value/1")?.as_str());
            if let Some(value) = value {
                return Ok(value.to_owned());
            }
            thread::sleep(POLL);
        }
        Err(PrometheusError::InVain(query.to_owned()))
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What `promtool check metrics` says of a scrape; `Ok` when it finds nothing.
///
/// # Errors
/// [`PrometheusError::Judged`] with all that it says.
pub fn check_metrics(text: &[u8]) -> Result<(), PrometheusError> {
    let mut child = Command::new(tools::promtool()?)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(text)?;
    }
    judged(&child.wait_with_output()?)
}

/// What `promtool check rules` says of a file of rules.
///
/// # Errors
/// [`PrometheusError::Judged`] with all that it says.
pub fn check_rules(file: &Path) -> Result<(), PrometheusError> {
    let mut command = Command::new(tools::promtool()?);
    judged(&command.args(["check", "rules"]).arg(file).output()?)
}

fn judged(output: &std::process::Output) -> Result<(), PrometheusError> {
    if output.status.success() {
        return Ok(());
    }
    let said = [&output.stdout[..], &output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    Err(PrometheusError::Judged(said))
}

fn listening_in(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("msg=\"Listening on\" address=")?;
    rest.split_ascii_whitespace().next()?.parse().ok()
}

fn percent_encoded(text: &str) -> String {
    let encode = |byte: u8| {
        if byte.is_ascii_alphanumeric() || byte == b'_' {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    text.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_address_is_read_from_its_log() {
        let line = "ts=x caller=tls_config.go:232 level=info component=web msg=\"Listening on\" address=127.0.0.1:4321";
        assert_eq!(listening_in(line).unwrap().port(), 4321);
        assert!(listening_in("msg=\"Start listening\" address=127.0.0.1:0").is_none());
        assert_eq!(percent_encoded("up{a=\"b\"}"), "up%7Ba%3D%22b%22%7D");
    }
}
