//! A client of a node: one connection, opened when it is needed, kept alive, opened again after it
//! broke.

use std::net::SocketAddr;
use std::time::Duration;

use crate::http::{Connection, HttpError, Reply, Request};

/// A call that takes longer counts as unanswered. Above everything that a node's configuration
/// lets a request wait for.
const ANSWER_WAIT: Duration = Duration::from_mins(1);

/// A client of the node at one address.
#[derive(Debug)]
pub struct Caller {
    address: SocketAddr,
    host: String,
    connection: Option<Connection>,
}

impl Caller {
    /// A client that has not connected yet.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            host: address.to_string(),
            connection: None,
        }
    }

    /// Connects, if there is no usable connection, so that a call has only to be sent.
    ///
    /// # Errors
    /// [`HttpError::Io`] when the node does not accept.
    pub fn connect(&mut self) -> Result<&mut Connection, HttpError> {
        let usable = self.connection.take().filter(Connection::is_usable);
        let connection = match usable {
            Some(connection) => connection,
            None => Connection::open(self.address, ANSWER_WAIT)?,
        };
        Ok(self.connection.insert(connection))
    }

    /// Sends one request with its `Host` header and gives the reply.
    ///
    /// # Errors
    /// See [`HttpError`]. Whether the node carried the request out is not known then.
    pub fn call(
        &mut self,
        method: &str,
        target: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Reply, HttpError> {
        let request = Request::new(method, target).header("Host", &self.host);
        let request = match body {
            Some(body) => request.body(body),
            None => request,
        };
        self.connect()?.send(&request)
    }
}
