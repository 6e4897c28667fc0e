//! Whole DSUs in one file, through the `kiln` command and real nodes.
//!
//! *Bug that this looks for:* an archive that lacks something and is taken all the same; a damaged
//! one that is imported, or half of one; a file under its final name that is not whole; a check that
//! needs a node after all; a file that only Kiln can read.
//!
//! `KILN_CAR_READER` names a folder `node_modules` with the npm package `@ipld/car`, a reader that is
//! not ours; without it that test says so and ends. `KILN_SEED` repeats a run's choices.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;
use testkit::binaries::{self, Binary};
use testkit::liar::{Liar, Lie, Route, Rule};
use testkit::random::Random;
use testkit::server::{Server, write_file};

/// Names the folder with the other reader.
const READER_VARIABLE: &str = "KILN_CAR_READER";
/// Bytes of a file that takes three bricks.
const BIG_BYTES: usize = 2_500_000;

/// A folder in which commands run, with keys in the environment.
struct Desk {
    folder: TempDir,
    keys: Vec<(&'static str, String)>,
}

impl Desk {
    fn new() -> Result<Self> {
        let mut desk = Self {
            folder: tempfile::tempdir()?,
            keys: Vec::new(),
        };
        for name in ["RECORD", "IMAGES", "OTHER"] {
            let made = desk.run("http://127.0.0.1:9", &["ssi", "new"])?;
            ensure!(made.status.success(), "{made:?}");
            let key = String::from_utf8(made.stdout)?.trim().to_owned();
            desk.keys.push((name, key));
        }
        Ok(desk)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, node: &str, arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new(binaries::path(Binary::Kiln)?);
        command.current_dir(self.folder.path()).args(arguments);
        command.stdin(Stdio::null()).envs(self.keys.iter().cloned());
        command
            .env("KILN_NODE", node)
            .env("KILN_STATE", self.path("state"))
            .env("KILN_KEYRING", self.path("keyring"));
        Ok(command)
    }

    fn run(&self, node: &str, arguments: &[&str]) -> Result<Output> {
        Ok(self.command(node, arguments)?.output()?)
    }

    /// Runs a command that must succeed, and gives its stdout.
    fn done(&self, node: &str, arguments: &[&str]) -> Result<String> {
        let output = self.run(node, arguments)?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{arguments:?}: {stderr}");
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Runs a command that must end with this code and say all of these words.
    fn fails(&self, node: &str, arguments: &[&str], code: i32, words: &[&str]) -> Result<()> {
        let output = self.run(node, arguments)?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.code() == Some(code),
            "{arguments:?} gave {:?} instead of {code}: {stderr}",
            output.status.code()
        );
        ensure!(stderr.contains("next: "), "{arguments:?}: {stderr}");
        for word in words {
            ensure!(stderr.contains(word), "{word:?} is not in: {stderr}");
        }
        Ok(())
    }

    /// A record of three versions: a file of several bricks, small ones, and a mounted DSU.
    fn record(&self, node: &str) -> Result<()> {
        let big = Random::new(1).bytes(BIG_BYTES);
        write_file(&self.path("big.bin"), &big)?;
        write_file(&self.path("note.txt"), b"first")?;
        write_file(&self.path("scan.bin"), &Random::new(2).bytes(5_000))?;
        let record = ["dsu", "create", "--key", "env:RECORD", "note.txt"];
        self.done(node, &record)?;
        self.done(node, &["dsu", "put", "env:RECORD", "big.bin", "/big.bin"])?;
        let images = ["dsu", "create", "--key", "env:IMAGES", "scan.bin"];
        self.done(node, &images)?;
        self.done(
            node,
            &["dsu", "mount", "env:RECORD", "/images", "env:IMAGES"],
        )?;
        Ok(())
    }

    fn export(&self, node: &str) -> Result<Vec<u8>> {
        self.done(node, &["dsu", "export", "env:RECORD", "record.car"])?;
        Ok(fs::read(self.path("record.car"))?)
    }
}

fn url(server: &Server) -> String {
    format!("http://{}", server.address())
}

/// A node that nobody may ask.
struct Forbidden(TcpListener);

impl Forbidden {
    fn new() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        Ok(Self(listener))
    }

    fn url(&self) -> Result<String> {
        Ok(format!("http://{}", self.0.local_addr()?))
    }

    fn was_left_alone(&self) -> bool {
        self.0
            .accept()
            .is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }
}

#[test]
fn a_record_moves_to_another_node_in_one_file() -> Result<()> {
    let (desk, from, to) = (Desk::new()?, Server::start("")?, Server::start("")?);
    let (here, there) = (url(&from), url(&to));
    desk.record(&here)?;
    let bytes = desk.export(&here)?;
    drop(from);

    let forbidden = Forbidden::new()?;
    let nowhere = forbidden.url()?;
    let said = desk.done(
        &nowhere,
        &["dsu", "verify", "--car", "record.car", "--json"],
    )?;
    let said: Value = serde_json::from_str(&said)?;
    assert_eq!(said["sound"], true);
    assert_eq!(said["dsus"][0]["versions"], 3);
    assert_eq!(said["dsus"][1]["versions"], 1);
    assert_eq!(said["bytes"], bytes.len());
    let verify = [
        "dsu",
        "verify",
        "--car",
        "record.car",
        "env:RECORD",
        "--json",
    ];
    let said: Value = serde_json::from_str(&desk.done(&nowhere, &verify)?)?;
    assert_eq!(said["opened"]["dsus"], 2);
    assert_eq!(said["opened"]["versions"], 4);
    assert_eq!(said["faults"], Value::Array(Vec::new()));
    assert!(forbidden.was_left_alone());

    let said = desk.done(&there, &["dsu", "import", "record.car", "--json"])?;
    let said: Value = serde_json::from_str(&said)?;
    assert_eq!(said["dsus"][0]["versions_added"], 3);
    assert_eq!(said["bricks_present"], 0);
    let cat = desk.run(&there, &["dsu", "cat", "env:RECORD", "/big.bin"])?;
    assert!(cat.stdout == fs::read(desk.path("big.bin"))?);
    let cat = desk.run(&there, &["dsu", "cat", "env:RECORD", "/images/scan.bin"])?;
    assert!(cat.stdout == fs::read(desk.path("scan.bin"))?);
    desk.done(&there, &["dsu", "verify", "env:RECORD"])?;
    // The same again, through pipes.
    let mut export = desk
        .command(&there, &["dsu", "export", "env:RECORD", "-"])?
        .stdout(Stdio::piped())
        .spawn()?;
    let pipe = export.stdout.take().context("no stdout")?;
    let mut import = desk.command(&there, &["dsu", "import", "-", "--json"])?;
    let import = import.stdin(pipe).output()?;
    assert!(export.wait()?.success());
    let said: Value = serde_json::from_slice(&import.stdout)?;
    assert_eq!(said["bricks_stored"], 0, "{said}");
    assert_eq!(said["dsus"][0]["versions_before"], 3);
    Ok(())
}

#[test]
fn both_nodes_have_the_same() -> Result<()> {
    let (desk, from, to) = (Desk::new()?, Server::start("")?, Server::start("")?);
    let (here, there) = (url(&from), url(&to));
    desk.record(&here)?;
    desk.export(&here)?;
    desk.done(&there, &["dsu", "import", "record.car"])?;
    for version in ["0", "1", "2"] {
        let diff = [
            "dsu",
            "diff",
            "env:RECORD",
            "--at",
            version,
            "--to",
            version,
            "--other-node",
            &there,
            "--json",
        ];
        let said: Value = serde_json::from_str(&desk.done(&here, &diff)?)?;
        assert_eq!(said["identical"], true, "{said}");
    }
    let history = ["dsu", "history", "env:RECORD", "--json"];
    assert_eq!(desk.done(&here, &history)?, desk.done(&there, &history)?);
    write_file(&desk.path("note.txt"), b"second")?;
    desk.done(
        &there,
        &["dsu", "put", "env:RECORD", "note.txt", "/note.txt"],
    )?;
    let diff = [
        "dsu",
        "diff",
        "env:RECORD",
        "--other-node",
        &there,
        "--json",
    ];
    // Who has seen the newer history takes the older one for a rollback; who has not, compares.
    desk.fails(&here, &diff, 11, &["older history"])?;
    let mut command = desk.command(&here, &diff)?;
    let output = command.env("KILN_STATE", desk.path("state2")).output()?;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    Ok(())
}

#[test]
fn what_goes_wrong_has_its_exit_code_and_leaves_nothing() -> Result<()> {
    let (desk, from) = (Desk::new()?, Server::start("")?);
    let here = url(&from);
    desk.record(&here)?;
    desk.export(&here)?;
    let export = ["dsu", "export", "env:RECORD", "record.car"];
    desk.fails(&here, &export, 7, &["record.car exists already"])?;
    desk.done(
        &here,
        &["dsu", "export", "env:RECORD", "record.car", "--force"],
    )?;
    desk.fails(
        &here,
        &["dsu", "export", "env:OTHER", "other.car"],
        5,
        &["no DSU"],
    )?;
    let liar = Liar::before(from.address())?;
    for route in [Route::GetBrick, Route::GetBricks] {
        liar.tell(Rule::new(route, Lie::Instead(404, String::new())));
    }
    let lost = ["dsu", "export", "env:RECORD", "lost.car"];
    desk.fails(&liar.url(), &lost, 8, &["version 0", "brick"])?;
    desk.fails(&here, &["dsu", "import", "lost.car"], 3, &["lost.car"])?;
    desk.fails(&here, &["dsu", "import", "note.txt"], 12, &["note.txt"])?;
    let elsewhere = Server::start("[[domain]]\nname = \"elsewhere\"\n")?;
    let import = ["dsu", "import", "record.car"];
    desk.fails(&url(&elsewhere), &import, 13, &["default"])?;
    desk.fails("http://127.0.0.1:9", &import, 4, &[])?;
    let verify = ["dsu", "verify", "--car", "record.car", "env:OTHER"];
    desk.fails(&here, &verify, 5, &["holds no DSU of this key"])?;

    let other = Server::start("")?;
    desk.done(&url(&other), &import)?;
    let put = ["dsu", "put", "env:RECORD", "scan.bin", "/scan.bin"];
    desk.done(&url(&other), &put)?;
    write_file(&desk.path("note.txt"), b"another way")?;
    let put = ["dsu", "put", "env:RECORD", "note.txt", "/note.txt"];
    // A memory of its own: this is another writer.
    let mut command = desk.command(&here, &put)?;
    ensure!(
        command
            .env("KILN_STATE", desk.path("state2"))
            .output()?
            .status
            .success()
    );
    let mut command = desk.command(&here, &["dsu", "export", "env:RECORD", "way.car"])?;
    ensure!(
        command
            .env("KILN_STATE", desk.path("state2"))
            .output()?
            .status
            .success()
    );
    desk.fails(
        &url(&other),
        &["dsu", "import", "way.car"],
        7,
        &["version 3"],
    )?;

    let names = fs::read_dir(desk.folder.path())?.map(|it| Ok(it?.file_name()));
    let mut names: Vec<_> = names.collect::<Result<_>>()?;
    names.sort();
    let expected = [
        "big.bin",
        "note.txt",
        "record.car",
        "scan.bin",
        "state",
        "state2",
        "way.car",
    ];
    assert_eq!(names, expected);
    Ok(())
}

#[test]
fn cut_and_changed_archives_are_refused_by_every_command() -> Result<()> {
    let (desk, node) = (Desk::new()?, Server::start("")?);
    desk.record(&url(&node))?;
    let bytes = desk.export(&url(&node))?;
    let forbidden = Forbidden::new()?;
    let nowhere = forbidden.url()?;
    let mut random = Random::announced("archives, cut and changed")?;
    let places = [0, 1, 58, 59, 100, bytes.len() - 1];
    let places = places
        .into_iter()
        .chain((0..10).map(|_| random.index(bytes.len())));
    for place in places.collect::<Vec<_>>() {
        let mut changed = bytes.clone();
        changed[place] ^= u8::try_from(1 + random.below(255))?;
        for (what, damaged) in [("cut", &bytes[..place]), ("changed", &changed)] {
            write_file(&desk.path("damaged.car"), damaged)?;
            for command in [
                &["dsu", "verify", "--car", "damaged.car"][..],
                &["dsu", "import", "damaged.car"],
            ] {
                desk.fails(&nowhere, command, 12, &["damaged.car"])
                    .with_context(|| format!("{what} at byte {place}"))?;
            }
        }
    }
    assert!(forbidden.was_left_alone());
    Ok(())
}

#[test]
fn a_reader_that_is_not_ours_reads_it() -> Result<()> {
    let Some(modules) = std::env::var_os(READER_VARIABLE) else {
        eprintln!("skipped: {READER_VARIABLE} names no folder with the npm package @ipld/car");
        return Ok(());
    };
    let (desk, node) = (Desk::new()?, Server::start("")?);
    desk.record(&url(&node))?;
    desk.export(&url(&node))?;
    let folder = tempfile::tempdir()?;
    // Modules are found beside the script.
    let script = folder.path().join("read-car.mjs");
    write_file(&script, include_bytes!("read-car.mjs"))?;
    let modules = fs::canonicalize(Path::new(&modules))?;
    std::os::unix::fs::symlink(modules, folder.path().join("node_modules"))?;
    let mut reader = Command::new("node");
    let read = reader.arg(&script).arg(desk.path("record.car")).output()?;
    let stderr = String::from_utf8_lossy(&read.stderr);
    ensure!(read.status.success(), "{stderr}");
    let said: Value = serde_json::from_slice(&read.stdout)?;
    let verify = ["dsu", "verify", "--car", "record.car", "--json"];
    let ours: Value = serde_json::from_str(&desk.done(&url(&node), &verify)?)?;
    assert_eq!(said["roots"].as_array().map(Vec::len), Some(1));
    assert_eq!(said["format"], "kiln-dsu-archive");
    assert_eq!(said["version"], 1);
    assert_eq!(said["versions"], serde_json::json!([3, 1]));
    assert_eq!(
        said["blocks"].as_u64(),
        ours["bricks"].as_u64().map(|it| it + 1)
    );
    assert_eq!(said["missing"], Value::Array(Vec::new()));
    assert_eq!(said["unlinked"], Value::Array(Vec::new()));
    Ok(())
}
