//! Calls to a node as a client makes them: one connection, kept alive.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use testkit::http::{Connection, Reply, Request};

use crate::write::Write;

/// A call that takes longer counts as unanswered.
const ANSWER_WAIT: Duration = Duration::from_secs(30);

/// A client with its connection.
#[derive(Debug)]
pub(crate) struct Client {
    connection: Connection,
    host: String,
}

impl Client {
    /// Connects.
    pub(crate) fn connect(address: SocketAddr) -> Result<Self> {
        Ok(Self {
            connection: Connection::open(address, ANSWER_WAIT)?,
            host: address.to_string(),
        })
    }

    /// Sends one request and gives the reply.
    pub(crate) fn call(
        &mut self,
        method: &str,
        target: &str,
        body: Option<&[u8]>,
    ) -> Result<Reply> {
        let request = Request::new(method, target).header("Host", &self.host);
        let request = match body {
            Some(body) => request.body(body),
            None => request,
        };
        self.connection
            .send(&request)
            .with_context(|| format!("{method} {target}"))
    }

    /// Stores a brick, which must be granted under the name `name`.
    pub(crate) fn put_brick(&mut self, domain: &str, name: &str, bytes: &[u8]) -> Result<()> {
        let reply = self.call("PUT", &format!("/bricking/{domain}/put-brick"), Some(bytes))?;
        ensure!(
            reply.status == 201,
            "brick {name}: {} {}",
            reply.status,
            reply.text()
        );
        let answer: serde_json::Value = serde_json::from_slice(&reply.body)?;
        ensure!(
            answer == json!({ "message": name }),
            "brick {name} is called {answer}"
        );
        Ok(())
    }

    /// Writes an anchor value and gives the status.
    pub(crate) fn write(
        &mut self,
        write: Write,
        domain: &str,
        id: &str,
        value: &str,
    ) -> Result<u16> {
        let action = match write {
            Write::Create => "create-anchor",
            Write::Append => "append-to-anchor",
        };
        let reply = self.call(
            "PUT",
            &format!("/anchor/{domain}/{action}/{id}/{value}"),
            None,
        )?;
        Ok(reply.status)
    }
}
