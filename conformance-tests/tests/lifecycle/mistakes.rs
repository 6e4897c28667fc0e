//! Every mistake of an operator ends the start with a message that names it and
//! says what to do.

use std::ffi::OsStr;
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use anyhow::Result;
use testkit::binaries::Binary;
use testkit::process::{Launch, NodeProcess};
use testkit::server::{Server, write_file};

use crate::{FAILED, USAGE, check_fails};

/// `kiln serve` on loopback with a data folder that is fine.
fn serve(folder: &Path) -> Result<Launch> {
    Ok(Launch::kiln_serve(&folder.join("data"), None)?)
}

#[test]
fn mistakes_in_the_configuration_file_are_named() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("mistake.toml");
    let check = |text: &str, parts: &[&str]| -> Result<()> {
        write_file(&file, text.as_bytes())?;
        let launch = serve(folder.path())?.arg("--config").arg(&file);
        check_fails(text, &launch, FAILED, parts)
    };
    let name = "mistake.toml";
    // Errors of form point at the line.
    check(
        "[node]\nlistne = \"x\"",
        &[name, "listne", "listen", "line 2"],
    )?;
    check("[nodes]\nlisten = \"x\"", &[name, "nodes", "node"])?;
    check("top = 1", &[name, "top"])?;
    check("[[domain]]\nnames = \"a\"", &[name, "names"])?;
    check("[[domain]]", &[name, "name"])?;
    check("[node", &[name, "line 1"])?;
    check("{}", &[name, "line 1"])?;
    check("[node]\nlisten = 8080", &[name, "line 2"])?;
    check(
        "[node]\nlisten = \"here\"",
        &[name, "socket address", "line 2"],
    )?;
    check("[node]\nlisten = \"127.0.0.1\"", &[name, "socket address"])?;
    check("[node]\nread_only = \"yes\"", &[name, "boolean", "line 2"])?;
    check(
        "[node]\nlog_format = \"xml\"",
        &[name, "xml", "human", "json"],
    )?;
    check("[limits]\nconnections_max = -1", &[name, "line 2"])?;
    check("[limits]\nbrick_bytes_max = 1.5", &[name, "line 2"])?;
    check(
        "[[domain]]\nname = \"$HOME\"",
        &[name, "domain name", "line 2"],
    )?;
    check("[[domain]]\nname = \"\"", &[name, "not empty"])?;
    // Errors of sense name the key.
    check(
        "[limits]\nconnections_max = 0",
        &["limits.connections_max", "between 1 and"],
    )?;
    check(
        "[limits]\nstop_ms_max = 10000",
        &["limits.stop_ms_max", "8000"],
    )?;
    check(
        "[limits]\nbrick_bytes_max = 1",
        &["limits.brick_bytes_max", "10000064"],
    )?;
    check(
        "[limits]\nbody_bytes_in_flight_max = 1000",
        &["limits.body_bytes_in_flight_max"],
    )?;
    check(
        "[rate_limit]\nburst = 0",
        &["rate_limit.burst", "at least 1"],
    )?;
    check(
        "[limits.anonymous]\nrequests_per_second = 0",
        &["limits.anonymous: requests_per_second is 0", "at least 1"],
    )?;
    check(
        "[limits.credential]\nanchors = 5",
        &["unknown field `anchors`"],
    )?;
    check(
        "[[domain]]\nname = \"a\"\nquota = { requests_burst = 5 }",
        &["domain a: quota: requests_burst", "requests_per_second"],
    )?;
    check(
        "[scrub]\nbytes_per_second = 0",
        &["scrub.bytes_per_second", "at least 1"],
    )?;
    let twice = "[[domain]]\nname = \"a\"\n[[domain]]\nname = \"a\"";
    check(twice, &["domain a stands twice"])?;
    let log =
        |name: &str| format!("[[domain]]\nname = {name:?}\n[domain.log]\norigin = \"one.log\"\n");
    check(
        &(log("a") + &log("b")),
        &["log.origin one.log stands twice"],
    )
}

#[test]
fn mistakes_in_the_environment_are_named() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let check = |name: &str, value: &str, parts: &[&str]| -> Result<()> {
        let launch = serve(folder.path())?.env(name, value);
        let parts = [&[name], parts].concat();
        check_fails(&format!("{name}={value}"), &launch, FAILED, &parts)
    };
    check("KILN__NODE__LISTNE", "127.0.0.1:0", &["listne"])?;
    check("KILN__NODES__LISTEN", "127.0.0.1:0", &["nodes"])?;
    check("KILN__NODE__LISTEN", "here", &["socket address"])?;
    check("KILN__NODE__READ_ONLY", "yes", &["boolean", "read_only"])?;
    check(
        "KILN__LIMITS__CONNECTIONS_MAX",
        "many",
        &["connections_max"],
    )?;
    check(
        "KILN__LIMITS__CONNECTIONS_MAX",
        "0",
        &["limits.connections_max"],
    )?;
    check("KILN__NODE", "1", &["KILN__SECTION__KEY"])?;
    check("KILN__", "1", &["KILN__SECTION__KEY"])?;
    check("KILN__DOMAIN__NAME", "a", &["domain"])?;
    let odd = OsStr::from_bytes(b"/srv/\xff");
    let launch = serve(folder.path())?.env("KILN__CORS__ORIGINS", odd);
    check_fails(
        "not text",
        &launch,
        FAILED,
        &["KILN__CORS__ORIGINS", "UTF-8"],
    )
}

/// Other programs' variables are none of our business, whatever they hold.
#[test]
fn foreign_variables_do_not_matter() -> Result<()> {
    let server = Server::start_with("", |launch, _| {
        let odd = OsStr::from_bytes(b"caf\xe9");
        launch.env("FOREIGN", odd).env("KILNS__NODE__X", "1")
    })?;
    assert_eq!(server.fetch("/livez")?.status, 200);
    Ok(())
}

#[test]
fn mistakes_on_the_command_line_are_named() -> Result<()> {
    let kiln = Launch::of(Binary::Kiln)?;
    let check = |arguments: &[&str], parts: &[&str]| -> Result<()> {
        let launch = arguments.iter().fold(kiln.clone(), Launch::arg);
        check_fails(&arguments.join(" "), &launch, USAGE, parts)
    };
    check(&[], &["Usage"])?;
    check(&["sevre"], &["sevre", "serve"])?;
    check(&["serve", "--listne", "x"], &["--listne", "--listen"])?;
    check(&["serve", "--listen", "here"], &["here", "--listen"])?;
    check(
        &["serve", "--listen", "localhost:80"],
        &["localhost:80", "--listen", "such as 127.0.0.1:8080"],
    )?;
    check(&["serve", "--data"], &["--data"])?;
    check(&["serve", "here"], &["here"])?;
    check(&["store"], &["Usage"])?;
    check(&["store", "chekc"], &["chekc"])?;
    for binary in [Binary::BricksServer, Binary::AnchorService] {
        let launch = Launch::of(binary)?.arg("--listen").arg("here");
        check_fails(binary.name(), &launch, USAGE, &["here", "--listen"])?;
    }
    Ok(())
}

#[test]
fn folders_and_files_that_cannot_be_used_are_named() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("a-file");
    write_file(&file, b"")?;
    let data = |path: &Path| -> Result<Launch> { Ok(Launch::kiln_serve(path, None)?) };
    let advice = "--data";
    let named = file.display().to_string();
    check_fails(
        "a file",
        &data(&file)?,
        FAILED,
        &[&named, "not a folder", advice],
    )?;
    let below = file.join("data");
    let named = below.display().to_string();
    check_fails("below a file", &data(&below)?, FAILED, &[&named, advice])?;
    // The kernel's own folder takes no files from anybody, root included.
    let kernel = Path::new("/proc");
    check_fails("not writable", &data(kernel)?, FAILED, &["/proc", advice])?;
    let below = kernel.join("kiln-data");
    let named = below.display().to_string();
    check_fails("cannot be made", &data(&below)?, FAILED, &[&named, advice])?;
    for binary in [Binary::BricksServer, Binary::AnchorService] {
        let launch = Launch::of(binary)?.arg("--listen").arg("127.0.0.1:0");
        let launch = launch.arg("--data").arg(&file);
        check_fails(binary.name(), &launch, FAILED, &["not a folder", advice])?;
    }
    let config =
        |path: &Path| -> Result<Launch> { Ok(serve(folder.path())?.arg("--config").arg(path)) };
    let missing = folder.path().join("missing.toml");
    check_fails(
        "no file",
        &config(&missing)?,
        FAILED,
        &["missing.toml", "No such file"],
    )?;
    check_fails(
        "a folder",
        &config(folder.path())?,
        FAILED,
        &["configuration file"],
    )?;
    write_file(&file, b"\xff\xfe")?;
    check_fails("not text", &config(&file)?, FAILED, &["a-file", "UTF-8"])
}

#[test]
fn an_address_that_cannot_be_had_is_named() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let check = |listen: &str, parts: &[&str]| -> Result<()> {
        let launch = Launch::of(Binary::Kiln)?
            .arg("serve")
            .arg("--listen")
            .arg(listen);
        let launch = launch
            .env("KILN__NODE__PLAINTEXT_BEYOND_LOOPBACK", "true")
            .env("KILN__ACCESS__ANONYMOUS", "anchor")
            .env("KILN__NODE__LOG_ORIGIN_PREFIX", "logs.example");
        check_fails(listen, &launch.arg("--data").arg(&data), FAILED, parts)
    };
    let listen = taken.local_addr()?.to_string();
    check(&listen, &[&listen, "in use", "--listen 127.0.0.1:0"])?;
    // An address of nobody (RFC 5737).
    check("192.0.2.1:8080", &["192.0.2.1:8080", "cannot listen"])?;
    drop(taken);
    // What failed has left the folder as good as new, but for the key of the log of that name.
    let launch = Launch::kiln_serve(&data, None)?;
    let launch = launch.env("KILN__NODE__LOG_ORIGIN_PREFIX", "logs.example");
    assert!(NodeProcess::start(&launch)?.stop()?.success());
    Ok(())
}

#[test]
fn a_folder_in_use_is_refused_and_its_node_goes_on() -> Result<()> {
    let server = Server::start("")?;
    let data = server.data();
    let named = data.display().to_string();
    let parts = [&*named, "in use by another process", "stop that one"];
    check_fails("kiln", &Launch::kiln_serve(&data, None)?, FAILED, &parts)?;
    for binary in [Binary::BricksServer, Binary::AnchorService] {
        let launch = Launch::of(binary)?.arg("--listen").arg("127.0.0.1:0");
        check_fails(
            binary.name(),
            &launch.arg("--data").arg(&data),
            FAILED,
            &parts,
        )?;
    }
    assert_eq!(
        server.put("/bricking/default/put-brick", *b"x")?.status,
        201
    );
    let (process, _folder) = server.into_parts();
    assert!(process.stop()?.success());
    let next = NodeProcess::start(&Launch::kiln_serve(&data, None)?)?;
    assert!(next.stop()?.success());
    Ok(())
}
