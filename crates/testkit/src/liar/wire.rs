//! The liar's side towards its client: requests are read, answers are sent as the lie wants it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use super::Shared;
use super::rule::Endlessness;
use crate::http::{HttpError, received};

/// Header lines that a request may have.
const HEADERS_MAX: usize = 100;
/// Bytes of zeros that an endless body sends at a time.
const ENDLESS_PIECE: [u8; 16 * 1024] = [0; 16 * 1024];

/// A request, its body whole and without framing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Incoming {
    pub(crate) method: String,
    pub(crate) target: String,
    /// Without those that speak of the connection or of the framing, and without `Host`.
    pub(super) headers: Vec<(String, String)>,
    pub(crate) body: Option<Vec<u8>>,
}

impl Incoming {
    /// The target without its query.
    pub(super) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }
}

/// An answer, before it is framed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Without those that speak of the connection or of the framing.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

/// How an answer is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Manner {
    Whole,
    CutAfter(usize),
    Endless(Endlessness),
    Drip(Duration),
    Stall,
}

/// Whether a header speaks of the connection or the framing, which each side has of its own.
pub(super) fn is_of_the_connection(name: &str) -> bool {
    const NAMES: [&str; 6] = [
        "connection",
        "keep-alive",
        "transfer-encoding",
        "content-length",
        "expect",
        "host",
    ];
    NAMES.iter().any(|it| name.eq_ignore_ascii_case(it))
}

/// The connection to a client.
#[derive(Debug)]
pub(crate) struct Client {
    stream: TcpStream,
    /// Received and not yet used.
    received: Vec<u8>,
}

/// How the end of a request's body is told.
struct Framing {
    length: Option<usize>,
    chunked: bool,
    waits: bool,
}

impl Client {
    pub(crate) fn new(stream: TcpStream) -> Self {
        let received = Vec::new();
        Self { stream, received }
    }

    /// The next request; `None` when the client has closed.
    pub(crate) fn read_request(&mut self) -> Result<Option<Incoming>, HttpError> {
        let (mut request, framing) = loop {
            if let Some((request, framing, length)) = parse_head(&self.received)? {
                self.received.drain(..length);
                break (request, framing);
            }
            if !self.receive()? {
                return Ok(None);
            }
        };
        if framing.waits {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let mut more =
            |into: &mut Vec<u8>| receive(&mut self.stream, into).map_err(HttpError::from);
        if framing.chunked {
            request.body = Some(received::chunks(&mut self.received, &mut more)?);
        } else if let Some(length) = framing.length {
            request.body = Some(received::take(&mut self.received, length, &mut more)?);
        }
        Ok(Some(request))
    }

    /// Sends an answer; false when the connection must not be used any more.
    pub(super) fn send(
        &mut self,
        answer: &Answer,
        manner: &Manner,
        method: &str,
        shared: &Shared,
    ) -> io::Result<bool> {
        let length = answer.body.len();
        match manner {
            // Such an answer has no body, and its framing would speak of one (RFC 9110 §9.3.2).
            _ if method == "HEAD" => {
                self.send_head(answer, "")?;
                return Ok(true);
            }
            Manner::Whole => {
                self.send_head(answer, &format!("Content-Length: {length}"))?;
                self.stream.write_all(&answer.body)?;
                return Ok(true);
            }
            Manner::CutAfter(bytes) => {
                self.send_head(answer, &format!("Content-Length: {length}"))?;
                let sent = answer.body.get(..*bytes).unwrap_or(&answer.body);
                self.stream.write_all(sent)?;
            }
            Manner::Endless(endlessness) => self.send_endless(answer, *endlessness)?,
            Manner::Drip(interval) => {
                self.send_head(answer, &format!("Content-Length: {length}"))?;
                for byte in &answer.body {
                    if !wait(shared, *interval) {
                        break;
                    }
                    self.stream.write_all(&[*byte])?;
                }
            }
            Manner::Stall => {
                self.send_head(answer, &format!("Content-Length: {length}"))?;
                self.wait_for_close()?;
            }
        }
        Ok(false)
    }

    /// Reads and forgets until the client, or the end of the liar, closes.
    pub(crate) fn wait_for_close(&mut self) -> io::Result<()> {
        while self.receive()? {
            self.received.clear();
        }
        Ok(())
    }

    /// Sends status and headers, and `framing` as the last header line when there is any.
    fn send_head(&mut self, answer: &Answer, framing: &str) -> io::Result<()> {
        // Clients look at the code, not at the phrase.
        let mut head = format!("HTTP/1.1 {} Answer\r\n", answer.status);
        for (name, value) in &answer.headers {
            for part in [name, ": ", value, "\r\n"] {
                head.push_str(part);
            }
        }
        if !framing.is_empty() {
            head.push_str(framing);
            head.push_str("\r\n");
        }
        head.push_str("\r\n");
        self.stream.write_all(head.as_bytes())
    }

    /// Sends until the client, or the end of the liar, closes.
    fn send_endless(&mut self, answer: &Answer, endlessness: Endlessness) -> io::Result<()> {
        let framing = match endlessness {
            Endlessness::Chunked => "Transfer-Encoding: chunked".to_owned(),
            Endlessness::Sized(bytes) => format!("Content-Length: {bytes}"),
            Endlessness::UntilClose => "Connection: close".to_owned(),
        };
        self.send_head(answer, &framing)?;
        let mut piece: &[u8] = &answer.body;
        loop {
            // An empty chunk would end the body.
            if endlessness == Endlessness::Chunked && !piece.is_empty() {
                let size = format!("{:x}\r\n", piece.len());
                self.stream.write_all(size.as_bytes())?;
                self.stream.write_all(piece)?;
                self.stream.write_all(b"\r\n")?;
            } else {
                self.stream.write_all(piece)?;
            }
            piece = &ENDLESS_PIECE;
        }
    }

    /// Receives some bytes; false at the end of the stream.
    fn receive(&mut self) -> io::Result<bool> {
        receive(&mut self.stream, &mut self.received)
    }
}

/// Receives some bytes; false at the end of the stream.
fn receive(stream: &mut TcpStream, into: &mut Vec<u8>) -> io::Result<bool> {
    let mut piece = [0; 16 * 1024];
    match stream.read(&mut piece) {
        Ok(count) => {
            into.extend(piece.iter().take(count));
            Ok(count > 0)
        }
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(true),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(false),
        Err(error) => Err(error),
    }
}

/// Waits; false when the liar ends.
fn wait(shared: &Shared, interval: Duration) -> bool {
    let until = Instant::now() + interval;
    let mut state = shared.state();
    while !state.ended {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        let waited = shared.ending.wait_timeout(state, left);
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
    }
    false
}

/// Reads a head, its framing and its length from the start of `bytes`; `None` while incomplete.
fn parse_head(bytes: &[u8]) -> Result<Option<(Incoming, Framing, usize)>, HttpError> {
    let mut lines = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut parsed = httparse::Request::new(&mut lines);
    let malformed = |it: httparse::Error| HttpError::Malformed(it.to_string());
    let httparse::Status::Complete(length) = parsed.parse(bytes).map_err(malformed)? else {
        return Ok(None);
    };
    let all: Vec<(String, String)> = parsed
        .headers
        .iter()
        .map(|it| {
            (
                it.name.to_owned(),
                String::from_utf8_lossy(it.value).into_owned(),
            )
        })
        .collect();
    let value = |name: &str| {
        let found = all.iter().find(|(it, _)| it.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim().to_ascii_lowercase())
    };
    let framing = Framing {
        length: value("content-length").and_then(|it| it.parse().ok()),
        chunked: value("transfer-encoding").as_deref() == Some("chunked"),
        waits: value("expect").as_deref() == Some("100-continue"),
    };
    let request = Incoming {
        method: parsed.method.unwrap_or_default().to_owned(),
        target: parsed.path.unwrap_or_default().to_owned(),
        headers: all
            .into_iter()
            .filter(|(name, _)| !is_of_the_connection(name))
            .collect(),
        body: None,
    };
    Ok(Some((request, framing, length)))
}
