//! The memory of the command while a large file goes up and comes down: bounded, whatever the size.
//!
//! `KILN_MEMORY_BYTES` sets the size of the file. The peak is the kernel's own figure (`VmHWM`),
//! read while the process lives.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::env;
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use testkit::binaries::{self, Binary};
use testkit::memory::Resident;
use testkit::random::Random;
use testkit::server::Server;

/// What a client may hold at its peak, whatever it moves.
const PEAK_BYTES_MAX: u64 = 150_000_000;
/// The size of the file unless the environment names another.
const FILE_BYTES: u64 = 256 * 1024 * 1024;
/// Bytes generated and compared at a time.
const BLOCK_BYTES: usize = 1024 * 1024;
/// How often the peak is read. It never falls, so only what comes after the last look is missed.
const POLL: Duration = Duration::from_millis(2);

#[test]
fn a_large_file_goes_up_and_comes_down_in_little_memory() -> Result<()> {
    let bytes = env::var("KILN_MEMORY_BYTES").map_or(Ok(FILE_BYTES), |text| text.parse())?;
    let (server, folder) = (Server::start("")?, tempfile::tempdir()?);
    let folder = folder.path();
    let kiln = |arguments: &[&str]| -> Result<u64> { peak(&server, folder, arguments) };
    write_blocks(&folder.join("large"), bytes)?;
    kiln(&["dsu", "create", "--out", "key"])?;
    let up = kiln(&["dsu", "put", "file:key", "large"])?;
    let down = kiln(&["dsu", "get", "file:key", "/large", "copy"])?;
    eprintln!("{bytes} bytes: at most {up} bytes of memory up, {down} down");
    assert!(
        is_same(&folder.join("large"), &folder.join("copy"))?,
        "the copy differs"
    );
    assert!(up < PEAK_BYTES_MAX, "{up} bytes of memory for the upload");
    assert!(
        down < PEAK_BYTES_MAX,
        "{down} bytes of memory for the download"
    );
    Ok(())
}

/// Runs `kiln` to its end and gives the most memory that it held.
fn peak(server: &Server, folder: &Path, arguments: &[&str]) -> Result<u64> {
    let mut command = Command::new(binaries::path(Binary::Kiln)?);
    command
        .current_dir(folder)
        .args(arguments)
        .env("KILN_NODE", format!("http://{}", server.address()))
        .env("KILN_STATE", folder.join("state"))
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let mut child = command.spawn()?;
    let mut most = 0;
    let status = loop {
        // A process that has just ended has no memory any more.
        if let Ok(resident) = Resident::of(child.id()) {
            most = resident.most;
        }
        if let Some(status) = child.try_wait()? {
            break status;
        }
        thread::sleep(POLL);
    };
    ensure!(status.success(), "kiln {arguments:?} ended with {status}");
    ensure!(most > 0, "the memory of kiln {arguments:?} was never seen");
    Ok(most)
}

fn write_blocks(path: &Path, bytes: u64) -> Result<()> {
    let mut random = Random::new(1);
    let mut file = BufWriter::new(File::options().write(true).create_new(true).open(path)?);
    let mut left = bytes;
    while left > 0 {
        let count = usize::try_from(left)?.min(BLOCK_BYTES);
        file.write_all(&random.bytes(count))?;
        left -= count as u64;
    }
    Ok(file.flush()?)
}

fn is_same(one: &Path, other: &Path) -> Result<bool> {
    if fs::metadata(one)?.len() != fs::metadata(other)?.len() {
        return Ok(false);
    }
    let open = |path| Ok::<_, std::io::Error>(BufReader::new(File::open(path)?));
    let (mut one, mut other) = (open(one)?, open(other)?);
    let (mut left, mut right) = (vec![0; BLOCK_BYTES], vec![0; BLOCK_BYTES]);
    loop {
        let count = one.read(&mut left)?;
        if count == 0 {
            return Ok(true);
        }
        other.read_exact(&mut right[..count])?;
        if left[..count] != right[..count] {
            return Ok(false);
        }
    }
}
