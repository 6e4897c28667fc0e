//! The client against scripted peers on loopback.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::*;

const LIMIT: Duration = Duration::from_secs(20);

/// A peer that accepts one connection and runs `script` on it.
fn peer<T: Send + 'static>(
    script: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (SocketAddr, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let run = move || script(listener.accept().unwrap().0);
    (address, thread::spawn(run))
}

/// Reads until `end` has been seen.
fn read_to(stream: &mut TcpStream, end: &str) -> String {
    let mut seen = Vec::new();
    while !seen.ends_with(end.as_bytes()) {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        seen.push(byte[0]);
    }
    String::from_utf8(seen).unwrap()
}

#[test]
fn bytes_go_out_as_given_and_the_connection_is_kept() {
    let (address, peer) = peer(|mut stream| {
        let first = read_to(&mut stream, "abc");
        stream
            .write_all(b"HTTP/1.1 201 Created\r\nX: 1\r\ncontent-length: 2\r\n\r\nok")
            .unwrap();
        let second = read_to(&mut stream, "0\r\n\r\n");
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3;x=y\r\none\r\n3\r\ntwo\r\n0\r\nT: 1\r\n\r\n").unwrap();
        (first, second)
    });
    let mut connection = Connection::open(address, LIMIT).unwrap();
    let request = Request::new("PUT", "/a/../%2F?q")
        .header("hOst", "h")
        .body(*b"abc");
    let reply = connection.send(&request).unwrap();
    assert_eq!(
        (reply.status, reply.header("x"), reply.text().as_str()),
        (201, Some("1"), "ok")
    );
    assert!(connection.is_usable());
    let request = Request {
        body: Body::Chunked(b"xyz".to_vec()),
        ..Request::new("FOO", "*")
    };
    let reply = connection.send(&request).unwrap();
    assert_eq!((reply.text().as_str(), reply.closes), ("onetwo", true));
    assert!(!connection.is_usable());
    assert!(matches!(connection.send(&request), Err(HttpError::Closed)));
    let (first, second) = peer.join().unwrap();
    assert_eq!(
        first,
        "PUT /a/../%2F?q HTTP/1.1\r\nhOst: h\r\nContent-Length: 3\r\n\r\nabc"
    );
    assert_eq!(
        second,
        "FOO * HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nxyz\r\n0\r\n\r\n"
    );
}

#[test]
fn the_body_waits_for_continue() {
    let (address, peer) = peer(|mut stream| {
        read_to(&mut stream, "\r\n\r\n");
        stream.set_nonblocking(true).unwrap();
        let before = stream.read(&mut [0]).map_err(|it| it.kind());
        stream.set_nonblocking(false).unwrap();
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap();
        let body = read_to(&mut stream, "body");
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .unwrap();
        (before, body)
    });
    let request = Request::new("PUT", "/")
        .header("Expect", "100-continue")
        .body(*b"body");
    let reply = Connection::open(address, LIMIT)
        .unwrap()
        .send(&request)
        .unwrap();
    assert_eq!((reply.status, reply.interim), (200, vec![100]));
    assert_eq!(
        peer.join().unwrap(),
        (Err(io::ErrorKind::WouldBlock), "body".to_owned())
    );
}

#[test]
fn a_refusal_instead_of_continue_spares_the_body() {
    let (address, peer) = peer(|mut stream| {
        read_to(&mut stream, "\r\n\r\n");
        stream
            .write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
            .unwrap();
        stream
    });
    let request = Request::new("PUT", "/")
        .header("Expect", "100-continue")
        .body(*b"body");
    let mut connection = Connection::open(address, LIMIT).unwrap();
    assert_eq!(connection.send(&request).unwrap().status, 413);
    assert!(!connection.is_usable());
    drop(connection);
    let mut rest = String::new();
    peer.join().unwrap().read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
}

#[test]
fn an_early_reply_to_a_long_body_is_read() {
    let (address, peer) = peer(|mut stream| {
        read_to(&mut stream, "\r\n\r\n");
        stream
            .write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
            .unwrap();
        // Holds the connection open, reading nothing, until the client is done.
        stream
    });
    let request = Request::new("PUT", "/").body(vec![0; 32 * 1024 * 1024]);
    let mut connection = Connection::open(address, LIMIT).unwrap();
    let reply = connection.send(&request).unwrap();
    assert_eq!((reply.status, reply.text().as_str()), (413, "no"));
    assert!(!connection.is_usable());
    drop(peer.join().unwrap());
}

#[test]
fn head_has_no_body_and_http10_ends_with_the_connection() {
    let (address, head) = peer(|mut stream| {
        read_to(&mut stream, "\r\n\r\n");
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")
            .unwrap();
    });
    let reply = Connection::open(address, LIMIT)
        .unwrap()
        .send(&Request::new("HEAD", "/"))
        .unwrap();
    assert_eq!((reply.status, reply.body.len()), (200, 0));
    head.join().unwrap();

    let (address, old) = peer(|mut stream| {
        let head = read_to(&mut stream, "\r\n\r\n");
        stream
            .write_all(b"HTTP/1.1 200 OK\r\n\r\nall of it")
            .unwrap();
        head
    });
    let request = Request {
        version: Version::Http10,
        ..Request::new("GET", "/")
    };
    let reply = Connection::open(address, LIMIT)
        .unwrap()
        .send(&request)
        .unwrap();
    assert_eq!((reply.text().as_str(), reply.closes), ("all of it", true));
    assert_eq!(old.join().unwrap(), "GET / HTTP/1.0\r\n\r\n");
}

#[test]
fn silence_a_cut_and_nonsense_are_told_apart() {
    let ask = |address, limit| {
        Connection::open(address, limit)
            .unwrap()
            .send(&Request::new("GET", "/"))
            .unwrap_err()
    };
    let (address, silent) = peer(|stream| stream);
    let error = ask(address, Duration::from_millis(50));
    assert!(matches!(error, HttpError::NoAnswer(_)), "{error}");
    silent.join().unwrap();

    let (address, cut) = peer(|mut stream| {
        read_to(&mut stream, "\r\n\r\n");
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab")
            .unwrap();
    });
    let error = ask(address, LIMIT);
    assert!(matches!(error, HttpError::Closed), "{error}");
    cut.join().unwrap();

    let (address, nonsense) = peer(|mut stream| {
        read_to(&mut stream, "\r\n\r\n");
        stream.write_all(b"220 mail ready\r\n\r\n").unwrap();
    });
    let error = ask(address, LIMIT);
    assert!(matches!(error, HttpError::Malformed(_)), "{error}");
    nonsense.join().unwrap();
}
