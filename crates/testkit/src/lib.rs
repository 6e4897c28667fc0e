//! What tests of the whole system stand on; never part of a shipped binary.
//!
//! - [`binaries`]: builds and finds the real binaries, once per test process.
//! - [`process`]: starts one of them, learns its address, ends it gently or hard.
//! - [`server`]: the same on a folder of its own, with the calls of a test.
//! - [`http`]: a blocking HTTP/1.1 client that sends exactly the bytes it is given.
//! - [`eth_adapter`]: a peer that answers as a recorded EthAdapter did.
//! - [`liar`]: a proxy before a node that lies about single things.
//! - [`caller`]: a client that keeps its connection and comes back after it broke.
//! - [`tools`] and [`anvil`]: other people's tools, and a real Ethereum chain.
//! - [`owner`]: signs the values of an anchor.
//! - [`record`]: what a client knows of its writes, outside the system under test.
//! - [`prometheus`] and [`collector`]: what scrapes a node's metrics, and what takes its traces.
//! - [`random`]: randomness whose seed is printed.
//! - [`day`]: keeps what is counted over a day on one day.
//! - [`store`] and [`memory`]: what the node's own check says, and what memory it holds.

pub mod anvil;
pub mod binaries;
pub mod caller;
pub mod collector;
pub mod day;
pub mod eth_adapter;
pub mod http;
pub mod liar;
mod listening;
pub mod memory;
pub mod owner;
pub mod process;
pub mod prometheus;
pub mod random;
pub mod record;
pub mod server;
pub mod store;
pub mod tools;
