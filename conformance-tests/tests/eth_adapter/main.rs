//! The EthAdapter routes of `kiln serve`: what an ApiHub asks an EthAdapter for is asked of a real
//! node, and its answers have the status, content type and body that were recorded of a real
//! EthAdapter (`vectors/ledger/adapter-*.json`).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod access;
mod recorded;
mod through_it;

use std::net::SocketAddr;

use anyhow::{Context, Result, anyhow};
use testkit::http::{Reply, Request, ask};
use testkit::server::Server;

/// A node that serves the routes for the domain `default`, on a free port.
const CONFIG: &str = "[[domain]]\nname = \"default\"\n\
                      [domain.eth_adapter]\nlisten = \"127.0.0.1:0\"\n";

/// Where a node serves the routes for `default`.
fn address_of(server: &Server) -> Result<SocketAddr> {
    let address = server.process().further_address("eth-adapter of default");
    address.map_err(|reason| anyhow!("no address of the EthAdapter routes: {reason}"))
}

/// One request on a connection of its own.
fn exchange(address: SocketAddr, method: &str, target: &str, body: &str) -> Result<Reply> {
    let mut request = Request::to(address, method, target);
    if !body.is_empty() {
        request = request.body(body);
    }
    ask(address, &request).with_context(|| format!("{method} {target}"))
}
