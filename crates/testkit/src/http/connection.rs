//! One TCP connection, on which requests follow one another.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::reply::{Framing, Head, Reply};
use super::{Body, HttpError, Request, Version, received};

/// Bytes of a body that are sent between two looks for an early reply.
const SEND_BYTES: usize = 64 * 1024;
/// How long the body waits for `100 Continue` before it is sent all the same,
/// as RFC 9110 §10.1.1 allows.
const CONTINUE_WAIT: Duration = Duration::from_secs(1);

/// A connection to a server.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    /// Received and not yet used.
    received: Vec<u8>,
    limit: Duration,
    usable: bool,
}

impl Connection {
    /// Connects. `limit` bounds the connect and then each exchange as a whole.
    ///
    /// # Errors
    /// [`HttpError::Io`] when the server does not accept.
    pub fn open(address: SocketAddr, limit: Duration) -> Result<Self, HttpError> {
        let stream = TcpStream::connect_timeout(&address, limit)?;
        // Head and body are two writes; waiting for an acknowledgement between
        // them would cost 40 ms an exchange.
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            received: Vec::new(),
            limit,
            usable: true,
        })
    }

    /// Whether another request may follow: no reply so far announced the end,
    /// no body was cut short, and the server has not closed the connection
    /// while it was idle.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.usable && matches!(self.has_something_to_read(), Ok(false))
    }

    /// Sends a request and reads the reply.
    ///
    /// A server may answer before it has the whole body; what is left of the
    /// body is then not sent and the connection is not usable any more.
    ///
    /// # Errors
    /// [`HttpError::NoAnswer`] when no complete reply came within the limit;
    /// the other variants as they say.
    pub fn send(&mut self, request: &Request) -> Result<Reply, HttpError> {
        let deadline = Instant::now() + self.limit;
        let usable = std::mem::replace(&mut self.usable, false);
        if !usable {
            return Err(HttpError::Closed);
        }
        self.stream.set_write_timeout(Some(self.limit))?;
        match self.stream.write_all(&head_bytes(request)) {
            Err(error) if is_closed(&error) => return Err(HttpError::Closed),
            other => other?,
        }
        let mut interim = Vec::new();
        let mut early = None;
        if request.expects_continue() && request.body != Body::None {
            let until = deadline.min(Instant::now() + CONTINUE_WAIT);
            early = self.await_continue(&request.method, until, &mut interim)?;
        }
        let sent_all = early.is_none() && self.send_body(&request.body)?;
        let head = match early {
            Some(head) => head,
            None => self.read_final_head(&request.method, deadline, &mut interim)?,
        };
        let body = self.read_body(head.framing, deadline)?;
        self.usable = sent_all && !head.closes;
        Ok(Reply {
            status: head.status,
            headers: head.headers,
            body,
            interim,
            closes: head.closes,
        })
    }

    /// Sends bytes just as they are, for what a [`Request`] cannot say. The
    /// replies to them are read with [`Self::read_reply`].
    ///
    /// # Errors
    /// [`HttpError::Closed`] when the server takes no more bytes.
    pub fn send_bytes(&mut self, bytes: &[u8]) -> Result<(), HttpError> {
        self.stream.set_write_timeout(Some(self.limit))?;
        match self.stream.write_all(bytes) {
            Err(error) if is_closed(&error) => Err(HttpError::Closed),
            Err(error) if is_timeout(&error) => Err(HttpError::NoAnswer(self.limit)),
            other => Ok(other?),
        }
    }

    /// Ends the sending side; the server can still reply.
    ///
    /// # Errors
    /// [`HttpError::Io`] when the connection is gone.
    pub fn end_sending(&mut self) -> Result<(), HttpError> {
        Ok(self.stream.shutdown(Shutdown::Write)?)
    }

    /// Reads the next reply, which answers a request with this method.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn read_reply(&mut self, method: &str) -> Result<Reply, HttpError> {
        let deadline = Instant::now() + self.limit;
        let mut interim = Vec::new();
        let head = self.read_final_head(method, deadline, &mut interim)?;
        let body = self.read_body(head.framing, deadline)?;
        self.usable &= !head.closes;
        Ok(Reply {
            status: head.status,
            headers: head.headers,
            body,
            interim,
            closes: head.closes,
        })
    }

    /// Reads one interim reply (1xx) and gives its code.
    ///
    /// # Errors
    /// [`HttpError::Malformed`] when a final reply comes instead; the others as
    /// [`Self::send`].
    pub fn read_interim(&mut self) -> Result<u16, HttpError> {
        let head = self.read_head("", Instant::now() + self.limit)?;
        if head.is_interim() {
            return Ok(head.status);
        }
        let text = format!("a final reply with code {}", head.status);
        Err(HttpError::Malformed(text))
    }

    /// Waits until the server closes; gives what came before and was not read.
    ///
    /// # Errors
    /// [`HttpError::NoAnswer`] when it stays open for the limit.
    pub fn wait_for_close(&mut self) -> Result<Vec<u8>, HttpError> {
        let deadline = Instant::now() + self.limit;
        loop {
            match self.receive(deadline) {
                Ok(true) => {}
                Ok(false) | Err(HttpError::Closed) => {
                    return Ok(std::mem::take(&mut self.received));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits for `100 Continue`; a final head that comes instead is given back.
    fn await_continue(
        &mut self,
        method: &str,
        until: Instant,
        interim: &mut Vec<u16>,
    ) -> Result<Option<Head>, HttpError> {
        match self.read_head(method, until) {
            Ok(head) if head.is_interim() => {
                interim.push(head.status);
                Ok(None)
            }
            Ok(head) => Ok(Some(head)),
            Err(HttpError::NoAnswer(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sends the body; false when the server answered, or closed its side,
    /// before all of it was sent.
    fn send_body(&mut self, body: &Body) -> Result<bool, HttpError> {
        match body {
            Body::None => Ok(true),
            Body::Sized(bytes) => self.send_pieces(bytes.chunks(SEND_BYTES).map(<[u8]>::to_vec)),
            Body::Chunked(bytes) => {
                let pieces = bytes.chunks(SEND_BYTES).map(chunk);
                self.send_pieces(pieces.chain([b"0\r\n\r\n".to_vec()]))
            }
        }
    }

    fn send_pieces(&mut self, pieces: impl Iterator<Item = Vec<u8>>) -> Result<bool, HttpError> {
        for piece in pieces {
            if self.has_something_to_read()? {
                return Ok(false);
            }
            match self.stream.write_all(&piece) {
                Ok(()) => {}
                // The reply, if there is one, tells why.
                Err(error) if is_closed(&error) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }

    fn has_something_to_read(&self) -> io::Result<bool> {
        self.stream.set_nonblocking(true)?;
        let peeked = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false)?;
        match peeked {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) if is_closed(&error) => Ok(true),
            Err(error) => Err(error),
        }
    }

    fn read_final_head(
        &mut self,
        method: &str,
        deadline: Instant,
        interim: &mut Vec<u16>,
    ) -> Result<Head, HttpError> {
        loop {
            let head = self.read_head(method, deadline)?;
            if !head.is_interim() {
                return Ok(head);
            }
            interim.push(head.status);
        }
    }

    fn read_head(&mut self, method: &str, deadline: Instant) -> Result<Head, HttpError> {
        loop {
            if let Some(head) = Head::parse(&self.received, method)? {
                self.received.drain(..head.length);
                return Ok(head);
            }
            if !self.receive(deadline)? {
                return Err(HttpError::Closed);
            }
        }
    }

    fn read_body(&mut self, framing: Framing, deadline: Instant) -> Result<Vec<u8>, HttpError> {
        let (stream, limit) = (&mut self.stream, self.limit);
        let mut more = |into: &mut Vec<u8>| receive(stream, into, deadline, limit);
        match framing {
            Framing::Length(length) => received::take(&mut self.received, length, &mut more),
            Framing::Chunked => received::chunks(&mut self.received, &mut more),
            Framing::UntilClose => {
                while self.receive(deadline)? {}
                Ok(std::mem::take(&mut self.received))
            }
        }
    }

    /// Receives some bytes; false at the end of the stream.
    fn receive(&mut self, deadline: Instant) -> Result<bool, HttpError> {
        receive(&mut self.stream, &mut self.received, deadline, self.limit)
    }
}

/// Receives some bytes; false at the end of the stream. `limit` is what the deadline came from.
fn receive(
    stream: &mut TcpStream,
    into: &mut Vec<u8>,
    deadline: Instant,
    limit: Duration,
) -> Result<bool, HttpError> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(HttpError::NoAnswer(limit));
    }
    stream.set_read_timeout(Some(left))?;
    let mut piece = [0; 16 * 1024];
    match stream.read(&mut piece) {
        Ok(count) => {
            into.extend(piece.iter().take(count));
            Ok(count > 0)
        }
        Err(error) if is_timeout(&error) => Err(HttpError::NoAnswer(limit)),
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(true),
        Err(error) if is_closed(&error) => Err(HttpError::Closed),
        Err(error) => Err(error.into()),
    }
}

/// The request line and the headers, with the framing of the body added.
fn head_bytes(request: &Request) -> Vec<u8> {
    let version = match request.version {
        Version::Http10 => "HTTP/1.0",
        Version::Http11 => "HTTP/1.1",
    };
    let mut head = format!("{} {} {version}\r\n", request.method, request.target);
    let framing = match &request.body {
        Body::None => None,
        Body::Sized(bytes) => Some(("Content-Length".to_owned(), bytes.len().to_string())),
        Body::Chunked(_) => Some(("Transfer-Encoding".to_owned(), "chunked".to_owned())),
    };
    for (name, value) in request.headers.iter().chain(&framing) {
        for part in [name, ": ", value, "\r\n"] {
            head.push_str(part);
        }
    }
    head.push_str("\r\n");
    head.into_bytes()
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    let mut framed = format!("{:x}\r\n", bytes.len()).into_bytes();
    framed.extend_from_slice(bytes);
    framed.extend_from_slice(b"\r\n");
    framed
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

fn is_closed(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted
    )
}
