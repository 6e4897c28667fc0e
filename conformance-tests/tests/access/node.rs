//! A node with its admin listener, and calls with a credential.

use std::net::SocketAddr;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::http::{Reply, Request, ask};
use testkit::process::{Launch, NodeProcess};
use testkit::server::write_file;

/// Longest wait for something that takes a second at most; a busy machine takes longer.
const WAIT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);
/// What a node needs to be administered.
pub(crate) const ADMIN: &str = "[admin]\nlisten = \"127.0.0.1:0\"\n";

/// A node that can be stopped and started again on its folder.
pub(crate) struct Node {
    process: Option<NodeProcess>,
    admin: SocketAddr,
    folder: TempDir,
}

/// A key as it was made.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) text: String,
}

impl Node {
    /// Starts a node on an empty folder with this configuration and an admin listener.
    pub(crate) fn start(config: &str) -> Result<Self> {
        let mut node = Self {
            process: None,
            admin: SocketAddr::from(([127, 0, 0, 1], 0)),
            folder: tempfile::tempdir()?,
        };
        node.configure(config)?;
        node.restart()?;
        Ok(node)
    }

    /// Writes the configuration for the next start.
    pub(crate) fn configure(&self, config: &str) -> Result<()> {
        let text = format!("{ADMIN}{config}");
        Ok(write_file(
            &self.folder.path().join("kiln.toml"),
            text.as_bytes(),
        )?)
    }

    pub(crate) fn restart(&mut self) -> Result<()> {
        drop(self.process.take());
        let config = self.folder.path().join("kiln.toml");
        let launch = Launch::kiln_serve(&self.data(), Some(&config))?;
        let process = NodeProcess::start(&launch)?;
        let admin = process
            .further_address("admin")
            .map_err(anyhow::Error::msg)?;
        (self.process, self.admin) = (Some(process), admin);
        Ok(())
    }

    /// Ends the process as a power cut would.
    pub(crate) fn kill(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill_hard();
        }
    }

    pub(crate) fn stop(&mut self) -> Result<()> {
        let process = self.process.take().context("it does not run")?;
        ensure!(process.stop()?.success());
        Ok(())
    }

    pub(crate) fn process(&self) -> &NodeProcess {
        self.process.as_ref().unwrap()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.process().address()
    }

    pub(crate) fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A request to the node, with a key if one is given.
    pub(crate) fn request(&self, method: &str, target: &str, key: Option<&str>) -> Request {
        let request = Request::to(self.address(), method, target);
        match key {
            Some(key) => request.header("x-api-key", key),
            None => request,
        }
    }

    pub(crate) fn ask(&self, request: &Request) -> Result<Reply> {
        Ok(ask(self.address(), request)?)
    }

    /// The status of a GET.
    pub(crate) fn status(&self, target: &str, key: Option<&str>) -> Result<u16> {
        Ok(self.ask(&self.request("GET", target, key))?.status)
    }

    /// A request to the admin listener with the token of the data folder.
    pub(crate) fn administer(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Reply> {
        let token = std::fs::read_to_string(self.data().join("admin-token"))?;
        let target = format!("/admin/v1/{path}");
        let mut request = Request::to(self.admin, method, &target);
        request = request.header("Authorization", &format!("Bearer {}", token.trim()));
        if let Some(body) = body {
            let request_body = body.to_string();
            request = request
                .header("Content-Type", "application/json")
                .body(request_body);
        }
        Ok(ask(self.admin, &request)?)
    }

    /// The JSON of a GET on the admin listener.
    pub(crate) fn admin_json(&self, path: &str) -> Result<Value> {
        let reply = self.administer("GET", path, None)?;
        ensure!(
            reply.status == 200,
            "{path}: {} {}",
            reply.status,
            reply.text()
        );
        Ok(serde_json::from_slice(&reply.body)?)
    }

    /// Makes a key with these grants (`domain:role`).
    pub(crate) fn key(&self, name: &str, grants: &[&str]) -> Result<Key> {
        self.key_with(name, grants, &json!({}))
    }

    /// As [`Self::key`], with further fields of the request.
    pub(crate) fn key_with(&self, name: &str, grants: &[&str], more: &Value) -> Result<Key> {
        let grants: Vec<_> = grants
            .iter()
            .map(|it| it.split_once(':').unwrap())
            .map(|(domain, role)| json!({ "domain": domain, "role": role }))
            .collect();
        let mut body = json!({ "name": name, "grants": grants });
        for (field, value) in more.as_object().unwrap() {
            body[field] = value.clone();
        }
        let reply = self.administer("POST", "keys", Some(&body))?;
        ensure!(reply.status == 201, "{} {}", reply.status, reply.text());
        let answer: Value = serde_json::from_slice(&reply.body)?;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Ok(Key {
            id: text(&answer["key"]["id"]),
            text: text(&answer["text"]),
        })
    }

    pub(crate) fn revoke(&self, key: &Key) -> Result<()> {
        let path = format!("keys/{}/revoke", key.id);
        let reply = self.administer("POST", &path, Some(&json!({})))?;
        ensure!(reply.status == 200, "{} {}", reply.status, reply.text());
        Ok(())
    }
}

/// A key of the right form that nobody made, with this id if one is given.
pub(crate) fn guess(id: Option<&str>) -> String {
    use sha2::{Digest as _, Sha256};
    let mut bytes = [0; 38];
    getrandom::fill(&mut bytes).unwrap();
    let (random_id, secret) = bytes.split_at(6);
    let id_bytes: Vec<u8> = match id {
        None => random_id.to_vec(),
        Some(id) => (0..6)
            .map(|n| u8::from_str_radix(&id[2 * n..2 * n + 2], 16).unwrap())
            .collect(),
    };
    let mut hash = Sha256::new_with_prefix(b"kiln api key");
    hash.update(&id_bytes);
    hash.update(secret);
    let digest = hash.finalize();
    let digits = |it: &u8| format!("{it:02x}");
    let hex = |bytes: &[u8]| bytes.iter().map(digits).collect::<Vec<_>>().concat();
    format!(
        "kiln_{}_{}{}",
        hex(&id_bytes),
        hex(secret),
        hex(&digest[..4])
    )
}

/// Waits until something holds, and says what did not when it does not in time.
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + WAIT;
    while !holds()? {
        ensure!(Instant::now() < deadline, "{what}: not within {WAIT:?}");
        sleep(POLL);
    }
    Ok(())
}
