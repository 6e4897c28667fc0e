//! Which protocols are spoken, and what ends those who speak none.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use anyhow::Result;
use bytes::Bytes;
use http::Request;
use rustls::ProtocolVersion;
use rustls::version::{TLS12, TLS13};
use tokio_rustls::TlsConnector;

use crate::client::{Client, WAIT};
use crate::world::World;

/// What a client offers, and what is agreed on.
type Alpn<'a> = (&'a [&'a [u8]], Option<&'a [u8]>);

#[test]
fn both_versions_of_tls_are_spoken_and_plain_http_is_not() -> Result<()> {
    let world = World::start("", "")?;
    for (version, spoken) in [
        (&TLS12, ProtocolVersion::TLSv1_2),
        (&TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let client = Client::with(&world.authority, &[version], None)?;
        let mut connection = client.connect(world.address())?;
        assert_eq!(connection.protocol(), Some(spoken));
        for _ in 0..3 {
            assert_eq!(connection.get("/livez")?, (200, "ok".to_owned()));
        }
        assert_eq!(connection.node_certificate()?, world.leaf.der);
    }
    let mut plain = TcpStream::connect(world.address())?;
    plain.set_read_timeout(Some(WAIT))?;
    plain.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    let mut answer = Vec::new();
    // The node may reset what it did not read to the end.
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.windows(4).any(|it| it == b"HTTP"), "{answer:?}");
    Ok(())
}

/// A `ClientHello` of TLS 1.1, which rustls cannot write.
#[test]
fn tls_1_1_is_refused() -> Result<()> {
    let world = World::start("", "")?;
    let mut hello = vec![3, 2];
    hello.extend([7; 32]);
    // No session, one cipher suite (TLS_RSA_WITH_AES_128_CBC_SHA), no compression.
    hello.extend([0, 0, 2, 0, 0x2f, 1, 0]);
    // signature_algorithms: rsa_pkcs1_sha256.
    hello.extend([0, 8, 0, 13, 0, 4, 0, 2, 4, 1]);
    let length = u8::try_from(hello.len())?;
    let mut record = vec![22, 3, 1, 0, length + 4, 1, 0, 0, length];
    record.extend(hello);
    let mut stream = TcpStream::connect(world.address())?;
    stream.set_read_timeout(Some(WAIT))?;
    stream.write_all(&record)?;
    let mut alert = Vec::new();
    stream.read_to_end(&mut alert)?;
    // An alert, fatal, protocol_version.
    assert_eq!((alert[0], &alert[5..]), (21, &[2, 70][..]), "{alert:?}");
    Ok(())
}

#[test]
fn http_2_is_spoken_to_those_who_offer_it() -> Result<()> {
    let world = World::start("", "")?;
    let client = Client::new(&world.authority)?;
    let cases: [Alpn<'_>; 3] = [
        (&[b"h2", b"http/1.1"], Some(b"h2")),
        (&[b"http/1.1"], Some(b"http/1.1")),
        (&[], None),
    ];
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        for (offered, chosen) in cases {
            let mut config = (*client.config).clone();
            config.alpn_protocols = offered.iter().map(|it| it.to_vec()).collect();
            let stream = tokio::net::TcpStream::connect(world.address()).await?;
            let name = world.address().ip().into();
            let connector = TlsConnector::from(Arc::new(config));
            let stream = connector.connect(name, stream).await?;
            assert_eq!(stream.get_ref().1.alpn_protocol(), chosen);
            if chosen != Some(&b"h2"[..]) {
                continue;
            }
            let (mut sender, connection) = h2::client::handshake(stream).await?;
            let driving = tokio::spawn(connection);
            for (target, status) in [("/livez", 200), ("/nowhere", 404)] {
                let uri = format!("https://localhost{target}");
                let request = Request::get(uri).body(())?;
                let (answer, _) = sender.send_request(request, true)?;
                let answer = tokio::time::timeout(WAIT, answer).await??;
                assert_eq!(answer.status(), status, "{target}");
                for name in ["connection", "keep-alive"] {
                    assert!(!answer.headers().contains_key(name), "{name}");
                }
            }
            // A foreign name is a foreign name, wherever it stands.
            let request = Request::get("https://evil.example/livez").body(())?;
            let (answer, _) = sender.send_request(request, true)?;
            assert_eq!(tokio::time::timeout(WAIT, answer).await??.status(), 403);
            // A brick there and back.
            let put = Request::put("https://localhost/bricking/default/put-brick").body(())?;
            let (answer, mut body) = sender.send_request(put, false)?;
            body.send_data(Bytes::from(vec![7; 60_000]), true)?;
            let answer = tokio::time::timeout(WAIT, answer).await??;
            assert_eq!(answer.status(), 201);
            driving.abort();
        }
        anyhow::Ok(())
    })
}

/// With a cap of three connections: those that never end their handshake lose their place.
#[test]
fn unfinished_handshakes_come_to_an_end_and_count_as_connections() -> Result<()> {
    let limits = "[limits]\nheader_ms_max = 2000\nconnections_max = 3";
    let world = World::start("", limits)?;
    let client = Client::new(&world.authority)?;
    assert_eq!(client.get(world.address(), "/livez")?.0, 200);
    let mut slow = Vec::new();
    for start in [
        &b""[..],
        b"\x16",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ] {
        let mut stream = TcpStream::connect(world.address())?;
        stream.set_read_timeout(Some(WAIT))?;
        stream.write_all(start)?;
        slow.push(stream);
    }
    for mut stream in slow {
        if let Err(error) = stream.read_to_end(&mut Vec::new()) {
            assert_eq!(error.kind(), ErrorKind::ConnectionReset, "it has no end");
        }
    }
    let deadline = std::time::Instant::now() + WAIT;
    while client.get(world.address(), "/livez").is_err() {
        assert!(std::time::Instant::now() < deadline, "no place is free");
    }
    Ok(())
}
