//! The listener over real sockets, with `h2` as the client, or frames written by hand.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Notify, oneshot};

use super::*;
use crate::listener;

/// Longest wait for what must come.
const WAIT: Duration = Duration::from_secs(20);
/// Larger than the first window of a stream.
const LONG: usize = 1 << 20;

/// A running listener: `/long` answers a megabyte, `/wait` when it is told, all else its version.
struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    go_on: Arc<Notify>,
    ended: tokio::task::JoinHandle<std::io::Result<()>>,
}

fn run(limits: LimitsConfig) -> Running {
    let listener = listener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let go_on = Arc::new(Notify::new());
    let told = Arc::clone(&go_on);
    let answer = move |_: Peer, request: Request<Body>| {
        let told = Arc::clone(&told);
        async move {
            match request.uri().path() {
                "/long" => Response::new(Body::from(vec![7; LONG])),
                "/wait" => {
                    told.notified().await;
                    Response::new(Body::from("waited"))
                }
                _ => Response::new(Body::from(format!("{:?}", request.version()))),
            }
        }
    };
    let budget = BodyBudget::new(limits.body_bytes_in_flight_max);
    let ended = tokio::spawn(async move {
        let stop = async { drop(stopped.await) };
        let metrics = crate::metrics::Metrics::new().unwrap();
        let connections = metrics.connections().clone();
        listener::serve(listener, None, answer, limits, budget, connections, stop).await
    });
    Running {
        address,
        stop,
        go_on,
        ended,
    }
}

type Driving = tokio::task::JoinHandle<Result<(), h2::Error>>;

async fn connect(address: SocketAddr) -> (h2::client::SendRequest<Bytes>, Driving) {
    let stream = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    (sender.ready().await.unwrap(), tokio::spawn(connection))
}

fn get(path: &str) -> Request<()> {
    let uri = format!("http://localhost{path}");
    Request::get(uri).version(Version::HTTP_2).body(()).unwrap()
}

async fn read(mut body: h2::RecvStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(piece) = body.data().await {
        let piece = piece.unwrap();
        body.flow_control().release_capacity(piece.len()).unwrap();
        bytes.extend_from_slice(&piece);
    }
    bytes
}

async fn in_time<T>(what: impl Future<Output = T>) -> T {
    timeout(WAIT, what).await.unwrap()
}

#[tokio::test]
async fn one_port_speaks_both_protocols() {
    let running = run(LimitsConfig::default());
    let mut old = TcpStream::connect(running.address).await.unwrap();
    old.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut text = String::new();
    in_time(old.read_to_string(&mut text)).await.unwrap();
    assert!(
        text.starts_with("HTTP/1.1 200") && text.ends_with("HTTP/1.1"),
        "{text}"
    );
    let (mut sender, _driving) = connect(running.address).await;
    for path in ["/", "/long"] {
        let (answer, _) = sender.send_request(get(path), true).unwrap();
        let answer = in_time(answer).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        let body = in_time(read(answer.into_body())).await;
        if path == "/" {
            assert_eq!(body, b"HTTP/2.0");
        } else {
            assert_eq!(body, vec![7; LONG]);
        }
    }
}

#[tokio::test]
async fn connections_that_ask_nothing_are_ended_whatever_they_speak() {
    let running = run(LimitsConfig {
        header_ms_max: 300,
        ..LimitsConfig::default()
    });
    let (mut sender, driving) = connect(running.address).await;
    let (answer, _) = sender.send_request(get("/"), true).unwrap();
    in_time(answer).await.unwrap();
    in_time(driving).await.unwrap().unwrap();
    // A preface or a header that never ends, and nothing at all.
    let frames = [PREFACE, &[0, 0, 9, 1, 0, 0, 0, 0, 1, 0x82]].concat();
    let mut open = Vec::new();
    for start in [&b""[..], b"P", b"PRI * HT", PREFACE, &frames] {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(start).await.unwrap();
        open.push(stream);
    }
    for mut stream in open {
        // The node may reset what it did not read to the end.
        let _ = in_time(stream.read_to_end(&mut Vec::new())).await;
    }
}

#[tokio::test]
async fn an_answer_that_nobody_reads_ends_its_connection() {
    let running = run(LimitsConfig {
        write_stall_ms_max: 300,
        ..LimitsConfig::default()
    });
    let (mut sender, driving) = connect(running.address).await;
    let (answer, _) = sender.send_request(get("/long"), true).unwrap();
    // The window is never given back, while the connection itself is alive and read.
    let answer = in_time(answer).await.unwrap();
    let _ = in_time(driving).await.unwrap();
    drop(answer);
}

#[tokio::test]
async fn a_stop_waits_for_what_is_in_flight_and_for_nothing_else() {
    let running = run(LimitsConfig::default());
    let (mut busy, _driving) = connect(running.address).await;
    let (waiting, _) = busy.send_request(get("/wait"), true).unwrap();
    let (mut idle, idle_driving) = connect(running.address).await;
    let (answer, _) = idle.send_request(get("/"), true).unwrap();
    in_time(answer).await.unwrap();
    running.stop.send(()).unwrap();
    in_time(idle_driving).await.unwrap().unwrap();
    running.go_on.notify_one();
    let answer = in_time(waiting).await.unwrap();
    assert_eq!(in_time(read(answer.into_body())).await, b"waited");
    in_time(running.ended).await.unwrap().unwrap();
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";

/// CVE-2023-44487: requests that are taken back at once.
#[tokio::test]
async fn a_flood_of_resets_is_told_to_calm_down() {
    let running = run(LimitsConfig::default());
    let mut frames = PREFACE.to_vec();
    for stream in (1_u32..2001).step_by(2) {
        let id = stream.to_be_bytes();
        // :method GET, :scheme http, :path /, :authority x; then RST_STREAM with CANCEL.
        frames.extend([0, 0, 6, 1, 5]);
        frames.extend(id);
        frames.extend([0x82, 0x86, 0x84, 0x41, 1, b'x']);
        frames.extend([0, 0, 4, 3, 0]);
        frames.extend(id);
        frames.extend([0, 0, 0, 8]);
    }
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    // It may hang up before it has read all.
    let _ = stream.write_all(&frames).await;
    let mut received = Vec::new();
    let _ = in_time(stream.read_to_end(&mut received)).await;
    assert!(last_goaway(&received).is_none_or(|code| code == ENHANCE_YOUR_CALM));
}

const ENHANCE_YOUR_CALM: u32 = 11;

/// The error code of the last GOAWAY in a stream of frames.
fn last_goaway(mut bytes: &[u8]) -> Option<u32> {
    let mut code = None;
    while let Some((head, rest)) = bytes.split_at_checked(9) {
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let Some((payload, rest)) = rest.split_at_checked(length) else {
            break;
        };
        if head[3] == 7 {
            code = Some(u32::from_be_bytes(payload[4..8].try_into().unwrap()));
        }
        bytes = rest;
    }
    code
}
