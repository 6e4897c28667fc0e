//! The systemd unit: systemd accepts it, it gives away little, and the node speaks its protocol.

use std::io::Write as _;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use testkit::binaries::{self, Binary};
use testkit::process::NodeProcess;
use testkit::server::write_file;

use crate::{deploy, text};

const UNIT: &str = "systemd/kiln.service";
/// The highest exposure that is good enough, in tenths.
const EXPOSURE_MAX: u32 = 20;
/// How long a message of the node to its manager may take; opening a store takes a second.
const MESSAGE_WAIT: Duration = Duration::from_mins(1);

fn analyze(arguments: &[&str], file: &Path) -> Output {
    Command::new("systemd-analyze")
        .args(arguments)
        .arg(file)
        .env("SYSTEMD_PAGER", "cat")
        .output()
        .unwrap_or_else(|error| panic!("systemd-analyze (.ci/tools installs it): {error}"))
}

#[test]
fn systemd_accepts_the_unit() {
    let folder = tempfile::tempdir().unwrap();
    let kiln = binaries::path(Binary::Kiln).unwrap();
    // The program is not installed where the tests run; everything else stays as it is.
    let unit = text(UNIT).replace("/usr/bin/kiln", &kiln.display().to_string());
    let file = folder.path().join("kiln.service");
    write_file(&file, unit.as_bytes()).unwrap();
    let output = analyze(&["verify", "--recursive-errors=no", "--man=no"], &file);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert!(!stderr.contains("kiln.service"), "{stderr}");
}

#[test]
fn the_unit_exposes_little() {
    let output = analyze(&["security", "--offline=true", "--no-pager"], &deploy(UNIT));
    let stdout = String::from_utf8_lossy(&output.stdout);
    let overall = stdout
        .lines()
        .find_map(|line| line.split_once("exposure level for kiln.service: "))
        .map_or_else(|| panic!("no verdict in {stdout}"), |(_, rest)| rest);
    let number = overall.split(' ').next().unwrap();
    let (whole, tenth) = number.split_once('.').unwrap();
    let tenths = whole.parse::<u32>().unwrap() * 10 + tenth.parse::<u32>().unwrap();
    // Past the capture of the test's output: the figure is to be read.
    writeln!(
        std::io::stderr(),
        "systemd-analyze security: exposure {number}"
    )
    .unwrap();
    assert!(tenths <= EXPOSURE_MAX, "exposure {number}:\n{stdout}");
}

#[test]
fn a_stop_is_given_more_time_than_it_takes() {
    let unit = text(UNIT);
    let seconds = unit
        .lines()
        .find_map(|line| line.strip_prefix("TimeoutStopSec="))
        .unwrap();
    // limits.stop_ms_max is at most eight seconds; what is left over gets another.
    assert!(seconds.parse::<u32>().unwrap() >= 15);
}

#[test]
fn the_node_tells_its_manager_when_it_listens_and_when_it_stops() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    manager.set_read_timeout(Some(MESSAGE_WAIT)).unwrap();
    let data = folder.path().join("data");
    let launch = testkit::process::Launch::kiln_serve(&data, None).unwrap();
    let node = NodeProcess::start(&launch.env("NOTIFY_SOCKET", &socket)).unwrap();
    let said = || {
        let mut buffer = [0; 64];
        let length = manager.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    assert_eq!(said(), "READY=1");
    let status = node.stop().unwrap();
    assert_eq!(said(), "STOPPING=1");
    assert!(status.success(), "{status}");
}
