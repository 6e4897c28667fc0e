//! Lies about archives and batches, before a node that answers what the test wants.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::thread::{self, JoinHandle};

use keyssi::BrickHash;
use serde_json::{Value, json};

use super::rule;
use crate::http::{Request, ask};
use crate::liar::{Liar, Lie, Route, wire};

/// A section of an archive: a brick under the name of `named`.
fn section(named: &[u8], data: &[u8]) -> Vec<u8> {
    let mut section = vec![0x01, 0x55, 0x12, 0x20];
    section.extend_from_slice(BrickHash::of(named).as_bytes());
    section.extend_from_slice(data);
    let mut out = Vec::new();
    let length = section.len();
    out.extend([
        u8::try_from(length & 0x7f).unwrap() | 0x80,
        u8::try_from(length >> 7).unwrap(),
    ]);
    out.extend(section);
    out
}

/// A header that no lie looks into, and these sections.
fn archive(sections: &[Vec<u8>]) -> Vec<u8> {
    [vec![3, b'h', b'e', b'a']]
        .iter()
        .chain(sections)
        .flatten()
        .copied()
        .collect()
}

/// A node that answers so many requests with `body`.
fn scripted(body: Vec<u8>, requests: usize) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let run = move || {
        for _ in 0..requests {
            let (mut stream, _) = listener.accept().unwrap();
            let mut client = wire::Client::new(stream.try_clone().unwrap());
            client.read_request().unwrap().unwrap();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(&body).unwrap();
        }
    };
    (address, thread::spawn(run))
}

#[test]
fn archives_are_altered_block_by_block() {
    let (a, b) = ([b'a'; 100], [b'b'; 300]);
    let honest = archive(&[section(&a, &a), section(&b, &b)]);
    let mut flipped = a;
    flipped[0] ^= 1;
    let cases = [
        (
            Lie::SwapBlocks(0, 1),
            archive(&[section(&a, &b), section(&b, &a)]),
        ),
        (
            Lie::FlipInBlock(0),
            archive(&[section(&a, &flipped), section(&b, &b)]),
        ),
        (Lie::OmitBlock(0), archive(&[section(&b, &b)])),
        (
            Lie::RepeatBlock(1),
            archive(&[section(&a, &a), section(&b, &b), section(&b, &b)]),
        ),
        (Lie::OmitBlock(2), honest.clone()),
        (Lie::Shorten(50), honest[..50].to_vec()),
    ];
    let (address, node) = scripted(honest, cases.len());
    let liar = Liar::before(address).unwrap();
    for (lie, expected) in cases {
        liar.be_honest();
        liar.tell(rule(Route::GetBricks, lie.clone()));
        let request = Request::to(liar.address(), "POST", "/bricking/default/get-bricks");
        assert_eq!(
            ask(liar.address(), &request.body(*b"[]")).unwrap().body,
            expected,
            "{lie:?}"
        );
    }
    node.join().unwrap();
}

#[test]
fn claims_about_batches_are_false() {
    let (a, b) = ([b'a'; 100], [b'b'; 300]);
    let (address, node) = scripted(b"[true,false,true]".to_vec(), 2);
    let liar = Liar::before(address).unwrap();
    liar.tell(rule(Route::PutBricks, Lie::PretendStored));
    liar.tell(rule(Route::HaveBricks, Lie::SayAll(true)).times(1));
    liar.tell(rule(Route::HaveBricks, Lie::SayAll(false)));
    let post = |call: &str, body: Vec<u8>| {
        let request = Request::to(liar.address(), "POST", &format!("/bricking/default/{call}"));
        let reply = ask(liar.address(), &request.body(body)).unwrap();
        serde_json::from_slice::<Value>(&reply.body).unwrap()
    };
    let stored =
        |bytes: &[u8]| json!({"hash": BrickHash::of(bytes).to_string(), "outcome": "stored"});
    let answer = post("put-bricks", archive(&[section(&a, &a), section(&b, &b)]));
    assert_eq!(answer, json!([stored(&a), stored(&b)]));
    assert_eq!(
        post("have-bricks", b"[]".to_vec()),
        json!([true, true, true])
    );
    assert_eq!(
        post("have-bricks", b"[]".to_vec()),
        json!([false, false, false])
    );
    node.join().unwrap();
}
