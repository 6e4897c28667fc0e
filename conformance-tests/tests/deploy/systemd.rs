//! The systemd units: systemd accepts them, they give away little, and the node speaks the protocol.

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
const UNITS: [&str; 3] = [
    UNIT,
    "systemd/kiln-backup.service",
    "systemd/kiln-backup.timer",
];
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
fn systemd_accepts_the_units() {
    let folder = tempfile::tempdir().unwrap();
    let kiln = binaries::path(Binary::Kiln).unwrap();
    let files = UNITS.map(|unit| {
        // The program is not installed where the tests run; everything else stays as it is.
        let program = kiln.display().to_string();
        let text = text(unit).replace("ExecStart=/usr/bin/kiln", &format!("ExecStart={program}"));
        let file = folder.path().join(Path::new(unit).file_name().unwrap());
        write_file(&file, text.as_bytes()).unwrap();
        file
    });
    for file in files {
        let output = analyze(&["verify", "--recursive-errors=no", "--man=no"], &file);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {stderr}", file.display());
        assert!(!stderr.contains("kiln"), "{}: {stderr}", file.display());
    }
}

#[test]
fn the_units_expose_little() {
    let services = UNITS.iter().filter(|unit| unit.ends_with(".service"));
    for unit in services {
        let arguments = ["security", "--offline=true", "--no-pager"];
        let output = analyze(&arguments, &deploy(unit));
        let stdout = String::from_utf8_lossy(&output.stdout);
        let overall = stdout
            .lines()
            .find_map(|line| line.split_once("exposure level for "))
            .map_or_else(|| panic!("no verdict in {stdout}"), |(_, rest)| rest);
        let (_, number) = overall.split_once(": ").unwrap();
        let number = number.split(' ').next().unwrap();
        let (whole, tenth) = number.split_once('.').unwrap();
        let tenths = whole.parse::<u32>().unwrap() * 10 + tenth.parse::<u32>().unwrap();
        // Past the capture of the test's output: the figure is to be read.
        writeln!(
            std::io::stderr(),
            "systemd-analyze security: {unit}: exposure {number}"
        )
        .unwrap();
        assert!(tenths <= EXPOSURE_MAX, "exposure {number}:\n{stdout}");
    }
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
