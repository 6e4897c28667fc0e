//! What a node shows to whom: own names, origins, read-only mode, the routes of
//! every process, limits on connections, and that no answer tells of the machine.

#[path = "../common/answer.rs"]
mod answer;
mod cors;
mod guard;
mod limits;
mod read_only;
mod routes;
mod secrecy;

use std::net::SocketAddr;

use anyhow::Result;
use testkit::http::{ANSWER_WAIT, Connection, Reply};

/// Sends the bytes of one request and reads the answer.
fn exchange(node: SocketAddr, method: &str, bytes: &[u8]) -> Result<Reply> {
    let mut connection = Connection::open(node, ANSWER_WAIT)?;
    connection.send_bytes(bytes)?;
    Ok(connection.read_reply(method)?)
}
