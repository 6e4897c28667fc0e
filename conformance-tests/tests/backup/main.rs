//! `kiln backup`: what was acknowledged before a backup began is in it, while the node goes on; in a
//! folder and in a real S3 server; and what cannot be done is refused.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod live;
mod prune;
mod refused;
mod s3;
mod stopped;
mod writers;

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use testkit::binaries::Binary;
use testkit::process::Launch;

/// What a command did.
struct Ran {
    code: Option<i32>,
    /// Its JSON; null when it is none.
    value: Value,
    stderr: String,
}

impl Ran {
    /// Requires that it was done.
    fn done(self) -> Result<Value> {
        ensure!(self.code == Some(0), "{:?}: {}", self.code, self.stderr);
        Ok(self.value)
    }
}

/// `kiln backup <verb> …`, with JSON on stdout.
fn backup(verb: &str, arguments: &[&str]) -> Result<Ran> {
    backup_in(verb, arguments, &[])
}

/// The same with variables in the environment.
fn backup_in(verb: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Result<Ran> {
    let launch = Launch::of(Binary::Kiln)?.arg("backup").arg(verb);
    let launch = arguments.iter().fold(launch, Launch::arg);
    let launch = variables
        .iter()
        .fold(launch, |launch, (name, value)| launch.env(name, value));
    let output = launch.arg("--json").run()?;
    Ok(Ran {
        code: output.status.code(),
        value: serde_json::from_slice(&output.stdout).unwrap_or_default(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("the path is not UTF-8")
}

/// An age key of an operator: the recipient, and the file of the private key.
fn age_key(folder: &Path) -> Result<(String, String)> {
    use age::secrecy::ExposeSecret;
    let identity = age::x25519::Identity::generate();
    let file = folder.join("operator.key");
    testkit::server::write_file(&file, identity.to_string().expose_secret().as_bytes())?;
    Ok((identity.to_public().to_string(), text(&file)?.to_owned()))
}
