//! A blocking HTTP/1.1 client for tests, over a plain TCP connection.
//!
//! It sends the method, target and headers byte for byte as they are given
//! (RFC 9112), because tests ask what a server does with odd ones; a library
//! client would mend them first. It adds only the framing of the body.

mod connection;
pub(crate) mod received;
mod reply;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

pub use connection::Connection;
pub use reply::Reply;

/// The version that a request states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0: the server closes the connection after its reply.
    Http10,
    /// HTTP/1.1.
    Http11,
}

/// The body of a request and how its end is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// No body and no framing header.
    None,
    /// `Content-Length` and these bytes.
    Sized(Vec<u8>),
    /// `Transfer-Encoding: chunked` and these bytes.
    Chunked(Vec<u8>),
}

/// A request, as it will stand on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method, any token.
    pub method: String,
    /// The request target: path and query, neither encoded nor decoded here.
    pub target: String,
    /// The version stated in the request line.
    pub version: Version,
    /// Header lines in order, `Host` included. With `Expect: 100-continue` the
    /// body waits for the server's word.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Body,
}

impl Request {
    /// A request without headers and body.
    #[must_use]
    pub fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            version: Version::Http11,
            headers: Vec::new(),
            body: Body::None,
        }
    }

    /// A request with the `Host` header of the server at `address`.
    #[must_use]
    pub fn to(address: SocketAddr, method: &str, target: &str) -> Self {
        Self::new(method, target).header("Host", &address.to_string())
    }

    /// Adds one header line.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets a body with a stated length.
    #[must_use]
    pub fn body(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.body = Body::Sized(bytes.into());
        self
    }

    /// Whether the body has to wait for `100 Continue`.
    fn expects_continue(&self) -> bool {
        let mut headers = self.headers.iter();
        headers.any(|(name, value)| {
            name.eq_ignore_ascii_case("expect") && value.eq_ignore_ascii_case("100-continue")
        })
    }
}

/// Longest wait for an answer. A healthy server takes milliseconds; one that
/// has not answered by then will not.
pub const ANSWER_WAIT: Duration = Duration::from_secs(20);

/// Sends one request on a connection of its own.
///
/// # Errors
/// As [`Connection::open`] and [`Connection::send`], after [`ANSWER_WAIT`].
pub fn ask(address: SocketAddr, request: &Request) -> Result<Reply, HttpError> {
    Connection::open(address, ANSWER_WAIT)?.send(request)
}

/// Why there is no reply.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// Nothing, or only a part of a reply, came within the time limit.
    #[error("no complete answer within {0:?}")]
    NoAnswer(Duration),
    /// The server closed the connection before its reply was complete.
    #[error("the connection was closed before the answer was complete")]
    Closed,
    /// What came is not an HTTP reply.
    #[error("not an HTTP reply: {0}")]
    Malformed(String),
    /// The connection could not be made or failed.
    #[error("the connection failed")]
    Io(#[from] io::Error),
}

#[cfg(test)]
mod tests;
