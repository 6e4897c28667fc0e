//! The same through a real S3 server: `rclone serve s3`.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use testkit::server::Server;
use testkit::store;
use testkit::tools;

use crate::writers::Writers;
use crate::{age_key, backup_in, text};

const ADDRESS_MARK: &str = "Starting s3 server on [";

/// A server on a free port of loopback; ended when the value goes.
pub(crate) struct S3 {
    child: Child,
    endpoint: String,
}

impl S3 {
    /// Serves the folder; the bucket is called `bucket`.
    pub(crate) fn start(folder: &std::path::Path) -> Result<Self> {
        std::fs::create_dir_all(folder.join("bucket"))?;
        let mut child = Command::new(tools::rclone()?)
            .args(["serve", "s3", "--auth-key", "kiln,a-secret-of-tests"])
            .args(["--addr", "127.0.0.1:0", "--config", "/dev/null"])
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let stderr = child.stderr.take().context("no stderr")?;
        let mut lines = BufReader::new(stderr).lines();
        let endpoint = loop {
            let line = lines.next().context("rclone ended")??;
            if let Some((_, rest)) = line.split_once(ADDRESS_MARK) {
                break rest.trim_end_matches([']', '/']).to_owned();
            }
        };
        // What it says later must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Self { child, endpoint })
    }

    /// How a command reaches it.
    pub(crate) fn variables(&self) -> [(&'static str, &str); 4] {
        [
            ("AWS_ACCESS_KEY_ID", "kiln"),
            ("AWS_SECRET_ACCESS_KEY", "a-secret-of-tests"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ENDPOINT_URL", self.endpoint.as_str()),
        ]
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_backup_goes_to_an_s3_server_and_comes_back() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let s3 = S3::start(&folder.path().join("s3"))?;
    let variables = s3.variables();
    let (recipient, key) = age_key(folder.path())?;
    let server = Server::start("[admin]\nlisten = \"127.0.0.1:0\"\n")?;
    let writers = Writers::start(server.address(), 12);
    let acknowledged = writers.acknowledged(40)?;
    // More than fits into one request, so that it goes up in parts.
    let large = vec![7; 15 << 20];
    for number in 0..3_u8 {
        let mut brick = large.clone();
        brick[0] = number;
        let reply = server.put("/bricking/default/put-brick", brick)?;
        ensure!(reply.status == 201, "{reply:?}");
    }
    let data = server.data();
    let place = "s3://bucket/node-1";
    let create = [place, "--data", text(&data)?, "--recipient", &recipient];
    backup_in("create", &create, &variables)?.done()?;
    writers.stop()?;
    let listed = backup_in("list", &[place, "--identity", &key], &variables)?.done()?;
    ensure!(listed[0]["encrypted"] == true, "{listed}");
    let which = [place, "--identity", &key];
    backup_in("check", &which, &variables)?.done()?;
    let to = folder.path().join("restored");
    let restore = [which.as_slice(), &["--data", text(&to)?]].concat();
    backup_in("restore", &restore, &variables)?.done()?;
    let checked = store::check(&to)?;
    ensure!(checked.is_well(), "{}", checked.text);
    let bricks = acknowledged.bricks.len() as u64 + 3;
    ensure!(checked.count("/bricks/sound") >= bricks, "{}", checked.text);

    let wrong = [
        variables[0],
        ("AWS_SECRET_ACCESS_KEY", "another"),
        variables[2],
        variables[3],
    ];
    let ran = backup_in("list", &[place], &wrong)?;
    ensure!(ran.code == Some(4), "{:?} {}", ran.code, ran.stderr);
    ensure!(ran.stderr.contains("credentials"), "{}", ran.stderr);
    Ok(())
}
