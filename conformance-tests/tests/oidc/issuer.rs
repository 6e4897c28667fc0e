//! The issuer: `oidc/issuer.mjs` as a process.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use testkit::tools;

/// A running issuer. It is ended when the value is dropped.
pub(crate) struct Issuer {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// What stands in its tokens.
    pub(crate) name: String,
}

impl Issuer {
    /// Starts it on a free port.
    pub(crate) fn start() -> Result<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("oidc/issuer.mjs");
        let mut child = Command::new("node")
            .arg(script)
            .arg(tools::node_modules()?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("the issuer needs Node.js 20 or newer as `node` on the PATH")?;
        let input = child.stdin.take().context("no standard input")?;
        let output = child.stdout.take().context("no standard output")?;
        let mut issuer = Self {
            child,
            input,
            output: BufReader::new(output),
            name: String::new(),
        };
        let hello = issuer.read()?;
        let name = hello["issuer"].as_str().context("no issuer")?;
        name.clone_into(&mut issuer.name);
        Ok(issuer)
    }

    /// A token as clients get it from the token endpoint.
    pub(crate) fn token(&mut self, signed_with: &str) -> Result<String> {
        let token = self.call(&json!({ "call": "token", "signed_with": signed_with }))?;
        Ok(token.as_str().context("no token")?.to_owned())
    }

    /// A token that differs from a good one as `changes` says.
    pub(crate) fn sign(&mut self, mut changes: Value) -> Result<String> {
        changes["call"] = "sign".into();
        let token = self.call(&changes)?;
        Ok(token.as_str().context("no token")?.to_owned())
    }

    /// A number that the issuer knows: `now` in seconds, or how often its keys were read (`looks`).
    pub(crate) fn number(&mut self, call: &str) -> Result<u64> {
        let number = self.call(&json!({ "call": call }))?;
        number.as_u64().context("no number")
    }

    /// New keys; the old ones are gone.
    pub(crate) fn rotate(&mut self) -> Result<()> {
        self.call(&json!({ "call": "rotate" })).map(drop)
    }

    fn call(&mut self, request: &Value) -> Result<Value> {
        writeln!(self.input, "{request}")?;
        let mut answer = self.read()?;
        if let Some(error) = answer.get("error") {
            bail!("{request}: {error}");
        }
        Ok(answer["result"].take())
    }

    fn read(&mut self) -> Result<Value> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        serde_json::from_str(&line).with_context(|| format!("the issuer said {line:?}"))
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        // It may have ended already; nothing else can go wrong with an own child.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
