//! What tests of the whole system stand on; never part of a shipped binary.
//!
//! - [`binaries`]: builds and finds the real binaries, once per test process.
//! - [`process`]: starts one of them, learns its address, ends it gently or hard.
//! - [`server`]: the same on a folder of its own, with the calls of a test.
//! - [`http`]: a blocking HTTP/1.1 client that sends exactly the bytes it is given.

pub mod binaries;
pub mod http;
pub mod process;
pub mod server;
