//! A node with something to see in every view.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use keyssi::BrickHash;
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::http::{Reply, Request, ask};
use testkit::owner::{FIRST_MS, Owner};
use testkit::process::{Launch, NodeProcess};
use testkit::server::write_file;

/// The domains: an open one with quotas, one for keys that is nearly full, one that is read only.
const CONFIG: &str = r#"
[scrub]
enabled = false

[[domain]]
name = "default"
anonymous = "all"
quota = { storage_bytes = 5_000_000, bytes_up_per_day = 50_000_000_000 }

[[domain]]
name = "hospital.example"
anonymous = "none"
quota = { storage_bytes = 600_000, storage_bricks = 1_000 }

[[domain]]
name = "trials.example"
anonymous = "read"
"#;

/// Longest wait for something that takes milliseconds.
const WAIT: Duration = Duration::from_mins(1);
/// Length of the brick that is damaged; it lies in a file of its own sort of bytes.
const DAMAGED_BYTES: usize = 20_000;

/// The node, its folder and the keys that were made.
pub(crate) struct World {
    process: Option<NodeProcess>,
    admin: SocketAddr,
    folder: TempDir,
    /// The key of a ward, which may anchor in `hospital.example`.
    pub(crate) ward: Key,
}

/// A key as it was made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) text: String,
}

impl World {
    /// Starts a node and fills it.
    pub(crate) fn start() -> Result<Self> {
        let mut world = Self {
            process: None,
            admin: SocketAddr::from(([127, 0, 0, 1], 0)),
            folder: tempfile::tempdir()?,
            ward: Key::default(),
        };
        let config = world.folder.path().join("kiln.toml");
        write_file(&config, CONFIG.as_bytes())?;
        world.run()?;
        world.fill()?;
        world.damage()?;
        Ok(world)
    }

    fn run(&mut self) -> Result<()> {
        let config = self.folder.path().join("kiln.toml");
        let launch = Launch::kiln_serve(&self.data(), Some(&config))?;
        let process = NodeProcess::start(&launch)?;
        let admin = process.further_address("admin");
        self.admin = admin.map_err(anyhow::Error::msg)?;
        self.process = Some(process);
        Ok(())
    }

    pub(crate) fn stop(&mut self) -> Result<()> {
        let process = self.process.take().context("it does not run")?;
        ensure!(process.stop()?.success());
        Ok(())
    }

    pub(crate) fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    /// Where the console is.
    pub(crate) fn admin(&self) -> SocketAddr {
        self.admin
    }

    pub(crate) fn token(&self) -> Result<String> {
        let token = std::fs::read_to_string(self.data().join("admin-token"))?;
        Ok(token.trim().to_owned())
    }

    /// A request of a client, with a key if one is given.
    pub(crate) fn call(
        &self,
        method: &str,
        target: &str,
        key: Option<&str>,
        body: &[u8],
    ) -> Result<Reply> {
        let node = self.process.as_ref().context("it does not run")?.address();
        let mut request = Request::to(node, method, target);
        if let Some(key) = key {
            request = request.header("x-api-key", key);
        }
        if method == "PUT" {
            request = request.body(body);
        }
        Ok(ask(node, &request)?)
    }

    /// A request to the admin API with the token.
    pub(crate) fn administer(&self, method: &str, path: &str, body: &Value) -> Result<Reply> {
        let target = format!("/admin/v1/{path}");
        let mut request = Request::to(self.admin, method, &target)
            .header("Authorization", &format!("Bearer {}", self.token()?));
        if method != "GET" {
            let text = body.to_string();
            request = request
                .header("Content-Type", "application/json")
                .body(text);
        }
        let reply = ask(self.admin, &request)?;
        ensure!(
            reply.status < 300,
            "{path}: {} {}",
            reply.status,
            reply.text()
        );
        Ok(reply)
    }

    /// The JSON of a GET of the admin API.
    pub(crate) fn asked(&self, path: &str) -> Result<Value> {
        let reply = self.administer("GET", path, &Value::Null)?;
        Ok(serde_json::from_slice(&reply.body)?)
    }

    /// One sample of the node's metrics, by everything that stands before its value.
    pub(crate) fn sample(&self, series: &str) -> Result<f64> {
        let reply = self.administer("GET", "metrics", &Value::Null)?;
        let text = reply.text();
        let mut lines = text.lines();
        let value = lines.find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value
            .with_context(|| format!("no {series}"))?
            .parse()
            .map_err(Into::into)
    }

    /// Makes a key with one grant (`domain:role`).
    pub(crate) fn key(&self, name: &str, grant: &str, more: &Value) -> Result<Key> {
        let (domain, role) = grant.split_once(':').context("no role")?;
        let mut body = json!({ "name": name, "grants": [{ "domain": domain, "role": role }] });
        for (field, value) in more.as_object().into_iter().flatten() {
            body[field] = value.clone();
        }
        let reply = self.administer("POST", "keys", &body)?;
        let made: Value = serde_json::from_slice(&reply.body)?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(Key {
            id: text(&made["key"]["id"]),
            text: text(&made["text"]),
        })
    }

    /// Some traffic: bricks that are new by `number`, reads, and a refusal.
    pub(crate) fn traffic(&self, number: u64) -> Result<()> {
        let put = "/bricking/default/put-brick";
        for part in 0..=(number * 7 % 5) {
            let length = 2_000 + usize::try_from(number * 911 % 9_000)?;
            let bytes = brick(1_000 + number * 10 + part, length);
            ensure!(self.call("PUT", put, None, &bytes)?.status == 201);
            let read = format!("/bricking/default/get-brick/{}", BrickHash::of(&bytes));
            ensure!(self.call("GET", &read, None, b"")?.status == 200);
        }
        let mut owner = Owner::new(&"default".parse()?, &[u8::try_from(number + 50)?; 32])?;
        anchor(self, "default", &mut owner, None, 2)?;
        if number.is_multiple_of(3) {
            let refused = self.call("PUT", "/bricking/trials.example/put-brick", None, b"x")?;
            ensure!(refused.status == 401);
        }
        Ok(())
    }

    /// Waits until the admin API says what is looked for.
    pub(crate) fn wait(&self, path: &str, holds: impl Fn(&Value) -> bool) -> Result<Value> {
        let asked = Instant::now();
        loop {
            let found = self.asked(path)?;
            if holds(&found) {
                return Ok(found);
            }
            ensure!(asked.elapsed() < WAIT, "{path}: {found}");
        }
    }

    fn fill(&mut self) -> Result<()> {
        let put = "/bricking/default/put-brick";
        for number in 0..12 {
            let length = 300 + usize::try_from(number * 7_000)?;
            let reply = self.call("PUT", put, None, &brick(number, length))?;
            ensure!(reply.status == 201, "{}", reply.text());
        }
        let damaged = vec![b'x'; DAMAGED_BYTES];
        ensure!(self.call("PUT", put, None, &damaged)?.status == 201);
        let quotas = json!({ "quotas": { "requestsPerSecond": 200, "storageBytes": 2_000_000 }, "expiresInS": 7_776_000 });
        self.ward = self.key("ward 7", "hospital.example:anchor", &quotas)?;
        let ward = self.ward.text.clone();
        let put = "/bricking/hospital.example/put-brick";
        for number in 100..106 {
            let reply = self.call("PUT", put, Some(&ward), &brick(number, 96_000))?;
            ensure!(reply.status == 201, "{}", reply.text());
        }
        for (domain, seed, key) in [
            ("default", 7, None),
            ("default", 8, None),
            ("hospital.example", 9, Some(ward.as_str())),
        ] {
            let mut owner = Owner::new(&domain.parse()?, &[seed; 32])?;
            anchor(self, domain, &mut owner, key, 3)?;
        }
        self.key("night operator", "*:operate", &json!({}))?;
        self.key("pharmacy import", "default:write", &json!({}))?;
        let lost = self.key("lost telephone", "*:read", &json!({}))?;
        self.administer("POST", &format!("keys/{}/revoke", lost.id), &json!({}))?;
        // Each of these is refused for a reason of its own.
        for (target, key, status) in [
            (put, None, 401),
            (put, Some(lost.text.as_str()), 401),
            ("/bricking/trials.example/put-brick", None, 401),
            (
                "/bricking/trials.example/put-brick",
                Some(ward.as_str()),
                403,
            ),
        ] {
            let reply = self.call("PUT", target, key, b"refused")?;
            ensure!(reply.status == status, "{target}: {}", reply.status);
        }
        let nothing = json!({});
        self.administer(
            "POST",
            "domains",
            &json!({ "settings": { "name": "archive.example" } }),
        )?;
        self.administer("POST", "domains/archive.example/disable", &nothing)?;
        Ok(())
    }

    /// Changes a stored brick of the stopped node.
    fn damage(&mut self) -> Result<()> {
        self.stop()?;
        // Opening once more moves the bricks from the log to files of their own.
        self.run()?;
        self.stop()?;
        ensure!(
            flip(&self.data().join("bricks"))? > 0,
            "no stored file holds the brick"
        );
        self.run()
    }
}

/// The name of the brick that is damaged.
pub(crate) fn damaged() -> String {
    BrickHash::of(&vec![b'x'; DAMAGED_BYTES]).to_string()
}

/// A brick of this length, unlike those of other numbers.
fn brick(number: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![7; length];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    bytes
}

/// Gives the anchor of `owner` this many versions.
fn anchor(
    world: &World,
    domain: &str,
    owner: &mut Owner,
    key: Option<&str>,
    versions: u64,
) -> Result<()> {
    for version in 0..versions {
        let value = owner.sign(
            &BrickHash::of(b"a brick map").to_string(),
            FIRST_MS + version,
        )?;
        let route = if owner.exists() {
            "append-to-anchor"
        } else {
            "create-anchor"
        };
        let target = format!("/anchor/{domain}/{route}/{}/{value}", owner.id());
        let reply = world.call("PUT", &target, key, b"")?;
        ensure!(matches!(reply.status, 200 | 201), "{}", reply.text());
        owner.follow(Some(&value))?;
    }
    Ok(())
}

/// Changes a byte of the brick that is all `x` wherever it lies; gives the number of files.
fn flip(folder: &Path) -> Result<usize> {
    let mut damaged = 0;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let Ok(mut bytes) = std::fs::read(&path) else {
            continue;
        };
        if let Some(at) = bytes.windows(1_000).position(|it| it == [b'x'; 1_000]) {
            bytes[at + 500] = b'y';
            write_file(&path, &bytes)?;
            damaged += 1;
        }
    }
    Ok(damaged)
}
