//! From the first line on stdout to the end after SIGTERM.

use std::net::{SocketAddr, TcpStream};
use std::process::ExitStatus;
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use testkit::http::{ANSWER_WAIT, Connection};
use testkit::process::{Launch, NodeProcess, ProcessError};
use testkit::server::Server;

/// A stop takes no longer, whatever clients do; a good deal more than it needs, for a busy machine.
const STOP_MAX: Duration = Duration::from_secs(30);
/// A stop with nothing in flight on a busy machine.
const IDLE_STOP_MAX: Duration = Duration::from_secs(20);

/// A SIGTERM on its way: the status, and how long the end took.
type Stopping = JoinHandle<Result<(ExitStatus, Duration), ProcessError>>;

fn send_term(process: NodeProcess) -> Stopping {
    thread::spawn(move || {
        let began = Instant::now();
        Ok((process.stop()?, began.elapsed()))
    })
}

fn check_stopped(stopping: Stopping, within: Duration) -> Result<()> {
    let Ok(ended) = stopping.join() else {
        bail!("the waiting thread failed")
    };
    let (status, took) = ended?;
    assert!(status.success(), "{status}");
    assert!(took < within, "the stop took {took:?}");
    Ok(())
}

/// Waits until the node takes no more connections, the first sign of a stop.
fn wait_until_closed(address: SocketAddr) -> Result<()> {
    let deadline = Instant::now() + IDLE_STOP_MAX;
    while TcpStream::connect(address).is_ok() {
        if Instant::now() > deadline {
            bail!("{address} still takes connections");
        }
        sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Begins a `put-brick` and waits until the node reads its body.
fn begin_put(address: SocketAddr, length: usize) -> Result<Connection> {
    let mut connection = Connection::open(address, ANSWER_WAIT)?;
    let head = format!(
        "PUT /bricking/default/put-brick HTTP/1.1\r\nHost: localhost\r\n\
         Content-Length: {length}\r\nExpect: 100-continue\r\n\r\n"
    );
    connection.send_bytes(head.as_bytes())?;
    assert_eq!(connection.read_interim()?, 100);
    Ok(connection)
}

#[test]
fn the_line_on_stdout_tells_a_port_that_answers_and_sigterm_ends_it() -> Result<()> {
    let servers = [Server::start("")?, Server::start("")?];
    let ports = servers.each_ref().map(|it| it.address().port());
    assert!(ports[0] != 0 && ports[0] != ports[1], "{ports:?}");
    for server in servers {
        assert_eq!(server.fetch("/livez")?.status, 200);
        let address = server.address();
        // A connection that is kept alive is in nobody's way.
        let mut idle = server.connect()?;
        let request = server.request("GET", "/livez");
        assert_eq!(idle.send(&request)?.status, 200);
        let untouched = server.connect()?;
        let (process, _folder) = server.into_parts();
        check_stopped(send_term(process), IDLE_STOP_MAX)?;
        assert!(idle.wait_for_close()?.is_empty());
        assert!(TcpStream::connect(address).is_err());
        drop(untouched);
    }
    Ok(())
}

#[test]
fn a_slow_put_that_completes_after_sigterm_is_stored() -> Result<()> {
    let server = Server::start("")?;
    let address = server.address();
    let data = server.data();
    let brick = vec![7; 200_000];
    let mut slow = begin_put(address, brick.len())?;
    let (first, rest) = brick.split_at(1000);
    slow.send_bytes(first)?;
    let (process, _folder) = server.into_parts();
    let stopping = send_term(process);
    wait_until_closed(address)?;
    slow.send_bytes(rest)?;
    let reply = slow.read_reply("PUT")?;
    assert_eq!(reply.status, 201, "{}", reply.text());
    assert!(slow.wait_for_close()?.is_empty());
    check_stopped(stopping, STOP_MAX)?;

    let name: serde_json::Value = serde_json::from_slice(&reply.body)?;
    let name = name.get("message").and_then(serde_json::Value::as_str);
    let name = name.context("no name")?;
    let node = NodeProcess::start(&Launch::kiln_serve(&data, None)?)?;
    let target = format!("/bricking/default/get-brick/{name}");
    let request = testkit::http::Request::to(node.address(), "GET", &target);
    let found = testkit::http::ask(node.address(), &request)?;
    assert!(
        found.status == 200 && found.body == brick,
        "{}",
        found.status
    );
    Ok(())
}

/// A client that never sends the rest, one that never reads its answer, one that never ends its
/// header. Nothing but the time to stop ends them while the test waits.
#[test]
fn stalled_clients_do_not_keep_a_stop_from_ending() -> Result<()> {
    let config = "[limits]\nstop_ms_max = 2000\nheader_ms_max = 300000\n\
                  body_idle_ms_max = 300000\nwrite_stall_ms_max = 300000";
    let server = Server::start(config)?;
    let address = server.address();
    let large = vec![9; 16 << 20];
    let reply = server.put("/bricking/default/put-brick", large)?;
    let name: serde_json::Value = serde_json::from_slice(&reply.body)?;
    let name = name.get("message").and_then(serde_json::Value::as_str);
    let get = format!(
        "GET /bricking/default/get-brick/{} HTTP/1.1\r\nHost: localhost\r\n\r\n",
        name.context("no name")?
    );
    let mut writer = begin_put(address, 1000)?;
    writer.send_bytes(b"no more than this")?;
    let mut reader = server.connect()?;
    reader.send_bytes(get.repeat(8).as_bytes())?;
    let mut talker = server.connect()?;
    talker.send_bytes(b"GET /livez HTTP/1.1\r\nHo")?;
    let (process, _folder) = server.into_parts();
    let stopping = send_term(process);
    wait_until_closed(address)?;
    check_stopped(stopping, STOP_MAX)
}

/// Clients that write as fast as they can: each answer of 201 is kept, and no
/// client hears nothing.
#[test]
fn what_was_granted_while_stopping_is_there_after_the_next_start() -> Result<()> {
    let server = Server::start("")?;
    let address = server.address();
    let data = server.data();
    let writers: Vec<_> = (0..4_u8)
        .map(|writer| thread::spawn(move || write_until_closed(address, writer)))
        .collect();
    // Some writes are under way before the signal.
    let deadline = Instant::now() + ANSWER_WAIT;
    while server.fetch("/versionlessdsu/0/20")?.status != 200 {
        assert!(Instant::now() < deadline, "the writers do not get on");
    }
    let (process, _folder) = server.into_parts();
    check_stopped(send_term(process), STOP_MAX)?;
    let node = NodeProcess::start(&Launch::kiln_serve(&data, None)?)?;
    for (writer, thread) in (0_u8..).zip(writers) {
        let Ok(granted) = thread.join() else {
            bail!("writer {writer} failed")
        };
        for count in 0..granted {
            let target = format!("/versionlessdsu/{writer}/{count}");
            let request = testkit::http::Request::to(node.address(), "GET", &target);
            let reply = testkit::http::ask(node.address(), &request)?;
            assert_eq!((reply.status, reply.text()), (200, count.to_string()));
        }
    }
    Ok(())
}

/// Writes one document after the other on one connection; how many were granted.
fn write_until_closed(address: SocketAddr, writer: u8) -> u32 {
    let Ok(mut connection) = Connection::open(address, ANSWER_WAIT) else {
        return 0;
    };
    let mut granted = 0;
    loop {
        let target = format!("/versionlessdsu/{writer}/{granted}");
        let request = testkit::http::Request::to(address, "PUT", &target);
        match connection.send(&request.body(granted.to_string())) {
            Ok(reply) if reply.status == 200 => granted += 1,
            _ => return granted,
        }
    }
}

/// Who reads the line may ask for the end at once.
#[test]
fn a_signal_right_after_the_line_is_not_too_early() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let launch = Launch::kiln_serve(&folder.path().join("data"), None)?;
    for round in 0..15 {
        let status = NodeProcess::start(&launch)?.stop()?;
        assert_eq!(status.code(), Some(0), "round {round}: {status}");
    }
    Ok(())
}

#[test]
fn a_hangup_ends_no_node_also_where_there_is_nothing_to_reload() -> Result<()> {
    let server = Server::start("")?;
    server.process().hang_up()?;
    // The signal is handled before a later one: the good end is that of SIGTERM.
    let (process, _folder) = server.into_parts();
    let status = process.stop()?;
    assert_eq!(status.code(), Some(0), "{status}");
    Ok(())
}
