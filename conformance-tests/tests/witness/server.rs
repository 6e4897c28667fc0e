//! A `kiln witness serve` process under test.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use testkit::binaries::Binary;
use testkit::http::{Reply, Request, ask};
use testkit::process::{Launch, NodeProcess};
use translog::{SignatureLine, SignedNote};

use crate::grown::ORIGIN;

pub(crate) const NAME: &str = "witness.example/w1";

/// A witness with its folder.
pub(crate) struct Witness {
    process: Option<NodeProcess>,
    folder: TempDir,
    logs: Vec<String>,
}

impl Witness {
    /// A witness for logs with these verifier keys, on an empty folder.
    pub(crate) fn start(logs: &[String]) -> Result<Self> {
        let mut witness = Self {
            process: None,
            folder: tempfile::tempdir()?,
            logs: logs.to_vec(),
        };
        witness.run()?;
        Ok(witness)
    }

    /// The command that starts it.
    pub(crate) fn launch(&self, name: &str) -> Result<Launch> {
        let launch = Launch::of(Binary::Kiln)?.arg("witness").arg("serve");
        let launch = launch.arg("--listen").arg("127.0.0.1:0");
        let launch = launch.arg("--data").arg(self.data());
        let launch = launch.arg("--name").arg(name);
        let logs = self.logs.iter();
        Ok(logs.fold(launch, |launch, log| launch.arg("--log").arg(log)))
    }

    /// Starts it again.
    pub(crate) fn run(&mut self) -> Result<()> {
        self.process = Some(NodeProcess::start(&self.launch(NAME)?)?);
        Ok(())
    }

    /// Starts it again, for a further log.
    pub(crate) fn know(&mut self, vkey: &str) -> Result<()> {
        self.stop()?;
        self.logs.push(vkey.to_owned());
        self.run()
    }

    /// Ends it in good order.
    pub(crate) fn stop(&mut self) -> Result<()> {
        let process = self.process.take().context("it is stopped")?;
        let status = process.stop()?;
        ensure!(status.success(), "{status}");
        Ok(())
    }

    /// Ends it with SIGKILL.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.process.take().context("it is stopped")?.kill_hard();
        Ok(())
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The file of what was cosigned of the log under test, with another ending.
    pub(crate) fn state(&self, ending: &str) -> PathBuf {
        let file = Path::new("cosigned").join(log_name());
        self.data().join(file.with_extension(ending))
    }

    pub(crate) fn url(&self) -> Result<String> {
        Ok(format!("http://{}", self.address()?))
    }

    /// Sends the body of an add-checkpoint request.
    pub(crate) fn submit(&self, body: &str) -> Result<Reply> {
        submit(self.address()?, body)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> Result<SocketAddr> {
        Ok(self.process()?.address())
    }

    pub(crate) fn fetch(&self, target: &str) -> Result<Reply> {
        let address = self.address()?;
        Ok(ask(address, &Request::to(address, "GET", target))?)
    }

    pub(crate) fn vkey(&self) -> Result<String> {
        Ok(self.fetch("/vkey")?.text().trim().to_owned())
    }

    /// The last cosigned checkpoint, as anybody can read it.
    pub(crate) fn newest(&self) -> Result<Option<SignedNote>> {
        let reply = self.fetch(&format!("/{}/checkpoint", log_name()))?;
        match reply.status {
            404 => Ok(None),
            200 => Ok(Some(SignedNote::parse(&reply.text())?)),
            _ => anyhow::bail!("{reply:?}"),
        }
    }

    fn process(&self) -> Result<&NodeProcess> {
        self.process.as_ref().context("it is stopped")
    }
}

/// Sends the body of an add-checkpoint request.
pub(crate) fn submit(address: SocketAddr, body: &str) -> Result<Reply> {
    let request = Request::to(address, "POST", "/add-checkpoint").body(body);
    Ok(ask(address, &request)?)
}

/// Requires a cosignature, which is the one line of a 200.
pub(crate) fn cosigned(reply: &Reply) -> Result<SignatureLine> {
    ensure!(reply.status == 200, "{}: {}", reply.status, reply.text());
    Ok(SignatureLine::parse(&reply.text())?)
}

/// Requires a refusal as plain text.
pub(crate) fn refused(reply: &Reply, status: u16) -> Result<()> {
    ensure!(reply.status == status, "{}: {}", reply.status, reply.text());
    let kind = reply.header("content-type").unwrap_or_default();
    ensure!(kind == "text/plain; charset=utf-8", "{kind}");
    let text = reply.text();
    ensure!(text.ends_with('\n') && !text.contains('{'), "{text}");
    Ok(())
}

/// Requires the answer that names the size of the last cosigned checkpoint.
pub(crate) fn told_size(reply: &Reply) -> Result<u64> {
    ensure!(reply.status == 409, "{}: {}", reply.status, reply.text());
    let kind = reply.header("content-type").unwrap_or_default();
    ensure!(kind == "text/x.tlog.size", "{kind}");
    let text = reply.text();
    Ok(text.strip_suffix('\n').context("no line end")?.parse()?)
}

/// The name of the log under test in paths.
pub(crate) fn log_name() -> String {
    hex(&Sha256::digest(ORIGIN))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .filter_map(|it| char::from_digit(it.into(), 16))
        .collect()
}
